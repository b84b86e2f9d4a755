"""Frames of a DICOM series put together to a volume, after checks that no reader does for us.

Frames are ordered by where they lie along their normal, never by name or number. Positions in the
standard's axes (left, back, up) become the app's (up, front, right).
"""

from __future__ import annotations

from typing import Any

from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import Finding, geometry_findings
from napari_medseg.io.formats.dicom.copies import without_copies
from napari_medseg.io.formats.dicom.frames import Frame
from napari_medseg.io.formats.dicom.grid import (
    along,
    geometry_of_frames,
    in_app,
    tilt_findings,
    unevenness,
    unplaced,
)
from napari_medseg.io.formats.dicom.headers import text
from napari_medseg.io.formats.dicom.pixels import (
    is_calibrated,
    is_colour,
    is_inverted,
    value_of,
    value_type,
    values_of,
    window_of,
)
from napari_medseg.io.formats.dicom.series import Series
from napari_medseg.io.formats.dicom.ultrasound import OTHER_REGIONS, shows_other_than_tissue
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import ImageFile

LAZY_ABOVE = 2 * 1024**3
"""Bytes of pixels from which planes are only decoded when they are looked at."""


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
    frames.sort(key=lambda frame: (along(frame), frame.number, frame.index))
    frames, findings, times = without_copies(frames)
    if times > 1:
        return _over_time(series, frames, times, findings)
    uneven = unevenness(frames)
    if uneven:
        if not planes_if_uneven:
            raise ReadError(
                f"{series.name} is no volume: {uneven}; get the missing planes, or open the folder "
                "in napari, which shows it as single planes."
            )
        shown = f"it is shown as single planes. {_in_pixels(frames)}"
        findings += [Finding("uneven", f"{series.name} is no volume: {uneven}; {shown}")]
        return _image(series, frames, unplaced(frames), findings + tilt_findings(frames))
    geometry = geometry_of_frames(frames)
    findings += tilt_findings(frames) or geometry_findings(geometry)
    if len(frames) == 1 and frames[0].thickness is None:
        findings.append(
            Finding("thickness unknown", "The thickness of this plane is not known.", warning=False)
        )
    return _image(series, frames, geometry, findings)


def _without_position(series: Series, frames: list[Frame]) -> ImageFile:
    frames.sort(key=lambda frame: (frame.number, str(frame.file), frame.index))
    if len(frames) == 1:
        spacing, header = frames[0].spacing, frames[0].header
        geometry = Geometry(spacing, units="mm") if spacing else Geometry((1.0, 1.0))
        findings = [OTHER_REGIONS] if spacing and shows_other_than_tissue(header) else []
        return _image(series, frames, geometry, findings, single=True)
    finding = Finding(
        "position unknown",
        f"{series.name} does not say where its planes lie; they are shown one after the other. "
        f"{_in_pixels(frames)}",
    )
    return _image(series, frames, unplaced(frames), [finding])


def _in_pixels(frames: list[Frame]) -> str:
    """Say what cannot be measured on planes that no distance joins, and where it can."""
    alone = len({frame.file for frame in frames}) > 1 and frames[0].spacing is not None
    way = "; a file of it opened alone is measured in mm" if alone else ""
    return f"All measures are in pixels, also within a plane{way}."


def _over_time(
    series: Series, frames: list[Frame], times: int, findings: list[Finding]
) -> ImageFile:
    """Give a volume at each point of time, from the order of numbers at each place."""
    volumes = [frames[time::times] for time in range(times)]
    uneven = unevenness(volumes[0])
    if uneven:
        raise ReadError(f"{series.name} is no volume: {uneven}; get the missing planes.")
    geometry = geometry_of_frames(volumes[0])
    findings = findings + (tilt_findings(volumes[0]) or geometry_findings(geometry))
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
    spaces = (text(frame.header, "FrameOfReferenceUID") for frame in frames)
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
            "frame_of_reference": next(filter(None, spaces), ""),
            "planes": tuple((str(frame.file), frame.index) for frame in frames),
            "corners": tuple(in_app(frame.pose.corner) for frame in frames if frame.pose),
            "turn": () if pose is None else (in_app(pose.down), in_app(pose.across)),
        },
    )


def _data(frames: list[Frame]) -> Any:
    rows, columns, _ = frames[0].size
    if len(frames) * frames[0].pixels.bits // 8 <= LAZY_ABOVE:
        return values_of(frames)
    from functools import partial

    import dask.array as da
    from dask import delayed

    dtype = value_type(frames)
    shape = (rows, columns, 3) if is_colour(frames[0]) else (rows, columns)
    later = [delayed(partial(value_of, frame, dtype))() for frame in frames]
    return da.stack([da.from_delayed(plane, shape, dtype) for plane in later])
