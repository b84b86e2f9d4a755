"""Divisions by patient, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medseg_training.data.dataset import Case, Dataset, DatasetError, Fold, read_dataset
from medseg_training.data.splits import (
    SplitError,
    check_folds,
    folds_of,
    make_folds,
    read_folds,
    write_folds,
)

from . import small


@pytest.fixture
def patients(tmp_path: Path) -> Dataset:
    """Ten patients of three pictures, whose foreground grows with their number."""
    for patient in range(10):
        labels = np.zeros((20, 20), np.uint8)
        labels[: patient + 1] = 1
        for plane in range(3):
            name = f"p{patient:02d}_slice{plane}"
            small.save_picture(tmp_path / "images" / f"{name}.png", labels * np.uint8(9) + 1)
            small.save_picture(tmp_path / "masks" / f"{name}.png", labels)
    return read_dataset(tmp_path)


def test_no_patient_is_on_both_sides_and_each_is_held_out_once(patients: Dataset) -> None:
    folds = make_folds(patients)
    assert len(folds) == 5
    for fold in folds:
        sides = [{patients.case(n).patient for n in side} for side in (fold.train, fold.val)]
        assert not sides[0] & sides[1]
        assert len(fold.train) + len(fold.val) == 30
    held = [name for fold in folds for name in fold.val]
    assert sorted(held) == sorted(case.name for case in patients.cases)


def test_every_fold_holds_out_alike_amounts_of_foreground(patients: Dataset) -> None:
    for fold in make_folds(patients):
        numbers = sorted({int(name[1:3]) for name in fold.val})
        assert numbers[0] < 5 <= numbers[1]


def test_folds_are_the_same_each_time_and_travel_in_a_file(
    patients: Dataset, tmp_path: Path
) -> None:
    folds = make_folds(patients)
    assert folds == make_folds(patients)
    file = write_folds(tmp_path / "splits_final.json", folds)
    assert read_folds(file) == folds
    content = json.loads(file.read_text())
    assert set(content[0]) == {"train", "val"}
    assert folds_of(read_dataset(tmp_path)) == folds


def test_held_out_cases_are_in_no_fold(patients: Dataset) -> None:
    held = replace(patients, test=("p00_slice0", "p00_slice1", "p00_slice2"))
    folds = make_folds(held)
    assert not any(name in fold.val + fold.train for fold in folds for name in held.test)


NAMES = [f"p{patient:02d}_slice{plane}" for patient in range(10) for plane in range(3)]


@pytest.mark.parametrize(
    ("fold", "sentence"),
    [
        (Fold(tuple(NAMES[:4]), tuple(NAMES[4:])), "'p01' is trained on and validated on"),
        (Fold(tuple(NAMES[:3]), ()), "no cases to validate on"),
        (Fold((), tuple(NAMES[:3])), "no cases to train on"),
        (Fold(("stranger",), tuple(NAMES[:3])), "'stranger', which is not there"),
    ],
)
def test_folds_that_cannot_be_trusted_are_refused(
    patients: Dataset, fold: Fold, sentence: str
) -> None:
    with pytest.raises(SplitError, match=sentence):
        check_folds(patients, [fold])


def test_a_patient_held_out_as_test_may_not_be_trained_on(patients: Dataset) -> None:
    held = replace(patients, test=("p00_slice0",))
    with pytest.raises(SplitError, match="'p00' is held out as test and used"):
        check_folds(held, [Fold(tuple(NAMES[1:3]), tuple(NAMES[3:6]))])


def _one_patient(dataset: Dataset) -> Dataset:
    return replace(dataset, cases=tuple(replace(case, patient="x") for case in dataset.cases))


def _no_mask(dataset: Dataset) -> Dataset:
    bare: tuple[Case, ...] = tuple(replace(case, label=None) for case in dataset.cases)
    return replace(dataset, cases=bare)


@pytest.mark.parametrize("change", [_one_patient, _no_mask])
def test_at_least_two_patients_are_needed(
    patients: Dataset, change: Callable[[Dataset], Dataset]
) -> None:
    with pytest.raises(SplitError, match="at least two are needed"):
        make_folds(change(patients))


def test_the_same_picture_under_two_names_is_never_on_both_sides(tmp_path: Path) -> None:
    small.folders(tmp_path)
    first, *_, last = sorted(small.arrays())
    for part in ("images", "masks"):
        shutil.copy(tmp_path / part / f"{first}.png", tmp_path / part / f"{last}.png")
    folds = make_folds(read_dataset(tmp_path))
    assert len(folds) == 5
    assert all((first in fold.val) == (last in fold.val) for fold in folds)


def test_slices_that_show_nothing_join_no_patients(tmp_path: Path) -> None:
    for patient in range(6):
        for number, level in enumerate((0, 90)):
            name = f"case{patient:04}_slice{number:03}"
            image = np.full(small.SHAPE, level, np.uint8)
            if level:
                image[patient + 1, 3:9] = 200
            small.save_picture(tmp_path / "images" / f"{name}.png", image)
            small.save_picture(tmp_path / "masks" / f"{name}.png", (image > 100).astype(np.uint8))
    folds = make_folds(read_dataset(tmp_path))
    assert sorted(len(fold.val) for fold in folds) == [2, 2, 2, 2, 4]


def test_patients_can_be_listed_in_a_table(tmp_path: Path) -> None:
    small.folders(tmp_path)
    names = sorted(small.arrays())
    lines = ["case,patient", *(f"{name}.png,P{i // 2}" for i, name in enumerate(names))]
    (tmp_path / "patients.csv").write_text("\n".join(lines))
    dataset = read_dataset(tmp_path)
    assert [case.patient for case in dataset.cases] == ["P0", "P0", "P1", "P1", "P2", "P2"]
    assert len(make_folds(dataset)) == 3


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_of_spreadsheets_in_other_languages_are_read(tmp_path: Path, separator: str) -> None:
    small.folders(tmp_path)
    lines = [f"{name}{separator}P{i // 2}" for i, name in enumerate(sorted(small.arrays()))]
    (tmp_path / "patients.csv").write_text("\n".join(lines))
    assert len({case.patient for case in read_dataset(tmp_path).cases}) == 3


def test_patients_that_are_not_understood_are_told(tmp_path: Path) -> None:
    small.folders(tmp_path)
    (tmp_path / "patients.csv").write_text("nobody,P1\n")
    assert any(
        "patients names 1 case" in found.sentence for found in read_dataset(tmp_path).findings
    )
    (tmp_path / "patients.csv").write_text("nobody P1\n")
    with pytest.raises(DatasetError, match="line without a patient"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"train": ["a"], "val": []}, "names no cases for 'val'"),
        ({"training": ["a"], "validation": ["b"]}, "has an entry 'training'"),
        ({"patients": ["a"]}, "'patients' of .* must be an object"),
    ],
)
def test_half_a_split_is_refused(tmp_path: Path, content: object, told: str) -> None:
    small.folders(tmp_path)
    (tmp_path / "split.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=told):
        read_dataset(tmp_path)
