"""DICOM series: which ones a folder holds, and which of them is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import ChoiceError, ReadError
from napari_medseg.io.findings import Finding
from napari_medseg.io.formats.dicom.frames import Frame, frames_of
from napari_medseg.io.formats.dicom.grouping import grouped
from napari_medseg.io.formats.dicom.headers import (
    DICOM_SUFFIXES,
    is_cut,
    is_dicom,
    is_segmentation,
    is_stump,
    no_pixels,
    quiet,
    read_header,
    text,
)
from napari_medseg.io.formats.dicom.pixels import value_of, value_type, window_of

_THUMBNAIL = 96
_NO_IMAGES = ("DICOMDIR", "LICENSE", "LOCKFILE", "README", "VERSION")
Choose = Callable[[Sequence["Series"]], "Series | None"]
"""Says which of several series is meant; None for none of them."""


@dataclass(frozen=True)
class Series:
    """Frames that belong together: one series UID, one space, one size, one direction.

    Parameters
    ----------
    number : int
        Its place in the list of its folder, from 1 on; what ``--series`` takes.
    uid : str
        SeriesInstanceUID. A localizer of three directions gives three series of one UID.
    frames : tuple of Frame
        As the files come; not yet in the order of space.
    modality, body_part, description, series_number : str
        What the header says; the description is for the screen only, for it may name a person.
    space : str
        Which of the spaces of its UID it lies in, such as ``"1 of 2"``; empty where there is one.
    """

    number: int
    uid: str
    frames: tuple[Frame, ...] = field(repr=False)
    modality: str = ""
    body_part: str = ""
    description: str = field(default="", repr=False)
    series_number: str = ""
    space: str = ""

    @property
    def name(self) -> str:
        """What the series may be called in public: modality, body part and number."""
        number = f"series {self.series_number}" if self.series_number else ""
        return " ".join(word for word in (self.modality, self.body_part, number) if word) or "DICOM"

    @property
    def summary(self) -> str:
        """One line that tells it from others: name, count, size, and the space if there are two."""
        rows, columns, _ = self.frames[0].size
        planes = "plane" if len(self.frames) == 1 else "planes"
        space = f", frame of reference {self.space}" if self.space else ""
        return f"{self.name}, {len(self.frames)} {planes} of {columns} × {rows}{space}"

    def thumbnail(self) -> NDArray[np.uint8]:
        """Give the middle plane as a small picture of grey (h, w) or colour (h, w, 3)."""
        frame = self.frames[len(self.frames) // 2]
        plane = value_of(frame, value_type([frame]))
        step = max(1, -(-max(plane.shape[:2]) // _THUMBNAIL))
        small = plane[::step, ::step].astype(np.float32)
        if plane.ndim == 3:
            return small.astype(np.uint8)
        low, high = window_of(frame) or (float(np.nanmin(small)), float(np.nanmax(small)))
        scaled = np.clip((small - low) / max(high - low, 1e-6), 0.0, 1.0)
        return (255.0 * np.nan_to_num(scaled)).astype(np.uint8)


@dataclass(frozen=True)
class Damage:
    """A file that cannot be read: what is wrong with it, and the UID of its series if known."""

    sentence: str
    series: str = ""

    def may_belong_to(self, series: Series) -> bool:
        """Whether the file may be a part of this series."""
        return self.series in ("", series.uid)

    def finding(self) -> Finding:
        """Tell that something is missing."""
        return Finding("damaged", f"{self.sentence} It is missing in what is shown.")


@dataclass(frozen=True)
class Folder:
    """What a folder of DICOM files holds.

    Parameters
    ----------
    series : tuple of Series
        The images, those of most planes first.
    segmentations : tuple of Path
        DICOM-SEG files.
    damaged : tuple of Damage
        Files that are DICOM and an image, but cannot be read.
    """

    series: tuple[Series, ...]
    segmentations: tuple[Path, ...] = ()
    damaged: tuple[Damage, ...] = ()


def list_series(folder: Path) -> list[Series]:
    """Give the image series in a folder and the folders in it, those of most planes first.

    Raises
    ------
    ReadError
        Where there are none.
    """
    return list(scan_folder(folder).series)


def scan_folder(folder: Path) -> Folder:
    """Look through a folder, and the folders in it, for DICOM files.

    Raises
    ------
    ReadError
        Where nothing in it can be opened.
    """
    with quiet():
        found = scan_files(sorted(path for path in folder.rglob("*") if path.is_file()))
    if found.series or found.segmentations:
        return found
    raise ReadError(
        found.damaged[0].sentence
        if found.damaged
        else f"{folder.name} is a folder without DICOM images; give the files in it, or the "
        "folder of a series."
    )


def scan_files(files: Iterable[Path]) -> Folder:
    """Look through files for DICOM.

    Files that are no DICOM are passed over, and so are reports, plans and other objects without
    an image. A damaged image is told in `Folder.damaged`: a series must not silently lack it. That
    is also what little is left of a file beside DICOM that is named as archives name images.
    """
    frames: list[Frame] = []
    segmentations: list[Path] = []
    damaged: list[Damage] = []
    stumps: list[Path] = []
    for file in files:
        if file.name.startswith(".") or file.name.upper() in _NO_IMAGES:
            continue
        if not is_dicom(file):
            if file.suffix.lower() in DICOM_SUFFIXES:
                damaged.append(_no_preamble(file))
            elif is_stump(file):
                stumps.append(file)
            continue
        uid = ""
        try:
            header = read_header(file)
            uid = text(header, "SeriesInstanceUID")
            if is_segmentation(header):
                segmentations.append(file)
            elif "Rows" in header:
                frames += frames_of(file, header)
            elif is_cut(header):
                damaged.append(Damage(no_pixels(file)))
        except ReadError as error:
            damaged.append(Damage(str(error), uid))
    beside = {*(frame.file.parent for frame in frames), *(file.parent for file in segmentations)}
    damaged += [_no_preamble(file) for file in stumps if file.parent in beside]
    return Folder(_grouped(frames), tuple(segmentations), tuple(damaged))


def _no_preamble(file: Path) -> Damage:
    return Damage(f"{file.name} is no whole DICOM file (the preamble is missing).")


def refuse_damaged(found: Folder, chosen: Series) -> None:
    """Raise where a file is damaged that may belong to the series which is to be opened.

    Raises
    ------
    ReadError
        That names the file.
    """
    for damage in found.damaged:
        if damage.may_belong_to(chosen):
            raise ReadError(damage.sentence)


def series_of_file(file: Path) -> Series:
    """Give the frames of one file.

    Raises
    ------
    ReadError
        With one sentence, where it holds no image or more than one kind of it.
    """
    header = read_header(file)
    if is_segmentation(header):
        raise ReadError(
            f"{file.name} is a segmentation and no image; open the image it belongs to."
        )
    return choose_series(_grouped(frames_of(file, header)), None, file.name)


def choose_series(found: Sequence[Series], wanted: int | str | None, where: str) -> Series:
    """Give the series that is meant: by its place in the list, or by its UID.

    Raises
    ------
    ChoiceError
        Where there are several and none is named, or the one named is not there; the sentence
        lists them.
    """
    listing = "; ".join(f"{series.number}: {series.summary}" for series in found)
    if wanted is None:
        if len(found) == 1:
            return found[0]
        raise ChoiceError(
            f"{where} holds {len(found)} series; choose one (--series of the command): {listing}."
        )
    for series in found:
        if str(wanted) in (str(series.number), series.uid):
            return series
    raise ChoiceError(f"{where} holds no series {wanted}; there are {listing}.")


def _grouped(frames: Sequence[Frame]) -> tuple[Series, ...]:
    return tuple(
        _described(n, group, space) for n, (group, space) in enumerate(grouped(frames), start=1)
    )


def _described(number: int, frames: Sequence[Frame], space: str) -> Series:
    header = frames[0].header
    return Series(
        number,
        text(header, "SeriesInstanceUID"),
        tuple(frames),
        text(header, "Modality"),
        text(header, "BodyPartExamined"),
        text(header, "SeriesDescription"),
        text(header, "SeriesNumber"),
        space,
    )
