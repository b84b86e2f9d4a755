"""NIfTI volumes, in the app's axis order.

A NIfTI array is indexed (x, y, z); here it is (Z, Y, X), the same voxels with the axes reversed
and none flipped. The matrix to space has its rows and columns reversed likewise, which no rounding
touches, so a label map carries the matrix of its image to the bit.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError
from napari_medseg.io.extras import import_extra
from napari_medseg.io.findings import ORIENTATION_UNKNOWN, Finding
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import corners_apart
from napari_medseg.io.hush import hushed
from napari_medseg.io.images import ImageFile
from napari_medseg.io.notes import noted_geometry, parse_note
from napari_medseg.io.units import known_unit

_BLOCK = 1 << 20  # bytes
_DIFFERENT = 0.1  # of a voxel, between the places that two matrices give to a corner


def read_nifti(file: Path) -> ImageFile:
    """Give voxels (Z, Y, X[, 3]) or (T, Z, Y, X), with where they lie and what is odd about that.

    Integers without a scaling stay integers of their type, everything else is float32 (float64
    where the file stores that). A header without units means mm, but for labels of ours that were
    painted on pixels. Where the file has both a qform and an sform, the sform counts, as the
    standard recommends; where they differ there is a finding. Where it has neither, the voxel size
    counts and no direction is claimed. What was written here from a plane is a plane again.

    Raises
    ------
    ReadError
        With one sentence, for more than four axes or a voxel size that cannot be.
    """
    return _read(file)[0]


def read_nifti_labels(
    file: Path,
) -> tuple[NDArray[Any], Geometry, dict[str, Any], tuple[Finding, ...]]:
    """Give the label map of a NIfTI file, its geometry, our entry, and findings.

    It is (Z, Y, X), or (Y, X) where it was written here from a plane.
    """
    image, note = _read(file)
    if image.data.ndim - image.rgb > 3:
        raise ReadError(f"{file.name} has 4 axes; save one time point of it and open that.")
    return image.data, image.geometry, note, image.findings


def _read(file: Path) -> tuple[ImageFile, dict[str, Any]]:
    """Give a volume by the rules of `read_nifti`, and our entry in its header."""
    with _opened(file) as image:
        shape = _shape(image, file.name)
        notes = [parse_note(_text(entry.get_content())) for entry in image.header.extensions]
        note = next((note for note in notes if note), {})
        geometry, findings = _placed(image, note)
        data = _voxels(image).reshape(shape)
    name = split_suffix(file.name)[0]
    if data.dtype.names:
        colours = np.stack([data[channel] for channel in data.dtype.names], axis=-1)
        order = (*reversed(range(len(shape))), len(shape))
        data = np.ascontiguousarray(colours.transpose(order))
        return ImageFile(data, geometry, True, name, tuple(findings)), note
    data = np.ascontiguousarray(data.T)
    was_plane = noted_geometry(note, 2)
    if was_plane is not None and len(data) == 1 and data.ndim == 3:
        where = _of_plane(geometry, was_plane)
        return ImageFile(data[0], where, False, name, ()), note  # a plane never knew the patient
    step = _time_step(image)
    return ImageFile(data, geometry, False, name, tuple(findings), step=step), note


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Give the image of a file as nibabel does; a compressed file is read to its end afterwards.

    The checksum of gzip lies behind the voxels, and is compared only by whoever gets there. nibabel
    stops at the last voxel.
    """
    nibabel = import_nibabel()
    # Findings tell what of a header matters, not nibabel.
    with hushed("nibabel.global"), np.errstate(invalid="ignore"):
        image = nibabel.load(file, mmap=False)  # a file that changes must not change the image
    if file.suffix.lower() != ".gz":
        yield image
        return
    with gzip.open(file) as stream:
        holder = nibabel.FileHolder(fileobj=stream)
        with hushed("nibabel.global"), np.errstate(invalid="ignore"):
            image = type(image).from_file_map({"image": holder}, mmap=False)
        yield image
        while stream.read(_BLOCK):
            pass


def _shape(image: Any, name: str) -> tuple[int, ...]:
    """Give the sizes of the three axes of space, and of time where there is such an axis."""
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 4:
        raise ReadError(
            f"{name} has {len(shape)} axes of sizes {shape}; save one volume or one channel "
            "of it and open that."
        )
    return (*shape, *(1,) * (3 - len(shape)))


