"""What napari tells of a stroke: where it was, and what it changed from and to.

The event ``paint`` of a labels layer brings a list of changes. Each is a tuple that begins with
where it was, as slices or as index arrays, and ends with the values before and after. Of anything
else is assumed that it may have changed everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, ...]


def box_of(atoms: Iterable[Any], shape: Sequence[int]) -> Box:
    """Give the smallest box, with plain bounds, that holds all changes of a stroke."""
    starts, stops = list(shape), [0] * len(shape)
    for atom in atoms:
        where = _where(atom, len(shape))
        if where is None:
            return tuple(slice(0, length) for length in shape)
        for axis, side in enumerate(where):
            first, last = _bounds(side, shape[axis])
            starts[axis], stops[axis] = min(starts[axis], first), max(stops[axis], last)
    return tuple(slice(a, max(a, b)) for a, b in zip(starts, stops, strict=True))


def boxes_of(atoms: Iterable[Any], shape: Sequence[int]) -> list[Box]:
    """Give the box of every change of a stroke; of index arrays one around them all."""
    return [box_of([atom], shape) for atom in atoms]


def values_of(atom: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the values before and after a change, in no particular order."""
    return np.asarray(atom[-2]), np.asarray(atom[-1])


def _where(atom: Any, ndim: int) -> Sequence[Any] | None:
    where = atom[0] if isinstance(atom, tuple) and atom else None
    if not isinstance(where, tuple) or len(where) != ndim:
        return None
    usable = all(isinstance(side, (slice, np.ndarray, int, np.integer)) for side in where)
    return where if usable else None


def _bounds(side: Any, length: int) -> tuple[int, int]:
    if isinstance(side, slice):
        start, stop, _ = side.indices(length)
        return start, stop
    values = np.asarray(side)
    return int(values.min(initial=length)), int(values.max(initial=-1)) + 1
