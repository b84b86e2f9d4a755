"""Random views of the examples to fit nets on: another place, scale, turn, bend and contrast.

None is mirrored: in images of patients the sides differ, and a net that has seen both ways round
cannot tell a left lung from a right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

VIEW = 128
"""Side of a view in pixels."""

OFF_CENTRE = 0.6
"""How far from the centre of its window an aimed-at pixel may lie, in parts of the half side."""


@dataclass(frozen=True)
class Strengths:
    """How much views differ from their examples.

    Parameters
    ----------
    zoom : tuple of float
        Smallest and largest scale of the window; at 1 pixels stay as large as they are.
    turn : float
        Largest rotation in degrees.
    bend : float
        Largest standard deviation of the smooth displacement, in parts of the view's half side,
        counted at its coarsest grid.
    gamma, contrast, brightness, noise : float
        Largest change of each: the first two are logarithms of factors.
    aimed : float
        Part of the windows smaller than a plane that are laid on one of its targets, as in nnU-Net
        (Isensee et al., Nature Methods 2021): what is small is otherwise hardly ever seen.
    """

    zoom: tuple[float, float] = (0.7, 1.4)
    turn: float = 20.0
    bend: float = 0.15
    gamma: float = 0.3
    contrast: float = 0.25
    brightness: float = 0.08
    noise: float = 0.04
    aimed: float = 1 / 3


def draw_views(
    rng: np.random.Generator,
    inputs: Tensor,
    masks: Tensor,
    colours: int,
    strengths: Strengths,
) -> tuple[Tensor, Tensor]:
    """Draw one view of each example in a batch.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    inputs : Tensor, shape (B, K, n, n)
        Image channels first.
    masks : Tensor, shape (B, C, n, n)
        Go through the same map as the inputs; covers of pixels stay between 0 and 1, since a vessel
        one pixel wide would be torn by a cut at one half.
    colours : int
        How many of the channels are image and change in contrast.
    strengths : Strengths
        How much changes.

    Returns
    -------
    tuple of Tensor
        Views (B, K, v, v) and their masks (B, C, v, v), v being `VIEW` or n if that is less.
    """
    import torch
    import torch.nn.functional as F

    side = min(VIEW, inputs.shape[-1])
    grid = _grids(rng, masks, side, strengths).to(inputs.device)
    both = torch.cat([inputs, masks], 1)
    both = F.grid_sample(both, grid, padding_mode="reflection", align_corners=False)
    seen, wanted = both[:, : inputs.shape[1]], both[:, inputs.shape[1] :]
    image = _recoloured(rng, seen[:, :colours], strengths)
    return torch.cat([image, seen[:, colours:]], 1), wanted.clamp(0, 1)


def _grids(rng: np.random.Generator, masks: Tensor, side: int, by: Strengths) -> Tensor:
    """Draw where one view of each mask (B, C, n, n) looks, (B, side, side, 2)."""
    import torch
    import torch.nn.functional as F

    part = side / masks.shape[-1]
    theta = torch.from_numpy(np.stack([_window(rng, part, mask, by) for mask in masks]))
    grid = F.affine_grid(theta, [len(masks), 1, side, side], align_corners=False)
    nodes = int(rng.integers(4, 9))
    bend = float(rng.uniform(0, by.bend)) * 2 / nodes * part
    shape = (len(masks), 2, nodes, nodes)
    knots = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)) * bend
    smooth = F.interpolate(knots, size=(side, side), mode="bicubic")
    return grid + smooth.permute(0, 2, 3, 1)


def _window(rng: np.random.Generator, part: float, mask: Tensor, by: Strengths) -> np.ndarray:
    """Draw a window that covers about `part` of a plane's sides, as an affine matrix (2, 3)."""
    scale = part * float(np.exp(rng.uniform(*np.log(by.zoom))))
    angle = np.deg2rad(rng.uniform(-by.turn, by.turn))
    stretch = float(np.exp(rng.uniform(-0.1, 0.1)))
    room = max(0.0, 1.0 - scale) + 0.1
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    turned = np.array([[cos * stretch, -sin], [sin * stretch, cos]])
    shift = rng.uniform(-room, room, 2)
    if part < 1 and rng.random() < by.aimed and (target := _target(rng, mask)) is not None:
        shift = np.clip(target - turned @ rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2), -room, room)
    return np.column_stack([turned, shift]).astype(np.float32)


def _target(rng: np.random.Generator, mask: Tensor) -> np.ndarray | None:
    """Draw a pixel of one of the classes that a mask (C, n, n) shows, as (x, y) in [-1, 1]."""
    shown = (mask > 0.5).flatten(1).any(1).nonzero()
    if not len(shown):
        return None
    pixels = (mask[int(rng.choice(shown.cpu()[:, 0]))] > 0.5).nonzero()
    row, column = pixels[int(rng.integers(len(pixels)))].tolist()
    return (np.array([column, row]) + 0.5) / mask.shape[-1] * 2 - 1


def _recoloured(rng: np.random.Generator, image: Tensor, by: Strengths) -> Tensor:
    """Change gamma, contrast, brightness and noise of images (B, K, v, v), each by its own draw."""
    import torch

    def drawn(low: float, high: float) -> Tensor:
        values = rng.uniform(low, high, (len(image), 1, 1, 1)).astype(np.float32)
        return torch.from_numpy(values).to(image.device)

    image = (image.clamp_min(0) + 1e-4) ** torch.exp(drawn(-by.gamma, by.gamma))
    mean = image.mean((1, 2, 3), keepdim=True)
    image = mean + (image - mean) * torch.exp(drawn(-by.contrast, by.contrast))
    image = image + drawn(-by.brightness, by.brightness)
    noise = torch.from_numpy(rng.standard_normal(tuple(image.shape), dtype=np.float32))
    return image + drawn(0, by.noise) * noise.to(image.device)
