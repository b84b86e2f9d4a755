"""Phantoms: synthetic tasks that imitate what one kind of scanner or camera shows.

Like the families of `synthetic.py`, every phantom gives images float32 (n, s, s) in about [0, 1]
and masks float32 (n, s, s) of one structure: a law drawn per task, fresh shapes and positions per
subject. They share what makes real images hard: speckle, shading, hairs, partial volume.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.in_context.synthetic import Family, Subjects, smooth_noise


def skin_lesion(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw a pigmented lesion on toned skin, with hairs and a dark vignette at times."""
    centre = rng.uniform(-0.3, 0.3, (n, 2))
    distance = _lumpy(rng, size, centre, rng.uniform(0.25, 0.75, n), 0.3)
    mask = distance < 1
    skin, depth = rng.uniform(0.5, 0.9), rng.uniform(0.12, 0.5)
    inside = torch.sigmoid((1 - distance) * float(rng.uniform(6, 25)))
    image = skin - depth * inside * (1 + 0.35 * smooth_noise(rng, n, size, 8))
    image = image + 0.06 * smooth_noise(rng, n, size, 2)
    if rng.random() < 0.4:
        hairs = smooth_noise(rng, n, size, 3).abs() < 0.02
        image = torch.where(hairs, torch.tensor(float(rng.uniform(0, 0.3))), image)
    if rng.random() < 0.3:
        image = image * (_radius(size) < float(rng.uniform(1.0, 1.3))).float()
    return image, mask.float()


def ultrasound(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw a nodule between tissue layers in log-compressed Rayleigh speckle."""
    centre = np.stack([rng.uniform(-0.5, 0.5, n), rng.uniform(-0.35, 0.35, n)], 1)
    distance = _lumpy(rng, size, centre, rng.uniform(0.15, 0.5, n), 0.2)
    mask = distance < 1
    depth = torch.linspace(-1, 1, size).view(1, size, 1)
    layers = torch.sin(depth * float(rng.uniform(3, 12)) + smooth_noise(rng, n, size, 3))
    echo = torch.exp(float(rng.uniform(0.2, 0.7)) * layers)
    level = float(rng.uniform(0.1, 0.5)) if rng.random() < 0.8 else float(rng.uniform(2.0, 4.0))
    echo = torch.where(mask, level * torch.ones_like(echo), echo)
    below = mask.float().cumsum(1).clamp(max=3) / 3
    echo = echo * torch.exp(float(rng.normal(0, 0.6)) * below * (1 - mask.float()))
    real, imaginary = (_noise(rng, n, size) for _ in range(2))
    speckle = F.avg_pool2d(torch.stack([real, imaginary], 1), (3, 5), 1, (1, 2))
    envelope = echo * speckle.square().sum(1).sqrt()
    image = torch.log1p(float(rng.uniform(5, 30)) * envelope)
    return image / image.amax((1, 2), keepdim=True), mask.float()


def blood_cells(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw pale discs and larger cells with a dark nucleus; one of these is wanted."""
    image = torch.full((n, size, size), float(rng.uniform(0.75, 0.95)))
    tone, body, core = rng.uniform(0.5, 0.75), rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.35)
    radius = rng.uniform(0.1, 0.22)
    discs = torch.zeros(n, size, size, dtype=torch.bool)
    for _ in range(int(rng.integers(3, 14))):
        distance = _lumpy(rng, size, rng.uniform(-1, 1, (n, 2)), np.full(n, radius), 0.05)
        discs |= distance < 1
        pallor = 0.25 * torch.exp(-3 * distance.square())
        image = torch.where(distance < 1, tone + pallor, image)
    cells, nuclei = torch.zeros_like(discs), torch.zeros_like(discs)
    for _ in range(int(rng.integers(1, 3))):
        centre = rng.uniform(-0.7, 0.7, (n, 2))
        cell = _lumpy(rng, size, centre, np.full(n, radius * rng.uniform(1.4, 2.2)), 0.1) < 1
        shifted = centre + rng.normal(0, 0.03, (n, 2))
        nucleus = _lumpy(rng, size, shifted, np.full(n, radius * rng.uniform(0.8, 1.3)), 0.35) < 1
        image = torch.where(cell, torch.tensor(float(body)), image)
        image = torch.where(nucleus & cell, torch.tensor(float(core)), image)
        cells, nuclei = cells | cell, (nuclei & ~cell) | (nucleus & cell)
    wanted = (nuclei, cells, cells & ~nuclei, discs & ~cells)[int(rng.integers(4))]
    return image + 0.03 * smooth_noise(rng, n, size, 24), wanted.float()


