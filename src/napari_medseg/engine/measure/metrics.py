"""How well one mask agrees with another.

Overlap (Dice, IoU, XOR, HM) and distance of surfaces (HD95, ASSD), in any number of dimensions and
with the spacing of the image.

**Empty masks.** Where both are empty there is nothing to compare: every measure is NaN, and a mean
over cases leaves it out. Where one is empty, Dice and IoU are 0 and HM is 1, as their formulas
say; the distances are NaN, there being no second surface; XOR, a fraction of the reference, is 1
for an empty prediction and NaN for an empty reference. `official_scores` gives what published code
gives there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import KDTree

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """How much two masks cover of each other, from their counts of pixels.

    Parameters
    ----------
    prediction, reference, common : int
        Pixels of each mask and of both.
    """

    prediction: int
    reference: int
    common: int

    @property
    def dice(self) -> float:
        """Twice the common pixels over the sum of both; 1 is perfect."""
        total = self.prediction + self.reference
        return 2 * self.common / total if total else float("nan")

    @property
    def iou(self) -> float:
        """Common pixels over those of either, the Jaccard index; 1 is perfect."""
        return self.common / self._union if self._union else float("nan")

    @property
    def hm(self) -> float:
        """Pixels of one mask only, over those of either (Hammoude); 0 is perfect, 1 the worst."""
        return 1.0 - self.iou

    @property
    def xor(self) -> float:
        """Pixels of one mask only, over those of the reference; 0 is perfect, no upper bound."""
        differing = self._union - self.common
        return differing / self.reference if self.reference else float("nan")

    @property
    def _union(self) -> int:
        return self.prediction + self.reference - self.common


def overlap(prediction: ArrayLike, reference: ArrayLike) -> Overlap:
    """Count what two masks share.

    Parameters
    ----------
    prediction, reference : array_like
        Masks of one shape, any number of dimensions; anything but 0 is inside.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    found, wanted = _masks(prediction, reference)
    return Overlap(*(int(np.count_nonzero(mask)) for mask in (found, wanted, found & wanted)))


