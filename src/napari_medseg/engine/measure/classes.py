"""The classes of a label map: checked, named, and where each lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_medseg.engine.results import Segmentation

Box = tuple[slice, ...]


def labels_of(source: Segmentation | ArrayLike) -> NDArray[np.integer]:
    """Give the label map of a segmentation, or an array checked to be one.

    Raises
    ------
    ValueError
        If the array has not two or three dimensions, or no whole numbers from 0 on.
    """
    labels = np.asarray(source.labels if isinstance(source, Segmentation) else source)
    if labels.ndim not in (2, 3):
        raise ValueError(f"labels need two or three dimensions, not {labels.ndim}")
    if labels.dtype == np.bool_:
        return labels.astype(np.uint8)
    if not np.issubdtype(labels.dtype, np.integer) or (labels.size and labels.min() < 0):
        raise ValueError(
            f"labels are whole numbers from 0 (background) on, not {labels.dtype} values"
            + (" below 0" if np.issubdtype(labels.dtype, np.integer) else "")
        )
    return labels


def names_of(
    source: Segmentation | ArrayLike, class_names: Sequence[str] | None
) -> tuple[str, ...]:
    """Give the class names stated, or else those of the segmentation, background first."""
    if class_names is None:
        return source.class_names if isinstance(source, Segmentation) else ()
    return tuple(class_names)


def class_name(names: Sequence[str], label: int) -> str:
    """Give the name of a class, or "class 3" where it has none."""
    return (names[label] if label < len(names) else "") or f"class {label}"


def classes_to_list(present: Iterable[int], names: Sequence[str]) -> list[int]:
    """Give the classes that are there or have a name, in order, without the background."""
    named = (label for label in range(1, len(names)) if names[label])
    return sorted({*present, *named})


def class_boxes(*maps: NDArray[np.integer]) -> dict[int, Box]:
    """Give for each class but the background the smallest box that holds it in all label maps.

    Parameters
    ----------
    *maps : ndarray of int
        Label maps of one shape.
    """
    boxes: dict[int, Box] = {}
    for labels in maps:
        for value, box in _boxes(labels).items():
            boxes[value] = _hull([box, boxes[value]]) if value in boxes else box
    return dict(sorted(boxes.items()))


def _boxes(labels: NDArray[np.integer]) -> dict[int, Box]:
    if labels.size == 0:
        return {}
    if labels.max() < 2**16:
        found = enumerate(ndimage.find_objects(labels), start=1)
        return {value: box for value, box in found if box is not None}
    # Numbers this large would make find_objects list every number below them.
    values, compact = np.unique(labels, return_inverse=True)
    found = enumerate(ndimage.find_objects(compact.reshape(labels.shape) + 1))
    return {int(values[i]): box for i, box in found if values[i] != 0}


def _hull(boxes: Iterable[Box]) -> Box:
    return tuple(
        slice(min(s.start for s in sides), max(s.stop for s in sides))
        for sides in zip(*boxes, strict=True)
    )
