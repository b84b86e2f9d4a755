"""Batched changes of images and masks, seeded for each image, on the device they are on.

Geometry changes image and mask through one grid, and masks by nearest neighbour, so that labels
stay whole numbers. What happens to an image depends on its own seed alone, not on its batch, so
that resumed and distributed trainings see what one process in one go would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from medseg_training.data.augment_options import AugmentOptions
from medseg_training.data.geometric import geometric
from medseg_training.data.photometric import photometric

_GEOMETRY, _LOOKS = 0, 1


def augment(
    images: Tensor, labels: Tensor, seeds: Sequence[Sequence[int]], options: AugmentOptions
) -> tuple[Tensor, Tensor]:
    """Change images and their masks.

    Parameters
    ----------
    images : Tensor of float32, shape (B, C, H, W)
        In [0, 1].
    labels : Tensor of integers, shape (B, H, W)
        Class index per pixel.
    seeds : sequence of sequence of int
        For each image the numbers that decide what happens to it.
    options : AugmentOptions
        What may happen.

    Returns
    -------
    tuple of Tensor
        Of the same shapes, types and device; the images in [0, 1].
    """
    images, labels = geometric(images, labels, [(*s, _GEOMETRY) for s in seeds], options)
    return photometric(images, [(*s, _LOOKS) for s in seeds], options), labels
