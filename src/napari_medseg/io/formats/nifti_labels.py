"""Label maps as NIfTI, on the grid of their image to the bit.

A label map that belongs to a NIfTI image gets the placement of that file copied field by field.
Others get sform and qform from their geometry, both, because programs disagree on which counts; a
geometry that knows no patient gets neither, and claims no left and right.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.atomic import SaveError
from napari_medseg.io.formats.nifti import import_nibabel, reversed_axes
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.hush import hushed
from napari_medseg.io.steps import Step, Steps

_UNITS = {"mm": "mm", "um": "micron"}
_SCANNER, _ALIGNED = 1, 2  # what sform and qform lead to: the scanner's space, or some other
_PLACEMENT = (
    *("pixdim", "xyzt_units", "qform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "sform_code", "srow_x", "srow_y", "srow_z"),
)
_LONGEST = 32_767
_FAST = 3  # of gzip's levels; label maps hardly get smaller beyond it


def nifti_label_steps(
    path: Path,
    labels: NDArray[Any],
    geometry: Geometry,
    note: str = "",
    like: Path | None = None,
) -> Steps[None]:
    """Write labels (Z, Y, X), or one plane (Y, X), plane by plane.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.
    labels : ndarray
        Of a type that NIfTI knows.
    geometry : Geometry
        Of `labels`.
    note : str
        Our entry, as an extension of the header; none where it is empty.
    like : Path, optional
        A NIfTI image of the same grid, whose placement is copied to the bit, so that NIfTI-2 is
        written where it is that; one that cannot be read any more counts as none.
    """
    volume = labels if labels.ndim == 3 else labels[None]
    image = None if like is None else _image(like)
    header = _header(volume, geometry, note, _is_nifti2(image))
    if image is not None:
        _copy_placement(header, image, volume.shape, geometry)
    with _opened(path) as stream:
        header.write_to(stream)
        stream.write(b"\0" * (int(header.get_data_offset()) - stream.tell()))
        for n, plane in enumerate(volume):
            yield Step(n, len(volume), "Writing")
            stream.write(np.ascontiguousarray(plane).astype(header.get_data_dtype()).tobytes())


def itk_reads(file: Path) -> bool:
    """Tell whether ITK, and nnU-Net with it, reads files of this kind: it knows no NIfTI-2."""
    return not _is_nifti2(_image(file))


def knows_patient(geometry: Geometry) -> bool:
    """Tell whether a geometry says more than the size of a voxel."""
    away = any(geometry.origin) or not np.array_equal(geometry.direction, np.eye(geometry.ndim))
    return bool(geometry.matrix) or away


def volume_affine(geometry: Geometry) -> NDArray[np.float64]:
    """Give the (4, 4) matrix of a volume; a plane is a volume of one plane."""
    if geometry.ndim == 3:
        return geometry.affine
    affine = np.eye(4)
    affine[1:, 1:] = geometry.affine
    return affine


def _image(file: Path) -> Any:
    """Give an image as nibabel does; None where it has gone or is damaged."""
    nibabel = import_nibabel(SaveError)
    try:
        with hushed("nibabel.global"), np.errstate(invalid="ignore"):
            return nibabel.load(file)
    except Exception:  # the geometry says where the labels lie, too
        return None


def _is_nifti2(image: Any) -> bool:
    return isinstance(image, import_nibabel(SaveError).Nifti2Image)


def _header(volume: NDArray[Any], geometry: Geometry, note: str, large: bool) -> Any:
    """Give a header of NIfTI-1, or of NIfTI-2 for `large` images."""
    nibabel = import_nibabel(SaveError)
    header = nibabel.Nifti2Header() if large else nibabel.Nifti1Header()
    header.set_data_dtype(volume.dtype)
    if max(volume.shape) > _LONGEST and not large:
        raise ValueError(
            f"A NIfTI file holds {_LONGEST:,} pixels along an axis, these labels have "
            f"{max(volume.shape):,}; save them as OME-TIFF."
        )
    header.set_data_shape(volume.shape[::-1])
    affine = reversed_axes(volume_affine(geometry))
    header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    header.set_xyzt_units(_UNITS.get(geometry.units, "unknown"))
    if knows_patient(geometry):
        code = _SCANNER if geometry.matrix else _ALIGNED
        header.set_sform(affine, code)
        if _is_orthogonal(affine):
            header.set_qform(affine, code)
    if note:
        entry = nibabel.nifti1.Nifti1Extension("comment", note.encode("ascii"))
        header.extensions.append(entry)
    return header


def _copy_placement(header: Any, image: Any, shape: tuple[int, ...], geometry: Geometry) -> None:
    """Take over where a NIfTI image lies, field by field, if the labels lie there too."""
    source = image.header
    if source.sizeof_hdr != header.sizeof_hdr or image.shape[:3] != shape[::-1]:
        return
    coded = bool(source["sform_code"] or source["qform_code"])
    if coded and np.array_equal(image.affine, reversed_axes(geometry.affine)):
        same = True
    else:
        zooms = np.abs(np.array(source.get_zooms()[:3], float))[::-1]
        same = not coded and not knows_patient(geometry) and np.array_equal(zooms, geometry.spacing)
    if same:
        for name in _PLACEMENT:
            header[name] = source[name]
        header["pixdim"][4:] = 1.0


def _is_orthogonal(affine: NDArray[np.float64]) -> bool:
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.allclose(axes.T @ axes, np.eye(3), atol=1e-6))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with path.open("wb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        # No name and no time in the file, so that the same labels give the same bytes.
        with gzip.GzipFile("", "wb", _FAST, file, mtime=0) as stream:
            yield stream
