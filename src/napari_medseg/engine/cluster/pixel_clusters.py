"""Cluster pixels by their values alone: k-means and Otsu's threshold."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq
from skimage.filters import threshold_otsu

from napari_medseg.engine.results import finished
from napari_medseg.io.hush import hushed

_SAMPLE = 1 << 16
_RESTARTS = 3
_NEAREST_AT_ONCE = 1 << 22


def kmeans_labels(plane: NDArray[np.float32], clusters: int = 2, seed: int = 0) -> NDArray[np.intp]:
    """Cluster the pixels of a plane by k-means; see `kmeans_job`."""
    return finished(kmeans_job(plane, clusters, seed))


def kmeans_job(
    plane: NDArray[np.float32],
    clusters: int = 2,
    seed: int = 0,
    known: NDArray[np.bool_] | None = None,
) -> Generator[None, None, NDArray[np.intp]]:
    """Cluster the pixels of a plane by k-means.

    Centres are chosen by k-means++ and found on at most 65,536 pixels of a regular grid, three
    times; the tightest of the three is taken.

    Parameters
    ----------
    plane : ndarray of float32, shape (H, W) or (H, W, C)
        Values of every pixel.
    clusters : int
        How many; there are fewer where the plane has fewer different values.
    seed : int
        Of the first centres.
    known : ndarray of bool, shape (H, W), optional
        Pixels, one at least, on which the centres are found.

    Yields
    ------
    None
        Every four million pixels.

    Returns
    -------
    ndarray of int, shape (H, W)
        Cluster of every pixel.
    """
    pixels = plane.reshape(plane.shape[0] * plane.shape[1], -1)
    seen = pixels if known is None else pixels[known.ravel()]
    sample = seen[:: max(1, len(seen) // _SAMPLE)].astype(np.float64)
    generator = np.random.default_rng(seed)
    runs = [_centres(sample, clusters, generator) for _ in range(_RESTARTS)]
    centres, _ = min(runs, key=lambda run: run[1])
    nearest = np.empty(len(pixels), np.intp)
    for start in range(0, len(pixels), _NEAREST_AT_ONCE):
        if start:
            yield
        part = slice(start, start + _NEAREST_AT_ONCE)
        nearest[part], _ = vq(pixels[part].astype(np.float64), centres)
    return nearest.reshape(plane.shape[:2])


def otsu_labels(
    grey: NDArray[np.float32], known: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Split a grey plane (H, W) at Otsu's threshold: 1 where it is brighter, else 0.

    With `known`, shape (H, W), the threshold is found on these pixels, one at least.
    """
    return (grey > threshold_otsu(grey if known is None else grey[known])).astype(np.intp)


def _centres(
    pixels: NDArray[np.float64], clusters: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Find centres, and how far the pixels are from them in all."""
    clusters = min(clusters, len(np.unique(pixels, axis=0)))
    with hushed(category=UserWarning, beginning="One of the clusters is empty"):
        # An emptied cluster keeps its centre and attracts nothing: there is one cluster less.
        centres, _ = kmeans2(pixels, clusters, minit="++", rng=generator)
    _, distance = vq(pixels, centres)
    return centres, float(np.square(distance).sum())
