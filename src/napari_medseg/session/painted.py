"""Whether labels need a class, so that it must stay in the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.session.layers.stack import full_resolution
from napari_medseg.session.locks import Locks

if TYPE_CHECKING:
    from napari.layers import Labels


def why_needed(labels: Labels | None, value: int) -> str:
    """Say why labels need the class of a value; empty if they do not.

    All labels are looked through, so this is for a press of a button, not for every stroke.
    """
    if labels is None:
        return ""
    if value in Locks.of(labels).classes:
        return "This class is locked: open it first."
    data = full_resolution(labels)
    if any((np.asarray(part) == value).any() for part in data):
        return f"“{labels.name}” is painted with this class: erase that first."
    return ""
