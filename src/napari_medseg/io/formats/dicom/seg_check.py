"""Reading a DICOM-SEG back with pydicom alone, and comparing it with what was meant.

Positions come from the formula of the standard (PS3.3 C.7.6.2.1.1) and the frames from pydicom, so
that the library that wrote the file is not asked whether it wrote it well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.formats.dicom.frames import Frame, frames_of
from napari_medseg.io.formats.dicom.grid import SAME_PLACE_MM
from napari_medseg.io.formats.dicom.headers import quiet, read_header
from napari_medseg.io.formats.dicom.seg_segments import Segment
from napari_medseg.io.formats.dicom.source import SourceImage
from napari_medseg.io.steps import Step, Steps, in_background

if TYPE_CHECKING:
    from pydicom import Dataset

_ELSEWHERE = "a plane of the file lies elsewhere than its image."


@dataclass(frozen=True)
class Meant:
    """What a DICOM-SEG is to hold.

    Parameters
    ----------
    volume : ndarray of unsigned integers, shape (slices, rows, columns)
        Segment number per voxel, on the grid of `source`.
    source : SourceImage
        The images.
    segments : sequence of Segment
        What each number is.
    """

    volume: NDArray[Any]
    source: SourceImage
    segments: Sequence[Segment]


def check_segmentation(path: Path, meant: Meant) -> Steps[None]:
    """Compare a DICOM-SEG with what it is to hold.

    Raises
    ------
    ValueError
        With one sentence, where voxels, places or segments differ.
    """
    message = "Reading back and comparing"
    header, slices = yield from in_background(lambda _: _described(path, meant), message, 2, 3)
    volume, count = meant.volume, len(slices)
    seen = np.zeros(len(volume), np.int64)
    for index, pixels in enumerate(_planes_of(path)):
        yield Step(2 * count + index, 3 * count, message)
        slice_, number = slices[index], _number_of(header, index)
        expected = volume[slice_] if number is None else volume[slice_] == number
        if not np.array_equal(pixels, expected):
            raise ValueError("voxels in the file differ from those that were to be saved.")
        seen[slice_] += int(np.count_nonzero(pixels))
    if not np.array_equal(seen, np.count_nonzero(volume, axis=(1, 2))):
        raise ValueError("slices are missing in the file.")


def _described(path: Path, meant: Meant) -> tuple[Dataset, list[int]]:
    """Give the header, and the slice of each frame, once they are what was meant."""
    header = read_header(path)
    described = {int(item.SegmentNumber) for item in header.SegmentSequence} - {0}
    if described != {segment.number for segment in meant.segments}:
        raise ValueError("the file describes other segments than those that were meant.")
    return header, _slices_of(frames_of(path, header), meant.source)


def _planes_of(path: Path) -> Iterator[NDArray[Any]]:
    import pydicom

    planes = pydicom.pixels.iter_pixels(path)
    while True:
        with quiet():
            plane = next(planes, None)
        if plane is None:
            return
        yield plane


def _slices_of(frames: Sequence[Frame], source: SourceImage) -> list[int]:
    """Find the slice on which each frame lies, rows and columns running the same way."""
    if source.affine is None:
        return [frame.index if len(source.frames) > 1 else 0 for frame in frames]
    poses = [frame.pose for frame in source.frames if frame.pose is not None]
    corners = np.array([pose.corner for pose in poses])
    slices = []
    for frame in frames:
        if frame.pose is None:
            raise ValueError(_ELSEWHERE)
        away = np.linalg.norm(corners - frame.pose.corner, axis=1)
        nearest = int(away.argmin())
        same_size = np.allclose(
            frame.spacing or 0.0, source.frames[nearest].spacing or 0.0, rtol=1e-5
        )
        parallel = poses[nearest].is_parallel(frame.pose)
        if away[nearest] >= SAME_PLACE_MM or not parallel or not same_size:
            raise ValueError(_ELSEWHERE)
        slices.append(nearest)
    return slices


def _number_of(header: Dataset, index: int) -> int | None:
    """Give the segment that a frame is a mask of; None where its pixels are the numbers."""
    if header.SegmentationType == "LABELMAP":
        return None
    for group in (
        header.PerFrameFunctionalGroupsSequence[index],
        *header.get("SharedFunctionalGroupsSequence", []),
    ):
        if "SegmentIdentificationSequence" in group:
            return int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    raise ValueError("a plane of the file belongs to no segment.")