def surface_distances(
    prediction: ArrayLike, reference: ArrayLike, spacing: Sequence[float] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure how far each surface pixel of one mask is from the other's surface.

    A surface pixel is one that has a neighbour outside its mask, face to face; what lies beyond
    the border of the image counts as outside.

    Parameters
    ----------
    prediction, reference : array_like
        Masks of one shape; anything but 0 is inside.
    spacing : sequence of float, optional
        Distance of neighbouring pixels along each axis; 1 if not given.

    Returns
    -------
    tuple of two ndarray of float64
        Distances from the prediction's surface to the reference's, and back, in the unit of the
        spacing. Both are empty where a mask is.

    Raises
    ------
    ValueError
        If the shapes differ or the spacing does not fit.
    """
    found, wanted = _masks(prediction, reference)
    steps = checked_spacing(spacing, found.ndim)
    if not (found.any() and wanted.any()):
        return np.empty(0), np.empty(0)
    box = _bounding_box(found | wanted)
    points = [np.argwhere(_surface(mask[box])) * steps for mask in (found, wanted)]
    # Surfaces have far fewer pixels than their box: a tree beats a distance map of it all.
    trees = [KDTree(p) for p in points]
    return trees[1].query(points[0])[0], trees[0].query(points[1])[0]


def hd95(distances: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """Give the 95th percentile of the distances of both surfaces together; NaN without any."""
    pooled = np.concatenate(distances)
    return float(np.percentile(pooled, 95)) if pooled.size else float("nan")


def assd(distances: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """Give the average of the distances of both surfaces together; NaN without any."""
    pooled = np.concatenate(distances)
    return float(pooled.mean()) if pooled.size else float("nan")


def scores(
    prediction: ArrayLike, reference: ArrayLike, spacing: Sequence[float] | None = None
) -> dict[str, float]:
    """Give every measure of two masks.

    Parameters
    ----------
    prediction, reference : array_like
        Masks of one shape; anything but 0 is inside.
    spacing : sequence of float, optional
        Distance of neighbouring pixels along each axis; 1 if not given.

    Returns
    -------
    dict
        ``dice``, ``iou``, ``hd95``, ``assd``, ``xor``, ``hm``; the two distances in the unit of
        the spacing. Empty masks: see the head of this module.

    Raises
    ------
    ValueError
        If the shapes differ or the spacing does not fit.
    """
    counts = overlap(prediction, reference)
    distances = surface_distances(prediction, reference, spacing)
    return {
        "dice": counts.dice,
        "iou": counts.iou,
        "hd95": hd95(distances),
        "assd": assd(distances),
        "xor": counts.xor,
        "hm": counts.hm,
    }


def official_scores(prediction: ArrayLike, reference: ArrayLike) -> dict[str, float]:
    """Give Dice, HD95, IoU and ASSD by the convention of SelfReg-UNet's published evaluation.

    It differs from `scores` in what empty masks give, to compare with published tables: a
    prediction where the reference is empty scores perfectly (1, 0, 1, 0), and an empty prediction
    0 in everything, distances too. Distances are in pixels.
    """
    found, wanted = _masks(prediction, reference)
    names = ("dice", "hd95", "iou", "assd")
    if not found.any():
        return dict.fromkeys(names, 0.0)
    if not wanted.any():
        return dict(zip(names, (1.0, 0.0, 1.0, 0.0), strict=True))
    found_scores = scores(found, wanted)
    return {name: found_scores[name] for name in names}


def best_cluster(labels: ArrayLike, reference: ArrayLike) -> Mask:
    """Give the mask of the cluster that a reference mask shares most pixels with.

    For methods without classes (S3-Net, k-means), whose numbers mean nothing by themselves; any
    cluster may win, and nothing of it is left out.

    Parameters
    ----------
    labels : array_like of int
        Number of the cluster of each pixel.
    reference : array_like
        Mask of the same shape, not empty.

    Raises
    ------
    ValueError
        If the shapes differ or the reference is empty.
    """
    clusters = np.asarray(labels)
    wanted = np.asarray(reference) != 0
    _check_shapes(clusters.shape, wanted.shape)
    if not wanted.any():
        raise ValueError("the reference mask is empty, so no cluster can be said to match it")
    values, counts = np.unique(clusters[wanted], return_counts=True)
    return np.asarray(clusters == values[counts.argmax()])


def official_cluster(labels: ArrayLike, reference: ArrayLike) -> Mask:
    """Give the mask that S3-Net's published evaluation compares with a reference.

    Only for comparison with published tables, because it uses the reference to better the
    prediction: the cluster with most pixels inside the reference, never cluster 0, and of it only
    what lies within four pixels of the reference.

    Raises
    ------
    ValueError
        If the shapes differ, or the reference meets no cluster but 0.
    """
    clusters = np.asarray(labels)
    wanted = np.asarray(reference) != 0
    _check_shapes(clusters.shape, wanted.shape)
    chosen = best_cluster(clusters, wanted & (clusters != 0))
    square = np.ones((5,) * clusters.ndim, dtype=bool)
    return np.asarray(chosen & ndimage.binary_dilation(wanted, square, iterations=2))


def checked_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Give the spacing along each axis, 1 where none is given.

    Raises
    ------
    ValueError
        If there is not one positive number for each axis.
    """
    if spacing is None:
        return (1.0,) * ndim
    try:
        steps = tuple(float(step) for step in spacing)
    except (TypeError, ValueError):
        steps = ()
    if len(steps) != ndim or not all(0 < step < np.inf for step in steps):
        raise ValueError(f"the spacing needs {ndim} positive numbers, not {spacing!r}")
    return steps


def _masks(prediction: ArrayLike, reference: ArrayLike) -> tuple[Mask, Mask]:
    found, wanted = np.asarray(prediction), np.asarray(reference)
    _check_shapes(found.shape, wanted.shape)
    return found != 0, wanted != 0


def _check_shapes(found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        raise ValueError(
            f"a prediction of shape {found} cannot be compared with a reference of shape {wanted}; "
            "resample one to the other's grid first"
        )


def _surface(mask: Mask) -> Mask:
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    """Give the smallest box around a mask; no distance between surfaces leaves it."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(i for i in range(mask.ndim) if i != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)
