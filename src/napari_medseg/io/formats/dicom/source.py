"""The DICOM images that a label map belongs to: their headers, and the grid they make up.

Only headers are read. Positions are in the app's axes of space: up, front and right, in mm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom.copies import refuse_one_name_for_two
from napari_medseg.io.formats.dicom.frames import Frame, frames_of
from napari_medseg.io.formats.dicom.grid import SAME_PLACE_MM, affine_of_frames, along, pose_of
from napari_medseg.io.formats.dicom.headers import is_dicom, is_segmentation, read_header, text
from napari_medseg.io.steps import Step, Steps, in_background

if TYPE_CHECKING:
    from pydicom import Dataset

_REFERRED_BY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
_IMAGE = "1.2.840.10008.5.1.4.1.1."
_OLD_MULTIFRAME = {
    *(_IMAGE + kind for kind in ("3", "3.1", "12.1", "12.2", "20", "481.1", "481.2")),
    *(_IMAGE + kind for kind in ("7.1", "7.2", "7.3", "7.4")),  # secondary capture
    *(_IMAGE + kind for kind in ("77.1.1.1", "77.1.2.1", "77.1.4.1")),  # video
    *(_IMAGE + kind for kind in ("77.1.5.1", "77.1.5.2", "77.1.5.5", "77.1.5.6")),  # the eye
}
"""Classes of files that may hold several frames without saying of each what it is: ultrasound,
angiography, nuclear medicine, portal images and dose, and those named above."""


@dataclass(frozen=True)
class SourceImage:
    """A series, or one multi-frame file, as a grid of voxels.

    Parameters
    ----------
    headers : tuple of pydicom.Dataset
        Without pixels; one per slice in their order, or the one of a multi-frame file.
    frames : tuple of Frame
        One per slice, in the order in which they lie along their normal.
    affine : ndarray of float64, shape (4, 4), or None
        From (slice, row, column) to space; None where the files do not say where they lie.
    """

    headers: tuple[Dataset, ...]
    frames: tuple[Frame, ...]
    affine: NDArray[np.float64] | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        return (len(self.frames), *self.frames[0].size[:2])

    def in_file_order(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Give planes in the order in which the headers hold their frames."""
        if len(self.headers) == len(self.frames):
            return volume
        order = np.argsort([frame.index for frame in self.frames])
        return volume[order]


def source_steps(paths: Iterable[Path], series: str = "") -> Steps[SourceImage]:
    """Read the headers of the images that labels belong to, file by file.

    Parameters
    ----------
    paths : iterable of Path
        DICOM files, or folders with them; what is no image is passed over in a folder.
    series : str
        Series instance UID, where the files belong to several.

    Returns
    -------
    SourceImage

    Raises
    ------
    ReadError
        With one sentence, where they are no single image.
    """
    files = _files(paths)
    headers: dict[Path, Dataset] = {}
    for n, file in enumerate(files):
        yield Step(n, len(files), "Reading the headers of the image")
        header = read_header(file)
        if "Rows" in header and not is_segmentation(header):
            headers[file] = header
    return (
        yield from in_background(
            lambda _: source_image(_one_series(headers, series)), "Reading the headers of the image"
        )
    )


def source_image(headers: dict[Path, Dataset]) -> SourceImage:
    """Arrange headers of one series along the normal of their planes.

    Raises
    ------
    ReadError
        Where they are no stack of parallel planes of one size, or two planes have one name.
    """
    frames = [frame for file, header in headers.items() for frame in frames_of(file, header)]
    if len({frame.size for frame in frames}) > 1:
        raise ReadError("The DICOM images of this series have different sizes; give one stack.")
    if len(headers) > 1 and len(frames) > len(headers):
        raise ReadError("These are several multi-frame files; give the one that was painted on.")
    poses = [frame.pose for frame in frames]
    if any(pose is None for pose in poses):
        if len(headers) > 1:
            raise ReadError("These DICOM images do not say where they lie; give a single one.")
        return SourceImage(tuple(headers.values()), tuple(frames), None)
    ordered = sorted(frames, key=along)
    kept = [frame.header for frame in ordered] if len(headers) > 1 else headers.values()
    if len({text(frame.header, "FrameOfReferenceUID") for frame in ordered}) > 1:
        raise ReadError(
            "The DICOM images of this series lie in several frames of reference; give the files of "
            "one, in a folder of their own."
        )
    affine = _affine(ordered)
    refuse_one_name_for_two(ordered)
    return SourceImage(tuple(kept), tuple(ordered), affine)


def why_not_referred(source: SourceImage) -> str:
    """Say what images lack by which a segmentation could refer to them; empty if nothing."""
    header = source.headers[0]
    enhanced = "SharedFunctionalGroupsSequence" in header
    several = len(source.frames) > len(source.headers)
    if not enhanced and (several or str(header.get("SOPClassUID", "")) in _OLD_MULTIFRAME):
        return (
            "These images lie in a file of an old kind, to whose frames a DICOM-SEG cannot refer "
            "one by one; save the labels as NIfTI instead."
        )
    needed = list(_REFERRED_BY)
    if source.affine is not None:
        needed += ["FrameOfReferenceUID"] if enhanced else ["FrameOfReferenceUID", "PixelSpacing"]
    lacking = [n for n in needed if not all(header.get(n) for header in source.headers)]
    if source.affine is not None and any(frame.spacing is None for frame in source.frames):
        lacking.append("PixelSpacing")
    if lacking:
        return (
            f"The DICOM images have no {lacking[0]}, by which a DICOM-SEG refers to them; save the "
            "labels as NIfTI instead."
        )
    return ""


def why_no_segmentation(files: Sequence[Path]) -> str:
    """Say why no DICOM-SEG can refer to the files of an image; empty if one can, or may.

    Only the first two of them are looked at, so that a window need not wait; what is wrong with
    the others, or with files that have gone, is told when a segmentation is written.
    """
    try:
        headers = {file: read_header(file) for file in files[:2]}
    except ReadError:
        return ""
    try:
        return why_not_referred(source_image(headers)) if headers else ""
    except ReadError as error:
        return str(error)


def _affine(frames: list[Frame]) -> NDArray[np.float64]:
    poses = [pose_of(frame) for frame in frames]
    if not all(poses[0].is_parallel(pose) for pose in poses):
        raise ReadError("The DICOM images of this series are not parallel; give one stack.")
    gaps = [after.along - before.along for before, after in pairwise(poses)]
    if gaps and min(gaps) < SAME_PLACE_MM:
        raise ReadError(
            "Several DICOM images of this series lie in the same place (phases, echoes or copies); "
            "give the files of one."
        )
    return affine_of_frames(frames)


def _files(paths: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += [file for file in sorted(path.rglob("*")) if is_dicom(file)]
        else:
            files.append(path)
    if not files:
        raise ReadError("There are no DICOM images there; give the folder of the series.")
    return files


def _one_series(headers: dict[Path, Dataset], series: str) -> dict[Path, Dataset]:
    by_series: dict[str, dict[Path, Dataset]] = {}
    for file, header in headers.items():
        by_series.setdefault(str(header.get("SeriesInstanceUID", "")), {})[file] = header
    if series and series in by_series:
        return by_series[series]
    if not by_series or series:
        raise ReadError("The images of this series are not there; give the folder that holds them.")
    if len(by_series) > 1:
        raise ReadError(
            f"There are {len(by_series)} series in this folder; give the files of the one that was "
            "painted on, or name it."
        )
    return next(iter(by_series.values()))
