"""What made the labels of a layer, kept in ``layer.metadata["medseg"]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_medseg.engine.results import Provenance
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
    """
    notes = dict(layer.metadata.get(KEY, {}))
    entry = {
        **provenance.as_dict(),
        "planes": [list(plane) for plane in planes],
        "accepted_with": dict(parameters),
    }
    notes["accepted"] = [*notes.get("accepted", []), entry]
    notes["class_names"] = list(class_names)
    layer.metadata[KEY] = notes


def accepted(layer: Labels) -> list[dict[str, Any]]:
    """Give what was accepted into a labels layer, oldest first."""
    return list(layer.metadata.get(KEY, {}).get("accepted", []))
