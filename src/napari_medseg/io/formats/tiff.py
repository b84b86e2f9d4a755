"""TIFF files of any axes, grey or colour, and the spacing that three traditions write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import DISTANCE_UNKNOWN, OVER_TIME, Finding
from napari_medseg.io.formats.tiff_pixels import complaints, decode
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import ImageFile
from napari_medseg.io.notes import noted_geometry, parse_note
from napari_medseg.io.units import PIXEL, factor_to, in_seconds, known_unit, written

# Resolutions that printers and photo programs write without having measured anything.
_PRINT_DPI = frozenset({72.0, 96.0, 100.0, 150.0, 200.0, 240.0, 300.0, 600.0, 1200.0})
_INCH, _CENTIMETRE = 2, 3


def read_tiff(file: Path) -> ImageFile:
    """Give planes and stacks, over time and with channels too, and what is odd about the geometry.

    One leading axis of more than one sample is the stack, whatever the file calls it, unless it
    calls it channels. The first resolution of a pyramid is read.

    Raises
    ------
    ReadError
        With one sentence, where planes are missing or nothing tells what the axes are.
    """
    return _read(file, as_numbers=False)[0]


def read_tiff_labels(
    file: Path,
) -> tuple[NDArray[Any], Geometry, dict[str, Any], Sequence[Finding]]:
    """Give the label map of a TIFF, its geometry, our entry in it, and findings.

    The numbers of the classes are those that are stored, whatever they look like: the places in a
    palette, and greys that count from white as they are.

    Raises
    ------
    ReadError
        As for `read_tiff`, and where there is more than one plane or stack.
    """
    image, note = _read(file, as_numbers=True)
    if image.n_axes > image.geometry.ndim:
        raise ReadError(f"{file.name} has {image.sizes}; save one stack of it and open that.")
    return image.data, image.geometry, note, image.findings


def write_tiff_labels(
    path: Path,
    labels: NDArray[np.unsignedinteger],
    geometry: Geometry,
    note: str,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write labels (H, W) or (Z, H, W) as OME-TIFF, with the spacing in the resolution tags too.

    `check` is called before each plane, and may raise.
    """

    def planes() -> Iterator[NDArray[Any]]:
        for plane in labels if labels.ndim == 3 else labels[None]:
            check()
            yield np.ascontiguousarray(plane)

    axes = "ZYX"[-labels.ndim :]
    write_ome(path, planes(), axes, geometry, note, shape=labels.shape, dtype=labels.dtype)


def write_ome(
    path: Path,
    pixels: NDArray[Any] | Iterator[NDArray[Any]],
    axes: str,
    geometry: Geometry,
    note: str,
    channels: Sequence[str] = (),
    *,
    shape: tuple[int, ...] | None = None,
    dtype: np.dtype[Any] | None = None,
) -> None:
    """Write an OME-TIFF, with the spacing in the resolution tags too.

    Parameters
    ----------
    path : Path
        The file.
    pixels : ndarray or iterator of ndarray
        All of it, or plane by plane.
    axes : str
        A letter each, such as ``"CZYX"``; a last ``"S"`` are colours.
    geometry : Geometry
        Of the axes in space.
    note : str
        Our entry, of `make_note`.
    channels : sequence of str
        Their names, if they have any.
    shape, dtype
        Of all, where the planes come one by one.
    """
    metadata, options = ome_entries(geometry)
    metadata |= {"axes": axes, "Description": note}
    if channels:
        metadata["Channel"] = {"Name": list(channels)}
    tifffile.imwrite(
        path,
        pixels,
        shape=shape,
        dtype=dtype,
        ome=True,
        photometric="rgb" if axes.endswith("S") else "minisblack",
        compression="zlib",
        metadata=metadata,
        **options,
    )


