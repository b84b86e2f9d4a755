"""Many writes into a labels layer that are one undo step, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.notes import Witness

if TYPE_CHECKING:
    from napari.layers import Labels

Change = tuple[tuple[NDArray[np.intp], ...], NDArray[np.integer]]
"""Array indices of voxels, and their new labels, all of them other than the present ones."""


_SAMPLE = 16
"""Voxels of a change by which it is known again."""


@dataclass(frozen=True)
class Written:
    """What a step wrote into a layer.

    Parameters
    ----------
    voxels : int
        How many changed.
    witness : Witness, optional
        Some of them; None if there are none.
    """

    voxels: int
    witness: Witness | None = None


class UndoStep:
    """What is written into a layer; only the last change draws what all of them changed."""

    def __init__(self, layer: Labels) -> None:
        self._voxels = 0
        self._seen: list[Change] = []
        self._layer = layer
        self._first: Change | None = None
        self._held: Change | None = None

    def put(self, change: Change) -> None:
        """Write the change before this one, and hold this one back."""
        if self._held is not None:
            self._layer.data_setitem(*self._held, refresh=False)
            self._first = self._first or self._held
        self._held = change
        self._voxels += change[1].size
        some = np.linspace(0, change[1].size - 1, _SAMPLE).astype(np.intp)
        where = tuple(axis[some] for axis in change[0])
        self._seen.append((where, np.asarray(self._layer.data[where])))

    @property
    def written(self) -> Written:
        """What has been put so far."""
        if not self._seen:
            return Written(0)
        axes = zip(*(where for where, _ in self._seen), strict=True)
        where = tuple(np.concatenate(axis) for axis in axes)
        before = np.concatenate([values for _, values in self._seen])
        return Written(self._voxels, Witness(where, before))

    def finish(self) -> None:
        """Write the change that is held back."""
        if self._held is not None:
            self._layer.data_setitem(*self._held)

    def take_back(self) -> None:
        """Undo what was written, the last step of the layer's history."""
        if self._first is not None:
            where, labels = self._first
            self._layer.undo()
            forget_redo(self._layer, (tuple(axis[:1] for axis in where), labels[:1]))


@contextmanager
def one_undo_step(layer: Labels) -> Iterator[UndoStep]:
    """Group writes into one undo step, and take them back if they are cut short."""
    step = UndoStep(layer)
    history = layer.block_history()
    history.__enter__()
    try:
        yield step
        step.finish()
    except BaseException:
        # napari's own block would leave the writes of a block that raises to the next undo step.
        history.__exit__(None, None, None)
        step.take_back()
        raise
    history.__exit__(None, None, None)


# The three functions below read histories that are napari's own: it has no public way to them, and
# no event of an Undo or a Redo (`events.paint` comes with new steps alone). Should a later napari
# keep them elsewhere, a layer looks as if nothing was undone.


def steps_to_redo(layer: Labels) -> int:
    """Count the undo steps that can be redone.

    Each Undo and each Redo changes it; napari tells of neither but that the layer is drawn anew.
    """
    return len(getattr(layer, "_redo_history", ()))


def step_to_redo(layer: Labels) -> object:
    """Give something that is the same as long as the step is that Redo would bring back now."""
    steps = list(getattr(layer, "_redo_history", ()))
    return steps[-1][0] if steps and steps[-1] else None


def is_last_step(layer: Labels, step: object) -> bool:
    """Tell whether the last that was done is what `step_to_redo` gave, so that it was redone."""
    steps = list(getattr(layer, "_undo_history", ()))
    return bool(steps) and any(part is step for part in steps[-1])


def forget_redo(layer: Labels, change: Change) -> None:
    """Keep Redo from bringing back what was undone, by a step that changes nothing.

    Parameters
    ----------
    layer : napari Labels
        In which something was undone.
    change : Change
        It is made and taken back at once; a single voxel is enough.
    """
    where, labels = change
    before = layer.data[where].copy()
    with layer.block_history():
        layer.data_setitem(where, labels, refresh=False)
        layer.data_setitem(where, before)
