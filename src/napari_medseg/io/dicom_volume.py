"""Frames of a DICOM series put together to a volume, after checks that no reader does for us.

Frames are ordered by where they lie along their normal, never by name or number. Positions in the
standard's axes (left, back, up) become the app's (up, front, right).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.dicom import text
from napari_medseg.io.dicom_frames import Frame, Pose
from napari_medseg.io.dicom_pixels import (
    is_calibrated,
    is_colour,
    is_inverted,
    stored_values,
    value_of,
    value_type,
    values_of,
    window_of,
)
from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import Finding, geometry_findings
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import ImageFile
from napari_medseg.io.series import Series

LAZY_ABOVE = 2 * 1024**3
"""Bytes of pixels from which planes are only decoded when they are looked at."""

_SAME_PLACE = 1e-3  # mm
_UNEVEN = 0.01  # of the distance of planes; half a step of what scanners round to
_ROUNDING = 0.011  # mm; positions in files have two decimals or more
TO_APP = np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Turns DICOM's (left, back, up) into the app's (up, front, right)."""


def read_series(series: Series, *, planes_if_uneven: bool = False) -> ImageFile:
    """Give a series as an image.

    Parameters
    ----------
    series : Series
        As `list_series` gives it.
    planes_if_uneven : bool
        Whether planes at uneven distances (one is missing, say) are given as a stack without
        distances; else they are refused.

    Returns
    -------
    ImageFile
        (Z, Y, X[, 3]), (T, Z, Y, X), or (Y, X[, 3]) for a single picture that has no position.
        ``source["planes"]`` names file and frame of each plane, in the order of the data.

    Raises
    ------
    ReadError
        With one sentence, where planes are missing, damaged or contradict each other.
    """
    frames = list(series.frames)
    if frames[0].pose is None:
        return _without_position(series, frames)
    frames.sort(key=lambda frame: (_along(frame), frame.number, frame.index))
    frames, findings, times = _without_copies(frames)
    if times > 1:
        return _over_time(series, frames, times, findings)
    uneven = _uneven(frames)
    if uneven:
        if not planes_if_uneven:
            raise ReadError(
                f"{series.name} is no volume: {uneven}; get the missing planes, or open the folder "
                "in napari, which shows it as single planes."
            )
        shown = "it is shown as single planes, and nothing can be measured across them in mm."
        findings += [Finding("uneven", f"{series.name} is no volume: {uneven}; {shown}")]
        return _image(series, frames, _unplaced(frames), findings + _tilt(frames))
    geometry = _geometry(frames)
    findings += _tilt(frames) or geometry_findings(geometry)
    if len(frames) == 1 and frames[0].thickness is None:
        findings.append(
            Finding("thickness unknown", "The thickness of this plane is not known.", warning=False)
        )
    return _image(series, frames, geometry, findings)


def _along(frame: Frame) -> float:
    return round(_pose(frame).along, 4)


def _pose(frame: Frame) -> Pose:
    if frame.pose is None:
        raise ReadError(f"{frame.file.name} does not say where it lies; open it alone.")
    return frame.pose


def _without_position(series: Series, frames: list[Frame]) -> ImageFile:
    frames.sort(key=lambda frame: (frame.number, str(frame.file), frame.index))
    if len(frames) == 1:
        spacing = frames[0].spacing
        geometry = Geometry(spacing, units="mm") if spacing else Geometry((1.0, 1.0))
        return _image(series, frames, geometry, [], single=True)
    finding = Finding(
        "position unknown",
        f"{series.name} does not say where its planes lie; they are shown one after the other, "
        "and nothing can be measured across them in mm.",
    )
    return _image(series, frames, _unplaced(frames), [finding])


