"""An open image as a job sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.scaling import ValueRange, robust_range
from napari_medseg.session.layers.stack import Stack, full_resolution

if TYPE_CHECKING:
    from napari.layers import Image


@dataclass(frozen=True)
class Query:
    """An image as a job sees it: its array, its planes, and what becomes black and white.

    Parameters
    ----------
    data : array-like
        At full resolution, colour channels last; only the planes asked for are read.
    rgb : bool
        Whether there are colour channels.
    stack : Stack
        The planes, and the one on display when the job was started.
    value_range : tuple of float, optional
        Raw values that become 0 and 1; None for the robust range of the volume.
    known_ranges : dict
        Robust ranges that were worked out earlier, by volume; jobs add theirs.
    """

    data: Any
    rgb: bool
    stack: Stack
    value_range: ValueRange | None = None
    known_ranges: dict[Any, ValueRange] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        image: Image,
        stack: Stack,
        known_ranges: dict[Any, ValueRange],
        displayed: bool = False,
    ) -> Query:
        """Take it from an image layer; `displayed` takes the contrast limits as the range."""
        low, high = image.contrast_limits if displayed and not image.rgb else (0.0, 0.0)
        chosen = (float(low), float(high)) if high > low else None
        return cls(full_resolution(image), bool(image.rgb), stack, chosen, known_ranges)

    def plane(self) -> NDArray[Any]:
        """Copy the plane on display, (H, W) or (H, W, 3|4)."""
        return np.array(self.data[self.stack.index(self.stack.position)])

    def volume(self) -> Any:
        """Give all planes, (Z, H, W[, 3|4]), without copying or reading; a 2-D image as it is."""
        data = self.data
        if not isinstance(data, np.ndarray):
            import dask.array

            data = dask.array.asarray(data)
        return self.stack.planes_first(data[self.stack.volume_index])

    def planes(self, positions: Sequence[int]) -> list[int] | None:
        """Give which planes of `volume` lie at positions of the stack; None for a 2-D image."""
        return None if self.stack.axis is None else list(positions)

    def range(self) -> ValueRange | None:
        """Give the range that all planes are scaled with; None for a 2-D image of its own."""
        if self.value_range is not None or self.stack.axis is None:
            return self.value_range
        key = (id(self.data), self.stack.key(0))
        if key not in self.known_ranges:
            volume = self.volume()
            self.known_ranges[key] = robust_range(volume[..., :3] if self.rgb else volume)
        return self.known_ranges[key]
