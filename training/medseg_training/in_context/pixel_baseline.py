"""The best of a threshold and k-means, chosen on the examples: what colours alone can tell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from medseg_training.in_context.episodes import Trial
from medseg_training.in_context.tasks import Pair
from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.cluster.pixel_clusters import kmeans_labels
from napari_medseg.engine.colour import GREY

THRESHOLDS = np.linspace(0.02, 0.98, 33)
CLUSTERS = (2, 3, 4, 6)

Cut = Callable[[np.ndarray], np.ndarray]
"""Gives a boolean mask for an image (H, W) or (H, W, 3) in [0, 1]."""


def best_cut(trial: Trial) -> list[np.ndarray]:
    """Answer every query with the cut that has the highest mean Dice on the examples.

    Tried are every threshold of grey, brighter or darker, and k-means of the colours of each image
    with 2 to 6 clusters, of which the brightest, the darkest, or any one in between by brightness
    is taken.
    """
    shown = [(_image(pair), trial.mask(pair)) for pair in trial.support]
    fits = {cut: np.mean([dice(cut(image), mask) for image, mask in shown]) for cut in _cuts()}
    best = max(fits, key=lambda cut: fits[cut])
    return [best(_image(query)) for query in trial.queries]


def _cuts() -> list[Cut]:
    brighter = [partial(_threshold, threshold=value, brighter=True) for value in THRESHOLDS]
    darker = [partial(_threshold, threshold=value, brighter=False) for value in THRESHOLDS]
    ranks = [(count, rank) for count in CLUSTERS for rank in range(count)]
    clusters = [partial(_cluster, clusters=count, rank=rank) for count, rank in ranks]
    return [*brighter, *darker, *clusters]


def _threshold(image: np.ndarray, threshold: float, brighter: bool) -> np.ndarray:
    found: np.ndarray = GREY(image) >= threshold
    return found if brighter else ~found


def _cluster(image: np.ndarray, clusters: int, rank: int) -> np.ndarray:
    """Give the cluster of a rank by mean brightness; nothing where there are fewer clusters."""
    labels = kmeans_labels(image[::2, ::2], clusters)
    grey = GREY(image)[::2, ::2]
    found = sorted(np.unique(labels), key=lambda cluster: float(grey[labels == cluster].mean()))
    if rank >= len(found):
        return np.zeros(image.shape[:2], bool)
    chosen = np.repeat(np.repeat(labels == found[rank], 2, axis=0), 2, axis=1)
    return chosen[: image.shape[0], : image.shape[1]]


def _image(pair: Pair) -> np.ndarray:
    image: np.ndarray = pair.pyramid[0].numpy()
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
