"""NRRD and MetaImage, the files of 3D Slicer and ITK, in the app's axis order.

SimpleITK reads them. It is not trusted with what it passes over in silence: units, whether the file
knows the patient at all, and whether compressed voxels are whole.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError
from napari_medseg.io.extras import import_extra
from napari_medseg.io.findings import ORIENTATION_UNKNOWN, Finding
from napari_medseg.io.formats.nifti import reversed_axes
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.hush import hushed
from napari_medseg.io.images import ImageFile
from napari_medseg.io.label_file import names_to, overlap_findings
from napari_medseg.io.units import in_seconds, known_unit

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK counts to the left and to the back
_PATIENT = "left-posterior-superior"  # what ITK makes of every space that is the patient's
_PLACES = ("transformmatrix", "orientation", "rotation", "offset", "position", "origin")
"""Entries of a MetaImage by which it lies in the patient."""
_HEADER_LINES = 100_000
_BLOCK = 1 << 16  # bytes; zeros are a thousand times as many when they are unpacked
_ZLIB_OR_GZIP = 47  # as the window of zlib says it; ITK takes both


@dataclass(frozen=True)
class _Segment:
    """A segment of 3D Slicer: the layer of the file that it is in, its value there, its name."""

    layer: int
    value: int
    name: str


def read_itk(file: Path) -> ImageFile:
    """Give voxels (H, W), (Z, H, W) or (T, Z, H, W), colours last, with where they lie.

    A segmentation of 3D Slicer (``.seg.nrrd``) is one label map, also where its segments lie in
    several layers; of two that overlap the later one wins, and there is a finding. Lengths without
    a unit are mm. A file that does not know the patient keeps its voxel size and claims no
    direction.

    Raises
    ------
    ReadError
        With one sentence, for several values per voxel that are no colours, and for more than
        four axes.
    """
    return _read(file)[0]


def read_itk_labels(
    file: Path,
) -> tuple[NDArray[Any], Geometry, dict[str, Any], tuple[Finding, ...]]:
    """Give the label map of a file, its geometry, the names of its classes, and findings."""
    image, names = _read(file)
    if image.n_axes > image.geometry.ndim:
        raise ReadError(f"{file.name} has 4 axes; save one time point of it and open that.")
    note = {"class_names": names} if names else {}
    return image.data, image.geometry, note, image.findings


def _read(file: Path) -> tuple[ImageFile, tuple[str, ...]]:
    """Give an image by the rules of `read_itk`, and the names of its segments by their values."""
    itk = _import_itk()
    header, data_at = _header(file)
    _refuse_damaged_stream(file, header, data_at)
    try:
        image = itk.ReadImage(str(file))
    except RuntimeError as error:  # it names a path of the machine that made SimpleITK
        raise _damaged(file) from error
    n_axes, channels = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if n_axes > 4:
        raise ReadError(f"{file.name} has {n_axes} axes; save one volume of it and open that.")
    fields = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    data = itk.GetArrayFromImage(image)
    geometry, findings = _placed(image, file, header, fields)
    segments = _segments(file, fields, channels)
    names: tuple[str, ...] = ()
    if segments:
        layers = data if channels > 1 else data[..., None]
        data, names, lost = _label_map(layers, segments)
        findings += overlap_findings(lost, names)
    elif channels > 1 and not (channels in (3, 4) and data.dtype == np.uint8):
        raise ReadError(
            f"{file.name} has {channels} values in every voxel; save one of them and open that."
        )
    rgb = channels > 1 and not segments
    name = split_suffix(file.name)[0]
    step = _time_step(image, header)
    return ImageFile(data, geometry, rgb, name, tuple(findings), step=step), names


def _placed(
    image: Any, file: Path, header: Mapping[str, str], fields: Mapping[str, str]
) -> tuple[Geometry, list[Finding]]:
    """Give where the voxels lie by the rules of `read_itk`."""
    is_nrrd = fields.get("ITK_InputFilterName") == "NrrdImageIO"
    unit, factor = _unit(file, header) if is_nrrd else ("mm", 1.0)
    if is_nrrd:
        is_placed = fields.get("NRRD_space") == _PATIENT
    else:
        is_placed = any(name in header for name in _PLACES)
    n = min(image.GetDimension(), 3)
    spacing = np.array(image.GetSpacing()[:n]) * factor
    if n == 3 and is_placed:
        count = image.GetDimension()
        direction = np.array(image.GetDirection()).reshape(count, count)[:n, :n]
        affine = np.eye(4)
        affine[:3, :3] = direction * spacing
        affine[:3, 3] = np.array(image.GetOrigin()[:n]) * factor
        return Geometry.from_affine(reversed_axes(_TO_RAS @ affine), unit), []
    geometry = Geometry(tuple(spacing[::-1].tolist()), units=unit)
    return geometry, [ORIENTATION_UNKNOWN] if n == 3 else []


def _header(file: Path) -> tuple[dict[str, str], int]:
    """Give the entries of a header by their names in lower case, and at which byte it ends."""
    entries: dict[str, str] = {}
    with file.open("rb") as lines:
        for _, line in zip(range(_HEADER_LINES), lines, strict=False):
            name, *value = re.split("[:=]", line.decode("utf-8", "replace").strip(), maxsplit=1)
            if not name:  # the header of a NRRD ends
                break
            entries[name.strip().lower()] = "".join(value).strip()
            if "elementdatafile" in entries:  # that of a MetaImage ends
                break
        return entries, lines.tell()


def _refuse_damaged_stream(file: Path, header: Mapping[str, str], data_at: int) -> None:
    """Raise where compressed voxels break off or do not have their checksum."""
    if header.get("encoding") in ("gz", "gzip"):  # of NRRD
        name = header.get("data file", header.get("datafile", "local"))
    elif header.get("compresseddata", "")[:1].lower() in ("t", "1"):  # of MetaImage
        name = header.get("elementdatafile", "")
    else:
        return
    source = file
    if name.lower() != "local":
        source, data_at = file.parent / name, max(0, int(header.get("headersize", "0")))
    if not source.is_file():  # a list of files, or none: ITK says so
        return
    unpacked = zlib.decompressobj(_ZLIB_OR_GZIP)
    with source.open("rb") as stream:
        stream.seek(data_at)
        try:
            while not unpacked.eof and (block := stream.read(_BLOCK)):
                unpacked.decompress(block)
        except zlib.error as error:
            raise _damaged(source) from error
    if not unpacked.eof:
        raise _damaged(source)


def _damaged(file: Path) -> ReadError:
    return ReadError(
        f"{file.name} cannot be read, it is damaged or not what its name says; get it again from "
        "where it came."
    )


def _unit(file: Path, header: Mapping[str, str]) -> tuple[str, float]:
    """Give the unit of lengths in a NRRD header, and what they must be multiplied with."""
    for name in ("space units", "units"):
        lengths = [known_unit(unit) for unit in _quoted(header, name)]
        found = {length for length in lengths if length is not None}
        if len(found) > 1:
            raise ReadError(
                f"{file.name} measures its axes in different units; save it in one unit and open "
                "that."
            )
        if found:
            return found.pop()
    return "mm", 1.0


def _time_step(image: Any, header: Mapping[str, str]) -> tuple[float, str]:
    """Give the interval of the fourth axis of a NRRD, where it has a unit of time."""
    units = _quoted(header, "space units") or _quoted(header, "units")
    factor = in_seconds(units[3]) if len(units) == 4 == image.GetDimension() else None
    step = image.GetSpacing()[-1]
    return (1.0, "pixel") if factor is None else (step * factor, "s")


def _quoted(header: Mapping[str, str], name: str) -> list[str]:
    """Give the units of an entry of a NRRD, one for each axis; none where it is missing."""
    return re.findall('"([^"]*)"', header.get(name, ""))


def _segments(file: Path, fields: Mapping[str, str], n_layers: int) -> list[_Segment]:
    """Give the segments that 3D Slicer described, in its order; each has voxels of its own."""
    described = sorted(
        int(key[len("Segment") : -len("_Name")])
        for key in fields
        if key.startswith("Segment") and key.endswith("_Name") and key[7:-5].isdigit()
    )
    own_layer = n_layers == len(described)  # older files name neither layer nor value
    segments = [
        _Segment(
            int(fields.get(f"Segment{at}_Layer", at if own_layer else 0)),
            int(fields.get(f"Segment{at}_LabelValue", 1 if own_layer else at + 1)),
            fields[f"Segment{at}_Name"],
        )
        for at in described
    ]
    places = {(segment.layer, segment.value) for segment in segments if segment.layer >= 0}
    if len(places) < len(segments):
        raise _damaged(file)
    return segments


def _label_map(
    layers: NDArray[Any], segments: Sequence[_Segment]
) -> tuple[NDArray[Any], tuple[str, ...], Counter[tuple[int, int]]]:
    """Give layers (..., L) as one label map, its class names, and how much went to which other.

    Segments keep their values; where two layers use one value for different segments, they are
    numbered in their order.
    """
    distinct = len({segment.value for segment in segments}) == len(segments)
    numbers = [segment.value if distinct else at for at, segment in enumerate(segments, 1)]
    names = names_to({n: segment.name for n, segment in zip(numbers, segments, strict=True)})
    if layers.shape[-1] == 1:
        return layers[..., 0], names, Counter()
    labels = np.zeros(layers.shape[:-1], np.min_scalar_type(max(numbers)))
    lost: Counter[tuple[int, int]] = Counter()
    for number, segment in zip(numbers, segments, strict=True):
        inside = layers[..., segment.layer] == segment.value
        others, counts = np.unique(labels[inside], return_counts=True)
        for other, count in zip(others.tolist(), counts.tolist(), strict=True):
            if other:
                lost[other, number] += count
        labels[inside] = number
    return labels, names, lost


def _import_itk() -> ModuleType:
    with hushed(category=DeprecationWarning):  # of SWIG, which it is made with
        return import_extra("SimpleITK", "formats", "NRRD and MetaImage files need")
