"""One grey channel out of colour, drawn per task in the ways that the app uses and some more."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medseg_training.in_context import augment
from napari_medseg.engine.colour import GREY_WEIGHTS


def discriminant(images: Tensor, masks: Tensor) -> Tensor | None:
    """Fisher's direction (3,) that separates foreground from background in (N, 3, H, W) images.

    The foreground is brighter along it. None where one of the two has under ten pixels.
    """
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3)
    inside = masks.reshape(-1) > 0.5
    if int(inside.sum()) < 10 or int((~inside).sum()) < 10:
        return None
    front, back = pixels[inside], pixels[~inside]
    difference = front.mean(0) - back.mean(0)
    scatter = 0.5 * (torch.cov(front.T) + torch.cov(back.T))
    ridge = 1e-2 * scatter.diagonal().mean() + 1e-6
    return torch.linalg.solve(scatter + ridge * torch.eye(3), difference)


def to_grey(rng: np.random.Generator, images: Tensor, masks: Tensor) -> Tensor:
    """Project (N, 3, H, W) onto one drawn direction: (N, 1, H, W) in [0, 1].

    `masks` (N, H, W) are used for the discriminant; the query's, which comes first, is not. What is
    not brightness is scaled by a range that the examples share, or each image by its own.
    """
    kind = int(rng.choice(4, p=(0.45, 0.3, 0.1, 0.15)))
    shared = rng.random() < 0.6
    weights = torch.tensor(GREY_WEIGHTS)
    if kind == 0:
        found = discriminant(images[1:], masks[1:])
        weights = weights if found is None else found
    elif kind == 2:
        weights = torch.eye(3)[int(rng.integers(3))]
    elif kind == 3:
        weights = torch.from_numpy(rng.standard_normal(3).astype(np.float32))
    grey = torch.einsum("nchw,c->nhw", images, weights)[:, None]
    if kind in (1, 2):
        return grey
    if not shared:
        return augment.rescale(grey)
    row = grey.reshape(1, 1, -1, grey.shape[-1])
    low, high = augment.quantiles(row[:, :, grey.shape[-2] :])
    return ((grey - low) / (high - low).clamp_min(1e-3)).clamp(0, 1)
