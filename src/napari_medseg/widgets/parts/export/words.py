"""What the dock Export labels calls things, and what it asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.io import label_formats as formats
from napari_medseg.io.label_formats import LabelFormat
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.stack import full_resolution

if TYPE_CHECKING:
    from napari.layers import Labels

_MOST_GUESSED = 50  # classes that are listed where a layer names none


def question_of(format_: LabelFormat, target: Path, case: str) -> str:
    """Say what would be replaced; empty where nothing would be."""
    if format_ is formats.NNUNET:
        from napari_medseg.io.formats.nnunet import cases_of

        there = case in cases_of(target)
        return f"The dataset has a case “{case}”. Replace it?" if there else ""
    return f"“{target.name}” is there already. Replace it?" if target.exists() else ""


def class_names_of(labels: Labels | None) -> dict[int, str]:
    """Give the classes by label value: those the layer names, or else those it may hold."""
    if labels is None:
        return {}
    names = list(notes_of(labels).get("class_names") or ())
    data = full_resolution(labels)
    if not names and isinstance(data, np.ndarray) and data.size:
        names = [""] * (min(int(data.max()), _MOST_GUESSED) + 1)
    return {value: name or f"class {value}" for value, name in enumerate(names) if value}


def as_file_name(name: str) -> str:
    """Give the name of a layer as one that a file can have."""
    kept = re.sub(r"[^\w.-]+", "_", name).strip("._")
    return kept[:80] or "labels"