def cardiac(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw a short-axis heart: left ventricle in its ring of muscle, right ventricle beside it."""
    centre = rng.uniform(-0.25, 0.25, (n, 2))
    outer = rng.uniform(0.2, 0.45, n)
    ring = _lumpy(rng, size, centre, outer, 0.06)
    thickness = torch.from_numpy(rng.uniform(0.5, 0.75, n).astype(np.float32)).view(n, 1, 1)
    angle = rng.uniform(2.6, 3.7, n)
    beside = centre + (outer * 1.05)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    right = (_lumpy(rng, size, beside, outer * 0.95, 0.15) < 1) & (ring > 1)
    body = _lumpy(rng, size, np.zeros((n, 2)), rng.uniform(0.85, 1.2, n), 0.1) < 1
    left, muscle = ring < thickness, (ring >= thickness) & (ring < 1)
    blood, wall, fat, lung = rng.uniform([0.6, 0.15, 0.3, 0.0], [1.0, 0.45, 0.9, 0.15])
    image = torch.full((n, size, size), 0.02)
    image[body] = float(fat)
    lungs = _lumpy(rng, size, centre + rng.normal(0, 0.2, (n, 2)), outer * 2, 0.3) < 1
    image[lungs & body] = float(lung)
    image[muscle], image[left], image[right] = float(wall), float(blood), float(blood)
    image = image * torch.exp(0.15 * smooth_noise(rng, n, size, 2))
    strength = float(rng.uniform(0.01, 0.08))
    rician = (image + strength * _noise(rng, n, size)).square()
    image = (rician + (strength * _noise(rng, n, size)).square()).sqrt()
    return _soften(image), (left, muscle, right)[int(rng.integers(3))].float()


def abdomen(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw an axial CT: body, spine, liver, kidneys, spleen, aorta; soft tissues hardly differ."""
    organs = {  # centre x, y and radius in halves of the image
        "liver": (-0.4, -0.05, 0.38),
        "spleen": (0.55, 0.05, 0.2),
        "kidneys": (-0.33, 0.3, 0.15),
        "spine": (0.0, 0.42, 0.15),
        "aorta": (0.06, 0.2, 0.07),
        "bowel": (0.15, -0.3, 0.25),
    }
    body = _lumpy(rng, size, rng.normal(0, 0.04, (n, 2)), rng.uniform(0.8, 0.98, n), 0.06) < 1
    tissue = float(rng.uniform(0.25, 0.5))
    image = torch.where(body, torch.tensor(tissue), torch.tensor(0.0)).clone()
    masks: list[Tensor] = []
    for name, (x, y, radius) in organs.items():
        centre = np.array([x, y]) + rng.normal(0, 0.05, (n, 2))
        spread = radius * rng.uniform(0.8, 1.2, n)
        mask = (_lumpy(rng, size, centre, spread, 0.2) < 1) & body
        if name == "kidneys":
            mirrored = centre * np.array([-1, 1])
            mask = mask | ((_lumpy(rng, size, mirrored, spread, 0.2) < 1) & body)
        value = 1.0 if name == "spine" else tissue + rng.uniform(0.03, 0.35) * rng.choice([-1, 1])
        image[mask] = float(value)
        masks = [m & ~mask for m in masks]
        masks.append(mask)
    noise = _soften(_noise(rng, n, size)) * float(rng.uniform(0.01, 0.1))
    return _soften(image) + noise, masks[int(rng.integers(len(masks)))].float()


def fundus(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw a retina: bright disc, dark forking vessels, vignette; vessels or disc are wanted."""
    centre = np.stack([rng.choice([-0.4, 0.4], n), rng.normal(0, 0.08, n)], 1)
    disc = _lumpy(rng, size, centre, rng.uniform(0.1, 0.18, n), 0.05) < 1
    vessels = torch.zeros(n, size, size)
    for subject in range(n):
        _grow_vessels(rng, vessels[subject].numpy(), centre[subject])
    field = (_radius(size) < float(rng.uniform(0.85, 1.2))).float()
    image = 0.5 + 0.1 * smooth_noise(rng, n, size, 2) + float(rng.uniform(0.1, 0.4)) * disc.float()
    image = _soften(image - float(rng.uniform(0.1, 0.35)) * vessels)
    wanted = disc.float() if rng.random() < 0.35 else vessels
    return image * field, wanted * field


FAMILIES: tuple[Family, ...] = (skin_lesion, ultrasound, blood_cells, cardiac, abdomen, fundus)


def draw(rng: np.random.Generator, n: int, size: int) -> Subjects:
    """Draw one task of a random phantom and `n` subjects of it."""
    return FAMILIES[int(rng.integers(len(FAMILIES)))](rng, n, size)


def _grow_vessels(rng: np.random.Generator, canvas: np.ndarray, start: np.ndarray) -> None:
    """Draw forking random walks of falling width from `start` into `canvas`."""
    size = canvas.shape[0]
    walkers = [(start, a + rng.normal(0, 0.3), 1.6) for a in (0.9, 2.2, -0.9, -2.2)]
    for _ in range(24):
        if not walkers:
            return
        position, heading, width = walkers.pop(0)
        for _ in range(int(rng.integers(6, 16))):
            heading += rng.normal(0, 0.18)
            position = position + 0.05 * np.array([np.cos(heading), np.sin(heading)])
            x, y = ((position + 1) / 2 * size).astype(int)
            reach = max(1, round(width * size / 128))
            canvas[max(0, y) : max(0, y + reach), max(0, x) : max(0, x + reach)] = 1
        if width > 0.7 and np.abs(position).max() < 1:
            fork = rng.uniform(0.3, 0.7)
            walkers += [(position, heading + s * fork, width * 0.75) for s in (-1, 1)]


def _lumpy(
    rng: np.random.Generator, size: int, centre: np.ndarray, radius: np.ndarray, lumps: float
) -> Tensor:
    """Distance (n, s, s) from each centre in units of a lumpy outline: below 1 is inside."""
    n = len(centre)
    axis = torch.linspace(-1, 1, size)
    place = torch.from_numpy(centre.astype(np.float32)).view(n, 2, 1, 1)
    x, y = axis.view(1, 1, size) - place[:, 0], axis.view(1, size, 1) - place[:, 1]
    aspect = torch.from_numpy(rng.uniform(0.8, 1.25, n).astype(np.float32)).view(n, 1, 1)
    x, y = x * aspect, y / aspect
    angle = torch.atan2(y, x)
    outline = torch.ones_like(angle)
    for k in range(2, 6):
        amount, phase = rng.normal(0, lumps / k, n), rng.uniform(0, 2 * np.pi, n)
        wave = torch.cos(k * angle + torch.from_numpy(phase.astype(np.float32)).view(n, 1, 1))
        outline += torch.from_numpy(amount.astype(np.float32)).view(n, 1, 1) * wave
    reach = torch.from_numpy(radius.astype(np.float32)).view(n, 1, 1) * outline.clamp_min(0.2)
    return torch.sqrt(x * x + y * y) / reach


def _radius(size: int) -> Tensor:
    axis = torch.linspace(-1, 1, size)
    return torch.sqrt(axis.view(1, size) ** 2 + axis.view(size, 1) ** 2)


def _noise(rng: np.random.Generator, n: int, size: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal((n, size, size), dtype=np.float32))


def _soften(images: Tensor) -> Tensor:
    return F.avg_pool2d(images[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
