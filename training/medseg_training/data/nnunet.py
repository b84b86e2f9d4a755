"""Data sets of nnU-Net v2: ``imagesTr``, ``labelsTr``, ``imagesTs`` and ``dataset.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg_training.data import ready_splits
from medseg_training.data.dataset import (
    Case,
    Dataset,
    DatasetError,
    Problem,
    channels_named,
    class_names_of,
    patient_of,
)
from medseg_training.data.description import FILE, classes_by_value, mapping, read_json


def recognises(root: Path) -> bool:
    """Say whether a folder has nnU-Net's description and images to train on."""
    if not (root / FILE).exists():
        return False
    content = read_json(root / FILE)
    return "file_ending" in content and ((root / "imagesTr").is_dir() or "dataset" in content)


def read(root: Path) -> Dataset:
    """List the data set from its ``dataset.json`` and, where that lists no cases, its folders.

    Raises
    ------
    DatasetError
        With one sentence, where the description lacks something or a class is a region.
    """
    content = read_json(root / FILE)
    missing = [key for key in ("channel_names", "labels", "file_ending") if key not in content]
    if missing:
        raise DatasetError(f"{root / FILE} has no entry {missing[0]!r}, which nnU-Net v2 needs.")
    classes = classes_by_value(mapping(content["labels"], root / FILE, "labels"))
    values = tuple(sorted(classes))
    ending = str(content["file_ending"])
    named = mapping(content["channel_names"], root / FILE, "channel_names")
    if "dataset" in content:
        training = _listed(root, mapping(content["dataset"], root / FILE, "dataset"))
        findings: list[Problem] = []
    else:
        training = _found(root / "imagesTr", root / "labelsTr", ending)
        findings = _strays(root / "labelsTr", training, ending)
    test = _found(root / "imagesTs", root / "labelsTs", ending)
    patients = ready_splits.read(root, {case.name: "" for case in (*training, *test)})
    cases = tuple(
        Case(c.name, c.images, c.label, patients.patients.get(c.name, c.patient))
        for c in sorted((*training, *test), key=lambda case: case.name)
    )
    consecutive = values == tuple(range(len(values)))
    return Dataset(
        name=str(content.get("name") or root.resolve().name),
        root=root,
        kind="nnunet",
        cases=cases,
        class_names=class_names_of(values, classes),
        channel_names=channels_named([str(name) for name in named.values()]),
        label_values=() if consecutive else values,
        folds=patients.folds,
        test=tuple(sorted({*patients.test, *(case.name for case in test)})),
        findings=(*findings, *_claims(content, training), *patients.findings),
    )


def _claims(content: Mapping[str, Any], training: Sequence[Case]) -> list[Problem]:
    """Tell where the description does not say what nnU-Net asks of it."""
    told = []
    number = content.get("numTraining")
    if number is not None and number != len(training):
        told.append(f"{FILE} says that there are {number} training cases, found {len(training)}.")
    if "background" not in content["labels"] and "0" not in content["labels"]:
        told.append(f"The labels in {FILE} have no 'background', which nnU-Net requires.")
    return [Problem("", sentence, "warning") for sentence in told]


def _listed(root: Path, listed: Mapping[str, Mapping[str, Any]]) -> list[Case]:
    try:
        return [
            Case(
                name,
                tuple(root / file for file in files["images"]),
                root / files["label"],
                patient_of(name),
            )
            for name, files in listed.items()
        ]
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"{root / FILE} lists a case without its 'images' or 'label'."
        ) from error


def _found(images: Path, labels: Path, ending: str) -> list[Case]:
    """Group the files of a folder by case; the last four digits are the channel."""
    by_case: dict[str, list[Path]] = {}
    for file in sorted(images.glob(f"*_[0-9][0-9][0-9][0-9]{ending}")):
        name = file.name.removesuffix(ending)[: -len("_0000")]
        by_case.setdefault(name, []).append(file)
    cases = []
    for name, files in by_case.items():
        label = labels / f"{name}{ending}"
        cases.append(Case(name, tuple(files), label if label.exists() else None, patient_of(name)))
    return cases


def _strays(labels: Path, cases: list[Case], ending: str) -> list[Problem]:
    known = {case.name for case in cases}
    strays = [f for f in sorted(labels.glob(f"*{ending}")) if f.name[: -len(ending)] not in known]
    return [Problem("", f"The mask {f.name} belongs to no image.", "warning") for f in strays]
