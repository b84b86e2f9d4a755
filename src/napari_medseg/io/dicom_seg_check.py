"""Reading a DICOM-SEG back with pydicom alone, and comparing it with what was meant.

Positions come from the formula of the standard (PS3.3 C.7.6.2.1.1) and the frames from pydicom, so
that the library that wrote the file is not asked whether it wrote it well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.dicom import quiet, read_header
from napari_medseg.io.dicom_frames import Frame, frames_of
from napari_medseg.io.dicom_source import SAME_PLACE_MM, SourceImage
from napari_medseg.io.steps import Step, Steps

if TYPE_CHECKING:
    from pydicom import Dataset


class HasNumber(Protocol):
    """A segment, as far as the comparison goes."""

    @property
    def number(self) -> int:
        """In the file."""


def check_segmentation(
    path: Path, volume: NDArray[Any], source: SourceImage, segments: Sequence[HasNumber]
) -> Steps[None]:
    """Compare a DICOM-SEG with the labels it was made from.

    Parameters
    ----------
    path : Path
        The file.
    volume : ndarray of unsigned integers, shape (slices, rows, columns)
        Segment number per voxel, on the grid of `source`.
    source : SourceImage
        The images.
    segments : sequence
        What the file must describe.

    Raises
    ------
    ValueError
        With one sentence, where voxels, places or segments differ.
    """
    import pydicom

    header = read_header(path)
    described = {int(item.SegmentNumber) for item in header.SegmentSequence} - {0}
    if described != {segment.number for segment in segments}:
        raise ValueError("the file describes other segments than those that were meant.")
    frames = frames_of(path, header)
    seen = np.zeros(volume.shape[0], np.int64)
    with quiet():
        for index, pixels in enumerate(pydicom.pixels.iter_pixels(path)):
            yield Step(2 * len(frames) + index, 3 * len(frames), "Reading back and comparing")
            slice_ = _slice_of(frames[index], source)
            number = _number_of(header, index)
            meant = volume[slice_] if number is None else volume[slice_] == number
            if not np.array_equal(pixels, meant):
                raise ValueError("voxels in the file differ from those that were to be saved.")
            seen[slice_] += int(np.count_nonzero(pixels))
    if not np.array_equal(seen, np.count_nonzero(volume, axis=(1, 2))):
        raise ValueError("slices are missing in the file.")


def _slice_of(frame: Frame, source: SourceImage) -> int:
    """Find the slice on which a frame lies, rows and columns running the same way."""
    if source.affine is None:
        return frame.index if len(source.frames) > 1 else 0
    pose = frame.pose
    if pose is not None:
        for index, other in enumerate(source.frames):
            assert other.pose is not None
            if (
                np.linalg.norm(other.pose.corner - pose.corner) < SAME_PLACE_MM
                and other.pose.is_parallel(pose)
                and np.allclose(frame.spacing or 0.0, other.spacing or 0.0, rtol=1e-5)
            ):
                return index
    raise ValueError("a plane of the file lies elsewhere than its image.")


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