def ome_entries(geometry: Geometry) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the OME metadata and the resolution tags that tell a spacing; none for pixels."""
    if geometry.units == PIXEL:
        return {}, {}
    metadata: dict[str, Any] = {}
    for axis, size in zip("ZYX"[-geometry.ndim :], geometry.spacing, strict=True):
        metadata[f"PhysicalSize{axis}"] = size
        metadata[f"PhysicalSize{axis}Unit"] = written(geometry.units)
    per_cm = 10.0 if geometry.units == "mm" else 10_000.0
    resolution = (per_cm / geometry.spacing[-1], per_cm / geometry.spacing[-2])
    return metadata, {"resolution": resolution, "resolutionunit": "CENTIMETER"}


def _read(file: Path, as_numbers: bool) -> tuple[ImageFile, dict[str, Any]]:
    with complaints() as found, tifffile.TiffFile(file) as tiff:
        pixels = decode(tiff, file, as_numbers)
        if found:
            raise ReadError(f"{file.name} is cut off; get the file again from where it came.")
        note = tiff_note(tiff)
        if pixels.n_spatial == 2 and noted_geometry(note, 3):  # a volume of one plane stays one
            pixels = pixels._replace(data=np.expand_dims(pixels.data, len(pixels.lead)))
        geometry, findings = tiff_geometry(tiff, pixels.n_spatial)
        image = ImageFile(
            pixels.data,
            geometry,
            pixels.rgb,
            split_suffix(file.name)[0],
            tuple(findings),
            axes=(*pixels.lead, *"zyx"[-pixels.n_spatial :]),
            step=_time_step(tiff),
        )
        return image, note


def tiff_note(tiff: tifffile.TiffFile) -> dict[str, Any]:
    """Give our own entry in the description of an open TIFF; empty where there is none."""
    root = _ome_root(tiff.ome_metadata) if tiff.ome_metadata else None
    return parse_note(None if root is None else root.findtext(".//{*}Image/{*}Description"))


def tiff_geometry(tiff: tifffile.TiffFile, ndim: int) -> tuple[Geometry, Sequence[Finding]]:
    """Give the geometry of an open TIFF: our own entry, else OME, ImageJ or resolution tags.

    The distance of planes defaults to the height of a pixel, with a finding where that is known. A
    resolution in inches is taken only where it is not one of the round figures that printing leaves
    behind.
    """
    noted = noted_geometry(tiff_note(tiff), ndim)
    if noted is not None:
        return noted, ()
    spacing, units = (
        _ome_spacing(tiff) or _imagej_spacing(tiff) or _resolution_spacing(tiff) or ({}, PIXEL)
    )
    x = spacing.get("X", 1.0)
    y = spacing.get("Y", x)
    geometry = Geometry((spacing.get("Z", y), y, x)[-ndim:], units=units)
    if ndim < 3 or units == PIXEL:
        return geometry, ()
    if _is_over_time(tiff):
        return geometry, (OVER_TIME,)
    return geometry, () if "Z" in spacing else (DISTANCE_UNKNOWN,)


def _is_over_time(tiff: tifffile.TiffFile) -> bool:
    """Whether time is what the stack is made of."""
    series = tiff.series[0]
    longer = [axis for axis, n in zip(series.axes, series.shape, strict=True) if n > 1]
    return [axis for axis in longer if axis not in "CYXS"] == ["T"]


def _length(value: float, unit: str) -> tuple[float, str] | None:
    """Give a length in mm or um; None where the unit is unknown or the value makes no sense."""
    found = known_unit(unit.replace("\\u00b5", "µ").replace("\\u00B5", "µ"))
    if found is None or found[0] == PIXEL or not (np.isfinite(value) and value > 0):
        return None
    return value * found[1], found[0]


Spacing = tuple[dict[str, float], str]


def _in_one_unit(lengths: dict[str, tuple[float, str] | None]) -> Spacing | None:
    known = {axis: length for axis, length in lengths.items() if length is not None}
    if "X" not in known:
        return None
    units = known["X"][1]
    return {axis: n * (factor_to(unit, units) or 1.0) for axis, (n, unit) in known.items()}, units


def _time_step(tiff: tifffile.TiffFile) -> tuple[float, str]:
    """Give the time between frames in seconds, or one pixel where the file does not tell it."""
    found = _ome_pixels(tiff)
    if found is not None:
        step, unit = _number(found.get("TimeIncrement")), found.get("TimeIncrementUnit", "s")
    else:
        entries = tiff.imagej_metadata or {}
        step, unit = _number(entries.get("finterval")), str(entries.get("tunit", "sec"))
    step *= in_seconds(unit) or float("nan")
    return (step, "s") if np.isfinite(step) and step > 0 else (1.0, "pixel")


def _number(entry: Any) -> float:
    """Give what a program wrote as a number; NaN where it is none."""
    try:
        return float(entry)
    except (TypeError, ValueError):
        return float("nan")


def _ome_pixels(tiff: tifffile.TiffFile) -> ElementTree.Element | None:
    root = _ome_root(tiff.ome_metadata) if tiff.ome_metadata else None
    return root.find(".//{*}Pixels") if root is not None else None


def _ome_root(xml: str) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", xml.strip()))
    except ElementTree.ParseError:
        return None


def _ome_spacing(tiff: tifffile.TiffFile) -> Spacing | None:
    found = _ome_pixels(tiff)
    if found is None:
        return None
    return _in_one_unit(
        {
            axis: _length(
                _number(found.get(f"PhysicalSize{axis}")),
                found.get(f"PhysicalSize{axis}Unit", "µm"),
            )
            for axis in "ZYX"
        }
    )


def _per_unit(tiff: tifffile.TiffFile, tag: str) -> float:
    """Give samples per unit from a resolution tag; nan where it is missing or nought."""
    found = tiff.pages.first.tags.get(tag)
    if found is None or not all(found.value):
        return float("nan")
    numerator, denominator = found.value
    return float(numerator / denominator)


def _imagej_spacing(tiff: tifffile.TiffFile) -> Spacing | None:
    entries = tiff.imagej_metadata
    if not entries:
        return None
    unit = str(entries.get("unit", ""))
    lengths = {axis: _length(1.0 / _per_unit(tiff, f"{axis}Resolution"), unit) for axis in "YX"}
    if "spacing" in entries:
        # ImageJ writes a stack that counts downwards with a distance below nought.
        lengths["Z"] = _length(abs(_number(entries["spacing"])), unit)
    return _in_one_unit(lengths)


def _resolution_spacing(tiff: tifffile.TiffFile) -> Spacing | None:
    tag = tiff.pages.first.tags.get("ResolutionUnit")
    unit = int(tag.value) if tag is not None else 1
    per_unit = {axis: _per_unit(tiff, f"{axis}Resolution") for axis in "YX"}
    if unit == _CENTIMETRE:
        return _in_one_unit({axis: _length(1.0 / n, "cm") for axis, n in per_unit.items()})
    if unit == _INCH and not _PRINT_DPI & set(per_unit.values()):
        return _in_one_unit({axis: _length(1.0 / n, "inch") for axis, n in per_unit.items()})
    return None
