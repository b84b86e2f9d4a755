"""What a data set is, whatever its files look like, and the one way to read one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

Kind = Literal["auto", "folders", "nnunet", "decathlon", "slices"]

READERS: Mapping[str, str] = {
    "decathlon": "medseg_training.data.decathlon",
    "nnunet": "medseg_training.data.nnunet",
    "slices": "medseg_training.data.slices",
    "folders": "medseg_training.data.folders",
}
"""The module that reads each kind of data set, in the order in which they are tried."""

BACKGROUND = "background"
COLOURS = ("red", "green", "blue")
_OF_A_PATIENT = re.compile(r"(?P<patient>.*\d.*?)_(?:slice|frame|volume)[A-Za-z]*_?\d*(?:_.*)?")


class DatasetError(ValueError):
    """A data set cannot be used; the message is one sentence that says why and what to do."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a data set.

    Parameters
    ----------
    case : str
        The name of the case; empty where it concerns the data set as a whole.
    sentence : str
        What it is and what to do.
    severity : {"error", "warning"}
        An error keeps the case, or the data set, from being trained on.
    """

    case: str
    sentence: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.case}: {self.sentence}" if self.case else self.sentence


@dataclass(frozen=True)
class Case:
    """One image with its mask.

    Parameters
    ----------
    name : str
        Its identifier in splits and tables.
    images : tuple of Path
        One file for each channel; a colour picture is one file.
    label : Path, optional
        The file of its mask; None where it has none.
    patient : str
        Whom it shows. Cases of one patient are never on both sides of a split.
    """

    name: str
    images: tuple[Path, ...]
    label: Path | None
    patient: str


@dataclass(frozen=True)
class Fold:
    """One division into cases to train on and cases to validate on, by name."""

    train: tuple[str, ...]
    val: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """Images with masks of one task.

    Parameters
    ----------
    name : str
        What it is called.
    root : Path
        Its folder.
    kind : str
        Which convention its files follow; a key of `READERS`.
    cases : tuple of Case
        In order of name.
    class_names : tuple of str
        Index 0 is ``"background"``.
    channel_names : tuple of str
        Of the image; `COLOURS` for pictures in colour.
    label_values : tuple of int
        The value in the mask files of each index; empty where they hold the indices themselves.
    folds : tuple of Fold
        The divisions that come with the data set; empty where it has none.
    test : tuple of str
        Names of cases that are held out: neither trained on nor validated on.
    spacing : tuple of float
        Distance of pixels in mm, for files that cannot say it; empty where it is not known.
    findings : tuple of Problem
        What was noticed while its files were listed.
    """

    name: str
    root: Path
    kind: str
    cases: tuple[Case, ...]
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...] = ("image",)
    label_values: tuple[int, ...] = ()
    folds: tuple[Fold, ...] = ()
    test: tuple[str, ...] = ()
    spacing: tuple[float, ...] = ()
    findings: tuple[Problem, ...] = ()

    @cached_property
    def _by_name(self) -> dict[str, Case]:
        return {case.name: case for case in self.cases}

    def case(self, name: str) -> Case:
        """Give the case of this name.

        Raises
        ------
        DatasetError
            If there is none.
        """
        if name not in self._by_name:
            raise DatasetError(f"The data set {self.name} has no case named {name!r}.")
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @property
    def trainable(self) -> tuple[Case, ...]:
        """Cases that have a mask and are not held out."""
        held_out = set(self.test)
        return tuple(c for c in self.cases if c.label is not None and c.name not in held_out)


def read_dataset(path: str | Path, kind: Kind = "auto") -> Dataset:
    """List a data set; no image is read, masks only where their values must be known.

    Parameters
    ----------
    path : path-like
        Its folder.
    kind : {"auto", "folders", "nnunet", "decathlon", "slices"}
        The convention of its files; by default it is recognised.

    Returns
    -------
    Dataset
        With at least one case. What is wrong with single cases is no reason to refuse it; see
        `medseg_training.data.verify`.

    Raises
    ------
    DatasetError
        With one sentence, where the folder is no data set of that kind.
    """
    root = Path(path)
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder; give the folder of a data set.")
    if kind != "auto" and kind not in READERS:
        raise DatasetError(f"There is no kind of data set {kind!r}; choose {', '.join(READERS)}.")
    for name in READERS if kind == "auto" else (kind,):
        reader = importlib.import_module(READERS[name])
        if kind != "auto" or reader.recognises(root):
            dataset: Dataset = reader.read(root)
            if not dataset.cases:
                raise DatasetError(f"{root} holds no images that can be read.")
            _refuse_one_name(dataset.cases)
            return dataset
    raise DatasetError(
        f"{root} is no data set: expected images/ and masks/ with equal file names, an nnU-Net or "
        "Decathlon folder with its dataset.json, or Synapse/ACDC slices with their lists."
    )


def _refuse_one_name(cases: Sequence[Case]) -> None:
    """Make sure that a name means one case, as splits and tables go by names."""
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            raise DatasetError(
                f"Two cases are named {case.name!r}; list it once, or rename the file of one."
            )
        seen.add(case.name)


def patient_of(name: str) -> str:
    """Give the patient that the name of a case tells: what stands before ``_slice`` or ``_frame``.

    ``case0005_slice012`` is of case0005, ``patient001_frame01`` of patient001; any other name is a
    patient of its own.
    """
    found = _OF_A_PATIENT.fullmatch(name)
    return found["patient"] if found else name


def channels_named(names: Sequence[str]) -> tuple[str, ...]:
    """Give names of channels, those of the three colours as everywhere."""
    told = tuple(name.upper() for name in names)
    return COLOURS if told in (("R", "G", "B"), ("RED", "GREEN", "BLUE")) else tuple(names)


def class_names_of(values: Sequence[int], named: Mapping[int, str]) -> tuple[str, ...]:
    """Name each value, the first as background, others ``class N`` where `named` does not say."""
    return (BACKGROUND, *(named.get(value, f"class {value}") for value in values[1:]))
