"""Number and resize label maps."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.resample import resize
from napari_medseg.engine.results import finished

_LARGE = 1 << 22
"""Pixels of a plane that takes long to go through."""


def numbered_by_brightness(
    labels: NDArray[np.integer],
    brightness: NDArray[np.floating],
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Give clusters the numbers 1, 2, ... from the darkest to the brightest, the same in every run.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Cluster of every pixel; at most 255 different ones, not negative.
    brightness : ndarray, shape (H, W)
        Brightness of every pixel.
    known : ndarray of bool, shape (H, W), optional
        Pixels whose brightness counts; clusters without any come last.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Without gaps.
    """
    counts = np.bincount(labels.ravel())
    values = np.flatnonzero(counts)
    weights = np.ones(labels.size) if known is None else known.ravel().astype(float)
    total = np.bincount(labels.ravel(), weights)[values]
    bright = np.bincount(labels.ravel(), weights * brightness.ravel())[values]
    mean = np.divide(bright, total, out=np.full(len(values), np.inf), where=total > 0)
    number = np.zeros(len(counts), np.uint8)
    number[values[np.argsort(mean, kind="stable")]] = np.arange(1, len(values) + 1)
    return number[labels]


def count_labels(labels: NDArray[np.uint8]) -> int:
    """Count the different labels; 0 is none."""
    return len(_present(labels))


def without_gaps(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the labels that are there the numbers 1, 2, ... in their order; 0 stays 0.

    Returns
    -------
    ndarray of uint8
        `labels` itself where there is no gap.
    """
    present = _present(labels)
    if len(present) == present.max(initial=0):
        return labels
    number = np.zeros(256, np.uint8)
    number[present] = np.arange(1, len(present) + 1)
    return number[labels]


def _present(labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    # Counting turns numbers into wide ones: of a large plane only a part at a time.
    parts = np.array_split(labels.ravel(), max(1, labels.size // _LARGE))
    pixels = np.sum([np.bincount(part, minlength=256) for part in parts], axis=0)
    return np.flatnonzero(pixels[1:]) + 1


def nearest_labels(labels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a label map quickly: every pixel takes the label that it lies in."""
    rows, cols = (
        (np.arange(new) * old // new) for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, cols)]


def smooth_labels(labels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a label map with smooth outlines; see `smooth_labels_job`."""
    return finished(smooth_labels_job(labels, shape))


def smooth_labels_job(
    labels: NDArray[np.uint8], shape: tuple[int, int]
) -> Generator[None, None, NDArray[np.uint8]]:
    """Resize a label map with smooth outlines: every pixel takes the label nearest to it in all.

    Each label's share is interpolated bilinearly and the largest taken; one share is held at a
    time, so memory does not grow with the number of labels.

    Parameters
    ----------
    labels : ndarray of uint8, shape (h, w)
        What to resize.
    shape : tuple of int
        New height and width.

    Yields
    ------
    None
        Between labels, where a plane is so large that each takes a second.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        `labels` itself where it has the shape already.
    """
    if labels.shape == shape:
        return labels
    best = np.zeros(shape, np.float32)
    out = np.zeros(shape, np.uint8)
    for number, label in enumerate(np.unique(labels)):
        if number and out.size > _LARGE:
            yield
        share = resize((labels == label).astype(np.float32), shape)
        ahead = share > best
        best[ahead] = share[ahead]
        out[ahead] = label
    return out
