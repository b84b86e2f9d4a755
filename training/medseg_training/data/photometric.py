"""Changes of how images look, that leave everything in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.data.augment_options import PhotometricOptions
from napari_medseg.engine.colour import GREY_WEIGHTS

_WIDEST = 7


def photometric(
    images: Tensor, seeds: Sequence[Sequence[int]], options: PhotometricOptions
) -> Tensor:
    """Change the looks of (B, C, H, W) images in [0, 1]; see `medseg_training.data.augment`.

    Colours are taken to be red, green, blue, as the published trainings take theirs; images of one
    channel keep their saturation and hue.
    """
    rngs = [np.random.default_rng(seed) for seed in seeds]
    draw = _Draws(rngs, images.device)
    chosen = draw.happens(options.jitter)
    if options.jitter:
        images = _where(chosen, _jittered(images, draw, options), images)
    if options.greyscale:
        images = _where(draw.happens(options.greyscale), _grey(images).expand_as(images), images)
    if options.gamma:
        power = draw.log_uniform(*options.gamma_range)
        images = _where(draw.happens(options.gamma), images.clamp(0, 1) ** power, images)
    if options.blur:
        sigma = draw.uniform(*options.blur_sigma)
        soft = _blurred(images, sigma, options.blur_along)
        images = _where(draw.happens(options.blur), soft, images)
    if options.noise:
        noise = draw.normal(tuple(images.shape[1:])) * draw.uniform(0, options.noise_sd)
        images = _where(draw.happens(options.noise), images + noise, images)
    if options.holes:
        images = _with_holes(images, rngs, options)
    return images.clamp(0, 1)


class _Draws:
    """Random numbers of each image from its own generator, on the images' device."""

    def __init__(self, rngs: list[np.random.Generator], device: torch.device) -> None:
        self.rngs, self.device = rngs, device

    def happens(self, chance: float) -> Tensor:
        return self._of_each(lambda rng: rng.random()) < chance

    def uniform(self, low: float, high: float) -> Tensor:
        return self._of_each(lambda rng: rng.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> Tensor:
        return self.uniform(float(np.log(low)), float(np.log(high))).exp()

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Give noise; it is drawn where the images are, so that nothing large is moved."""
        fields = []
        for rng in self.rngs:
            generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
            fields.append(torch.randn(shape, generator=generator, device=self.device))
        return torch.stack(fields)

    def _of_each(self, number: Callable[[np.random.Generator], float]) -> Tensor:
        values = np.array([number(rng) for rng in self.rngs], np.float32)
        return torch.from_numpy(values).to(self.device).view(-1, 1, 1, 1)


def _where(chosen: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    return torch.where(chosen, changed, images)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images
    weights = torch.tensor(GREY_WEIGHTS, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def _jittered(images: Tensor, draw: _Draws, options: PhotometricOptions) -> Tensor:
    factors = [
        draw.uniform(1 - by, 1 + by)
        for by in (options.brightness, options.contrast, options.saturation)
    ]
    turn = draw.uniform(-options.hue, options.hue)
    images = (images * factors[0]).clamp(0, 1)
    centre = _grey(images).mean((1, 2, 3), keepdim=True)
    images = (centre + (images - centre) * factors[1]).clamp(0, 1)
    if images.shape[1] == 3:
        grey = _grey(images)
        images = (grey + (images - grey) * factors[2]).clamp(0, 1)
        if options.hue:
            images = _turned_hue(images, turn)
    return images


def _turned_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by a part of the circle; lightness and saturation (HSV) stay."""
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = (value - least).clamp_min(1e-8)
    red, green, blue = images.split(1, 1)
    sixth = torch.where(
        value == red,
        (green - blue) / spread,
        torch.where(value == green, 2 + (blue - red) / spread, 4 + (red - green) / spread),
    )
    hue = sixth + 6 * turn
    offsets = torch.tensor((5.0, 3.0, 1.0), device=images.device).view(1, 3, 1, 1)
    k = (offsets + hue) % 6
    return value - (value - least) * torch.minimum(k, 4 - k).clamp(0, 1)


def _blurred(images: Tensor, sigma: Tensor, along: str) -> Tensor:
    batch, channels = images.shape[:2]
    offset = torch.arange(_WIDEST, device=images.device) - _WIDEST // 2
    taps = torch.exp(-(offset**2) / (2 * sigma.view(-1, 1) ** 2))
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    n, half = batch * channels, _WIDEST // 2
    flat = images.reshape(1, n, *images.shape[-2:])
    flat = F.pad(flat, (0, 0, half, half), mode="replicate")
    flat = F.conv2d(flat, taps.view(n, 1, _WIDEST, 1), groups=n)
    if along == "both":
        flat = F.pad(flat, (half, half, 0, 0), mode="replicate")
        flat = F.conv2d(flat, taps.view(n, 1, 1, _WIDEST), groups=n)
    return flat.view_as(images)


def _with_holes(
    images: Tensor, rngs: list[np.random.Generator], options: PhotometricOptions
) -> Tensor:
    images = images.clone()
    height, width = images.shape[-2:]
    for image, rng in zip(images, rngs, strict=True):
        if rng.random() >= options.holes:
            continue
        for _ in range(int(rng.integers(options.hole_count[0], options.hole_count[1] + 1))):
            sides = rng.uniform(*options.hole_side, 2)
            rows, columns = max(1, round(sides[0] * height)), max(1, round(sides[1] * width))
            top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
            image[:, top : top + rows, left : left + columns] = 0
    return images
