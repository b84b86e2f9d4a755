"""Learn from the examples how colours become the one channel that the in-context net takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.colour import GREY, Projection


def learn_projection(
    images: Sequence[NDArray[np.float32]],
    masks: Sequence[NDArray[np.floating]],
    ridge: float = 1e-3,
) -> Projection:
    """Learn the projection of colours that best separates foreground from background.

    Fisher's linear discriminant (R. A. Fisher, 1936) of the pixels of all examples, each example
    weighing the same; scaled so that one value in a hundred is clipped, and turned so that the
    foreground is the brighter one.

    Parameters
    ----------
    images : sequence of ndarray of float32, shape (H, W, 3)
        Scaled to [0, 1].
    masks : sequence of ndarray, shape (H, W)
        1 on the foreground, 0 elsewhere.
    ridge : float
        Added to the within-class variance of every channel, in units of the squared range of
        values; keeps the direction stable where channels are nearly equal.

    Returns
    -------
    Projection
        `GREY` where the examples do not tell the two apart at all.
    """
    inside = [image[mask > 0.5] for image, mask in zip(images, masks, strict=True)]
    outside = [image[mask <= 0.5] for image, mask in zip(images, masks, strict=True)]
    mean_in, spread_in = _moments(inside)
    mean_out, spread_out = _moments(outside)
    within = (spread_in + spread_out) / 2 + ridge * np.eye(3)
    direction = np.linalg.solve(within, mean_in - mean_out)
    length = float(np.linalg.norm(direction))
    if not np.isfinite(length) or length < 1e-6:
        return GREY
    direction /= length
    values = np.concatenate([image.reshape(-1, 3) @ direction for image in images])
    low, high = np.percentile(values, (0.5, 99.5))
    if not high - low > 1e-6:
        return GREY
    red, green, blue = (direction / (high - low)).tolist()
    return Projection((red, green, blue), float(-low / (high - low)))


def _moments(
    groups: Sequence[NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean colour and covariance over groups of pixels (n, 3), every group weighing the same."""
    filled = [group.astype(np.float64) for group in groups if len(group)]
    if not filled:
        return np.zeros(3), np.zeros((3, 3))
    mean = np.mean([group.mean(axis=0) for group in filled], axis=0)
    spread = np.mean([(group - mean).T @ (group - mean) / len(group) for group in filled], axis=0)
    return mean, spread
