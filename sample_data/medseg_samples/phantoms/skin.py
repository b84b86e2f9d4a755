"""Pigmented skin lesions as a dermatoscope shows them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label

from medseg_samples.phantoms.drawing import Field, Painter, blob, grid, inside, smooth_noise, stroke

CLASS_NAMES = ("background", "lesion")
_TONES = ((236, 196, 178), (224, 176, 156), (232, 188, 182), (212, 160, 134), (228, 198, 192))
_LIGHT_BROWN, _DARK_BROWN, _NEAR_BLACK = (172, 112, 78), (104, 60, 42), (52, 34, 32)
_BLUE_GREY, _PINK = (112, 112, 132), (206, 136, 124)


def skin_lesion(seed: int, shape: tuple[int, int] = (192, 256)) -> tuple[NDArray, NDArray]:
    """Give a dermoscopy image (H, W, 3) uint8 and its mask (H, W) uint8."""
    rng = np.random.default_rng(seed)
    y, x = grid(shape)
    painter = Painter(_skin(rng, shape), ndim=2)
    distance = _outline(rng, y, x, shape)
    softness = rng.uniform(9, 20)
    colours = _pigment(rng, shape, distance)
    painter.paint(distance, colours, label=1, softness=softness, strength=rng.uniform(0.86, 0.97))
    _add_hairs(rng, painter, y, x, shape)
    image = painter.values * _light(rng, y, x, shape)[..., None]
    image += 2.2 * rng.standard_normal(image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), _in_one_piece(painter.labels)


def _in_one_piece(mask: NDArray) -> NDArray:
    """Give the mask as a reader would draw it: its largest piece, without holes."""
    pieces, _ = label(mask)
    largest = np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    return binary_fill_holes(pieces == largest).astype(np.uint8)


def _skin(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray:
    """Skin: tone, mottled redness, the fine furrows, and a few small vessels."""
    tone = np.array(_TONES[rng.integers(len(_TONES))], dtype=np.float64) + rng.normal(0, 5, 3)
    mottle = 0.6 * smooth_noise(rng, shape, 22) + 0.4 * smooth_noise(rng, shape, 5)
    grain = smooth_noise(rng, shape, 1.0)
    furrows = np.zeros(shape)
    for sigma in ((0.8, 7.0), (6.0, 0.9)):
        ridges = smooth_noise(rng, shape, sigma)
        furrows += np.exp(-((ridges / 0.35) ** 2))
    redness = np.array([1.0, 2.4, 2.0])
    skin = tone - 3.2 * mottle[..., None] * redness
    skin -= (2.2 * furrows + 2.0 * grain)[..., None]
    vessels = np.exp(-((smooth_noise(rng, shape, 7) / 0.05) ** 2)) * (
        smooth_noise(rng, shape, 20) > 0.9
    )
    return skin - 9 * vessels[..., None] * redness


def _outline(rng: np.random.Generator, y: Field, x: Field, shape: tuple[int, int]) -> Field:
    """Give the distance to a wavy, frayed blob, often grown together with a second one."""
    radius = rng.uniform(0.2, 0.36) * min(shape)
    centre = rng.normal(0, 0.05, 2) * shape
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.5)
    v = np.cos(angle) * (y - centre[0]) + np.sin(angle) * (x - centre[1])
    u = (np.cos(angle) * (x - centre[1]) - np.sin(angle) * (y - centre[0])) / stretch
    distance = blob(rng, (v, u), (0, 0), radius, roughness=0.16)
    if rng.random() < 0.5:
        beside = radius * rng.uniform(0.5, 0.8) * np.array([np.cos(angle), rng.choice([-1, 1])])
        other = blob(rng, (v, u), beside, radius * rng.uniform(0.4, 0.65), roughness=0.2)
        distance = np.minimum(distance, other)
    fray = 3.5 * smooth_noise(rng, shape, 7) + 1.6 * smooth_noise(rng, shape, 2.5)
    return distance + rng.uniform(0.6, 1.3) * fray


def _pigment(rng: np.random.Generator, shape: tuple[int, int], distance: Field) -> NDArray:
    """Colours inside: two browns in patches, a dark island, the pigment network, dots, a veil."""
    shade = np.clip(
        0.5 + 0.35 * smooth_noise(rng, shape, 14) + 0.2 * smooth_noise(rng, shape, 4), 0, 1
    )
    depth = np.clip(-distance / 40, 0, 1)
    mix = np.clip(shade * 0.75 + rng.uniform(-0.25, 0.25) + 0.45 * depth, 0, 1)[..., None]
    light = np.array(_LIGHT_BROWN) * rng.uniform(0.88, 1.12) + rng.normal(0, 3, 3)
    dark = np.array(_DARK_BROWN) * rng.uniform(0.8, 1.2) + rng.normal(0, 3, 3)
    colours = light * (1 - mix) + dark * mix
    island = inside(1.1 - smooth_noise(rng, shape, 16) - 0.5 * smooth_noise(rng, shape, 4), 0.8)
    colours += (rng.random() < 0.6) * 0.85 * island[..., None] * (np.array(_NEAR_BLACK) - colours)
    veil = inside(1.2 - smooth_noise(rng, shape, 16) - 0.3 * smooth_noise(rng, shape, 3), 1.6)
    colours += (rng.random() < 0.35) * 0.5 * veil[..., None] * (np.array(_BLUE_GREY) - colours)
    pink = inside(1.1 - smooth_noise(rng, shape, 15) - 0.3 * smooth_noise(rng, shape, 3), 1.6)
    colours += (rng.random() < 0.4) * 0.5 * pink[..., None] * (np.array(_PINK) - colours)
    network = np.exp(-((smooth_noise(rng, shape, 1.6) / 0.45) ** 2))
    rim = np.exp(-(((distance + 12) / 14) ** 2))
    colours -= (rng.uniform(12, 34) * network * (0.35 + 0.65 * rim))[..., None] * [1.0, 0.95, 0.8]
    dots = inside(2.1 - smooth_noise(rng, shape, 1.7), 0.5)
    return colours - 55 * dots[..., None] * rng.uniform(0, 1)


def _add_hairs(
    rng: np.random.Generator, painter: Painter, y: Field, x: Field, shape: tuple[int, int]
) -> None:
    if rng.random() < 0.35:
        return
    for _ in range(rng.integers(2, 9)):
        start = rng.uniform(-0.6, 0.6, 2) * shape
        heading = rng.uniform(0, 2 * np.pi)
        length, bend = rng.uniform(0.3, 0.9) * shape[1], rng.normal(0, 0.9)
        along = np.linspace(0, 1, 14)
        angles = heading + bend * along
        steps = np.stack([np.sin(angles), np.cos(angles)], axis=1) * length / len(along)
        hair = stroke((y, x), start + np.cumsum(steps, axis=0), rng.uniform(0.7, 1.5))
        painter.paint(hair, (58, 42, 36), softness=1.3, strength=rng.uniform(0.5, 0.85))


def _light(rng: np.random.Generator, y: Field, x: Field, shape: tuple[int, int]) -> Field:
    """Light falls off to the corners; some instruments show the dark rim of their tube."""
    across = rng.normal(0, 0.05, 2)
    radius = np.hypot(y, x) / (0.5 * shape[1])
    light = 1.0 + across[0] * y / shape[0] + across[1] * x / shape[1] - 0.10 * radius**2
    if rng.random() < 0.3:
        edge = np.hypot(y, x) - 0.55 * shape[1]
        light *= 1.0 - 0.93 * inside(-edge, 12)
    return light
