"""What the dock Export labels says about what it is going to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.io import formats
from napari_medseg.io.formats import LabelFormat
from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.io.units import written
from napari_medseg.session.geometry_of import lie_alike
from napari_medseg.session.moment import Moment, image_shown, labels_shown
from napari_medseg.session.owners import are_of_two_patients, may_belong, owner_name, owner_of
from napari_medseg.session.stack import full_resolution, shape_of
from napari_medseg.session.subject import NO_UNIT, spacing_of, why_not_together

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels

_MOST_GUESSED = 50  # classes that are listed where a layer names none


def plan_of(labels: Labels | None, image: Image | None, dims: Dims) -> str:
    """Say which voxels would be written, and how large they are; nothing without labels."""
    if labels is None:
        return ""
    moment, elsewhere = Moment.shown(labels, dims), _made_on_another(labels, image)
    labels = labels_shown(labels, dims)
    shape = " × ".join(str(n) for n in shape_of(labels))
    grid = f"on the grid of “{image.name}”" if image is not None else "on a grid of its own"
    spacing, unit = spacing_of(labels)
    sizes = " × ".join(f"{size:.3g}" for size in spacing)
    size = "" if unit in ("px", NO_UNIT) else f" of {sizes} {written(unit)}"
    told = f"“{labels.name}” {grid}: {shape} voxels{size}. It is read back and compared."
    return elsewhere + (f"{moment} {told}" if moment is not None else told)


def _made_on_another(labels: Labels, image: Image | None) -> str:
    """Say on what labels were made, if that is another image than the one they go with."""
    made_on = owner_name(labels)
    if not made_on or (image is not None and may_belong(labels, image)):
        return ""
    return f"The labels were made on “{made_on}”, which is not the image above. "


def why_apart(labels: Labels, image: Image, dims: Dims) -> str:
    """Say why what is shown of an image is not that of labels; empty if it is."""
    return why_not_together(labels_shown(labels, dims), image_shown(image, dims))


def why_unsuited(labels: Labels | None, image: Image | None, dims: Dims) -> str:
    """Say why labels cannot be written with an image, into whatever file; empty if they can."""
    if labels is None or image is None:
        return ""
    reason, owner = why_apart(labels, image, dims), owner_of(labels)
    if not reason and owner is not None and not lie_alike(owner, image):
        reason = "The image lies elsewhere than the one the labels were made on; choose that."
    if not reason and are_of_two_patients(labels, image):
        reason = "The labels are of another patient than the image; choose the image of theirs."
    return reason


def question_of(format_: LabelFormat, target: Path, case: str) -> str:
    """Say what would be replaced; empty where nothing would be."""
    if format_ is formats.NNUNET:
        from napari_medseg.io.nnunet import cases_of

        there = case in cases_of(target)
        return f"The dataset has a case “{case}”. Replace it?" if there else ""
    return f"“{target.name}” is there already. Replace it?" if target.exists() else ""


def class_names_of(labels: Labels | None) -> dict[int, str]:
    """Give the classes by label value: those the layer names, or else those it may hold."""
    if labels is None:
        return {}
    names = list(labels.metadata.get(NOTE_KEY, {}).get("class_names") or ())
    data = full_resolution(labels)
    if not names and isinstance(data, np.ndarray) and data.size:
        names = [""] * (min(int(data.max()), _MOST_GUESSED) + 1)
    return {value: name or f"class {value}" for value, name in enumerate(names) if value}


def as_file_name(name: str) -> str:
    """Give the name of a layer as one that a file can have."""
    kept = re.sub(r"[^\w.-]+", "_", name).strip("._")
    return kept[:80] or "labels"
