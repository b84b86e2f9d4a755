"""What made the labels of a layer, kept in ``layer.metadata["medseg"]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_medseg.engine.results import Provenance
from napari_medseg.io.notes import NOTE_KEY, Witness, steps_left
from napari_medseg.session.inputs import Inputs
from napari_medseg.session.stack import PlaneKey, full_resolution

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

AcceptedStep = tuple[dict[str, Any], Inputs | None, Witness | None]
"""An entry of the history, what it was made from, and some of the voxels it wrote."""


def record(
    layer: Labels,
    provenance: Provenance,
    *,
    planes: Sequence[PlaneKey],
    class_names: Sequence[str],
    parameters: Mapping[str, Any],
    written: Witness | None = None,
    before: Sequence[AcceptedStep] | None = None,
    inputs: Inputs | None = None,
) -> None:
    """Note that a method wrote into planes of a labels layer.

    The entry is added to the list under ``"accepted"``; whatever else the metadata holds stays.

    Parameters
    ----------
    layer : napari Labels
        The layer that was written into.
    provenance : Provenance
        What made the voxels.
    planes : sequence of PlaneKey
        Where.
    class_names : sequence of str
        Name of every label value, the background first.
    parameters : mapping
        What the user decided when accepting, such as the threshold.
    written : Witness, optional
        Some of the voxels, by which an undo is noticed; kept under ``"witnesses"``, in no file.
    before : sequence of AcceptedStep, optional
        What `accepted_steps` gave before the method wrote; by default all that is noted. What was
        undone by then cannot be redone any more, and is forgotten.
    inputs : Inputs, optional
        What it was made from; kept beside the list under ``"inputs"`` and in no file.
    """
    notes = dict(layer.metadata.get(NOTE_KEY, {}))
    made = provenance.as_dict()
    if inputs is not None:
        made["parameters"] = {**made["parameters"], **inputs.place}
    entry = {
        **made,
        "planes": [list(plane) for plane in planes],
        "accepted_with": dict(parameters),
    }
    steps = [*(_noted(notes) if before is None else before), (entry, inputs, written)]
    for name, values in zip(
        ("accepted", "inputs", "witnesses"), zip(*steps, strict=True), strict=True
    ):
        notes[name] = list(values)
    notes["class_names"] = list(class_names)
    layer.metadata[NOTE_KEY] = notes


def accepted(layer: Labels) -> list[dict[str, Any]]:
    """Give what was accepted into a labels layer and not undone, oldest first."""
    return [entry for entry, _, _ in accepted_steps(layer)]


def accepted_steps(layer: Layer) -> list[AcceptedStep]:
    """Give the same with what each was made from, and some of the voxels that it wrote."""
    notes = layer.metadata.get(NOTE_KEY, {})
    steps = _noted(notes)
    return [steps[index] for index in steps_left(notes, full_resolution(layer))] if steps else []


def _noted(notes: Mapping[str, Any]) -> list[AcceptedStep]:
    entries = notes.get("accepted", [])
    inputs, witnesses = (
        [*known, *[None] * (len(entries) - len(known))]
        for known in (notes.get("inputs", []), notes.get("witnesses", []))
    )
    return list(zip(entries, inputs, witnesses, strict=False))
