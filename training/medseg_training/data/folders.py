"""Data sets of two folders: pictures in one, masks of the same names in the other.

Understood are ``images/`` and ``masks/`` (Kvasir, ISIC, ConDSeg), ``img/`` and ``labelcol/`` inside
``Train_Folder/``, ``Val_Folder/`` and ``Test_Folder/`` (UCTransNet), and ``train/``, ``val/`` and
``test/`` above or below them. What is trained on is said by ``split.json``, ``splits_final.json``,
``train.txt`` / ``val.txt`` / ``test.txt`` or these folders, the first that is there. A
``dataset.json`` may name the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medseg_training.data import ready_splits
from medseg_training.data.dataset import (
    COLOURS,
    Case,
    Dataset,
    DatasetError,
    Problem,
    channels_named,
    class_names_of,
    patient_of,
)
from medseg_training.data.description import Description, read_description
from medseg_training.data.files import (
    JPEG_SUFFIXES,
    SUFFIXES,
    read_channels,
    read_mask,
    readable_masks,
)
from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError
from napari_medseg.io.labels import read_labels

IMAGES = ("images", "image", "imgs", "img")
MASKS = ("masks", "mask", "labelcol", "labels", "label", "annotations")
PARTS = {
    "train": ("train", "training", "train_folder"),
    "val": ("val", "valid", "validation", "val_folder"),
    "test": ("test", "testing", "test_folder"),
}
MASK_ENDINGS = ("_mask", "_segmentation", "_seg", "_label", "_anno")
MOST_VALUES = 64
"""Masks with more different values than this are pictures, not class numbers."""
_LOOKED_AT = 8


@dataclass
class _Listing:
    """What lies in the folders, before classes and splits are known."""

    files: dict[tuple[str, str], tuple[Path, Path | None]] = field(default_factory=dict)
    findings: list[Problem] = field(default_factory=list)

    def named(self) -> dict[str, tuple[str, Path, Path | None]]:
        """Give part, image and mask by a name that is there once."""
        stems = [stem for _, stem in self.files]
        twice = len(set(stems)) < len(stems)
        return {
            f"{part}_{stem}" if twice and part else stem: (part, *files)
            for (part, stem), files in sorted(self.files.items(), key=lambda item: item[0][::-1])
        }


def recognises(root: Path) -> bool:
    """Say whether a folder holds images and masks in folders."""
    return any(True for _ in _pairs_of_folders(root))


def read(root: Path) -> Dataset:
    """List the data set; every mask is read once, for the values in it.

    Raises
    ------
    DatasetError
        With one sentence, where there are no pairs, or files beside them cannot be read.
    """
    listing = _Listing()
    for part, images, masks in _pairs_of_folders(root):
        _list(listing, part, images, masks)
    named = listing.named()
    described = read_description(root)
    splits = ready_splits.read(root, {name: part for name, (part, _, _) in named.items()})
    cases = tuple(
        Case(name, (image,), mask, splits.patients.get(name, patient_of(name)))
        for name, (_, image, mask) in named.items()
    )
    values, names = _classes(cases, described)
    findings = [*listing.findings, *splits.findings]
    if values and not described.classes:
        findings.append(_unnamed(values))
    return Dataset(
        name=described.name or root.resolve().name,
        root=root,
        kind="folders",
        cases=cases,
        class_names=names,
        channel_names=channels_named(described.channel_names) or _channel_names(cases),
        label_values=values,
        folds=splits.folds,
        test=splits.test,
        spacing=described.spacing,
        findings=tuple(findings),
    )


def _pairs_of_folders(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Give part, image folder and mask folder of every pair of folders."""
    images, masks = _child(root, IMAGES), _child(root, MASKS)
    if images and masks:
        below = [
            (part, _child(images, known), _child(masks, known)) for part, known in PARTS.items()
        ]
        inner = [(part, i, m) for part, i, m in below if i and m]
        yield from inner or [("", images, masks)]
        return
    for part, known in PARTS.items():
        folder = _child(root, known)
        if folder is not None:
            images, masks = _child(folder, IMAGES), _child(folder, MASKS)
            if images and masks:
                yield part, images, masks


