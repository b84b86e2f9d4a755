"""Where an array lies in space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = tuple[tuple[float, ...], ...]
_SHEARED = 1.0 - 1e-6  # volume of a voxel over the product of its sides: 0.08 degrees
_LEAST_VOLUME = 1e-3


@dataclass(frozen=True)
class Geometry:
    """Spacing, origin, direction and unit of an array.

    Array axes come in the order of the app, (Z, Y, X) or (Y, X), and so do the axes of space. For
    files that know the patient (NIfTI) space is the patient: z to superior, y to anterior, x to
    the right.

    Parameters
    ----------
    spacing : tuple of float
        Distance between neighbouring samples along each array axis, in `units`. In a sheared scan
        that of the first axis is how far its planes lie apart, so that the product is always the
        volume of a voxel.
    origin : tuple of float
        Position of the first sample's centre, in `units`.
    direction : tuple of tuple of float
        Column ``i`` is the unit vector in space of array axis ``i``; orthonormal but for sheared
        scans.
    units : str
        ``"mm"``, ``"um"`` or ``"pixel"``.
    matrix : tuple of tuple of float
        The exact (n + 1, n + 1) matrix from array index to space that the file gave, kept so that
        an export carries it on to the bit; empty where there was none.
    """

    spacing: tuple[float, ...]
    origin: tuple[float, ...] = ()
    direction: Matrix = ()
    units: str = "pixel"
    matrix: Matrix = ()

    def __post_init__(self) -> None:
        n = len(self.spacing)
        if not self.origin:
            object.__setattr__(self, "origin", (0.0,) * n)
        if not self.direction:
            object.__setattr__(self, "direction", _as_matrix(np.eye(n)))
        if not all(s > 0 and np.isfinite(s) for s in self.spacing):
            raise ValueError(
                f"The spacing must be positive in every direction; got {self.spacing}."
            )

    @classmethod
    def from_affine(cls, affine: ArrayLike, units: str = "mm") -> Geometry:
        """Give the geometry that an (n + 1, n + 1) matrix from array index to space describes.

        Raises
        ------
        ValueError
            Where the matrix is not finite or an axis has no length.
        """
        matrix = np.asarray(affine, dtype=np.float64)
        spacing = np.linalg.norm(matrix[:-1, :-1], axis=0)
        if not np.isfinite(matrix).all() or not (spacing > 0).all():
            raise ValueError("The file gives no usable voxel size (zero or not a number).")
        direction = matrix[:-1, :-1] / spacing
        squeezed = abs(np.linalg.det(direction))
        if squeezed < _LEAST_VOLUME:
            raise ValueError("The file gives no usable voxel size (axes that coincide).")
        if squeezed < _SHEARED:
            spacing[0] *= squeezed
        return cls(
            spacing=tuple(spacing.tolist()),
            origin=tuple(matrix[:-1, -1].tolist()),
            direction=_as_matrix(direction),
            units=units,
            matrix=_as_matrix(matrix),
        )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Geometry:
        """Give back what `as_dict` gave, also after a trip through JSON."""
        return cls(
            spacing=tuple(float(s) for s in fields["spacing"]),
            origin=tuple(float(o) for o in fields.get("origin", ())),
            direction=_as_matrix(fields.get("direction", ())),
            units=str(fields.get("units", "pixel")),
            matrix=_as_matrix(fields.get("matrix", ())),
        )

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.spacing)

    @property
    def affine(self) -> NDArray[np.float64]:
        """The (n + 1, n + 1) matrix from array index to space."""
        if self.matrix:
            return np.array(self.matrix)
        affine = np.eye(self.ndim + 1)
        affine[:-1, :-1] = np.array(self.direction) * np.array(self.spacing)
        affine[:-1, -1] = self.origin
        return affine

    def plane(self) -> Geometry:
        """Give the in-plane geometry of a volume's planes: spacing and units, at the origin."""
        return Geometry(spacing=self.spacing[-2:], units=self.units)

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as a dictionary that JSON can hold."""
        return asdict(self)


def _as_matrix(rows: ArrayLike) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in np.asarray(rows, dtype=np.float64))
