"""An array as small blocks, so that a stroke costs what it touched, not what the volume holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from napari_medseg.session.strokes import Box

Block = tuple[int, ...]

_FLAT, _DEEP = (256, 256), (16, 64, 64)
"""Lengths of a block on the last axes of a plane and of a volume: 64 thousand voxels."""


class BlockGrid:
    """Divides an array into blocks, which are named by their place in the grid.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(int(length) for length in shape)
        lengths = _DEEP if len(self.shape) > 2 else _FLAT
        missing = len(self.shape) - len(lengths)
        self.lengths = (1,) * missing + lengths[max(-missing, 0) :]

    def box(self, block: Block) -> Box:
        """Give the part of the array that a block is."""
        sides = zip(block, self.lengths, self.shape, strict=True)
        return tuple(slice(i * n, min((i + 1) * n, whole)) for i, n, whole in sides)

    def within(self, box: Box) -> Iterator[Block]:
        """Give the blocks that a box touches."""
        sides = zip(box, self.lengths, strict=True)
        return itertools.product(*(range(s.start // n, -(-s.stop // n)) for s, n in sides))

    def all(self) -> Iterator[Block]:
        """Give all blocks."""
        return self.within(tuple(slice(0, length) for length in self.shape))
