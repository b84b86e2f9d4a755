"""Keeps the brush off what is locked.

napari cannot be told that some labels must stay, only that all must. So a stroke that went over
something locked is taken back and made again without that part, still as one undo step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_medseg.session.edits import is_being_written
from napari_medseg.session.locks import Locks, locked_part
from napari_medseg.session.strokes import Box, box_of, values_of
from napari_medseg.session.undo_step import forget_redo

if TYPE_CHECKING:
    from napari.layers import Labels


class LockGuard:
    """Watches the strokes in one labels layer.

    Parameters
    ----------
    layer : napari Labels
        The user's labels; its locks are those in its metadata at the time of the stroke.
    later : callable
        Runs a function as soon as the stroke is done: napari tells of some strokes before it has
        changed the array.
    """

    kept = Signal(str)
    """A stroke was cut; with a sentence that says what for."""

    def __init__(self, layer: Labels, later: Callable[[Callable[[], None]], Any]) -> None:
        self._layer, self._later = layer, later
        self._strokes: list[Any] = []
        self._settling = False
        layer.events.paint.connect(self._on_paint)

    def close(self) -> None:
        """Stop watching."""
        self._layer.events.paint.disconnect(self._on_paint)

    def settle(self) -> None:
        """Take back what the last strokes did to something locked."""
        strokes, self._strokes = self._strokes, []
        locks = Locks.of(self._layer)
        shape = self._layer.data.shape
        if not locks or not any(_touches(stroke, locks, shape) for stroke in strokes):
            return
        self._settling = True
        try:
            withheld = self._repeat_without(locks, strokes)
        finally:
            self._settling = False
        if not withheld:
            return
        what = "a locked class" if locks.classes else "an approved plane"
        if locks.classes and locks.planes:
            what = "a locked class or an approved plane"
        self.kept.emit(f"Part of the stroke met {what}: that part stays as it was.")

    def _on_paint(self, event: Any) -> None:
        if self._settling or is_being_written(self._layer) or not Locks.of(self._layer):
            return
        self._strokes.append(event.value)
        if len(self._strokes) == 1:
            self._later(self.settle)

    def _repeat_without(self, locks: Locks, strokes: list[Any]) -> bool:
        """Make the strokes again but for what is locked; gives whether anything of them was."""
        layer = self._layer
        box = box_of([atom for stroke in strokes for atom in stroke], layer.data.shape)
        states = [_region(layer, box)]
        for _ in strokes:
            layer.undo()
            states.append(_region(layer, box))
        states.reverse()
        locked = _locked_mask(states[0].shape, box, locks)
        classes = list(locks.classes)
        repeated = withheld = False
        for before, after in pairwise(states):
            now = _region(layer, box)
            wanted = (before != after) & (now != after)
            barred = locked | np.isin(now, classes) | np.isin(after, classes)
            withheld |= bool((wanted & barred).any())
            allowed = wanted & ~barred
            if allowed.any():
                layer.data_setitem(_indices(allowed, box), after[allowed])
                repeated = True
        if not repeated:
            first = np.zeros(locked.shape, bool)
            first.flat[np.argmax(states[0] != states[1])] = True
            forget_redo(layer, (_indices(first, box), states[1][first]))
        return withheld


def _touches(stroke: Any, locks: Locks, shape: tuple[int, ...]) -> bool:
    """Tell whether a stroke may have changed something locked."""
    if any(_planes_within(box_of(stroke, shape), locks)):
        return True
    classes = list(locks.classes)
    return any(np.isin(values, classes).any() for atom in stroke for values in values_of(atom))


def _region(layer: Labels, box: Box) -> NDArray[np.integer]:
    return np.array(layer.data[box])


def _indices(mask: NDArray[np.bool_], box: Box) -> tuple[NDArray[np.intp], ...]:
    """Give the array indices of what is marked in a box."""
    found = zip(np.nonzero(mask), box, strict=True)
    return tuple(inside + side.start for inside, side in found)


def _locked_mask(shape: tuple[int, ...], box: Box, locks: Locks) -> NDArray[np.bool_]:
    """Mark the approved planes inside a box."""
    mask = np.zeros(shape, bool)
    for inside in _planes_within(box, locks):
        mask[inside] = True
    return mask


def _planes_within(box: Box, locks: Locks) -> Iterator[tuple[int | slice, ...]]:
    """Give the approved planes that cut a box, as indices into the box."""
    for key in locks.planes:
        cut = locked_part((None,) * len(box), key)
        if cut is not None and all(
            isinstance(at, slice) or side.start <= at < side.stop
            for at, side in zip(cut, box, strict=True)
        ):
            yield tuple(
                at if isinstance(at, slice) else at - side.start
                for at, side in zip(cut, box, strict=True)
            )