def _without_copies(frames: list[Frame]) -> tuple[list[Frame], list[Finding], int]:
    """Drop copies of a plane; give what is left, a notice, and how many times each place occurs.

    Raises
    ------
    ReadError
        Where planes at one place differ, and not every place has as many.
    """
    places: list[list[Frame]] = []
    for frame in frames:
        corner = _pose(frame).corner
        if places and np.allclose(_pose(places[-1][0]).corner, corner, atol=_SAME_PLACE):
            places[-1].append(frame)
        else:
            places.append([frame])
    if all(len(place) == 1 for place in places):
        return frames, [], 1
    kept = [_different(place) for place in places]
    counts = {len(place) for place in kept}
    names = {frame.file.name for place in places for frame in place} - {
        frame.file.name for place in kept for frame in place
    }
    findings = []
    if names:
        findings.append(
            Finding(
                "duplicate",
                f"Exact copies were left out: {', '.join(sorted(names))}.",
                warning=False,
            )
        )
    if len(counts) > 1:
        first = next(place for place in kept if len(place) > 1)
        raise ReadError(
            f"{first[0].file.name} and {first[1].file.name} show the same place differently; "
            "remove the one that does not belong here."
        )
    return [frame for place in kept for frame in place], findings, counts.pop()


def _different(place: list[Frame]) -> list[Frame]:
    """Give the frames of one place without those whose pixels another one has."""
    kept: list[tuple[Frame, NDArray[Any]]] = []
    if len(place) == 1:
        return place
    for frame in place:
        pixels = stored_values(frame)
        if not any(
            np.array_equal(pixels, other) and frame.rescale == twin.rescale for twin, other in kept
        ):
            kept.append((frame, pixels))
    uids = [text(frame.header, "SOPInstanceUID") for frame, _ in kept]
    if len({(uid, frame.index) for uid, (frame, _) in zip(uids, kept, strict=True)}) < len(kept):
        raise ReadError(
            f"{kept[0][0].file.name} and {kept[1][0].file.name} say that they are the same image, "
            "but differ; remove the one that does not belong here."
        )
    return [frame for frame, _ in kept]


def _uneven(frames: list[Frame]) -> str:
    """Say how planes are spaced unevenly; empty where they are not."""
    if len(frames) < 3:
        return ""
    corners = np.array([_pose(frame).corner for frame in frames])
    line = np.linspace(corners[0], corners[-1], len(corners))
    step = float(np.linalg.norm(line[1] - line[0]))
    if np.abs(corners - line).max() <= max(_UNEVEN * step, _ROUNDING):
        return ""
    gaps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    usual = float(np.median(gaps))
    widest = int(np.argmax(np.abs(gaps - usual)))
    return (
        f"its planes are unevenly spaced ({gaps[widest]:.2f} mm between planes {widest + 1} and "
        f"{widest + 2}, else mostly {usual:.2f} mm; a plane may be missing)"
    )


def _step(frames: list[Frame]) -> NDArray[np.float64]:
    """Give the way from one plane to the next."""
    first = _pose(frames[0])
    if len(frames) == 1:
        return first.normal * (frames[0].thickness or 1.0)
    return (_pose(frames[-1]).corner - first.corner) / (len(frames) - 1)


def _tilt(frames: list[Frame]) -> list[Finding]:
    """Tell a gantry tilt: planes that are shifted against each other by half a pixel or more."""
    step, pose = _step(frames), _pose(frames[0])
    sideways = step - (step @ pose.normal) * pose.normal
    drift = float(np.linalg.norm(sideways)) * (len(frames) - 1)
    if drift < 0.5 * min(_spacing(frames[0])):
        return []
    degrees = np.degrees(np.arctan2(np.linalg.norm(sideways), step @ pose.normal))
    return [
        Finding(
            "tilt",
            f"The planes are tilted by {degrees:.1f}° against the way they are stacked (gantry "
            "tilt); they are shown without the shift, so the shape along the stack is slanted. "
            "Labels are saved where they belong.",
        )
    ]


def _spacing(frame: Frame) -> tuple[float, float]:
    if frame.spacing is None:
        raise ReadError(f"{frame.file.name} does not say how large its pixels are (PixelSpacing).")
    return frame.spacing


