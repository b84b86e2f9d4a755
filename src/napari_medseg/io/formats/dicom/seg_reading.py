"""DICOM-SEG files as label maps, on the grid of the image that they were painted on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import ReadError, guarded
from napari_medseg.io.findings import Finding, geometry_findings
from napari_medseg.io.formats.dicom.frames import Frame, Pose, frames_of
from napari_medseg.io.formats.dicom.grid import TO_APP
from napari_medseg.io.formats.dicom.headers import (
    import_pydicom,
    is_segmentation,
    quiet,
    read_header,
    text,
)
from napari_medseg.io.formats.dicom.pixels import all_stored_values
from napari_medseg.io.formats.dicom.seg_segments import provenance_of
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import ImageFile
from napari_medseg.io.label_file import (
    LabelFile,
    exact_labels,
    names_to,
    overlap_findings,
)

if TYPE_CHECKING:
    from pydicom import Dataset

_HALF = 0.5
_DISTANCE_GUESSED = Finding(
    "distance unknown",
    "This DICOM-SEG does not say how far apart the planes of its image lie; their thickness is "
    "taken for it, so open it together with its image before you measure volumes.",
)
_SAME_PLACE = 0.05  # of the smallest side of a voxel


def referenced_series(file: Path) -> str:
    """Give the UID of the image series that a DICOM-SEG was painted on; empty where unknown."""
    header = read_header(file)
    references = header.get("ReferencedSeriesSequence") or []
    return text(references[0], "SeriesInstanceUID") if references else ""


def read_segmentation(file: Path, image: ImageFile | None = None) -> LabelFile:
    """Read a DICOM-SEG: binary, fractional (from one half on) or label map.

    Parameters
    ----------
    file : Path
        The DICOM-SEG.
    image : ImageFile, optional
        The DICOM image to lay it on, as `read_volume` gave it. Without one the segmentation keeps
        a grid of its own, from its first plane to its last.

    Returns
    -------
    LabelFile
        Where segments overlap, the one of the higher number wins, and there is a finding.

    Raises
    ------
    ReadError
        With one sentence, where it is no DICOM-SEG or does not lie on the image.
    """
    import_pydicom()
    return guarded(file, lambda: _read(file, image))


def _read(file: Path, image: ImageFile | None) -> LabelFile:
    header = read_header(file)
    if not is_segmentation(header):
        raise ReadError(f"{file.name} is no DICOM-SEG; open it as an image.")
    frames = frames_of(file, header)
    if any(frame.pose is None for frame in frames):
        raise ReadError(f"{file.name} does not say where its planes lie.")
    masks = all_stored_values(frames)
    if image is None:
        places, count, geometry = _own_grid(file, frames)
        guessed = frames[0].distance is None and not _has_neighbours(places)
    else:
        places, geometry = _places_on(file, frames, image), image.geometry
        count = image.data.shape[image.n_axes - 3]
    labels = np.zeros((count, *masks.shape[1:]), np.uint16)
    lost: Counter[tuple[int, int]] = Counter()
    for frame, mask, place in _highest_segment_first(header, frames, masks, places):
        lost += _paint(labels[place], _numbers(header, frame, mask))
    names = _names(header)
    findings = overlap_findings(lost, names)
    if image is None:  # else the image's own findings tell of its geometry
        findings += geometry_findings(geometry) + ([_DISTANCE_GUESSED] if guessed else [])
    name = "Segments" if image is None else f"Segments of {image.name}"
    made, space = provenance_of(header), text(header, "FrameOfReferenceUID")
    exact, told = exact_labels(labels), tuple(findings)
    return LabelFile(exact, geometry, names, made, name, told, space, file)


def _highest_segment_first(
    header: Dataset, frames: Sequence[Frame], masks: NDArray[Any], places: Sequence[int]
) -> list[tuple[Frame, NDArray[Any], int]]:
    entries = list(zip(frames, masks, places, strict=True))
    return sorted(entries, key=lambda entry: -_segment(header, entry[0]))


def _numbers(header: Dataset, frame: Frame, mask: NDArray[Any]) -> NDArray[np.uint16]:
    """Give the number of the segment in each pixel of a frame, 0 where there is none."""
    kind = text(header, "SegmentationType")
    if kind == "LABELMAP":
        return mask.astype(np.uint16)
    least = _HALF * float(header.get("MaximumFractionalValue", 255)) if kind == "FRACTIONAL" else 1
    return (mask >= least) * np.uint16(_segment(header, frame))


def _paint(labels: NDArray[np.uint16], numbers: NDArray[np.uint16]) -> Counter[tuple[int, int]]:
    """Put a frame into its plane where that is free, and count what of it was not.

    Returns
    -------
    Counter
        How many pixels of a segment already belong to which other one.
    """
    taken = (numbers > 0) & (labels > 0) & (numbers != labels)
    lost = Counter(zip(numbers[taken].tolist(), labels[taken].tolist(), strict=True))
    np.copyto(labels, numbers, where=labels == 0)
    return lost


def _segment(header: Dataset, frame: Frame) -> int:
    """Give the number of the segment that a frame shows; 0 where it shows all of them."""
    for group in (frame.group, (header.get("SharedFunctionalGroupsSequence") or [None])[0]):
        found = group.get("SegmentIdentificationSequence") if group is not None else None
        if found:
            return int(found[0].ReferencedSegmentNumber)
    return 0


def _names(header: Dataset) -> tuple[str, ...]:
    with quiet():
        names = {
            int(segment.SegmentNumber): text(segment, "SegmentLabel")
            for segment in header.get("SegmentSequence") or []
        }
    return names_to(names)


def _pose(frame: Frame) -> Pose:
    assert frame.pose is not None  # `_read` has looked
    return frame.pose


def _places_on(file: Path, frames: Sequence[Frame], image: ImageFile) -> list[int]:
    """Give the plane of the image in which each frame lies.

    Raises
    ------
    ReadError
        Where a frame lies in none.
    """
    elsewhere = ReadError(
        f"{file.name} lies on another grid than this image; open it alone, or together with the "
        "series that it was made from."
    )
    corners = np.array(image.source.get("corners", ()))
    first = _pose(frames[0])
    turn = np.array([TO_APP @ first.down, TO_APP @ first.across])
    if not len(corners) or not np.allclose(turn, np.array(image.source["turn"]), atol=1e-3):
        raise elsewhere
    if not _has_pixels_of(frames[0], image):
        raise elsewhere
    limit = _SAME_PLACE * min(frames[0].spacing or (1.0, 1.0))
    places = []
    for frame in frames:
        away = np.linalg.norm(corners - TO_APP @ _pose(frame).corner, axis=1)
        if away.min() > limit:
            raise elsewhere
        places.append(int(away.argmin()))
    return places


def _has_pixels_of(frame: Frame, image: ImageFile) -> bool:
    """Tell whether a frame has as many pixels as the planes of an image, and as large ones."""
    end = image.n_axes
    if tuple(image.data.shape[end - 2 : end]) != frame.size[:2]:
        return False
    if image.geometry.units != "mm" or frame.spacing is None:
        return True
    return np.allclose(image.geometry.spacing[-2:], frame.spacing, rtol=1e-3)


def _are_multiples(gaps: NDArray[np.float64], step: float, within: float) -> bool:
    """Tell whether planes lie a whole number of steps apart, within a share of a step."""
    counts = np.rint(gaps / step)
    return bool(counts.min() >= 1 and np.abs(gaps - counts * step).max() <= within * step)


def _has_neighbours(places: Sequence[int]) -> bool:
    """Tell whether two planes lie next to one another, or there is but one."""
    gaps = np.diff(np.unique(places))
    return not len(gaps) or bool(gaps.min() == 1)


def _own_grid(file: Path, frames: Sequence[Frame]) -> tuple[list[int], int, Geometry]:
    """Give the plane of each frame, how many planes there are, and where they lie."""
    first = min(frames, key=lambda frame: _pose(frame).along)
    start, last = _pose(first), max((_pose(frame) for frame in frames), key=lambda p: p.along)
    distances = np.array([_pose(frame).along for frame in frames]) - start.along
    gaps = np.diff(np.unique(np.round(distances, 3)))
    step = first.thickness or 1.0
    if len(gaps) and not _are_multiples(gaps, step, 0.02):
        # The smallest gap, in the mean over all: each is rounded in the file.
        step = float(gaps.sum() / np.rint(gaps / gaps.min()).sum())
    places = np.rint(distances / step).astype(int)
    if len(gaps) and not _are_multiples(gaps, step, 0.1):
        raise ReadError(
            f"The planes of {file.name} are unevenly spaced; open it together with its image."
        )
    rows, columns = first.spacing or (1.0, 1.0)
    count = int(places.max()) + 1
    way = (last.corner - start.corner) / (count - 1) if count > 1 else start.normal * step
    matrix = np.eye(4)
    matrix[:3, :3] = TO_APP @ np.stack([way, start.down * rows, start.across * columns], axis=1)
    matrix[:3, 3] = TO_APP @ start.corner
    return places.tolist(), count, Geometry.from_affine(matrix)
