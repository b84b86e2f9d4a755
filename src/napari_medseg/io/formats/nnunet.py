"""An image and its labels as a case of an nnU-Net v2 dataset.

The layout is that of nnU-Net's documentation: ``imagesTr/CASE_0000.nii.gz`` (one file per channel),
``labelsTr/CASE.nii.gz`` and ``dataset.json``. ``dataset.json`` also lists the files of each case,
which nnU-Net takes instead of looking into the folders; it is written last, so a case is in the
dataset with all its files or not at all. Where a case is replaced, the new files get names of their
own (``CASE-v2``) until then, and those of the old one go afterwards: it is the old case or the new.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.atomic import SaveError, atomic_write, make_folder
from napari_medseg.io.atomic_steps import save_in_steps
from napari_medseg.io.formats.nifti import read_nifti
from napari_medseg.io.formats.nifti_labels import itk_reads, nifti_label_steps
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.label_counts import counts_of
from napari_medseg.io.label_file import exact_labels
from napari_medseg.io.labels import label_steps
from napari_medseg.io.notes import make_note
from napari_medseg.io.read_back import compare_steps
from napari_medseg.io.steps import Steps, as_part, in_background

ENDING = ".nii.gz"
_PARTS = ("imagesTr", "labelsTr")
_COLOURS = ("R", "G", "B")
_SHOWN = 5
_MOST_MISSING = 32
"""Numbers without a class that may lie between classes, of which other cases may have some."""
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DATASET = re.compile(r"Dataset\d{3}_[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class NnunetCase:
    """What becomes one case.

    Parameters
    ----------
    name : str
        Its identifier; names a file, so it must not name a patient.
    image : ndarray, shape (H, W[, 3|4]) or (Z, H, W[, 3|4])
        Any real type.
    rgb : bool
        Whether the last axis is colour; each of red, green and blue becomes a channel.
    labels : ndarray of integers, shape (H, W) or (Z, H, W)
        Class index per pixel.
    geometry : Geometry
        Of both.
    class_names : sequence of str
        Name of each index from 0 on.
    channel : str
        What the one channel of a grey image is; nnU-Net normalises ``"CT"`` in its own way.
    like : Path, optional
        The NIfTI file of the image, whose placement is copied to the bit.
    """

    name: str
    image: NDArray[Any]
    rgb: bool
    labels: NDArray[Any]
    geometry: Geometry
    class_names: Sequence[str] = ()
    channel: str = "image"
    like: Path | None = None


def nnunet_steps(folder: str | os.PathLike[str], case: NnunetCase) -> Steps[Path]:
    """Add a case to an nnU-Net dataset, which is begun where there is none.

    Parameters
    ----------
    folder : path-like
        The dataset, ``Dataset012_Name``.
    case : NnunetCase
        A case of the same name is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        With one sentence, where the case does not fit the dataset or nnU-Net.
    SaveError
        Where it could not be saved; the dataset is then as it was, as far as nnU-Net sees it.
    """
    dataset = Path(folder)
    labels, channels = yield from in_background(
        lambda _: (_consecutive(case), _channels(case)), "Looking at the image"
    )
    before = _description(dataset)
    old = _files_of(before, case.name)
    stem = _free_stem(case.name, dataset, before)
    description = _merged(before, case, labels, list(channels), stem)
    for part in _PARTS:
        make_folder(dataset / part)
    total = len(channels) + 1
    is_told = case.geometry.units != "pixel" and labels.ndim == 3  # NIfTI knows no pixels or planes
    note = "" if is_told else make_note(case.geometry)
    like = case.like if case.like is not None and itk_reads(case.like) else None
    for n, (number, data) in enumerate(channels.items()):
        target = dataset / "imagesTr" / f"{stem}_{number:04d}{ENDING}"
        steps = save_in_steps(
            target,
            partial(nifti_label_steps, labels=data, geometry=case.geometry, note=note, like=like),
            partial(compare_steps, read=_stored, data=data, geometry=case.geometry, what="pixels"),
        )
        yield from as_part(steps, n, total, "Writing the image")
    target = dataset / "labelsTr" / f"{stem}{ENDING}"
    yield from label_steps(target, labels, case.geometry, None, case.class_names or None, like)
    text = json.dumps(description, indent=2, ensure_ascii=False)
    atomic_write(dataset / "dataset.json", lambda path: path.write_text(text, "utf-8"))
    for file in old:
        with suppress(OSError):
            (dataset / file).unlink(missing_ok=True)
    return dataset


def _files_of(description: Mapping[str, Any], case: str) -> list[str]:
    """Give the files that a dataset lists for a case; none where it has no such case."""
    entry = description.get("dataset", {}).get(case)
    return [*entry["images"], entry["label"]] if entry else []


def _free_stem(case: str, dataset: Path, description: Mapping[str, Any]) -> str:
    """Give what the files of a case are called: as the case, or a version of it that none is.

    Names that differ in the case of letters alone are one name on many disks.
    """
    cases = description.get("dataset", {})
    listed = [Path(file) for name in cases for file in _files_of(description, name)]
    on_disk = [file for part in _PARTS for file in (dataset / part).glob(f"*{ENDING}")]
    names = {file.name.casefold() for file in (*listed, *on_disk)}
    version, stem = 1, case
    while not names.isdisjoint({f"{stem}{ENDING}".casefold(), f"{stem}_0000{ENDING}".casefold()}):
        version += 1
        stem = f"{case}-v{version}"
    return stem


def check_dataset_name(folder: Path) -> None:
    """Raise ValueError with one sentence where nnU-Net would not take a folder of this name."""
    if not _DATASET.fullmatch(folder.name):
        raise ValueError(
            "nnU-Net wants a folder named like Dataset012_Liver, with three digits; "
            f"“{folder.name}” is not."
        )


def why_no_case_name(name: str) -> str:
    """Say in a sentence why a case cannot be called so; empty where it can."""
    if _CASE.fullmatch(name):
        return ""
    if not name:
        return "The case has no name yet; give it one that does not name the patient."
    return (
        f"“{name}” cannot name a case; begin with a letter or digit, and use letters, digits, "
        "points, dashes and underscores."
    )


def cases_of(folder: Path) -> list[str]:
    """Give the names of the cases that a dataset lists; none where there is no dataset."""
    return sorted(_description(folder).get("dataset", {}))


def _consecutive(case: NnunetCase) -> NDArray[np.unsignedinteger]:
    labels = exact_labels(case.labels)
    reason = why_no_case_name(case.name)
    if reason:
        raise ValueError(reason)
    expected = case.image.shape[: case.image.ndim - 1] if case.rgb else case.image.shape
    if expected != labels.shape:
        raise ValueError(
            f"The labels have the size {labels.shape}, the image {expected}; choose the image on "
            "which they were painted."
        )
    return labels


def _channels(case: NnunetCase) -> dict[int, NDArray[Any]]:
    image = case.image
    if image.dtype == bool:
        image = image.astype(np.uint8)
    if image.dtype.kind not in "iuf" or image.dtype.itemsize > 8:
        raise ValueError(f"nnU-Net takes numbers; the image is of type {image.dtype}.")
    if image.dtype == np.float16:
        image = image.astype(np.float32)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(
            "The image holds NaN or infinity, with which nnU-Net cannot be trained; mend it first."
        )
    if not case.rgb:
        return {0: image}
    return {number: image[..., number] for number in range(3)}


def _description(dataset: Path) -> dict[str, Any]:
    file = dataset / "dataset.json"
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text("utf-8"))
        if not isinstance(found.get("labels"), dict):
            raise ValueError
    except (OSError, ValueError, AttributeError) as error:
        raise SaveError(
            f"The dataset.json in {dataset} cannot be read; mend it or choose another folder."
        ) from error
    return dict(found)


def _merged(
    found: Mapping[str, Any],
    case: NnunetCase,
    labels: NDArray[Any],
    channels: Iterable[int],
    stem: str,
) -> dict[str, Any]:
    """Give the dataset's description with the case in it, in files called by `stem`.

    Raises
    ------
    ValueError
        Where the classes or channels are others than those of the cases that are there.
    """
    names = list(_COLOURS) if case.rgb else [case.channel]
    channel_names = {str(number): name for number, name in enumerate(names)}
    classes = _classes(case.class_names, labels)
    if found:
        if found.get("file_ending") != ENDING or len(found.get("channel_names", {})) != len(names):
            raise ValueError(
                "The cases of this dataset have other channels or another kind of file; choose "
                "another dataset."
            )
        classes = _joined(found["labels"], classes)
        channel_names = dict(found["channel_names"])
    cases = dict(found.get("dataset") or _listed(found))
    cases[case.name] = {
        "images": [f"./imagesTr/{stem}_{number:04d}{ENDING}" for number in channels],
        "label": f"./labelsTr/{stem}{ENDING}",
    }
    return dict(found) | {
        "channel_names": channel_names,
        "labels": classes,
        "numTraining": len(cases),
        "file_ending": ENDING,
        "dataset": dict(sorted(cases.items())),
    }


def _classes(class_names: Sequence[str], labels: NDArray[np.unsignedinteger]) -> dict[str, int]:
    """Give the classes as nnU-Net wants them: numbered from 0 without a gap, each named once.

    Raises
    ------
    ValueError
        Where the gaps are large, or two classes have one name.
    """
    named = {value: name for value, name in enumerate(class_names) if value and name}
    known = sorted({*counts_of(labels), *named})
    highest = known[-1] if known else 0
    if highest - len(known) > _MOST_MISSING:
        shown = ", ".join(map(str, known[:_SHOWN])) + (" ..." if len(known) > _SHOWN else "")
        raise ValueError(
            f"nnU-Net wants classes numbered 1, 2, 3 ... without a gap, and these are {shown}; "
            "number them anew first."
        )
    classes = {"background": 0}
    for value in range(1, highest + 1):
        name = named.get(value, f"class {value}")
        if name in classes:
            raise ValueError(f"Two classes are called “{name}”; give each a name of its own.")
        classes[name] = value
    return classes


def _joined(old: Mapping[str, Any], new: Mapping[str, int]) -> dict[str, Any]:
    """Give the classes of both; the case may name fewer or more, but none by another number."""
    by_value = {value: name for name, value in old.items() if isinstance(value, int)}
    for name, value in new.items():
        known = by_value.get(value)
        if known != name and (known is not None or name in old):
            raise ValueError(
                f"Class {value} is called “{known or 'nothing yet'}” in this dataset and “{name}” "
                "here; give the classes the same names and numbers, or choose another dataset."
            )
    return dict(old) | dict(new)


def _listed(found: Mapping[str, Any]) -> dict[str, Any]:
    if found.get("numTraining"):
        raise ValueError(
            "This dataset was begun by another program, and nnU-Net finds its cases by their "
            "names; choose a new folder."
        )
    return {}


def _stored(path: Path) -> tuple[NDArray[Any], Geometry]:
    found = read_nifti(path)
    return found.data, found.geometry
