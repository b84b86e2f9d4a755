"""Label maps in files: written, read back and compared before they get their name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.atomic_steps import save_in_steps
from napari_medseg.io.errors import ReadError, guarded
from napari_medseg.io.findings import Finding, geometry_findings
from napari_medseg.io.formats.dicom.headers import is_dicom
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import on_grid_of_both
from napari_medseg.io.images import (
    ITK_SUFFIXES,
    NIFTI_SUFFIXES,
    TIFF_SUFFIXES,
    ImageFile,
    checked_suffix,
)
from napari_medseg.io.label_file import LabelFile, exact_labels
from napari_medseg.io.notes import HasDict, make_note
from napari_medseg.io.read_back import compare_steps
from napari_medseg.io.steps import Step, Steps, finish, in_background

WRITTEN_SUFFIXES = (".png", *TIFF_SUFFIXES, *NIFTI_SUFFIXES)
READ_SUFFIXES = (*WRITTEN_SUFFIXES, *ITK_SUFFIXES, ".bmp")
_MOST_CLASSES_IN_PNG = 255
_HIGHEST_IN_TIFF = 2**32 - 1
_Read = tuple[NDArray[Any], Geometry, dict[str, Any], Sequence[Finding]]


def write_labels(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    geometry: Geometry | None = None,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Write a label map as PNG, OME-TIFF or NIfTI, by the suffix of the path.

    The file is read back and compared, voxels and spacing, before it gets its name. Class names and
    provenance travel in the file: as text in a PNG, in the OME description, in a NIfTI extension.

    Parameters
    ----------
    path : path-like
        ``.png`` (one plane, classes up to 255, with a palette), ``.tif``, ``.tiff``, ``.ome.tif``,
        ``.ome.tiff``, ``.nii`` or ``.nii.gz`` (a plane as a volume of one plane).
    labels : array-like of integers, shape (H, W) or (Z, H, W)
        Class index per pixel; stored in the smallest unsigned type that holds it exactly.
    geometry : Geometry, optional
        Of the image they belong to; one pixel per unit where it is left out.
    provenance : object with ``as_dict``, or mapping, optional
        What made the labels.
    class_names : sequence of str, optional
        Name of each index from 0 on.

    Returns
    -------
    Path
        Where the file is.

    Raises
    ------
    ValueError
        With one sentence, where the labels cannot go into such a file; it says what can hold them.
    SaveError
        Where the file could not be saved; what was there before is untouched.
    """
    return finish(label_steps(path, labels, geometry, provenance, class_names))


def label_steps(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    geometry: Geometry | None = None,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
    like: Path | None = None,
) -> Steps[Path]:
    """Write a label map as `write_labels` does, in steps; closing the generator cancels it.

    A NIfTI file gets the placement of `like`, a NIfTI image of the same grid, to the bit.
    """
    exact = yield from in_background(lambda _: exact_labels(labels), "Looking at the labels")
    if exact.ndim not in (2, 3) or not exact.size:
        raise ValueError(f"Labels must be a plane or a volume; these have the shape {exact.shape}.")
    where = geometry or Geometry(spacing=(1.0,) * exact.ndim)
    if where.ndim != exact.ndim:
        raise ValueError(f"The geometry has {where.ndim} axes, the labels have {exact.ndim}.")
    note = make_note(where, provenance, class_names)
    write = _writer(Path(path).name, exact, where, note, like)
    compare = partial(compare_steps, read=_stored, data=exact, geometry=where)
    return (yield from save_in_steps(path, write, compare))


def read_labels(
    path: str | os.PathLike[str], image: ImageFile | None = None, *, as_stored: bool = False
) -> LabelFile:
    """Read a label map from PNG, BMP, TIFF, NIfTI, NRRD, MetaImage, DICOM-SEG or our OME-Zarr.

    A DICOM-SEG is laid on `image`, the DICOM image it was painted on, where that is given; else it
    has a grid of its own, from its first plane to its last. A palette image gives its indices; a
    picture of 1 bit, or of 0 and 255 only, is one class (`as_stored` keeps the 255); a grey picture
    stored as colour is read as grey.

    Raises
    ------
    ReadError
        With one sentence, where the file is no label map or cannot be read.
    """
    file = Path(path)
    if file.is_dir() and file.suffix.lower() == ".zarr":
        from napari_medseg.io.formats.zarr_labels import read_zarr_labels

        return read_zarr_labels(file)
    if is_dicom(file):
        from napari_medseg.io.formats.dicom.seg_reading import read_segmentation

        return read_segmentation(file, image)
    read = _label_reader(checked_suffix(file, READ_SUFFIXES))
    array, geometry, note, findings = guarded(file, lambda: read(file))
    if array.ndim > geometry.ndim:
        array = _one_channel(file, array)
    try:
        labels = exact_labels(array)
    except ValueError as error:
        raise ReadError(f"{file.name} is no label map. {error}") from error
    if not (note or as_stored) and labels.max(initial=0) == 255 and np.isin(labels, (0, 255)).all():
        labels = labels // np.uint8(255)
    return LabelFile(
        labels,
        geometry,
        tuple(str(name) for name in note.get("class_names", ())),
        note.get("provenance", {}),
        split_suffix(file.name)[0],
        (*findings, *geometry_findings(geometry)),
    )


