"""Divisions that come with a data set, in any of the files in which people write them down.

``split.json`` is the plainest: {"train": [names], "val": [names], "test": [names], "patients":
{name: patient}}, every entry optional. ``splits_final.json`` is nnU-Net's, a list of {"train",
"val"}. ``train.txt``, ``val.txt`` and ``test.txt`` hold one name a line, with or without ending and
folder. ``patients.csv`` holds lines ``case,patient``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg_training.data.dataset import DatasetError, Fold, Problem
from medseg_training.data.description import mapping, read_any_json, read_json
from napari_medseg.engine.results import counted
from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.images import IMAGE_SUFFIXES

SPLIT, FOLDS, PATIENTS = "split.json", "splits_final.json", "patients.csv"
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class ReadySplits:
    """What the files say; all of it may be empty."""

    folds: tuple[Fold, ...] = ()
    test: tuple[str, ...] = ()
    patients: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Problem, ...] = ()


def read(root: Path, parts: Mapping[str, str]) -> ReadySplits:
    """Read the divisions of a data set.

    Parameters
    ----------
    root : Path
        The folder in which the files lie.
    parts : mapping
        For each case the part (``"train"``, ``"val"``, ``"test"``) whose folder it lies in, or "".

    Raises
    ------
    DatasetError
        With one sentence, where a file cannot be read.
    """
    patients = _patients(root)
    folds: tuple[Fold, ...] = ()
    written = True
    if (root / SPLIT).exists():
        content = read_json(root / SPLIT)
        _refuse_unknown(content, root / SPLIT)
        named = mapping(content.get("patients", {}), root / SPLIT, "patients")
        patients |= {str(name): str(who) for name, who in named.items()}
        lists = {part: _strings(content.get(part, ()), root / SPLIT) for part in PARTS}
    elif (root / FOLDS).exists():
        folds = read_folds(root / FOLDS)
        lists = {"test": lines(root / "test.txt")}
    elif any((root / f"{part}.txt").exists() for part in PARTS):
        lists = {part: lines(root / f"{part}.txt") for part in PARTS}
    else:
        written = False
        lists = {part: tuple(n for n, found in parts.items() if found == part) for part in PARTS}
    if lists.get("train") and lists.get("val"):
        folds = (Fold(lists["train"], lists["val"]),)
    elif written and (lists.get("train") or lists.get("val")):
        lacking = "val" if lists.get("train") else "train"
        raise DatasetError(f"The split in {root} names no cases for {lacking!r}; name them, too.")
    return _known(ReadySplits(folds, lists["test"], patients), set(parts))


def read_folds(file: Path) -> tuple[Fold, ...]:
    """Read a ``splits_final.json``.

    Raises
    ------
    DatasetError
        With one sentence, where it is none.
    """
    content = read_any_json(file)
    try:
        return tuple(
            Fold(_strings(fold["train"], file), _strings(fold["val"], file)) for fold in content
        )
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f'{file} is no list of folds; expected [{{"train": [names], "val": [names]}}, ...].'
        ) from error


def _refuse_unknown(content: Mapping[str, Any], file: Path) -> None:
    unknown = sorted(set(content) - {*PARTS, "patients"})
    if unknown:
        known = ", ".join((*PARTS, "patients"))
        raise DatasetError(f"{file} has an entry {unknown[0]!r}; known are {known}.")


def _known(splits: ReadySplits, names: set[str]) -> ReadySplits:
    """Leave out names of which there is no case, and say so."""
    findings = []
    lists = [*(names_ for fold in splits.folds for names_ in (fold.train, fold.val)), splits.test]
    for what, named in (
        ("The split names", {name for listed in lists for name in listed}),
        ("The list of patients names", set(splits.patients)),
    ):
        if missing := sorted(named - names):
            findings.append(
                Problem(
                    "",
                    f"{what} {counted(len(missing), 'case')} without an image: "
                    f"{', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}.",
                )
            )
    folds = tuple(Fold(_only(fold.train, names), _only(fold.val, names)) for fold in splits.folds)
    return ReadySplits(folds, _only(splits.test, names), splits.patients, tuple(findings))


def _only(listed: Iterable[str], names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in listed if name in names)


def _strings(listed: Any, file: Path) -> tuple[str, ...]:
    if not isinstance(listed, list | tuple) or not all(isinstance(n, str) for n in listed):
        raise DatasetError(f"{file} must hold lists of the names of cases.")
    return tuple(listed)


def lines(file: Path) -> tuple[str, ...]:
    """Give the names in a list; a last line without its end counts as well."""
    if not file.exists():
        return ()
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file} cannot be read: {error}.") from error
    return tuple(_stem(line.strip()) for line in lines if line.strip())


def _stem(line: str) -> str:
    name = line.replace("\\", "/").rsplit("/", 1)[-1]
    stem, suffix = split_suffix(name)
    return stem if suffix.lower() in (*IMAGE_SUFFIXES, ".npz") else name


def _patients(root: Path) -> dict[str, str]:
    file = root / PATIENTS
    if not file.exists():
        return {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
        separator = next((sign for sign in ",;\t" if sign in text), ",")
        rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file} cannot be read: {error}.") from error
    if any(len(row) < 2 for row in rows):
        raise DatasetError(f"{file} has a line without a patient; write lines like case,patient.")
    if rows and rows[0][0].strip().lower() in ("case", "name", "image"):
        rows = rows[1:]
    return {_stem(case.strip()): patient.strip() for case, patient, *_ in rows}
