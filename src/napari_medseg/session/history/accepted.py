"""What made the labels of a layer, kept in ``layer.metadata["medseg"]``.

Nothing that a method made is written without it: `write_and_record_job` does both.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.results import Progress, Provenance
from napari_medseg.io.notes import NOTE_KEY, Witness, steps_left
from napari_medseg.session.edits import Mode, write_job
from napari_medseg.session.history.inputs import Inputs
from napari_medseg.session.layers.notes import note, notes_of
from napari_medseg.session.layers.stack import Stack, full_resolution
from napari_medseg.session.locks import Locks
from napari_medseg.session.undo_step import Written

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

AcceptedStep = tuple[dict[str, Any], Inputs | None, Witness | None]
"""An entry of the history, what it was made from, and some of the voxels it wrote."""


def write_and_record_job(
    layer: Labels,
    stack: Stack,
    proposed: Mapping[int, NDArray[np.integer]],
    provenance: Provenance,
    *,
    mode: Mode,
    classes: Sequence[int],
    class_names: Sequence[str],
    parameters: Mapping[str, Any],
    inputs: Inputs,
    within: Mapping[int, NDArray[np.bool_]] | None = None,
) -> Generator[Progress, None, Written]:
    """Write what a method made into a labels layer, within its locks, and note that in its history.

    The note is added to the list under ``"accepted"``; whatever else the metadata holds stays. What
    was undone by then cannot be redone any more, and is forgotten. Where no voxel changes, there is
    no note.

    Parameters
    ----------
    layer, stack, proposed, mode, classes, within :
        As in `napari_medseg.session.edits.write_job`, which it yields from.
    provenance : Provenance
        What made the voxels.
    class_names : sequence of str
        Name of every label value, the background first.
    parameters : mapping
        What the user decided when accepting, such as the threshold; the mode is added.
    inputs : Inputs
        What it was made from; kept beside the list under ``"inputs"`` and in no file.

    Returns
    -------
    Written
        How many voxels changed, and some of them, by which an undo is noticed; these are kept under
        ``"witnesses"``, in no file.

    Raises
    ------
    ValueError
        As `write_job`.
    """
    before = accepted_steps(layer)
    locks = Locks.of(layer)
    written = yield from write_job(
        layer, stack, proposed, mode=mode, classes=classes, within=within, locks=locks
    )
    if written.voxels:
        made = provenance.as_dict()
        entry = {
            **made,
            "parameters": {**made["parameters"], **inputs.place},
            "planes": [list(stack.key(position)) for position in proposed],
            "accepted_with": {**parameters, "mode": mode.name.lower()},
        }
        _note(layer, [*before, (entry, inputs, written.witness)], class_names)
    return written


def accepted(layer: Labels) -> list[dict[str, Any]]:
    """Give what was accepted into a labels layer and not undone, oldest first."""
    return [entry for entry, _, _ in accepted_steps(layer)]


def accepted_steps(layer: Layer) -> list[AcceptedStep]:
    """Give the same with what each was made from, and some of the voxels that it wrote."""
    notes = notes_of(layer)
    steps = _noted(notes)
    return [steps[index] for index in steps_left(notes, full_resolution(layer))] if steps else []


def _note(layer: Labels, steps: Sequence[AcceptedStep], class_names: Sequence[str]) -> None:
    entries, inputs, witnesses = (list(values) for values in zip(*steps, strict=True))
    layer.metadata[NOTE_KEY] = {
        **notes_of(layer),
        "accepted": entries,
        "inputs": inputs,
        "witnesses": witnesses,
    }
    note(layer, "class_names", list(class_names))


def _noted(notes: Mapping[str, Any]) -> list[AcceptedStep]:
    entries = notes.get("accepted", [])
    inputs, witnesses = (
        [*known, *[None] * (len(entries) - len(known))]
        for known in (notes.get("inputs", []), notes.get("witnesses", []))
    )
    return list(zip(entries, inputs, witnesses, strict=False))
