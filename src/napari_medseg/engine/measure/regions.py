"""Measure the regions of a segmentation: how big, where, how bright."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_medseg.engine.measure.boundary import boundary_size, longest_diameter
from napari_medseg.engine.measure.classes import (
    Box,
    class_boxes,
    class_name,
    classes_to_list,
    labels_of,
    names_of,
)
from napari_medseg.engine.measure.metrics import checked_spacing
from napari_medseg.engine.results import Progress, Segmentation, finished
from napari_medseg.engine.scaling import check_real

if TYPE_CHECKING:
    import pandas as pd

_AXES = ("z", "y", "x")
_INTENSITIES = ("mean", "std", "min", "max")


def measure(
    segmentation: Segmentation | ArrayLike,
    spacing: Sequence[float] | None = None,
    image: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    *,
    units: str = "mm",
) -> pd.DataFrame:
    """Measure each class of a segmentation.

    Parameters
    ----------
    segmentation : Segmentation or array_like of int, shape (H, W) or (Z, H, W)
        Label map; 0 is background.
    spacing : sequence of float, optional
        Distance of neighbouring pixels along each axis. Without it everything comes in pixels.
    image : array_like, optional
        The image, of the same shape or with a last axis of 3 or 4 colour channels, of which the
        mean of red, green and blue is measured; adds the intensities.
    class_names : sequence of str, optional
        Names of the classes, background first; by default the segmentation's. Every named class
        gets a row, also where there is nothing of it.
    units : str
        Unit of the spacing, used in the names of the columns.

    Returns
    -------
    DataFrame
        One row per class: ``label``, ``name``, ``pixels``, ``regions`` (separate pieces, joined
        where pixels touch at a side or a corner), then with units in their names, here mm:

        * planes: ``area_mm2``, ``perimeter_mm``; volumes: ``volume_ml`` (in mm, else
          ``volume_um3``, ``volume_px3``), ``surface_mm2``;
        * ``longest_diameter_mm``, between the two farthest points of the class, and
          ``equivalent_diameter_mm``, of the disc or ball of the same size;
        * ``centroid_z_mm`` (volumes), ``centroid_y_mm``, ``centroid_x_mm``, from the first
          pixel's centre;
        * with an image ``intensity_mean``, ``intensity_std``, ``intensity_min``,
          ``intensity_max``; pixels that are NaN or infinite are left out of them.

        Sizes of an absent class are 0; its place and its intensities are NaN.

    Raises
    ------
    ValueError
        If this is no label map, or the spacing or the image does not fit it.
    """
    return finished(measure_job(segmentation, spacing, image, class_names, units=units))


def measure_job(
    segmentation: Segmentation | ArrayLike,
    spacing: Sequence[float] | None = None,
    image: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    *,
    units: str = "mm",
) -> Generator[Progress, None, pd.DataFrame]:
    """Measure each class of a segmentation, yielding progress before each; see `measure`."""
    import pandas as pd

    labels = labels_of(segmentation)
    steps = checked_spacing(spacing, labels.ndim)
    unit = "px" if spacing is None else units
    values = None if image is None else _brightness(np.asarray(image), labels.shape)
    names = names_of(segmentation, class_names)
    boxes = class_boxes(labels)
    nowhere = (slice(0, 0),) * labels.ndim
    rows = []
    wanted = classes_to_list(boxes, names)
    for done, label in enumerate(wanted):
        yield Progress(done, len(wanted), f"Measuring {class_name(names, label)}")
        box = boxes.get(label, nowhere)
        mask = labels[box] == label
        row = {"label": label, "name": class_name(names, label), **_size(mask, steps, unit)}
        row |= _place(mask, box, steps, unit)
        if values is not None:
            row |= _intensities(values[box][mask])
        rows.append(row)
    return pd.DataFrame(rows, columns=_columns(labels.ndim, unit, values is not None))


def _size(mask: NDArray[np.bool_], steps: tuple[float, ...], unit: str) -> dict[str, Any]:
    pixels = int(np.count_nonzero(mask))
    size = pixels * math.prod(steps)
    boundary = boundary_size(mask, steps) if pixels else 0.0
    if mask.ndim == 2:
        sizes = {f"area_{unit}2": size, f"perimeter_{unit}": boundary}
        equivalent = 2 * math.sqrt(size / math.pi)
    else:
        name, factor = ("volume_ml", 1e-3) if unit == "mm" else (f"volume_{unit}3", 1.0)
        sizes = {name: size * factor, f"surface_{unit}2": boundary}
        equivalent = (6 * size / math.pi) ** (1 / 3)
    touching = np.ones((3,) * mask.ndim, dtype=bool)
    return {
        "pixels": pixels,
        "regions": int(ndimage.label(mask, touching)[1]) if pixels else 0,
        **sizes,
        f"longest_diameter_{unit}": longest_diameter(mask, steps),
        f"equivalent_diameter_{unit}": equivalent,
    }


def _place(
    mask: NDArray[np.bool_], box: Box, steps: tuple[float, ...], unit: str
) -> dict[str, float]:
    place = {}
    for axis, (name, sides, step) in enumerate(zip(_AXES[-mask.ndim :], box, steps, strict=True)):
        counts = np.count_nonzero(mask, axis=tuple(i for i in range(mask.ndim) if i != axis))
        mean = np.average(np.arange(counts.size), weights=counts) if counts.any() else np.nan
        place[f"centroid_{name}_{unit}"] = (float(mean) + sides.start) * step
    return place


def _intensities(values: NDArray[Any]) -> dict[str, float]:
    """Give the statistics of what is finite, in float64: those of float16 soon overflow."""
    values = values.astype(np.float64, copy=False)
    values = values[np.isfinite(values)]
    if not values.size:
        return {f"intensity_{name}": float("nan") for name in _INTENSITIES}
    return {f"intensity_{name}": float(getattr(values, name)()) for name in _INTENSITIES}


def _brightness(image: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Give one value per pixel; float64 sums where colours are averaged."""
    check_real(image.dtype)
    if image.shape == shape:
        return image
    if image.shape[:-1] == shape and image.shape[-1] in (3, 4):
        return np.asarray(image[..., :3].mean(axis=-1, dtype=np.float64))
    raise ValueError(
        f"an image of shape {image.shape} does not belong to labels of shape {shape}; "
        "choose the image that was segmented"
    )


def _columns(ndim: int, unit: str, intensities: bool) -> list[str]:
    """Give the columns in order, so that a segmentation without classes has them too."""
    empty = np.zeros((0,) * ndim, dtype=bool)
    ones = (1.0,) * ndim
    columns = ["label", "name", *_size(empty, ones, unit)]
    columns += _place(empty, (slice(0, 0),) * ndim, ones, unit)
    return columns + [f"intensity_{name}" for name in _INTENSITIES if intensities]
