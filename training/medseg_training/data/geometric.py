"""Turning, mirroring, stretching and bending images together with their masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from medseg_training.data.augment_options import GeometricOptions


def geometric(
    images: Tensor, labels: Tensor, seeds: Sequence[Sequence[int]], options: GeometricOptions
) -> tuple[Tensor, Tensor]:
    """Change (B, C, H, W) images and (B, H, W) masks alike; see `medseg_training.data.augment`."""
    draws = [_Draw(np.random.default_rng(seed), options) for seed in seeds]
    bent = [i for i, draw in enumerate(draws) if draw.bends]
    if bent:
        images, labels = images.clone(), labels.clone()
        grid = _grid([draws[i] for i in bent], tuple(images.shape[-2:]), images.device)
        images[bent], labels[bent] = _sampled(images[bent], labels[bent], grid, options)
    if any(draw.turn is not None or draw.flips for draw in draws):
        moved = [
            (draw.moved(image), draw.moved(mask))
            for draw, image, mask in zip(draws, images, labels, strict=True)
        ]
        images = torch.stack([image for image, _ in moved])
        labels = torch.stack([mask for _, mask in moved])
    return images, labels


class _Draw:
    """What happens to one image; every number is drawn, whether it is used or not."""

    def __init__(self, rng: np.random.Generator, options: GeometricOptions) -> None:
        happens = {
            name: rng.random() < getattr(options, name)
            for name in (
                "flip_horizontal",
                "flip_vertical",
                "quarter_turns",
                "rotate",
                "scale",
                "shift",
                "elastic",
            )
        }
        turn, axis = int(rng.integers(4)), int(rng.integers(2))
        angle = rng.uniform(-options.rotate_degrees, options.rotate_degrees)
        zoom = np.exp(rng.uniform(*np.log(options.scale_range)))
        shift = rng.uniform(-options.shift_by, options.shift_by, 2)
        nodes = (2, options.elastic_nodes, options.elastic_nodes)
        field = rng.uniform(-options.elastic_by, options.elastic_by, nodes)
        self.turn = turn if happens["quarter_turns"] else None
        self.flips = [axis - 2] if happens["quarter_turns"] else []
        self.flips += [-1] if happens["flip_horizontal"] else []
        self.flips += [-2] if happens["flip_vertical"] else []
        spared = options.rotate_unless_turned and happens["quarter_turns"]
        rotates = happens["rotate"] and not spared
        whole = np.floor(angle) if options.rotate_whole_degrees else angle
        self.angle = float(np.deg2rad(whole)) if rotates else 0.0
        self.zoom = float(zoom) if happens["scale"] else 1.0
        self.shift = shift if happens["shift"] else np.zeros(2)
        self.field = field if happens["elastic"] else np.zeros(nodes)
        self.bends = rotates or any(happens[name] for name in ("scale", "shift", "elastic"))

    def moved(self, plane: Tensor) -> Tensor:
        """Turn and mirror (..., H, W) without changing a value; oblong planes turn by 180."""
        if self.turn is not None:
            square = plane.shape[-1] == plane.shape[-2]
            turned = self.turn if square else self.turn // 2 * 2
            plane = torch.rot90(plane, turned, (-2, -1))
        for axis in self.flips:
            plane = plane.flip(axis)
        return plane

    def affine(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Give the matrix from output to input in coordinates of -1 to 1, angles kept in pixels."""
        ratio = shape[0] / shape[1]
        cos, sin = np.cos(self.angle) / self.zoom, np.sin(self.angle) / self.zoom
        return np.array(
            [[cos, sin * ratio, 2 * self.shift[1]], [-sin / ratio, cos, 2 * self.shift[0]]]
        )


def _grid(draws: list[_Draw], shape: tuple[int, ...], device: torch.device) -> Tensor:
    matrices = np.stack([draw.affine(shape) for draw in draws])
    theta = torch.from_numpy(matrices.astype(np.float32)).to(device)
    grid = F.affine_grid(theta, [len(draws), 1, *shape], align_corners=False)
    if any(draw.field.any() for draw in draws):
        nodes = np.stack([draw.field for draw in draws]).astype(np.float32)
        field = torch.from_numpy(2 * nodes).to(device)
        field = F.interpolate(field, size=shape, mode="bicubic", align_corners=True)
        grid = grid + field.permute(0, 2, 3, 1)
    return grid


def _sampled(
    images: Tensor, labels: Tensor, grid: Tensor, options: GeometricOptions
) -> tuple[Tensor, Tensor]:
    bent = F.grid_sample(
        images,
        grid,
        mode=options.interpolation,
        padding_mode=options.outside,
        align_corners=False,
    )
    masks = F.grid_sample(
        labels[:, None].to(images.dtype),
        grid,
        mode="nearest",
        padding_mode=options.outside,
        align_corners=False,
    )
    return bent, masks[:, 0].round().to(labels.dtype)
