"""Everything that is wrong with a data set, all at once, before anything is trained on it.

What is looked for follows nnU-Net's check of a data set's integrity, and adds the mistakes that
make figures too good: one picture, or one patient, on both sides of a split.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from medseg_training.data.dataset import Case, Dataset, DatasetError, Fold, Problem
from medseg_training.data.files import (
    JPEG_SUFFIXES,
    ONE_IMAGE,
    as_indices,
    is_several,
    load_image,
    mismatch,
    read_mask,
    unknown_values,
)
from medseg_training.data.sides import not_learned, on_both_sides, only_held_out
from medseg_training.data.splits import SplitError, check_folds, leaks, make_folds
from napari_medseg.engine.results import Progress
from napari_medseg.io.errors import ReadError
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import same_place
from napari_medseg.io.label_file import LabelFile, exact_labels

__all__ = ["Problem", "verify_dataset"]

_SHOWN = 5


def verify_dataset(dataset: Dataset) -> Generator[Progress, None, list[Problem]]:
    """Read all of a data set once and tell what is wrong with it.

    Yields
    ------
    Progress
        After every case.

    Returns
    -------
    list of Problem
        Those of the data set as a whole first, then by case; errors before warnings in each.
        Empty where all is well. A case with an error cannot be trained on.
    """
    check = _Check(dataset)
    total = len(dataset.cases)
    for done, case in enumerate(dataset.cases):
        check.look_at(case)
        yield Progress(done + 1, total, f"Checking {case.name}")
    check.look_at_all()
    found = [*dataset.findings, *check.problems]
    return sorted(found, key=lambda p: (bool(p.case), p.case, p.severity != "error"))


class _Check:
    """What was seen so far."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.problems: list[Problem] = []
        self.kinds: dict[tuple[int, int], list[str]] = defaultdict(list)
        self.pictures: dict[bytes, list[str]] = defaultdict(list)
        self.shown: dict[str, set[int]] = {}
        self.bare: list[str] = []
        self.several: list[str] = []
        self.jpeg = 0

    def error(self, case: str, sentence: str) -> None:
        problem = Problem(case, sentence)
        if self.problems[-1:] != [problem]:  # image and mask may be of one file
            self.problems.append(problem)

    def warn(self, case: str, sentence: str) -> None:
        self.problems.append(Problem(case, sentence, "warning"))

    def look_at(self, case: Case) -> None:
        """Read a case; its image and its mask are judged even where the other cannot be read."""
        found, mask = None, None
        if is_several(self.dataset, case):
            self.several.append(case.name)
        else:
            try:
                found = load_image(self.dataset, case)
            except (ReadError, DatasetError) as error:
                self.error(case.name, str(error).removeprefix(f"{case.name}: "))
            else:
                self._image(case.name, found[0])
        if case.label is None:
            if case.name not in self.dataset.test:
                self.bare.append(case.name)
        else:
            try:
                mask = read_mask(case.label)
            except ReadError as error:
                self.error(case.name, str(error))
            else:
                self.jpeg += case.label.suffix.lower() in JPEG_SUFFIXES
                self._mask(case.name, mask)
        if found is not None and mask is not None:
            self._pair(case.name, *found, mask)

    def _image(self, name: str, image: NDArray[np.generic]) -> None:
        self.kinds[len(image), image.ndim - 1].append(name)
        if image.dtype.kind == "f":
            bad = image.size - int(np.count_nonzero(np.isfinite(image)))
            if bad:
                self.warn(
                    name, f"{bad:,} of its pixels are NaN or infinite; they count as the lowest."
                )
            if bad == image.size:
                self.error(name, "None of its pixels is a finite number.")
                return
        if image.dtype.kind in "buif" and image.min() == image.max():
            self.error(name, "All pixels of the image are equal; there is nothing to see in it.")
            return
        content = hashlib.sha256(np.ascontiguousarray(image).tobytes())
        content.update(repr(image.shape).encode())
        self.pictures[content.digest()].append(name)

    def _mask(self, name: str, mask: LabelFile) -> None:
        try:
            labels = exact_labels(mask.labels)
        except ValueError as error:
            self.error(name, str(error))
            return
        unknown = unknown_values(labels, self.dataset)
        if unknown:
            listed = ", ".join(map(str, unknown[:_SHOWN]))
            self.error(
                name,
                f"Its mask holds values that no class has: {listed}"
                f"{' ...' if len(unknown) > _SHOWN else ''}; correct the mask or name the class.",
            )
            return
        present = np.unique(as_indices(labels, self.dataset, name))
        self.shown[name] = {int(index) for index in present if index}
        if not self.shown[name]:
            self.warn(name, "Its mask is empty; it is learned as an image of background alone.")

    def _pair(
        self, name: str, image: NDArray[np.generic], geometry: Geometry, mask: LabelFile
    ) -> None:
        problem = mismatch(image, geometry, mask)
        if problem:
            self.error(name, problem)
        elif "pixel" in (geometry.units, mask.geometry.units):
            return
        elif not same_place(image.shape[1:], geometry, mask.geometry):
            self.warn(
                name,
                "Image and mask say that they lie in different places (origin or direction); they "
                "are taken pixel by pixel, so make sure that they show the same.",
            )

    def look_at_all(self) -> None:
        """Tell what only shows when all cases are known."""
        self._unequal()
        if self.several:
            named = ", ".join(self.dataset.channel_names)
            told = _many(
                self.several, f"is several images ({named})", f"are several images each ({named})"
            )
            self.error("", f"{told} {ONE_IMAGE}")
        if self.bare:
            self.warn(
                "", _many(self.bare, "has no mask and is left out", "have no mask and are left out")
            )
        if self.jpeg:
            self.warn(
                "",
                f"{self.jpeg} masks are JPEG files, which blur outlines; brighter than half is "
                "taken as inside. Better save masks as PNG.",
            )
        names = self.dataset.class_names
        shown = set[int]().union(*self.shown.values())
        for index in range(1, len(names)):
            if shown and index not in shown:
                self.warn("", f"No mask shows the class {names[index]!r}; it cannot be learned.")
        if not shown:
            self.error("", "No mask shows any class; there is nothing to learn.")
        self._folds()

    def _unequal(self) -> None:
        usual = max(self.kinds, key=lambda kind: len(self.kinds[kind]), default=(1, 2))
        for (channels, ndim), names in self.kinds.items():
            if channels not in (1, 3):
                sentence = f"has {channels} channels; models take one channel or three colours"
                self.problems += [Problem(name, f"It {sentence}.") for name in names]
            elif ndim != usual[1]:
                kind, other = ("volume", "plane") if ndim == 3 else ("plane", "volume")
                self.warn(
                    "",
                    _many(
                        names, f"is a {kind}, the others are {other}s", f"are {kind}s, not {other}s"
                    ),
                )
            elif channels != usual[0]:
                kind = "in colour" if channels == 3 else "grey"
                self.warn("", _many(names, f"is {kind}, unlike most", f"are {kind}, unlike most"))

    def _folds(self) -> None:
        dataset = self.dataset
        try:
            folds = dataset.folds or make_folds(dataset)
            check_folds(dataset, folds)
        except SplitError as error:
            found = leaks(dataset, dataset.folds)
            self.problems += [Problem("", sentence) for sentence in found or [str(error)]]
            folds = dataset.folds
        used = {n for fold in folds for n in (*fold.train, *fold.val)} | set(dataset.test)
        idle = [case.name for case in dataset.trainable if case.name not in used]
        if idle:
            one = "is in no list of the split and is left out"
            several = "are in no list of the split and are left out"
            self.warn("", _many(idle, one, several))
        for number, fold in enumerate(folds):
            for index in only_held_out(self.shown, fold):
                where = f" in fold {number}" if len(folds) > 1 else ""
                self.warn("", not_learned(dataset.class_names[index], where))
        self._duplicates(folds)

    def _duplicates(self, folds: Sequence[Fold]) -> None:
        several = [names for names in self.pictures.values() if len(names) > 1]
        apart = [n for fold in folds for n in on_both_sides(several, fold, self.dataset.test)]
        for names in several:
            if names in apart:
                self.error("", _many(names, "", "are one picture, on both sides of a split"))
            else:
                self.warn("", _many(names, "", "are one picture; keep one of them"))


def _many(names: Sequence[str], one: str, several: str = "") -> str:
    """Say something of one case or of several, of which the first are named."""
    if len(names) == 1:
        return f"{names[0]} {one}."
    listed = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    return f"{len(names)} cases {several or one}: {listed}."
