"""Images and masks of a case, read into arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg_training.data.dataset import COLOURS, Case, Dataset, DatasetError
from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import IMAGE_SUFFIXES, TIFF_SUFFIXES, read_image
from napari_medseg.io.label_file import LabelFile, exact_labels
from napari_medseg.io.labels import read_labels, with_axes_of

JPEG_SUFFIXES = (".jpg", ".jpeg")
ARRAY_SUFFIXES = (".npz", ".h5", ".hdf5")
SUFFIXES = IMAGE_SUFFIXES
ONE_IMAGE = (
    "Models take one image, grey or in colour: make a data set of the channel that shows the "
    "target best."
)
_HALF = 128


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case in memory.

    Parameters
    ----------
    name : str
        Of the case.
    image : ndarray, shape (C, H, W) or (C, Z, H, W)
        Values as stored.
    labels : ndarray of uint8, shape (H, W) or (Z, H, W), optional
        Class index per pixel; None where the case has no mask.
    geometry : Geometry
        Of the image.
    label_geometry : Geometry, optional
        Of the mask, where its file tells.
    """

    name: str
    image: NDArray[Any]
    labels: NDArray[np.uint8] | None
    geometry: Geometry
    label_geometry: Geometry | None = None

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of pixels along each axis of the labels, in `geometry.units`."""
        return self.geometry.spacing

    @property
    def as_given(self) -> tuple[NDArray[Any], bool]:
        """The image as the app takes it, channels last where it is in colour, and whether it is.

        Raises
        ------
        DatasetError
            If it has neither one channel nor three.
        """
        channels = len(self.image)
        if channels == 1:
            return self.image[0], False
        if channels == 3:
            return np.moveaxis(self.image, 0, -1), True
        raise DatasetError(
            f"{self.name} has {channels} channels; models take one channel or the three colours."
        )


def load_case(dataset: Dataset, case: Case) -> LoadedCase:
    """Read the image and the mask of a case.

    Parameters
    ----------
    dataset : Dataset
        Says how values in the mask files become class indices, and the spacing where files do not.
    case : Case
        One of its cases.

    Returns
    -------
    LoadedCase
        Image and labels of one size.

    Raises
    ------
    ReadError
        With one sentence, where a file cannot be read.
    DatasetError
        With one sentence, where files do not fit each other.
    """
    image, geometry = load_image(dataset, case)
    if case.label is None:
        return LoadedCase(case.name, image, None, geometry)
    found = with_axes_of(read_mask(case.label), image.shape[1:], geometry)
    labels = as_indices(found.labels, dataset, case.name)
    problem = mismatch(image, geometry, found)
    if problem:
        raise DatasetError(f"{case.name}: {problem}")
    return LoadedCase(case.name, image, labels, geometry, found.geometry)


def mismatch(image: NDArray[Any], geometry: Geometry, mask: LabelFile) -> str:
    """Say why a mask (Z, H, W) cannot be of an image (C, Z, H, W), in one sentence, or nothing."""
    shape = image.shape[1:]
    if shape != mask.labels.shape:
        return (
            f"The image has the size {sizes(shape)}, its mask {sizes(mask.labels.shape)}; use the "
            "mask that was painted on this image."
        )
    if "pixel" in (geometry.units, mask.geometry.units):
        return ""
    if not np.allclose(geometry.spacing, mask.geometry.spacing, rtol=1e-3):
        return (
            f"The image has the spacing {_spacing(geometry)}, its mask {_spacing(mask.geometry)}; "
            "one of them is wrong."
        )
    return ""


def load_image(dataset: Dataset, case: Case) -> tuple[NDArray[Any], Geometry]:
    """Read the image of a case, (C, H, W) or (C, Z, H, W), and where it lies.

    Raises
    ------
    ReadError, DatasetError
        As `load_case`.
    """
    if is_several(dataset, case):
        raise DatasetError(f"{case.name} is {len(case.images)} images. {ONE_IMAGE}")
    parts = [read_channels(file) for file in case.images]
    shapes = {array.shape[1:] for array, _ in parts}
    if len(shapes) > 1:
        listed = ", ".join(sizes(shape) for shape in sorted(shapes))
        raise DatasetError(f"{case.name}: its channels have different sizes ({listed}).")
    image = np.concatenate([array for array, _ in parts]) if len(parts) > 1 else parts[0][0]
    geometry = parts[0][1]
    if geometry.units == "pixel" and len(dataset.spacing) == geometry.ndim:
        geometry = replace(geometry, spacing=dataset.spacing, units="mm")
    return image, geometry


def is_several(dataset: Dataset, case: Case) -> bool:
    """Say whether a case is several images, such as T1 and T2, and not the colours of one."""
    return len(case.images) > 1 and dataset.channel_names != COLOURS


def read_channels(file: Path) -> tuple[NDArray[Any], Geometry]:
    """Read one file as (C, H, W) or (C, Z, H, W); transparency is left out."""
    if split_suffix(file.name)[1].lower() in ARRAY_SUFFIXES:
        from medseg_training.data.slices import read_array

        image = read_array(file, "image")
        return image[None], Geometry((1.0,) * image.ndim)
    found = read_image(file)
    array = np.moveaxis(found.data[..., :3], -1, 0) if found.rgb else found.data[None]
    return array, _beside(file, found.geometry)


def read_mask(file: Path) -> LabelFile:
    """Read a mask file, values as stored but for 0 and 255, which become 0 and 1.

    A JPEG blurs what it stores, so that only a mask of black and white can be had from it: brighter
    than half is inside.

    Raises
    ------
    ReadError
        With one sentence, where it is no mask.
    """
    suffix = split_suffix(file.name)[1].lower()
    if suffix in ARRAY_SUFFIXES:
        from medseg_training.data.slices import read_array

        stored = read_array(file, "label")
        try:
            labels = exact_labels(stored)
        except ValueError as error:
            raise ReadError(f"{file.name} is no label map. {error}") from error
        return LabelFile(labels, Geometry((1.0,) * labels.ndim), name=file.stem)
    if suffix in JPEG_SUFFIXES:
        found = read_image(file)
        grey = found.data[..., :3].mean(-1) if found.rgb else found.data
        return LabelFile((grey >= _HALF).astype(np.uint8), found.geometry, name=file.stem)
    return read_labels(file)


def readable_masks(cases: Iterable[Case]) -> Iterator[tuple[Path, NDArray[np.unsignedinteger]]]:
    """Give file and values of every mask; those that cannot be read are told when they are used."""
    for case in cases:
        if case.label is None:
            continue
        try:
            yield case.label, read_mask(case.label).labels
        except ReadError:
            continue


def as_indices(raw: NDArray[np.unsignedinteger], dataset: Dataset, name: str) -> NDArray[np.uint8]:
    """Turn the values of a mask file into class indices.

    Raises
    ------
    DatasetError
        If a value is of no class.
    """
    unknown = unknown_values(raw, dataset)
    if unknown:
        raise DatasetError(
            f"{name}: its mask holds the value{'s' * (len(unknown) > 1)} "
            f"{', '.join(map(str, unknown[:8]))}, which no class of the data set has "
            f"({_listed(dataset)}); correct the mask or name the class."
        )
    values = dataset.label_values
    if not values:
        return raw.astype(np.uint8, copy=False)
    indices = np.searchsorted(values, _read_as_one(raw, values))
    return indices.astype(np.uint8)


def unknown_values(raw: NDArray[np.unsignedinteger], dataset: Dataset) -> list[int]:
    """Give the values of a mask file that are of no class."""
    values = dataset.label_values
    known = set(values or range(len(dataset.class_names)))
    found = np.unique(_read_as_one(raw, values) if values else raw)
    return [int(value) for value in found if int(value) not in known]


def sizes(shape: tuple[int, ...]) -> str:
    """Write a shape as a person does."""
    return " × ".join(map(str, shape))


def _read_as_one(
    raw: NDArray[np.unsignedinteger], values: tuple[int, ...]
) -> NDArray[np.unsignedinteger]:
    """Undo that a mask of nothing but 0 and 255 was read as class 1, where 255 is a value."""
    if 255 in values and 1 not in values and raw.max(initial=0) == 1:
        return raw * np.uint8(255)
    return raw


def _listed(dataset: Dataset) -> str:
    values = dataset.label_values or range(len(dataset.class_names))
    pairs = zip(values, dataset.class_names, strict=True)
    return ", ".join(f"{value} {name}" for value, name in pairs)


def _spacing(geometry: Geometry) -> str:
    return f"{' × '.join(f'{step:g}' for step in geometry.spacing)} {geometry.units}"


def _beside(file: Path, geometry: Geometry) -> Geometry:
    """Take the spacing from the JSON that nnU-Net puts beside a TIFF, where there is one."""
    stem, suffix = split_suffix(file.name)
    described = file.with_name(f"{stem.removesuffix('_0000')}.json")
    if suffix.lower() not in TIFF_SUFFIXES or not described.exists():
        return geometry
    try:
        spacing = tuple(float(step) for step in json.loads(described.read_text("utf-8"))["spacing"])
        return Geometry(spacing[-geometry.ndim :], units="mm")
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(f"{described.name} gives no usable spacing of {file.name}.") from error
