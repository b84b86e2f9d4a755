"""Frames of DICOM files: where each plane lies in the patient, and what its values mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom.entries import numbers
from napari_medseg.io.formats.dicom.headers import is_cut, naming_tags, no_pixels, quiet, sop_class
from napari_medseg.io.formats.dicom.pixel_format import PixelFormat, check_size, format_of
from napari_medseg.io.formats.dicom.ultrasound import pixel_size

if TYPE_CHECKING:
    from pydicom import Dataset

_SAME_TURN = 1e-3
_NEARLY = 0.01  # how far directions may be from length one and from right angles


@dataclass(frozen=True)
class Pose:
    """Where a frame lies in the patient, in mm to the left, back and up (DICOM's axes).

    Parameters
    ----------
    corner : ndarray of float64, shape (3,)
        Centre of the first pixel.
    across, down : ndarray of float64, shape (3,)
        Unit vectors along which columns and rows are counted.
    """

    corner: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the frame."""
        return np.cross(self.across, self.down)

    @property
    def along(self) -> float:
        """How far the frame lies along its normal, in mm."""
        return float(self.corner @ self.normal)

    def is_parallel(self, other: Pose) -> bool:
        """Whether rows and columns run the same way."""
        apart = np.abs([self.across - other.across, self.down - other.down])
        return bool(apart.max() <= _SAME_TURN)


@dataclass(frozen=True)
class Frame:
    """One plane of a DICOM file.

    Parameters
    ----------
    file : Path
        Where it is.
    index : int
        Its number in the file, from 0 on.
    header : pydicom.Dataset
        Of the whole file, without the pixels.
    pixels : PixelFormat
        How those of the whole file are stored.
    pose : Pose or None
        None where the file does not say where it lies.
    spacing : tuple of float or None
        Distance of rows and of columns in mm.
    thickness : float or None
        Of the slice in mm; `distance` where the file says that.
    distance : float or None
        Of neighbouring slices in mm; slices may be thinner than that, or overlap.
    rescale : tuple of float
        Slope and intercept.
    group : pydicom.Dataset or None
        What an enhanced file says about this frame alone.
    """

    file: Path
    index: int
    header: Dataset = field(repr=False, compare=False)
    pixels: PixelFormat
    pose: Pose | None
    spacing: tuple[float, float] | None
    thickness: float | None
    distance: float | None
    rescale: tuple[float, float]
    group: Dataset | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int, int]:
        """Rows, columns and samples of a pixel."""
        return self.pixels.size

    @property
    def number(self) -> int:
        """Where the file stands in its series, as the scanner counted."""
        try:
            return int(self.header.get("InstanceNumber") or 0)
        except (TypeError, ValueError):
            return 0


def frames_of(file: Path, header: Dataset) -> list[Frame]:
    """Give the frames of a file with pixels.

    Raises
    ------
    ReadError
        With one sentence that names the tag, where the file holds no image or an entry of its
        header cannot be what it says.
    """
    if "Rows" not in header or "Columns" not in header:
        if is_cut(header):
            raise ReadError(no_pixels(file))
        kind = getattr(sop_class(header), "name", "a DICOM object of no known kind")
        hint = "open its folder" if "Directory" in kind else "open the images instead"
        raise ReadError(f"{file.name} holds no image ({kind}); {hint}.")
    with quiet(), naming_tags(file):
        pixels = format_of(header)
        check_size(file, header, pixels)
        shared = _first(header, "SharedFunctionalGroupsSequence")
        groups = header.get("PerFrameFunctionalGroupsSequence") or [None] * pixels.frames
        if len(groups) != pixels.frames:
            raise ReadError(
                f"{file.name} announces {pixels.frames} frames and describes {len(groups)}."
            )
        return [
            _frame(file, header, pixels, index, (shared, group))
            for index, group in enumerate(groups)
        ]


def _first(entry: Dataset | None, name: str) -> Dataset | None:
    sequence = None if entry is None else entry.get(name)
    return sequence[0] if sequence else None


def _frame(
    file: Path,
    header: Dataset,
    pixels: PixelFormat,
    index: int,
    groups: tuple[Dataset | None, Dataset | None],
) -> Frame:
    """Give one frame; `groups` say what an enhanced file does of all frames and of this one."""
    shared, group = groups

    def item(name: str) -> Dataset | None:
        return _first(group, name) or _first(shared, name)

    enhanced = shared is not None or group is not None
    measures = item("PixelMeasuresSequence") if enhanced else header
    values = item("PixelValueTransformationSequence") if enhanced else header
    spacing = _tagged(measures, "PixelSpacing", 2) or _tagged(header, "ImagerPixelSpacing", 2)
    if spacing is not None and not min(spacing) > 0:
        raise ReadError(f"PixelSpacing is {spacing[0]:g} by {spacing[1]:g} mm, which cannot be.")
    if spacing is None and not enhanced:
        spacing = pixel_size(header)
    distance = _size(measures, "SpacingBetweenSlices")
    slope = _tagged(values, "RescaleSlope", 1) or _tagged(header, "DoseGridScaling", 1) or (1.0,)
    intercept = _tagged(values, "RescaleIntercept", 1) or (0.0,)
    return Frame(
        file,
        index,
        header,
        pixels,
        _pose(item) if enhanced else _plain_pose(header, index, pixels.frames),
        (spacing[0], spacing[1]) if spacing else None,
        distance or _size(measures, "SliceThickness"),
        distance,
        (slope[0] or 1.0, intercept[0]),
        group,
    )


def _size(entry: Dataset | None, tag: str) -> float | None:
    """Give a length without its sign, which says from where to where it was measured."""
    found = _tagged(entry, tag, 1)
    return abs(found[0]) if found and found[0] else None


def _tagged(entry: Dataset | None, tag: str, count: int) -> tuple[float, ...] | None:
    try:
        return numbers(entry, tag, count)
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(
            f"{tag} is no number (a comma instead of a point, for example); export the file again "
            "from where it came."
        ) from error


def _pose(item: Callable[[str], Dataset | None]) -> Pose | None:
    corner = _tagged(item("PlanePositionSequence"), "ImagePositionPatient", 3)
    turn = _tagged(item("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    if corner is None or turn is None:
        return None
    return _checked_pose(corner, turn)


def _plain_pose(header: Dataset, index: int, count: int) -> Pose | None:
    """Give the pose of a frame that is the only one, or that a grid of offsets places."""
    corner = _tagged(header, "ImagePositionPatient", 3)
    turn = _tagged(header, "ImageOrientationPatient", 6)
    if corner is None or turn is None:
        return None
    pose = _checked_pose(corner, turn)
    if count == 1:
        return pose
    offsets = _tagged(header, "GridFrameOffsetVector", count)
    if offsets is None:
        return None
    along = offsets[index] - offsets[0]
    return Pose(pose.corner + along * pose.normal, pose.across, pose.down)


def _checked_pose(corner: Sequence[float], turn: Sequence[float]) -> Pose:
    across, down = turn[:3], turn[3:]
    lengths = math.hypot(*across), math.hypot(*down)
    slant = sum(a * b for a, b in zip(across, down, strict=True))
    if max(abs(lengths[0] - 1.0), abs(lengths[1] - 1.0), abs(slant)) > _NEARLY:
        raise ReadError("ImageOrientationPatient holds no two directions at right angles.")
    return Pose(np.array(corner), np.array(across) / lengths[0], np.array(down) / lengths[1])
