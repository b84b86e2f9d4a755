"""What is open and painted in napari, as a dataset that a training can read.

The dataset is nnU-Net's, so that it is of use elsewhere and a backup of what was painted. Of a
volume only the planes that hold labels become part of it: an empty plane of half-painted labels
would teach a network that there is nothing.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_medseg.engine.results import Progress, told
from napari_medseg.io.atomic import atomic_write
from napari_medseg.io.formats.nnunet import NnunetCase, nnunet_steps
from napari_medseg.session.export.jobs import Export, export_of
from napari_medseg.session.export.moment import image_shown, labels_shown
from napari_medseg.session.layers.layer_kinds import is_derived, is_labels_of_user
from napari_medseg.session.layers.owners import may_belong
from napari_medseg.session.layers.stack import stack_on_display
from napari_medseg.session.layers.subject import why_not_together

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Labels, Layer

_FOLDS = 5


@dataclass(frozen=True)
class Painted:
    """A snapshot of an image and its labels, and the array axis along which planes were painted."""

    export: Export
    axis: int | None


def painted_pairs(layers: Iterable[Layer]) -> list[tuple[Image, Labels]]:
    """Give each open image with the topmost labels on its voxels that hold anything."""
    layers = list(layers)
    pairs = []
    for image in layers:
        if not isinstance(image, Image) or is_derived(image):
            continue
        for labels in reversed(layers):
            if is_labels_of_user(labels) and _belong_together(image, labels):
                pairs.append((image, labels))
                break
    return pairs


def _belong_together(image: Image, labels: Labels) -> bool:
    fits = not why_not_together(labels, image) and may_belong(labels, image)
    return fits and not is_derived(labels) and bool(np.any(labels.data))


def painted(image: Image, labels: Labels, dims: Dims) -> Painted:
    """Take a snapshot; of such over time, of what is shown.

    Raises
    ------
    ValueError
        With one sentence, where the labels cannot be exported.
    """
    image, labels = image_shown(image, dims), labels_shown(labels, dims)
    return Painted(export_of(labels, image), stack_on_display(image, dims).axis)


def dataset_job(pairs: Sequence[Painted], folder: Path) -> Generator[Progress, None, Path]:
    """Write pairs as an nnU-Net dataset with one split into training and validation.

    The cases are called ``case_01`` and so on, since layer names may name patients.

    Parameters
    ----------
    pairs : sequence of Painted
        At least two painted planes in all.
    folder : Path
        The dataset, ``Dataset001_Name``; a new folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        With one sentence, where there is too little to train on.
    """
    cases: list[NnunetCase] = []
    for number, pair in enumerate(pairs, start=1):
        yield Progress(0, len(pairs), "Looking for painted planes")
        cases += _cases(f"case_{number:02d}", pair, alone=len(pairs) == 1)
    for done, case in enumerate(cases):
        progress = Progress(done, len(cases), f"Writing {case.name}")
        yield progress
        yield from told(nnunet_steps(folder, case), progress)
    split = json.dumps([_split([case.name for case in cases])], indent=2)
    atomic_write(folder / "splits_final.json", lambda path: path.write_text(split, "utf-8"))
    return folder


def _cases(name: str, pair: Painted, *, alone: bool) -> list[NnunetCase]:
    """Give a pair as one case; as two that share no plane where it is the only one.

    The second is to validate on. Neighbouring planes stay together, so that it holds no near copies
    of planes of the first.
    """
    export = pair.export
    image, labels = np.asarray(export.image), np.asarray(export.labels)
    if pair.axis is None or labels.ndim == 2:
        if alone:
            raise ValueError(
                "One plane is too little to train on: paint a second image, or planes of a volume."
            )
        return [_case(name, export, image, labels)]
    image, labels = np.moveaxis(image, pair.axis, 0), np.moveaxis(labels, pair.axis, 0)
    planes = np.flatnonzero(labels.any(axis=(1, 2)))
    if not alone:
        return [_case(name, export, image[planes], labels[planes], pair.axis)]
    if len(planes) < 2:
        raise ValueError("One plane is too little to train on: paint at least one more.")
    held_out = max(1, len(planes) // _FOLDS)
    return [
        _case(f"{name}_{part}", export, image[chosen], labels[chosen], pair.axis)
        for part, chosen in (("a", planes[:-held_out]), ("b", planes[-held_out:]))
    ]


def _case(
    name: str,
    export: Export,
    image: NDArray[np.generic],
    labels: NDArray[np.integer],
    axis: int | None = None,
) -> NnunetCase:
    geometry = export.geometry
    if axis is not None:
        order = [axis, *(i for i in range(3) if i != axis)]
        spacing = tuple(geometry.spacing[i] for i in order)
        # Planes were left out: where the rest lie on the patient is no longer told.
        geometry = replace(geometry, spacing=spacing, origin=(), direction=(), matrix=())
    names = export.class_names
    return NnunetCase(name, image, export.rgb, labels, geometry, names, export.channel)


def _split(names: Sequence[str]) -> dict[str, list[str]]:
    """Hold out every fifth case, at least the last one."""
    held_out = set(names[_FOLDS - 1 :: _FOLDS]) or {names[-1]}
    return {
        "train": [name for name in names if name not in held_out],
        "val": sorted(held_out),
    }
