"""Number and resize label maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.resample import resize


def numbered_by_brightness(
    labels: NDArray[np.integer], brightness: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Give clusters the numbers 1, 2, ... from the darkest to the brightest, the same in every run.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Cluster of every pixel; at most 255 different ones, not negative.
    brightness : ndarray, shape (H, W)
        Brightness of every pixel.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Without gaps.
    """
    values, compact = np.unique(labels, return_inverse=True)
    compact = compact.ravel()
    mean = np.bincount(compact, brightness.ravel()) / np.bincount(compact)
    number = np.empty(len(values), np.uint8)
    number[np.argsort(mean, kind="stable")] = np.arange(1, len(values) + 1)
    return number[compact].reshape(labels.shape)


def nearest_labels(labels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a label map quickly: every pixel takes the label that it lies in."""
    rows, cols = (
        (np.arange(new) * old // new) for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, cols)]


def smooth_labels(labels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a label map with smooth outlines: every pixel takes the label nearest to it in all.

    Each label's share is interpolated bilinearly and the largest taken; one share is held at a
    time, so memory does not grow with the number of labels.
    """
    if labels.shape == shape:
        return labels
    best = np.zeros(shape, np.float32)
    out = np.zeros(shape, np.uint8)
    for label in np.unique(labels):
        share = resize((labels == label).astype(np.float32), shape)
        ahead = share > best
        best[ahead] = share[ahead]
        out[ahead] = label
    return out
