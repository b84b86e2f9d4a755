"""Data sets of the Medical Segmentation Decathlon and of MONAI: one JSON that lists all files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medseg_training.data import ready_splits
from medseg_training.data.dataset import (
    Case,
    Dataset,
    DatasetError,
    Fold,
    channels_named,
    class_names_of,
    patient_of,
)
from medseg_training.data.description import FILE, read_json
from napari_medseg.io.atomic import split_suffix

PARTS = ("training", "validation", "test")


def recognises(root: Path) -> bool:
    """Say whether a folder has a ``dataset.json`` that lists what to train on."""
    return (root / FILE).exists() and isinstance(read_json(root / FILE).get("training"), list)


def read(root: Path) -> Dataset:
    """List the data set from its ``dataset.json``.

    An entry ``fold`` of the training cases, as MONAI's lists have it, makes the folds; cases under
    ``validation`` make one.

    Raises
    ------
    DatasetError
        With one sentence, where the list lacks something.
    """
    content = read_json(root / FILE)
    lists = [[_case(root, item) for item in content.get(part, ())] for part in PARTS]
    training, validation, test = _told_apart(lists)
    everything = sorted((*training, *validation, *test), key=lambda case: case.name)
    splits = ready_splits.read(root, {case.name: "" for case in everything})
    cases = tuple(
        Case(c.name, c.images, c.label, splits.patients.get(c.name, c.patient)) for c in everything
    )
    values, names = _classes(root, content.get("labels", {}))
    folds = splits.folds or _folds(content["training"], training, validation)
    return Dataset(
        name=str(content.get("name") or root.resolve().name),
        root=root,
        kind="decathlon",
        cases=cases,
        class_names=names,
        channel_names=_channels(content),
        label_values=values,
        folds=folds,
        test=tuple(sorted({*splits.test, *(case.name for case in test)})),
        findings=splits.findings,
    )


def _case(root: Path, item: Any) -> Case:
    """Read an entry: a mapping, or the name of an image alone, as the Decathlon lists its tests."""
    given = item if isinstance(item, Mapping) else {"image": item}
    images = given.get("image")
    listed = images if isinstance(images, list) else [images]
    files = [file for file in listed if isinstance(file, str)]
    if not files or len(files) < len(listed):
        raise DatasetError(f"{root / FILE} lists a case without its 'image': {item}.")
    stem = split_suffix(Path(files[0]).name)[0]
    name = stem.removesuffix("_0000") if len(files) > 1 else stem
    label = given.get("label")
    return Case(
        name,
        tuple(root / file for file in files),
        root / label if isinstance(label, str) else None,
        str(given.get("patient", patient_of(name))),
    )


def _channels(content: Mapping[str, Any]) -> tuple[str, ...]:
    stated = content.get("modality") or content.get("channel_names") or {"0": "image"}
    return channels_named([str(name) for name in dict(stated).values()])


def _told_apart(lists: Sequence[Sequence[Case]]) -> list[list[Case]]:
    """Name cases after their folder, too, where their files have one name (``p1/t1.nii.gz``)."""
    names = [case.name for cases in lists for case in cases]
    files = [case.images for cases in lists for case in cases]
    if len(set(names)) == len(names) or len(set(files)) < len(files):
        return [list(cases) for cases in lists]
    return [
        [
            replace(case, name=name, patient=name if case.patient == case.name else case.patient)
            for case in cases
            for name in (f"{case.images[0].parent.name}_{case.name}",)
        ]
        for cases in lists
    ]


def _classes(root: Path, labels: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    try:
        named = {int(value): str(name) for value, name in dict(labels).items()}
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"{root / FILE} must name its classes by number, as in "
            '"labels": {"0": "background", "1": "liver"}.'
        ) from error
    values = tuple(sorted({0, *named}))
    consecutive = values == tuple(range(len(values)))
    return () if consecutive else values, class_names_of(values, named)


def _folds(
    items: Sequence[Any], training: Sequence[Case], validation: Sequence[Case]
) -> tuple[Fold, ...]:
    if validation:
        return (Fold(tuple(c.name for c in training), tuple(c.name for c in validation)),)
    numbers = [item.get("fold") if isinstance(item, Mapping) else None for item in items]
    if not numbers or any(not isinstance(number, int) for number in numbers):
        return ()
    folds = []
    for held in sorted({number for number in numbers if number is not None}):
        pairs = list(zip(numbers, training, strict=True))
        train = tuple(case.name for number, case in pairs if number != held)
        folds.append(Fold(train, tuple(case.name for number, case in pairs if number == held)))
    return tuple(folds)