def _placed(image: Any, note: dict[str, Any]) -> tuple[Geometry, list[Finding]]:
    """Give where the voxels lie by the rules of `read_nifti`."""
    units, factor = _units(image.header, note)
    sform, sform_code = image.header.get_sform(coded=True)
    has_sizes = _has_sizes(image)
    qform, qform_code = image.header.get_qform(coded=True) if has_sizes else (None, 0)
    if not sform_code and not has_sizes:
        raise ReadError("The file gives no usable voxel size (zero or not a number).")
    if not sform_code and not qform_code:
        zooms = [abs(float(zoom)) * factor for zoom in image.header.get_zooms()[:3]]
        zooms += [1.0] * (3 - len(zooms))
        return Geometry((zooms[2], zooms[1], zooms[0]), units=units), [ORIENTATION_UNKNOWN]
    affine = np.asarray(image.affine, dtype=np.float64)
    findings = []
    if (
        sform_code
        and qform is not None
        and corners_apart((*image.shape[:3], 1, 1)[:3], sform, qform)
        > _DIFFERENT * min(np.linalg.norm(affine[:3, :3], axis=0))
    ):
        findings.append(
            Finding(
                "sform",
                "This file says in two ways where it lies (sform and qform), and they differ; the "
                "sform counts here, other programs may take the qform.",
            )
        )
    if factor != 1.0:
        affine = np.diag([factor, factor, factor, 1.0]) @ affine
    return Geometry.from_affine(reversed_axes(affine), units), findings


def _of_plane(geometry: Geometry, noted: Geometry) -> Geometry:
    """Give the geometry of a plane of ours: as noted, but for a size it was given since."""
    found = geometry.plane()
    same_size = np.allclose(found.spacing, noted.spacing, rtol=1e-5)
    return noted if same_size and found.units == noted.units else found


def _units(header: Any, note: dict[str, Any]) -> tuple[str, float]:
    """Give the unit of lengths, and what those of the file must be multiplied with.

    NIfTI has no word for pixels. Our entry says that lengths without a unit are such, as long as
    they are still those that it tells.
    """
    named = header.get_xyzt_units()[0]
    noted = noted_geometry(note, 3) or noted_geometry(note, 2)
    if named == "unknown" and noted is not None and noted.units == "pixel":
        sizes = np.linalg.norm(noted.affine[:-1, :-1], axis=0)
        found = header.get_zooms()[:3][::-1][-noted.ndim :]
        if len(found) == noted.ndim and np.allclose(found, sizes, rtol=1e-5):
            return "pixel", 1.0
    return known_unit(named) or ("mm", 1.0)


def _has_sizes(image: Any) -> bool:
    """Whether the file says how large its voxels are, along every axis of more than one.

    nibabel makes 1 of a size of 0 while it reads a header, so the header is read without that.
    """
    holder = image.file_map.get("header") or image.file_map["image"]
    with holder.get_prepare_fileobj("rb") as stream:
        raw = type(image.header).from_fileobj(stream, check=False)
    sizes = np.asarray(raw["pixdim"][1:4], float)[: len(image.shape)]
    needed = np.array(image.shape[:3]) > 1
    return bool(np.isfinite(sizes).all() and (sizes[needed] != 0).all())


def _time_step(image: Any) -> tuple[float, str]:
    zooms = image.header.get_zooms()
    units = {"sec": "s", "msec": "ms", "usec": "us"}.get(image.header.get_xyzt_units()[1])
    if units is None or len(zooms) < 4 or not (np.isfinite(zooms[3]) and zooms[3] > 0):
        return 1.0, "pixel"
    return float(zooms[3]), units


def _text(content: Any) -> str:
    return content.decode("utf-8", "replace").rstrip("\0 ") if isinstance(content, bytes) else ""


def reversed_axes(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exchange (x, y, z) and (z, y, x), of the array and of space."""
    order = [2, 1, 0, 3]
    return affine[np.ix_(order, order)]


def _voxels(image: Any) -> NDArray[Any]:
    proxy = image.dataobj
    if (proxy.slope, proxy.inter) == (1.0, 0.0) or proxy.dtype.kind == "c":  # which is refused
        stored = np.asarray(proxy.get_unscaled())
        return stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return np.asarray(proxy, np.float64 if proxy.dtype.itemsize >= 8 else np.float32)


def import_nibabel(error: type[Exception] = ReadError) -> ModuleType:
    """Give nibabel; where it is missing, raise the given kind of error with what to install."""
    return import_extra("nibabel", "medical", "NIfTI files need", error)
