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
    """

    zoom: tuple[float, float] = (0.7, 1.4)
    turn: float = 20.0
    bend: float = 0.15
    gamma: float = 0.3
    contrast: float = 0.25
    brightness: float = 0.08
    noise: float = 0.04


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
    grid = _grids(rng, len(inputs), side, inputs.shape[-1], strengths).to(inputs.device)
    both = torch.cat([inputs, masks], 1)
    both = F.grid_sample(both, grid, padding_mode="reflection", align_corners=False)
    seen, wanted = both[:, : inputs.shape[1]], both[:, inputs.shape[1] :]
    image = _recoloured(rng, seen[:, :colours], strengths)
    return torch.cat([image, seen[:, colours:]], 1), wanted.clamp(0, 1)


def _grids(rng: np.random.Generator, n: int, side: int, full: int, by: Strengths) -> Tensor:
    """Draw where `n` views look, (n, side, side, 2)."""
    import torch
    import torch.nn.functional as F

    theta = torch.from_numpy(np.stack([_window(rng, side / full, by) for _ in range(n)]))
    grid = F.affine_grid(theta, [n, 1, side, side], align_corners=False)
    nodes = int(rng.integers(4, 9))
    bend = float(rng.uniform(0, by.bend)) * 2 / nodes * side / full
    knots = torch.from_numpy(rng.standard_normal((n, 2, nodes, nodes), dtype=np.float32)) * bend
    smooth = F.interpolate(knots, size=(side, side), mode="bicubic")
    return grid + smooth.permute(0, 2, 3, 1)


def _window(rng: np.random.Generator, part: float, by: Strengths) -> np.ndarray:
    """Draw a window that covers about `part` of a plane's sides, as an affine matrix (2, 3)."""
    scale = part * float(np.exp(rng.uniform(*np.log(by.zoom))))
    angle = np.deg2rad(rng.uniform(-by.turn, by.turn))
    stretch = float(np.exp(rng.uniform(-0.1, 0.1)))
    room = max(0.0, 1.0 - scale) + 0.1
    shift = rng.uniform(-room, room, 2)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    matrix = [[cos * stretch, -sin, shift[0]], [sin * stretch, cos, shift[1]]]
    return np.asarray(matrix, np.float32)


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
