"""Where in an image a view looks, and the sampling of image and mask through it.

A view is a window (whole image, crop around the foreground, random window) combined with an
affine map and a smooth elastic warp. Image and mask go through the same sampling grid, once, so
that nothing is blurred twice; masks are binary again afterwards.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.in_context.laws import Warp
from medseg_training.in_context.tasks import Pair

Box = tuple[float, float, float, float]
"""Centre x, centre y, half width, half height in [-1, 1] image coordinates."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def affine(rng: np.random.Generator, warp: Warp, *, flips: bool = False) -> np.ndarray:
    """Draw a 3 x 3 matrix from view to image coordinates; the identity where not drawn."""
    matrix = np.eye(3)
    if flips:
        matrix[[0, 1], [0, 1]] = rng.choice([-1.0, 1.0], 2)
        if rng.random() < 0.25:
            matrix = matrix[[1, 0, 2]]
    if rng.random() >= warp.probability:
        return matrix
    angle = np.deg2rad(rng.uniform(-warp.rotation, warp.rotation))
    sx, sy = rng.uniform(*warp.scale) * rng.uniform(0.92, 1.08, 2)
    shift = rng.uniform(-warp.translation, warp.translation, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos / sx, -sin / sx, shift[0]], [sin / sy, cos / sy, shift[1]], [0, 0, 1]])
    return matrix @ turn


def elastic(rng: np.random.Generator, warp: Warp, size: int) -> Tensor | None:
    """Draw a smooth displacement (1, size, size, 2), or None where not drawn."""
    if rng.random() >= warp.elastic_probability:
        return None
    nodes = int(rng.integers(4, 9))
    field = rng.standard_normal((1, 2, nodes, nodes), dtype=np.float32)
    field *= np.float32(rng.uniform(*warp.elastic) * 2 / nodes)
    smooth = F.interpolate(torch.from_numpy(field), size=(size, size), mode="bicubic")
    return smooth.permute(0, 2, 3, 1)


def grids(rng: np.random.Generator, n: int, size: int, task: Warp, subject: Warp) -> Tensor:
    """Draw grids (n, size, size, 2): one `task` map shared by all, one `subject` map each."""
    shared = affine(rng, task, flips=True)
    shared_elastic = elastic(rng, task, size)
    theta = np.stack([(affine(rng, subject) @ shared)[:2] for _ in range(n)])
    grid = F.affine_grid(torch.from_numpy(theta).float(), [n, 1, size, size], align_corners=False)
    fields = [elastic(rng, subject, size) for _ in range(n)]
    for i, field in enumerate(fields):
        for displacement in (field, shared_elastic):
            if displacement is not None:
                grid[i] += displacement[0]
    return grid


def foreground_box(
    rng: np.random.Generator, mask: np.ndarray, margin: float, square: bool, jitter: float
) -> Box:
    """Box around the foreground of `mask` with a relative `margin`, its centre jittered."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return WHOLE
    low = np.array([columns[0], rows[0]], float)
    high = np.array([columns[-1], rows[-1]], float) + 1
    side = np.maximum((high - low) * (1 + 2 * margin), 24)
    if square:
        side[:] = side.max()
    centre = (low + high) / 2 + rng.uniform(-jitter, jitter, 2) * side
    return _inside(centre, side, mask.shape)


def random_box(rng: np.random.Generator, mask: np.ndarray, fraction: float) -> Box:
    """Box of `fraction` of the image's sides around a random foreground pixel of `mask`."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return WHOLE
    pick = int(rng.integers(len(rows)))
    side = fraction * np.array(mask.shape[::-1], float)
    centre = np.array([columns[pick], rows[pick]]) + rng.uniform(-0.4, 0.4, 2) * side
    return _inside(centre, side, mask.shape)


def sample(
    pair: Pair, mask: np.ndarray, box: Box, grid: Tensor, mask_grid: Tensor | None, padding: str
) -> tuple[Tensor, Tensor]:
    """Sample the image, (C, s, s) in [0, 1], and the boolean `mask`, (s, s) of 0 and 1.

    `mask_grid` takes the place of `grid` for the mask where it shall lie a little off.
    """
    cx, cy, hx, hy = box
    scale, shift = torch.tensor([hx, hy]), torch.tensor([cx, cy])
    height, width = mask.shape
    reduction = max(hx * width, hy * height) / grid.shape[0]
    level = int(np.clip(np.floor(np.log2(max(reduction, 1.0)) + 0.3), 0, len(pair.pyramid) - 1))
    where = (grid * scale + shift)[None]
    image = F.grid_sample(
        pair.pyramid[level][None], where, padding_mode=padding, align_corners=False
    )
    spot = where if mask_grid is None else (mask_grid * scale + shift)[None]
    cover = torch.from_numpy(mask.astype(np.float32))[None, None]
    if level:
        cover = F.interpolate(cover, size=pair.pyramid[level].shape[1:], mode="area")
    cover = F.grid_sample(cover, spot, padding_mode=padding, align_corners=False)
    return image[0], binarise(cover[0, 0])


def binarise(cover: Tensor) -> Tensor:
    """Make a mask of the part of each pixel that is covered: half of it, or less if thin.

    Structures thinner than a pixel would all but vanish at one half; where more than two fifths of
    the area are lost, a quarter is enough.
    """
    mask = cover >= 0.5
    if mask.sum() < 0.6 * cover.sum():
        mask = cover >= 0.25
    return mask.float()


def _inside(centre: np.ndarray, side: np.ndarray, shape: tuple[int, ...]) -> Box:
    extent = np.array(shape[::-1], float)
    side = np.minimum(side, extent)
    centre = np.clip(centre, side / 2, extent - side / 2)
    x, y = centre / extent * 2 - 1
    hx, hy = side / extent
    return float(x), float(y), float(hx), float(hy)
