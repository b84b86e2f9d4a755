"""Where an array lies in space."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """Spacing, origin, direction and unit of an array.

    Parameters
    ----------
    spacing : tuple of float
        Distance between neighbouring samples along each array axis, in `units`.
    origin : tuple of float
        Position of the first sample's centre, in `units`.
    direction : tuple of tuple of float
        Orthonormal matrix; column ``i`` is the direction in space of array axis ``i``.
    units : str
        ``"mm"``, ``"um"`` or ``"pixel"``.
    """

    spacing: tuple[float, ...]
    origin: tuple[float, ...] = ()
    direction: tuple[tuple[float, ...], ...] = ()
    units: str = "pixel"

    def __post_init__(self) -> None:
        n = len(self.spacing)
        if not self.origin:
            object.__setattr__(self, "origin", (0.0,) * n)
        if not self.direction:
            identity = tuple(tuple(float(i == j) for j in range(n)) for i in range(n))
            object.__setattr__(self, "direction", identity)
        if any(not s > 0 for s in self.spacing):
            raise ValueError(
                f"The spacing must be positive in every direction; got {self.spacing}."
            )

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.spacing)