def with_axes_of(labels: LabelFile, shape: Sequence[int], geometry: Geometry) -> LabelFile:
    """Give a plane as a volume of one plane, or back, where another array of it is stored so.

    Parameters
    ----------
    labels : LabelFile
        The label map.
    shape, geometry : sequence of int, Geometry
        Of the other array, without colours.
    """
    own = labels.labels
    if own.ndim == 2 and tuple(shape) == (1, *own.shape):
        spacing = (geometry.spacing[0], *labels.geometry.spacing)
        where = Geometry(spacing, units=labels.geometry.units)
        return replace(labels, labels=own[None], geometry=where)
    if own.ndim == 3 and (1, *shape) == own.shape:
        return replace(labels, labels=own[0], geometry=labels.geometry.plane())
    return labels


def on_one_grid(one: LabelFile, other: LabelFile) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the arrays of two label maps of one image voxel by voxel, as far as the files say how.

    Files of one image may hold other parts of it (a DICOM-SEG has only planes with labels), or
    its axes in another order. Where one of them does not know the patient, they stay as they are.

    Raises
    ------
    GridError
        Where both know the patient, and their voxels do not coincide.
    """
    placed = one.geometry.matrix and other.geometry.matrix
    if not placed or not one.labels.ndim == other.labels.ndim == 3:
        return one.labels, other.labels
    return on_grid_of_both(one.labels, one.geometry.affine, other.labels, other.geometry.affine)[:2]


def _writer(
    name: str, labels: NDArray[Any], geometry: Geometry, note: str, like: Path | None
) -> Callable[[Path], Steps[None]]:
    """Give what writes these labels into a file of that name, in steps.

    Raises
    ------
    ValueError
        Where such a file cannot hold them.
    """
    suffix = split_suffix(name)[1].lower()
    highest = int(labels.max())
    if suffix == ".png":
        from napari_medseg.io.formats.photos import write_indexed_png

        if labels.ndim != 2:
            raise ValueError("A PNG holds one plane; save the volume as NIfTI or OME-TIFF.")
        if highest > _MOST_CLASSES_IN_PNG:
            raise ValueError(
                f"A PNG label map holds 255 classes, this one goes up to {highest}; save it as "
                "OME-TIFF or NIfTI."
            )
        return _in_background(lambda path, _: write_indexed_png(path, labels, note))
    if suffix in TIFF_SUFFIXES:
        from napari_medseg.io.formats.tiff import write_tiff_labels

        if highest > _HIGHEST_IN_TIFF:
            raise ValueError(
                f"OME-TIFF holds labels up to {_HIGHEST_IN_TIFF}, these go up to {highest}; "
                "save them as NIfTI."
            )
        return _in_background(
            lambda path, check: write_tiff_labels(path, labels, geometry, note, check)
        )
    if suffix in NIFTI_SUFFIXES:
        from napari_medseg.io.formats.nifti_labels import nifti_label_steps

        return partial(nifti_label_steps, labels=labels, geometry=geometry, note=note, like=like)
    raise ValueError(
        f"Labels cannot be saved as {name}; end the name with {', '.join(WRITTEN_SUFFIXES)}."
    )


def _in_background(
    write: Callable[[Path, Callable[[], None]], None],
) -> Callable[[Path], Steps[None]]:
    def steps(path: Path) -> Steps[None]:
        yield Step(0, 1, "Writing")
        yield from in_background(lambda check: write(path, check), "Writing")

    return steps


def _label_reader(suffix: str) -> Callable[[Path], _Read]:
    if suffix in NIFTI_SUFFIXES:
        from napari_medseg.io.formats.nifti import read_nifti_labels

        return read_nifti_labels
    if suffix in ITK_SUFFIXES:
        from napari_medseg.io.formats.itk import read_itk_labels

        return read_itk_labels
    if suffix in TIFF_SUFFIXES:
        from napari_medseg.io.formats.tiff import read_tiff_labels

        return read_tiff_labels
    from napari_medseg.io.formats.photos import read_indices

    return lambda file: (*read_indices(file), ())


def _one_channel(file: Path, colours: NDArray[Any]) -> NDArray[Any]:
    if not (colours[..., :3] == colours[..., :1]).all():
        raise ReadError(
            f"{file.name} is a colour picture and no label map; save the masks as an indexed PNG, "
            "the number of the class in each pixel."
        )
    return colours[..., 0]


def _stored(path: Path) -> tuple[NDArray[Any], Geometry]:
    found = read_labels(path)
    return found.labels, found.geometry
