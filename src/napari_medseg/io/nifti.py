"""NIfTI volumes, in the app's axis order.

A NIfTI array is indexed (x, y, z); here it is (Z, Y, X), the same voxels with the axes reversed
and none flipped. The matrix to space has its rows and columns reversed likewise, which no rounding
touches, so a label map carries the matrix of its image to the bit.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import ReadError
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.notes import parse_note

_UNITS = {"mm": ("mm", 1.0), "micron": ("um", 1.0), "meter": ("mm", 1000.0)}


def read_nifti(file: Path) -> tuple[NDArray[Any], Geometry, bool]:
    """Give voxels (Z, Y, X[, 3]), geometry and whether they are in colour.

    Integers without a scaling stay integers of their type, everything else is float32 (float64
    where the file stores that). A header without units means mm. Where the file has both a qform
    and an sform, the sform counts, as the standard recommends.

    Raises
    ------
    ReadError
        With one sentence, for more than three axes or a voxel size that cannot be.
    """
    nibabel = _nibabel()
    image = nibabel.load(file)
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        raise ReadError(
            f"{file.name} has {len(shape)} axes of sizes {shape}; save one time point or one "
            "channel of it and open that."
        )
    shape = shape + (1,) * (3 - len(shape))
    units, factor = _UNITS.get(image.header.get_xyzt_units()[0], ("mm", 1.0))
    affine = np.asarray(image.affine, dtype=np.float64)
    if factor != 1.0:
        affine = np.diag([factor, factor, factor, 1.0]) @ affine
    geometry = Geometry.from_affine(_reversed(affine), units)
    data = _voxels(image).reshape(shape)
    if data.dtype.names:
        colours = np.stack([data[channel] for channel in data.dtype.names], axis=-1)
        return np.ascontiguousarray(colours.transpose(2, 1, 0, 3)), geometry, True
    return np.ascontiguousarray(data.T), geometry, False


def read_nifti_labels(file: Path) -> tuple[NDArray[Any], Geometry, dict[str, Any]]:
    """Give the label map (Z, Y, X) of a NIfTI file, its geometry and our entry in it."""
    data, geometry, _ = read_nifti(file)
    extensions = _nibabel().load(file).header.extensions
    notes = [parse_note(_text(extension.get_content())) for extension in extensions]
    return data, geometry, next((note for note in notes if note), {})


def write_nifti_labels(
    path: Path, labels: NDArray[np.unsignedinteger], geometry: Geometry, note: str
) -> None:
    """Write labels (Z, Y, X), or one plane (Y, X), with the matrix of `geometry`."""
    nibabel = _nibabel()
    volume = labels if labels.ndim == 3 else labels[None]
    image = nibabel.Nifti1Image(volume.T, _reversed(_volume_affine(geometry)))
    units = {"mm": "mm", "um": "micron"}
    image.header.set_xyzt_units(units.get(geometry.units, "unknown"))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", note.encode("ascii")))
    nibabel.save(image, path)


def _text(content: Any) -> str:
    return content.decode("utf-8", "replace").rstrip("\0 ") if isinstance(content, bytes) else ""


def _volume_affine(geometry: Geometry) -> NDArray[np.float64]:
    if geometry.ndim == 3:
        return geometry.affine
    affine = np.eye(4)
    affine[1:, 1:] = geometry.affine
    return affine


def _reversed(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exchange (x, y, z) and (z, y, x), of the array and of space."""
    order = [2, 1, 0, 3]
    return affine[np.ix_(order, order)]


def _voxels(image: Any) -> NDArray[Any]:
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    stored = image.dataobj.get_unscaled()
    if (slope, intercept) == (1.0, 0.0):
        native = stored.dtype.newbyteorder("=")
        return np.asarray(stored).astype(native, copy=False)
    dtype = np.float64 if stored.dtype.itemsize >= 8 else np.float32
    return np.asarray(image.dataobj, dtype=dtype)


def _nibabel() -> ModuleType:
    try:
        import nibabel
    except ImportError:
        raise ReadError(
            "NIfTI files need the package nibabel; install it with "
            "pip install 'napari-medseg[medical]'."
        ) from None
    return nibabel
