"""Dividing a data set by patient, and keeping patients off both sides."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from medseg_training.data.dataset import Case, Dataset, DatasetError, Fold
from medseg_training.data.files import read_channels, readable_masks
from medseg_training.data.ready_splits import read_folds
from napari_medseg.engine.results import counted
from napari_medseg.io.atomic import atomic_write
from napari_medseg.io.errors import ReadError

__all__ = ["Fold", "SplitError", "check_folds", "folds_of", "make_folds", "read_folds"]

FOLDS = 5
SEED = 12345
"""As in nnU-Net; other numbers give other folds."""


class SplitError(DatasetError):
    """A division cannot be used; the message is one sentence that says why and what to do."""


def folds_of(dataset: Dataset) -> tuple[Fold, ...]:
    """Give the folds that come with a data set, or else make five.

    Raises
    ------
    SplitError
        If a patient is on both sides of a fold, or there are too few patients.
    """
    folds = dataset.folds or make_folds(dataset)
    check_folds(dataset, folds)
    return folds


def make_folds(dataset: Dataset, n: int = FOLDS, seed: int = SEED) -> tuple[Fold, ...]:
    """Deal the patients of a data set into folds with alike amounts of foreground.

    Patients are put in order of the part of their pixels that is foreground, and each run of `n`
    neighbours is dealt one to a fold, in an order drawn from `seed`. Held-out cases take no part.
    Patients with one and the same picture are taken as one.

    Parameters
    ----------
    dataset : Dataset
        Its masks are read.
    n : int
        Number of folds; fewer where there are fewer patients.
    seed : int
        Decides the draw; the same data set gives the same folds everywhere.

    Raises
    ------
    SplitError
        If there are fewer than two patients.
    """
    by_patient = _by_patient(dataset.trainable)
    if len(by_patient) < 2:
        raise SplitError(
            f"{dataset.name} shows {counted(len(by_patient), 'patient')} with masks; "
            "at least two are needed, one of them to validate on."
        )
    amount = {who: _foreground(cases) for who, cases in by_patient.items()}
    ordered = sorted(by_patient, key=lambda who: (amount[who], who))
    rng = np.random.default_rng(seed)
    n = min(n, len(ordered))
    held: list[list[str]] = [[] for _ in range(n)]
    for start in range(0, len(ordered), n):
        run = ordered[start : start + n]
        for fold, who in zip(rng.permutation(n), run, strict=False):
            held[fold] += [case.name for case in by_patient[who]]
    everything = [case.name for case in dataset.trainable]
    return tuple(
        Fold(tuple(n for n in everything if n not in set(val)), tuple(sorted(val))) for val in held
    )


def check_folds(dataset: Dataset, folds: Sequence[Fold]) -> None:
    """Refuse folds that cannot be trusted.

    Raises
    ------
    SplitError
        If a patient is on both sides of a fold or both held out and used, if a case is unknown or
        has no mask, or if a side is empty.
    """
    if not folds:
        raise SplitError("There is no fold; give lists of cases to train and to validate on.")
    for number, fold in enumerate(folds):
        where = f"Fold {number}" if len(folds) > 1 else "The split"
        if not fold.train or not fold.val:
            raise SplitError(f"{where} has no cases to {'validate' if fold.train else 'train'} on.")
        unknown = [n for n in (*fold.train, *fold.val) if n not in dataset]
        if unknown:
            raise SplitError(f"{where} names the case {unknown[0]!r}, which is not there.")
        bare = [n for n in (*fold.train, *fold.val) if dataset.case(n).label is None]
        if bare:
            raise SplitError(f"{where} names the case {bare[0]!r}, which has no mask.")
    found = leaks(dataset, folds)
    if found:
        raise SplitError(found[0] + more_of(found))


def leaks(dataset: Dataset, folds: Sequence[Fold]) -> list[str]:
    """Give a sentence for each patient who is on two sides of a division."""
    sentences = []
    held_out = _patients(dataset, dataset.test)
    for number, fold in enumerate(folds):
        train, val = _patients(dataset, fold.train), _patients(dataset, fold.val)
        where = f"fold {number}" if len(folds) > 1 else "the split"
        for who in sorted(train & val):
            sentences.append(
                f"Patient {who!r} is trained on and validated on in {where}; put all cases of one "
                "patient on one side."
            )
        for who in sorted((train | val) & held_out):
            sentences.append(
                f"Patient {who!r} is held out as test and used in {where}; put all cases of one "
                "patient on one side."
            )
    return sentences


def write_folds(path: str | Path, folds: Sequence[Fold]) -> Path:
    """Write folds as nnU-Net's ``splits_final.json``.

    Raises
    ------
    SaveError
        With one sentence, where it cannot be written.
    """
    content = [{"train": list(fold.train), "val": list(fold.val)} for fold in folds]
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return atomic_write(path, lambda file: file.write_text(text, encoding="utf-8"))


def more_of(sentences: Sequence[str]) -> str:
    """Say how many further sentences of a kind there are."""
    return f" ({len(sentences) - 1} more like this.)" if len(sentences) > 1 else ""


def _patients(dataset: Dataset, names: Iterable[str]) -> set[str]:
    return {dataset.case(name).patient for name in names if name in dataset}


def _by_patient(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Group cases by patient; files that are equal byte for byte show one patient."""
    same: dict[object, list[int]] = defaultdict(list)
    for index, case in enumerate(cases):
        same[case.patient].append(index)
    for twins in _equal_files([case.images for case in cases]):
        if not _is_blank(cases[twins[0]]):
            same[tuple(twins)] = twins
    groups = DisjointSet(range(len(cases)))
    for first, *others in same.values():
        for other in others:
            groups.merge(first, other)
    return {
        cases[min(group)].patient: [cases[index] for index in sorted(group)]
        for group in groups.subsets()
    }


def _is_blank(case: Case) -> bool:
    """Say whether a picture shows nothing, as slices beyond a head do, or cannot be read."""
    try:
        return all(array.min() == array.max() for array, _ in map(read_channels, case.images))
    except (ReadError, ValueError):
        return True


def _equal_files(cases: Sequence[tuple[Path, ...]]) -> list[list[int]]:
    """Give the places of cases whose files hold the same bytes; only equal sizes are read."""
    by_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, files in enumerate(cases):
        if all(file.is_file() for file in files):
            by_size[tuple(file.stat().st_size for file in files)].append(index)
    by_content: dict[tuple[bytes, ...], list[int]] = defaultdict(list)
    for alike in by_size.values():
        for index in alike if len(alike) > 1 else ():
            by_content[tuple(_digest(file) for file in cases[index])].append(index)
    return [twins for twins in by_content.values() if len(twins) > 1]


def _digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _foreground(cases: Sequence[Case]) -> float:
    """Give the part of a patient's pixels that is foreground; unreadable masks count as none."""
    inside = total = 0
    for _, labels in readable_masks(cases):
        inside += int(np.count_nonzero(labels))
        total += labels.size
    return inside / total if total else 0.0
