"""Synthetic tasks: one draw is a target and an appearance law, seen in several fresh subjects.

After SynthMorph (Hoffmann et al., TMI 2022) and the synthetic tasks of UniverSeg (Butoi et al.,
ICCV 2023, appendix): shapes from noise, a random intensity per structure. Four shape families:
arg-max of smooth noise, nested organs in a body, thin tubes, many instances of two kinds.
Every family returns images float32 (n, s, s) in about [0, 1] and masks float32 (n, s, s).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.in_context.laws import Warp
from medseg_training.in_context.views import grids

Subjects = tuple[Tensor, Tensor]
Family = Callable[[np.random.Generator, int, int], Subjects]

TASK_WARP = Warp(0.0, 0.0, 0.0, (1.0, 1.0), 0.0, (0.0, 0.0))
SUBJECT_WARP = Warp(0.9, 25.0, 0.15, (0.8, 1.25), 1.0, (0.1, 0.5))


def smooth_noise(rng: np.random.Generator, n: int, size: int, nodes: int) -> Tensor:
    """Smooth standard noise (n, size, size) with about `nodes` bumps along a side."""
    field = torch.from_numpy(rng.standard_normal((n, 1, nodes + 2, nodes + 2), dtype=np.float32))
    margin = size // max(nodes, 1) // 2 + 1
    large = F.interpolate(
        field, size=(size + 2 * margin, size + 2 * margin), mode="bicubic", align_corners=False
    )
    return large[:, 0, margin : margin + size, margin : margin + size]


def regions(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Take the arg-max of several smooth noise images, warped for each subject."""
    count = int(rng.integers(3, 17))
    noise = smooth_noise(rng, count, size, int(rng.integers(2, 9)))
    labels = noise.argmax(0)
    present = torch.bincount(labels.flatten(), minlength=count)
    choices = np.flatnonzero((present > size * size // 250).numpy())
    wanted = rng.choice(
        choices, size=min(len(choices), 2 if rng.random() < 0.2 else 1), replace=False
    )
    maps = _warped(rng, labels, n, size, SUBJECT_WARP)
    masks = sum((maps == int(w)).float() for w in wanted)
    assert isinstance(masks, Tensor)
    return _paint(rng, maps, count), masks


def organs(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw a body with nested blobs of lumpy outline; one organ is wanted."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    labels = torch.zeros(size, size, dtype=torch.long)
    body = _blob(rng, x, y, (0.0, 0.0), float(rng.uniform(0.7, 1.1)))
    labels[body] = 1
    count = int(rng.integers(4, 14))
    for label in range(2, count):
        centre = (float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.6, 0.6)))
        labels[_blob(rng, x, y, centre, float(rng.choice([0.08, 0.15, 0.25, 0.4]))) & body] = label
    present = torch.bincount(labels.flatten(), minlength=count)
    present[0] = 0
    choices = np.flatnonzero((present > size * size // 400).numpy())
    wanted = int(rng.choice(choices)) if len(choices) else 1
    maps = _warped(rng, labels, n, size, SUBJECT_WARP)
    return _paint(rng, maps, count, air=bool(rng.random() < 0.7)), (maps == wanted).float()


def tubes(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw winding tubes where smooth noise passes zero, fresh for each subject, of two widths."""
    nodes = int(rng.integers(2, 7))
    width = float(rng.uniform(0.04, 0.2))
    first = smooth_noise(rng, n, size, nodes).abs() < width
    gate = smooth_noise(rng, n, size, 2) > float(rng.uniform(-1.5, 0.2))
    wanted = first & gate
    other = smooth_noise(rng, n, size, int(rng.integers(2, 7))).abs() < float(
        rng.uniform(0.04, 0.3)
    )
    maps = smooth_noise(rng, n, size, int(rng.integers(2, 5))).gt(0.3).long()
    if rng.random() < 0.6:
        maps[other] = 2
    maps[wanted] = 3
    return _paint(rng, maps, 4), wanted.float()


def instances(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw many round things of two kinds, placed afresh for each subject; one kind is wanted."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    radii = rng.uniform(0.03, 0.16, 2) * size
    numbers = [int(np.clip(rng.uniform(0.1, 0.35) * size**2 / (3.2 * r * r), 2, 40)) for r in radii]
    kinds = 2 if rng.random() < 0.7 else 1
    ring = float(rng.uniform(0.4, 0.8)) if rng.random() < 0.4 else 0.0
    stretch = float(rng.uniform(1, 1.8))
    maps = torch.zeros(n, size, size, dtype=torch.long)
    for subject in range(n):
        for kind in range(kinds):
            distance = _nearest(rng, x, y, numbers[kind], float(radii[kind]), size, stretch)
            maps[subject][distance < 1] = 1 + kind
            if kind == 0 and ring:
                maps[subject][distance < ring] = 3
    wanted = maps == 1
    if ring and rng.random() < 0.6:
        wanted = (maps == 3) if rng.random() < 0.4 else wanted | (maps == 3)
    return _paint(rng, maps, 4), wanted.float()


FAMILIES: tuple[tuple[Family, float], ...] = (
    (regions, 0.35),
    (organs, 0.3),
    (tubes, 0.15),
    (instances, 0.2),
)


def draw(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw one synthetic task of a random family and `n` subjects of it."""
    weights = np.array([w for _, w in FAMILIES])
    family = FAMILIES[int(rng.choice(len(FAMILIES), p=weights / weights.sum()))][0]
    return family(rng, n, size)


def _blob(
    rng: np.random.Generator, x: Tensor, y: Tensor, centre: tuple[float, float], radius: float
) -> Tensor:
    angle = torch.atan2(y - centre[1], x - centre[0])
    outline = torch.ones_like(x)
    for k in range(2, 6):
        outline += float(rng.normal(0, 0.25 / k)) * torch.cos(
            k * angle + float(rng.uniform(0, 6.3))
        )
    aspect = float(rng.uniform(0.7, 1.4))
    distance = torch.sqrt(((x - centre[0]) * aspect) ** 2 + ((y - centre[1]) / aspect) ** 2)
    return distance < radius * outline


def _nearest(
    rng: np.random.Generator,
    x: Tensor,
    y: Tensor,
    number: int,
    radius: float,
    size: int,
    stretch: float,
) -> Tensor:
    centres = torch.from_numpy(rng.uniform(0, size, (2, number)).astype(np.float32))
    turn = torch.from_numpy(rng.uniform(0, np.pi, number).astype(np.float32))[:, None, None]
    spread = torch.from_numpy(rng.uniform(0.75, 1.25, number).astype(np.float32))[:, None, None]
    dx, dy = x[None] - centres[0][:, None, None], y[None] - centres[1][:, None, None]
    along, across = dx * turn.cos() + dy * turn.sin(), dy * turn.cos() - dx * turn.sin()
    distance = torch.sqrt((along / stretch) ** 2 + (across * stretch**0.5) ** 2)
    return (distance / (radius * spread)).amin(0)


def _warped(rng: np.random.Generator, labels: Tensor, n: int, size: int, warp: Warp) -> Tensor:
    grid = grids(rng, n, size, TASK_WARP, warp)
    source = labels.float().expand(n, 1, size, size)
    warped = F.grid_sample(
        source, grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return warped[:, 0].long()


def _paint(rng: np.random.Generator, maps: Tensor, count: int, *, air: bool = False) -> Tensor:
    """Give each structure an intensity (law per task, draw per subject), texture and blur."""
    n, size = len(maps), maps.shape[-1]
    law = rng.uniform(0.05, 0.95, count)
    if air:
        law[0] = 0.0
    means = law + rng.normal(0, rng.uniform(0.0, 0.06), (n, count))
    rough = rng.uniform(0.0, 0.12, count) * (rng.random(count) < 0.6)
    index = maps.flatten(1)
    image = torch.from_numpy(means.astype(np.float32)).gather(1, index).view_as(maps)
    spread = torch.from_numpy(rough.astype(np.float32)).expand(n, -1).gather(1, index).view_as(maps)
    texture = smooth_noise(rng, n, size, int(rng.choice([8, 16, 32])))
    image = image + spread * texture
    if rng.random() < 0.5:
        image = image + 0.08 * smooth_noise(rng, n, size, int(rng.integers(2, 6)))
    if rng.random() < 0.5:
        image = F.avg_pool2d(image[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    return image
