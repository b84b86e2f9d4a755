"""Batched changes of appearance and of masks, seeded, on tensors that already have their size.

`appearance` changes images only, `rough_masks` changes masks only and keeps them binary. Geometry
is changed where images are sampled (`views`), image and mask through one grid.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.in_context.laws import Appearance


def appearance(rng: np.random.Generator, images: Tensor, groups: int, law: Appearance) -> Tensor:
    """Change (N, 1, H, W) images in [0, 1]; each run of N / `groups` images shares its draw.

    Order: blur or sharpen, gamma, contrast, brightness, bias field, noise; clipped to [0, 1].
    Only the noise itself is fresh for every image.
    """
    n = len(images)
    each = n // groups

    def drawn(low: float, high: float, neutral: float) -> Tensor:
        values = rng.uniform(low, high, groups)
        values[rng.random(groups) >= law.probability] = neutral
        return torch.from_numpy(values.astype(np.float32)).repeat_interleave(each).view(n, 1, 1, 1)

    soft = _gaussian_blur(images, rng.uniform(0.3, max(law.blur, 0.31), groups).repeat(each))
    amount = drawn(-law.sharpen, 1.0, 0.0)
    images = (images + amount * (soft - images)).clamp(0, 1)
    images = (images + 1e-4) ** torch.exp(drawn(-law.gamma, law.gamma, 0.0))
    centre = images.mean((2, 3), keepdim=True)
    images = centre + (images - centre) * torch.exp(drawn(-law.contrast, law.contrast, 0.0))
    images = images + drawn(-law.brightness, law.brightness, 0.0)
    if law.bias_field:
        nodes = rng.standard_normal((groups, 1, 3, 3), dtype=np.float32)
        field = F.interpolate(torch.from_numpy(nodes), size=images.shape[-2:], mode="bicubic")
        field = field.repeat_interleave(each, 0)
        images = images * torch.exp(drawn(0, law.bias_field, 0.0) * field)
    noise = torch.from_numpy(rng.standard_normal(tuple(images.shape), dtype=np.float32))
    return (images + drawn(0, law.noise, 0.0) * noise).clamp(0, 1)


def quantiles(images: Tensor, low: float = 0.005, high: float = 0.995) -> tuple[Tensor, Tensor]:
    """Two quantiles of each of (N, 1, H, W), both (N, 1, 1, 1), from about 2,000 pixels."""
    flat = images.flatten(1)
    flat = flat[:, :: max(1, flat.shape[1] // 2048)]
    ordered = flat.sort(1).values
    last = ordered.shape[1] - 1
    floor, top = ordered[:, round(low * last)], ordered[:, round(high * last)]
    return floor.view(-1, 1, 1, 1), top.view(-1, 1, 1, 1)


def rescale(images: Tensor) -> Tensor:
    """Scale each of (N, 1, H, W) so that its robust range becomes [0, 1]."""
    low, high = quantiles(images)
    return ((images - low) / (high - low).clamp_min(1e-3)).clamp(0, 1)


def grow(masks: Tensor, pixels: int) -> Tensor:
    """Binary masks (N, 1, H, W) grown by `pixels`, or shrunk where it is negative."""
    if pixels == 0:
        return masks
    side = 2 * abs(pixels) + 1
    if pixels > 0:
        return F.max_pool2d(masks, side, 1, abs(pixels))
    return 1 - F.max_pool2d(1 - masks, side, 1, abs(pixels))


def edges(masks: Tensor) -> Tensor:
    """Give the outline, three pixels wide, of binary masks (N, 1, H, W)."""
    return grow(masks, 1) - grow(masks, -1)


def _gaussian_blur(images: Tensor, sigma: np.ndarray) -> Tensor:
    offset = np.arange(-2, 3)
    taps = np.exp(-(offset[None] ** 2) / (2 * sigma[:, None] ** 2))
    taps = torch.from_numpy((taps / taps.sum(1, keepdims=True)).astype(np.float32))
    n = len(images)
    stacked = F.pad(images.view(1, n, *images.shape[-2:]), (2, 2, 2, 2), mode="replicate")
    stacked = F.conv2d(stacked, taps.view(n, 1, 1, 5), groups=n)
    return F.conv2d(stacked, taps.view(n, 1, 5, 1), groups=n).view_as(images)
