"""From a recipe's data to what a segmentation method trains and measures on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medseg_training.data.batches import Batch
from medseg_training.data.dataset import Dataset, Fold, read_dataset
from medseg_training.data.planes import Plane, load_planes
from medseg_training.data.ready_splits import read_folds
from medseg_training.data.sides import not_learned, on_both_sides, only_held_out
from medseg_training.data.splits import SplitError, check_folds, folds_of
from medseg_training.losses.dice_ce import IGNORED
from medseg_training.schema import DataOptions
from napari_medseg.engine.results import counted
from napari_medseg.zoo.specs import InputSpec, Scaling


class DataError(ValueError):
    """The data of a recipe cannot be trained on; the message says what to change."""


@dataclass(frozen=True, eq=False)
class SegmentationData:
    """Planes to learn from and to measure on.

    Parameters
    ----------
    dataset
        Where they come from.
    fold
        Which cases are which.
    train, held_out
        Their planes.
    class_names
        Without the background.
    spec
        What the net sees.
    cautions
        What a person should know before the training begins, in sentences.
    """

    dataset: Dataset
    fold: Fold
    train: Sequence[Plane]
    held_out: Sequence[Plane]
    class_names: tuple[str, ...]
    spec: InputSpec
    cautions: tuple[str, ...] = ()


def read_data(options: DataOptions, multiple: int) -> SegmentationData:
    """Read the data of a recipe into memory.

    Parameters
    ----------
    options
        The recipe's.
    multiple
        What the net's input sizes are multiples of; 0 where it takes one size alone.

    Raises
    ------
    DatasetError, SplitError, ReadError, DataError
        With one sentence, where it cannot be used.
    """
    if not Path(options.root).is_dir():
        raise DataError(f"{options.root} is no folder; name that of the data: data.root=FOLDER.")
    dataset = read_dataset(options.root, options.kind)
    spec = input_spec(options, dataset, multiple)
    fold = _fold(options, dataset)
    names, table = chosen_classes(dataset.class_names, options.classes, options.merge)
    train, held_out = (
        [replace(plane, labels=table[plane.labels]) for plane in load_planes(dataset, side, spec)]
        for side in (fold.train, fold.val)
    )
    shown = _classes_shown((*train, *held_out))
    if not any(shown.get(name) for name in fold.train):
        raise DataError("No mask of the cases to train on shows any class; nothing can be learned.")
    _refuse_shared_pictures(fold, (*train, *held_out))
    cautions = tuple(not_learned(names[index - 1]) for index in only_held_out(shown, fold))
    return SegmentationData(dataset, fold, train, held_out, names, spec, cautions)


def _classes_shown(planes: Sequence[Plane]) -> dict[str, set[int]]:
    """Give the classes in the masks of each case."""
    shown: dict[str, set[int]] = defaultdict(set)
    for plane in planes:
        shown[plane.case] |= set(np.unique(plane.labels).tolist()) - {0, IGNORED}
    return shown


def _refuse_shared_pictures(fold: Fold, planes: Sequence[Plane]) -> None:
    """Make sure that no picture is learned from that is validated on, whatever it is called."""
    contents: dict[str, Any] = defaultdict(hashlib.sha256)
    for plane in planes:
        contents[plane.case].update(repr(plane.image.shape).encode())
        contents[plane.case].update(np.ascontiguousarray(plane.image))
    cases: dict[bytes, list[str]] = defaultdict(list)
    for name, content in contents.items():
        cases[content.digest()].append(name)
    apart = on_both_sides(cases.values(), fold)
    if apart:
        more = f", and {len(apart) - 1} more like this" if len(apart) > 1 else ""
        raise DataError(
            f"The cases {' and '.join(apart[0][:5])} are one picture, on both sides of the split"
            f"{more}; keep one of them."
        )


def input_spec(options: DataOptions, dataset: Dataset, multiple: int) -> InputSpec:
    """Give what the model's card will say about its input.

    Raises
    ------
    DataError
        When mean and standard deviation are those of other channels.
    """
    channels = options.channels or (3 if len(dataset.channel_names) == 3 else 1)
    if len(options.mean) not in (0, channels):
        raise DataError(
            f"data.mean and data.std are given for {counted(len(options.mean), 'channel')}, and "
            f"the data has {channels}: set data.channels={len(options.mean)}, or leave them out."
        )
    return InputSpec(
        size=options.size,
        fit=options.fit,
        multiple=multiple if options.fit == "tile" else 0,
        channels=channels,
        order=options.order,
        scaling=Scaling(options.scaling.kind, options.scaling.low, options.scaling.high),
        mean=options.mean,
        std=options.std,
    )


def chosen_classes(
    names: Sequence[str], wanted: Sequence[str], merge: str
) -> tuple[tuple[str, ...], np.ndarray]:
    """Give the names of the classes to learn, and the table from a data set's indices to theirs.

    Parameters
    ----------
    names
        Of the data set, background first.
    wanted
        Those to learn; all where none is named. The others become background.
    merge
        Name of the one class that they all become; empty for none.

    Raises
    ------
    DataError
        When the data set has no class of a name.
    """
    unknown = [name for name in wanted if name not in names[1:]]
    if unknown:
        raise DataError(
            f"The data set has no class {unknown[0]!r} (data.classes); it has "
            f"{', '.join(names[1:])}."
        )
    kept = tuple(wanted) or tuple(names[1:])
    table = np.zeros(256, np.uint8)
    table[IGNORED] = IGNORED
    for new, name in enumerate(kept, 1):
        table[names.index(name)] = 1 if merge else new
    return ((merge,) if merge else kept), table


def held_out_batches(planes: Sequence[Plane], size: tuple[int, int], count: int) -> list[Batch]:
    """Cut planes into pieces of the net's size, and these into batches named after their cases."""
    pieces = [(plane.case, *piece) for plane in planes for piece in _pieces(plane, size)]
    batches = []
    for start in range(0, len(pieces), count):
        names, images, labels = zip(*pieces[start : start + count], strict=True)
        batches.append(
            Batch(
                torch.from_numpy(np.stack(images)),
                torch.from_numpy(np.stack(labels)).long(),
                tuple(names),
            )
        )
    return batches


def _pieces(plane: Plane, size: tuple[int, int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give pieces side by side; past the plane its edge is repeated, and counts nowhere."""
    beyond = [(0, -length % side) for length, side in zip(plane.labels.shape, size, strict=True)]
    image = np.pad(plane.image, [(0, 0), *beyond], mode="edge")
    labels = np.pad(plane.labels, beyond, constant_values=IGNORED)
    for top in range(0, labels.shape[0], size[0]):
        for left in range(0, labels.shape[1], size[1]):
            window = slice(top, top + size[0]), slice(left, left + size[1])
            yield image[:, *window], labels[window]


def _fold(options: DataOptions, dataset: Dataset) -> Fold:
    if options.splits:
        folds = read_folds(Path(options.splits))
        check_folds(dataset, folds)
    else:
        folds = folds_of(dataset)
    if options.fold >= len(folds):
        raise SplitError(
            f"There is no fold {options.fold} (data.fold); the data has {len(folds)}, counted "
            "from 0."
        )
    return folds[options.fold]
