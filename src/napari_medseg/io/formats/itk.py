"""NRRD and MetaImage, the files of 3D Slicer and ITK, in the app's axis order.

SimpleITK reads them. It is not trusted with what it passes over in silence: units of length, and
whether the file knows the patient at all.
"""

from __future__ import annotations

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
from napari_medseg.io.units import known_unit

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK counts to the left and to the back
_PATIENT = "left-posterior-superior"  # what ITK makes of every space that is the patient's
_HEADER_LINES = 1000


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
    image = itk.ReadImage(str(file))
    n_axes, channels = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if n_axes > 4:
        raise ReadError(f"{file.name} has {n_axes} axes; save one volume of it and open that.")
    fields = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    data = itk.GetArrayFromImage(image)
    geometry, findings = _placed(image, file, fields)
    segments = _segments(fields, channels)
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
    return ImageFile(data, geometry, rgb, name, tuple(findings)), names


def _placed(image: Any, file: Path, fields: Mapping[str, str]) -> tuple[Geometry, list[Finding]]:
    """Give where the voxels lie by the rules of `read_itk`."""
    is_nrrd = fields.get("ITK_InputFilterName") == "NrrdImageIO"
    unit, factor = _unit(file) if is_nrrd else ("mm", 1.0)
    n = min(image.GetDimension(), 3)
    spacing = np.array(image.GetSpacing()[:n]) * factor
    if n == 3 and (not is_nrrd or fields.get("NRRD_space") == _PATIENT):
        count = image.GetDimension()
        direction = np.array(image.GetDirection()).reshape(count, count)[:n, :n]
        affine = np.eye(4)
        affine[:3, :3] = direction * spacing
        affine[:3, 3] = np.array(image.GetOrigin()[:n]) * factor
        return Geometry.from_affine(reversed_axes(_TO_RAS @ affine), unit), []
    geometry = Geometry(tuple(spacing[::-1].tolist()), units=unit)
    return geometry, [ORIENTATION_UNKNOWN] if n == 3 else []


def _unit(file: Path) -> tuple[str, float]:
    """Give the unit of lengths in a NRRD header, and what they must be multiplied with."""
    with file.open("rb") as lines:
        for _, line in zip(range(_HEADER_LINES), lines, strict=False):
            name, _, value = line.decode("utf-8", "replace").strip().partition(":")
            if not name:  # the header ends
                break
            if name in ("space units", "units"):
                named = {known_unit(unit) for unit in value.split('"') if unit.strip()}
                found = named.pop() if len(named) == 1 else None
                return found or ("mm", 1.0)
    return "mm", 1.0


def _segments(fields: Mapping[str, str], n_layers: int) -> list[_Segment]:
    """Give the segments that 3D Slicer described, in its order."""
    described = sorted(
        int(key[len("Segment") : -len("_Name")])
        for key in fields
        if key.startswith("Segment") and key.endswith("_Name") and key[7:-5].isdigit()
    )
    own_layer = n_layers == len(described)  # older files name neither layer nor value
    return [
        _Segment(
            int(fields.get(f"Segment{at}_Layer", at if own_layer else 0)),
            int(fields.get(f"Segment{at}_LabelValue", 1 if own_layer else at + 1)),
            fields[f"Segment{at}_Name"],
        )
        for at in described
    ]


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
