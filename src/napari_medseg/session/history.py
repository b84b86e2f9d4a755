"""What made the labels of a layer, kept in ``layer.metadata["medseg"]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_medseg.engine.results import Provenance
from napari_medseg.session.inputs import Inputs
from napari_medseg.session.stack import PlaneKey

if TYPE_CHECKING:
    from napari.layers import Labels

KEY = "medseg"


def record(
    layer: Labels,
    provenance: Provenance,
    *,
    planes: Sequence[PlaneKey],
    class_names: Sequence[str],
    parameters: Mapping[str, Any],
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
    inputs : Inputs, optional
        What it was made from; kept beside the list under ``"inputs"`` and in no file.
    """
    notes = dict(layer.metadata.get(KEY, {}))
    made = provenance.as_dict()
    if inputs is not None:
        made["parameters"] = {**made["parameters"], **inputs.place}
    entry = {
        **made,
        "planes": [list(plane) for plane in planes],
        "accepted_with": dict(parameters),
    }
    before = notes.get("accepted", [])
    known = notes.get("inputs", [])
    notes["accepted"] = [*before, entry]
    notes["inputs"] = [*known, *[None] * (len(before) - len(known)), inputs]
    notes["class_names"] = list(class_names)
    layer.metadata[KEY] = notes


def accepted(layer: Labels) -> list[dict[str, Any]]:
    """Give what was accepted into a labels layer, oldest first."""
    return list(layer.metadata.get(KEY, {}).get("accepted", []))