def _child(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Give the folder inside of one of these names, whatever its letters' case."""
    found = {child.name.lower(): child for child in folder.iterdir() if child.is_dir()}
    return next((found[name] for name in names if name in found), None)


def _list(listing: _Listing, part: str, images: Path, masks: Path) -> None:
    pictures, twice = by_stem(images)
    references, masks_twice = by_stem(masks)
    listing.findings += [*twice, *masks_twice]
    for stem, file in pictures.items():
        endings = (stem, *(stem + ending for ending in MASK_ENDINGS))
        mask = next((references.pop(name) for name in endings if name in references), None)
        listing.files[part, stem] = file, mask
    listing.findings += [
        Problem("", f"The mask {file.name} belongs to no image.", "warning")
        for file in references.values()
    ]


def by_stem(folder: Path) -> tuple[dict[str, Path], tuple[Problem, ...]]:
    """Give the images in a folder by their names without suffix, and those of a name twice."""
    found: dict[str, Path] = {}
    twice = []
    for file in sorted(folder.iterdir()):
        stem, suffix = split_suffix(file.name)
        if file.name.startswith(".") or suffix.lower() not in SUFFIXES or file.is_dir():
            continue
        if stem in found:
            said = f"{found[stem].name} and {file.name} have one name; keep one."
            twice.append(Problem(stem, said))
            continue
        found[stem] = file
    return found, tuple(twice)


def _classes(
    cases: tuple[Case, ...], described: Description
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Give the values in the masks, where they are not the indices themselves, and the names."""
    if described.classes:
        values = tuple(sorted(described.classes))
        return _if_needed(values), class_names_of(values, described.classes)
    found = _values_in_masks(cases)
    if len(found) > MOST_VALUES:
        raise DatasetError(
            f"The masks hold {len(found)} different values: they look like pictures; save them as "
            "class numbers 0, 1, 2 ... in PNG files."
        )
    values = tuple(sorted(found | {0}))
    if len(values) == 1:
        values = (0, 1)
    return _if_needed(values), class_names_of(values, {})


def _unnamed(values: tuple[int, ...]) -> Problem:
    listed = ", ".join(map(str, values))
    return Problem(
        "",
        f"The masks hold the values {listed}, and classes are called by them: class {values[1]} "
        "...; give them names under 'labels' in a dataset.json.",
        "warning",
    )


def _if_needed(values: tuple[int, ...]) -> tuple[int, ...]:
    return () if values == tuple(range(len(values))) else values


def _values_in_masks(cases: tuple[Case, ...]) -> set[int]:
    """Give all values in masks that can be read."""
    found: set[int] = set()
    black_and_white = []
    for file, labels in readable_masks(cases):
        values = set(_distinct(labels))
        if values == {0, 1}:
            black_and_white.append(file)
        found |= values
    if 255 in found and 1 in found:
        # Read alone, a mask of 0 and 255 is one class; beside other values 255 is a value as well.
        others = [_distinct(_raw(file)) for file in black_and_white]
        if not any(1 in values for values in others):
            found -= {1}
    return found


def _distinct(labels: object) -> list[int]:
    import numpy as np

    return [int(value) for value in np.unique(np.asarray(labels))]


def _raw(file: Path) -> object:
    if split_suffix(file.name)[1].lower() in JPEG_SUFFIXES:
        return read_mask(file).labels
    return read_labels(file, as_stored=True).labels


def _channel_names(cases: tuple[Case, ...]) -> tuple[str, ...]:
    """Look at some cases, far apart; single pictures of another kind are turned into theirs."""
    coloured = []
    for case in cases[:: max(1, len(cases) // _LOOKED_AT)]:
        try:
            coloured.append(len(read_channels(case.images[0])[0]) == 3)
        except ReadError:
            continue
    return COLOURS if 2 * sum(coloured) > len(coloured) else ("image",)
