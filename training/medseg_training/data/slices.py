"""Data sets of slices in ``.npz`` with lists, as TransUNet, Swin-Unet and SelfReg-UNet use them.

Synapse: ``train_npz/caseXXXX_sliceYYY.npz`` and ``test_vol_h5/caseXXXX.npy.h5`` with ``image`` and
``label``. ACDC: ``train/``, ``valid/`` and ``test/`` with ``img`` and ``label``. The lists lie in
``lists/lists_NAME/``, ``lists_NAME/`` or beside the folders; without them all files are taken.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg_training.data import ready_splits
from medseg_training.data.dataset import (
    Case,
    Dataset,
    Fold,
    Problem,
    class_names_of,
    patient_of,
)
from medseg_training.data.description import read_description
from napari_medseg.io.errors import ReadError, guarded

FOLDERS = {
    "train": ("train_npz", "train"),
    "val": ("val_npz", "valid", "val"),
    "test": ("test_vol_h5", "test"),
}
LISTS = {"train": ("train",), "val": ("val", "valid"), "test": ("test_vol", "test")}
ENDINGS = (".npz", ".npy.h5", ".h5", ".hdf5")
KEYS = {"image": ("image", "img"), "label": ("label", "mask")}
KNOWN: Mapping[str, tuple[str, ...]] = {
    "lists_synapse": (
        "background",
        "aorta",
        "gallbladder",
        "left kidney",
        "right kidney",
        "liver",
        "pancreas",
        "spleen",
        "stomach",
    ),
    "lists_acdc": ("background", "right ventricle", "myocardium", "left ventricle"),
}
"""Classes of data sets that are the same everywhere, by the folder of their lists."""


def recognises(root: Path) -> bool:
    """Say whether a folder holds slices or volumes as arrays."""
    return any(True for part in FOLDERS for _ in _files(root, part))


def read(root: Path) -> Dataset:
    """List the data set from its lists, or from its folders where it has none.

    Raises
    ------
    DatasetError
        With one sentence, where a list cannot be read.
    """
    lists = _list_folder(root)
    files = {part: dict(_files(root, part)) for part in FOLDERS}
    findings: list[Problem] = []
    for part, names in LISTS.items():
        listed = _listed(lists, names)
        if listed is not None:
            missing = sorted(listed - set(files[part]))
            findings += [Problem(n, "Its file is missing; the list names it.") for n in missing]
            files[part] = {name: file for name, file in files[part].items() if name in listed}
    splits = ready_splits.read(root, {name: part for part in files for name in files[part]})
    cases = tuple(
        Case(name, (file,), file, splits.patients.get(name, patient_of(name)))
        for name, file in sorted({n: f for part in files.values() for n, f in part.items()}.items())
    )
    values, classes = _classes(root, lists, cases)
    fold = Fold(tuple(files["train"]), tuple(files["val"]))
    return Dataset(
        name=read_description(root).name or root.resolve().name,
        root=root,
        kind="slices",
        cases=cases,
        class_names=classes,
        label_values=values,
        folds=splits.folds or ((fold,) if fold.train and fold.val else ()),
        test=tuple(sorted({*files["test"], *splits.test})),
        spacing=read_description(root).spacing,
        findings=(*findings, *splits.findings),
    )


def read_array(file: Path, what: str) -> NDArray[Any]:
    """Read ``"image"`` or ``"label"`` out of an ``.npz`` or HDF5 file.

    Raises
    ------
    ReadError
        With one sentence, where that is not possible.
    """
    if not file.exists():
        raise ReadError(f"{file} does not exist; check the list.")
    if file.suffix.lower() == ".npz":
        return guarded(file, lambda: _from_npz(file, what))
    return guarded(file, lambda: _from_hdf5(file, what))


def _from_npz(file: Path, what: str) -> NDArray[Any]:
    if not zipfile.is_zipfile(file):
        raise ReadError(f"{file.name} is no .npz file; get it again from where it came.")
    with np.load(file, allow_pickle=False) as content:
        return np.asarray(content[_key(file, what, content)])


def _from_hdf5(file: Path, what: str) -> NDArray[Any]:
    try:
        import h5py
    except ImportError as error:
        raise ReadError(
            f"{file.name} is an HDF5 file, which needs the package h5py: install it with "
            "'pip install h5py'."
        ) from error
    with h5py.File(file, "r") as content:
        return np.asarray(content[_key(file, what, content)])


def _key(file: Path, what: str, content: Any) -> str:
    for key in KEYS[what]:
        if key in content:
            return key
    raise ReadError(f"{file.name} holds no array {' or '.join(KEYS[what])!r}.")


def _files(root: Path, part: str) -> Iterator[tuple[str, Path]]:
    """Give name and file of the arrays in the folder of a part."""
    for folder in FOLDERS[part]:
        for file in sorted((root / folder).glob("*")):
            name = _name(file.name)
            if name != file.name and not file.name.startswith("."):
                yield name, file


def _name(line: str) -> str:
    """Take the ending off; some lists have it, some do not."""
    return next((line[: -len(end)] for end in ENDINGS if line.lower().endswith(end)), line)


def _list_folder(root: Path) -> Path:
    found = [f for f in (*root.glob("lists/lists_*"), *root.glob("lists_*")) if f.is_dir()]
    return sorted(found)[0] if found else root


def _listed(lists: Path, names: tuple[str, ...]) -> set[str] | None:
    for name in names:
        if (lists / f"{name}.txt").exists():
            return {_name(line) for line in ready_splits.lines(lists / f"{name}.txt")}
    return None


def _classes(
    root: Path, lists: Path, cases: tuple[Case, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    described = read_description(root).classes
    if not described and lists.name.lower() in KNOWN:
        return (), KNOWN[lists.name.lower()]
    found = set(described)
    if not described:
        for case in cases:
            try:
                found |= {int(v) for v in np.unique(read_array(case.images[0], "label"))}
            except (ReadError, ValueError):
                continue
    values = tuple(sorted({0, 1} | found if len(found) < 2 else {0} | found))
    consecutive = values == tuple(range(len(values)))
    return () if consecutive else values, class_names_of(values, described)