def _geometry(frames: list[Frame]) -> Geometry:
    spacings = {_spacing(frame) for frame in frames}
    if not np.allclose(np.ptp(np.array(list(spacings)), axis=0), 0.0, atol=1e-5):
        raise ReadError(
            f"The planes around {frames[0].file.name} have pixels of different sizes; choose files "
            "of one scan."
        )
    rows, columns = _spacing(frames[0])
    pose = _pose(frames[0])
    matrix = np.eye(4)
    axes = np.stack([_step(frames), pose.down * rows, pose.across * columns], axis=1)
    matrix[:3, :3] = TO_APP @ axes
    matrix[:3, 3] = TO_APP @ pose.corner
    return Geometry.from_affine(matrix)


def _in_app(vector: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple((TO_APP @ vector).tolist())


def _unplaced(frames: list[Frame]) -> Geometry:
    """Give the geometry of planes that no distance joins: pixels, in their true proportion."""
    rows, columns = frames[0].spacing or (1.0, 1.0)
    return Geometry((1.0, rows / columns, 1.0))


def _over_time(
    series: Series, frames: list[Frame], times: int, findings: list[Finding]
) -> ImageFile:
    """Give a volume at each point of time, from the order of numbers at each place."""
    volumes = [frames[time::times] for time in range(times)]
    uneven = _uneven(volumes[0])
    if uneven:
        raise ReadError(f"{series.name} is no volume: {uneven}; get the missing planes.")
    geometry = _geometry(volumes[0])
    findings = findings + (_tilt(volumes[0]) or geometry_findings(geometry))
    findings.append(
        Finding(
            "time",
            f"Each place of {series.name} was taken {times} times; they are shown in the order of "
            "their numbers.",
            warning=False,
        )
    )
    in_order = [frame for volume in volumes for frame in volume]
    image = _image(series, in_order, geometry, findings, times=times)
    return image


def _image(
    series: Series,
    frames: list[Frame],
    geometry: Geometry,
    findings: list[Finding],
    *,
    single: bool = False,
    times: int = 1,
) -> ImageFile:
    rgb = is_colour(frames[0])
    data = _data(frames)
    if single:
        data = data[0]
    if times > 1:
        data = data.reshape(times, -1, *data.shape[1:])
    calibrated = any(map(is_calibrated, frames))
    inverted = is_inverted(frames[0]) and not rgb
    if inverted:
        turned = "its measured values stay" if calibrated else "its values are turned round"
        findings = [
            *findings,
            Finding("inverted", f"{series.name} is stored as a negative; {turned}.", warning=False),
        ]
    middle = frames[len(frames) // 2]
    pose = frames[0].pose
    return ImageFile(
        data,
        geometry,
        rgb,
        series.name,
        tuple(findings),
        axes=("t", "z", "y", "x")[-(data.ndim - rgb) :],
        window=None if rgb else window_of(middle),
        value_unit="HU" if series.modality == "CT" and "RescaleSlope" in middle.header else "",
        negative=inverted and calibrated,
        source={
            "kind": "dicom",
            "series": series.uid,
            "planes": tuple((str(frame.file), frame.index) for frame in frames),
            "corners": tuple(_in_app(frame.pose.corner) for frame in frames if frame.pose),
            "turn": () if pose is None else (_in_app(pose.down), _in_app(pose.across)),
        },
    )


def _data(frames: list[Frame]) -> Any:
    rows, columns, samples = frames[0].size
    bits = int(frames[0].header.get("BitsAllocated", 16))
    if len(frames) * rows * columns * samples * bits // 8 <= LAZY_ABOVE:
        return values_of(frames)
    from functools import partial

    import dask.array as da
    from dask import delayed

    dtype = value_type(frames)
    shape = (rows, columns, 3) if is_colour(frames[0]) else (rows, columns)
    later = [delayed(partial(value_of, frame, dtype))() for frame in frames]
    return da.stack([da.from_delayed(plane, shape, dtype) for plane in later])
