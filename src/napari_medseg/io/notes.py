"""Our own entry in the text of a file: what pixels alone cannot say.

The entry is JSON under the key ``"medseg"``: the exact geometry, the class names, the provenance.
It lies in the OME description of a TIFF, in a text chunk of a PNG and in an extension of a NIfTI
header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.geometry import Geometry

NOTE_KEY = "medseg"


@dataclass(frozen=True)
class Witness:
    """Some of the voxels that a step wrote into labels, by which one sees whether it was undone.

    Parameters
    ----------
    where : tuple of ndarray of int
        Their array indices, one array per axis.
    before : ndarray of int
        What was there before.
    """

    where: tuple[NDArray[np.intp], ...]
    before: NDArray[np.integer]

    def is_left_in(self, labels: Any) -> bool:
        """Tell whether any of the voxels is not as it was before: written, or corrected since."""
        try:
            return bool(np.any(np.asarray(labels[self.where]) != self.before))
        except (IndexError, TypeError):  # another array has taken the place of the labels
            return True


def steps_left(notes: Mapping[str, Any], labels: Any) -> list[int]:
    """Give which of the ``"accepted"`` steps of a layer's notes are left in its labels, in order.

    A step that was undone is no part of their history, until it is redone.
    """
    count, witnesses = len(notes.get("accepted", ())), notes.get("witnesses", ())
    known = [*witnesses, *[None] * (count - len(witnesses))][:count]
    return [
        index
        for index, witness in enumerate(known)
        if witness is None or witness.is_left_in(labels)
    ]


def making_of(notes: Mapping[str, Any], labels: Any) -> dict[str, Any]:
    """Give what a layer's notes say of the making of its labels, as a file keeps it."""
    steps = [notes["accepted"][index] for index in steps_left(notes, labels)]
    made = {"provenance": notes.get("provenance"), "accepted": steps}
    return {key: value for key, value in made.items() if value}


@runtime_checkable
class HasDict(Protocol):
    """What can give its fields as a dictionary that JSON can hold, as a provenance does."""

    def as_dict(self) -> dict[str, Any]:
        """Give the fields."""


def make_note(
    geometry: Geometry,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> str:
    """Give the entry as ASCII text."""
    note: dict[str, Any] = {"geometry": geometry.as_dict()}
    if class_names:
        note["class_names"] = list(class_names)
    if provenance is not None:
        note["provenance"] = fields_of(provenance)
    return json.dumps({NOTE_KEY: note})


def fields_of(provenance: HasDict | Mapping[str, Any] | None) -> dict[str, Any]:
    """Give a provenance as the mapping that it is in a file; empty where there is none."""
    if provenance is None:
        return {}
    return provenance.as_dict() if isinstance(provenance, HasDict) else dict(provenance)


def layer_notes(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a file said of the making of labels, as the notes of their layer.

    A layer keeps the method that made it under ``"provenance"`` and the proposals that a person
    took over under ``"accepted"``; a file that was saved from one holds both together.
    """
    if provenance and set(provenance) <= {"provenance", "accepted"}:
        return {"provenance": {}} | dict(provenance)
    return {"provenance": dict(provenance)}


def plain(value: Any) -> Any:
    """Give a value as JSON can hold it: numbers and arrays of NumPy as those of Python, no sets."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, (frozenset, set)):
        return sorted(map(plain, value), key=repr)
    if isinstance(value, (list, tuple)):
        entries = [plain(entry) for entry in value]
        return entries if isinstance(value, list) else tuple(entries)
    return value


def parse_note(text: str | None) -> dict[str, Any]:
    """Give the fields of an entry; none where the text is not ours."""
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    note = found.get(NOTE_KEY, {}) if isinstance(found, dict) else {}
    return note if isinstance(note, dict) else {}


def noted_geometry(note: Mapping[str, Any], ndim: int) -> Geometry | None:
    """Give the geometry an entry holds; None where it holds none of so many axes."""
    try:
        geometry = Geometry.from_dict(note["geometry"])
    except (KeyError, TypeError, ValueError):
        return None
    return geometry if geometry.ndim == ndim else None
