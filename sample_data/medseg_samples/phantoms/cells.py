"""Stained tissue under the microscope: violet nuclei in a pale, fibrous ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medseg_samples.phantoms.drawing import Field, Painter, blob, grid, inside, smooth_noise

CLASS_NAMES = ("background", "nucleus")
_GROUND, _FIBRE = np.array((226.0, 200.0, 222.0)), np.array((214.0, 160.0, 196.0))
_CYTOPLASM, _NUCLEUS, _CHROMATIN = (
    np.array((196.0, 158.0, 206.0)),
    np.array((120.0, 78.0, 160.0)),
    np.array((66.0, 34.0, 112.0)),
)


def stained_cells(seed: int, shape: tuple[int, int] = (224, 224)) -> tuple[NDArray, NDArray]:
    """Give a microscope image (H, W, 3) uint8 and its mask (H, W) uint8 of nuclei."""
    rng = np.random.default_rng(seed)
    coordinates = grid(shape)
    flow = rng.uniform(0, np.pi) + 0.5 * smooth_noise(rng, shape, 40)
    ground, holes = _ground(rng, shape)
    painter = Painter(ground, ndim=2)
    stain = rng.normal(0, 7, 3)
    spindly = rng.uniform(1.15, 1.9)
    for centre in _places(rng, holes, int(rng.integers(28, 60))):
        _add_cell(rng, painter, coordinates, centre, flow, spindly, stain)
    image = gaussian_filter(painter.values, (0.7, 0.7, 0))
    image += 5 * smooth_noise(rng, shape, 45)[..., None] + 2.5 * rng.standard_normal(image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), painter.labels


def _ground(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[NDArray, Field]:
    """Pale stroma, clouds of pink and fibres that run together; and the holes in it."""
    clouds = np.clip(
        0.45 + 0.3 * smooth_noise(rng, shape, 18) + 0.15 * smooth_noise(rng, shape, 5), 0, 1
    )
    ground = _GROUND + clouds[..., None] * (_FIBRE - _GROUND)
    sigma = (1.0, 9.0) if rng.random() < 0.5 else (8.0, 1.2)
    fibres = np.exp(-((smooth_noise(rng, shape, sigma) / 0.3) ** 2)) * clouds
    holes = inside(1.25 - smooth_noise(rng, shape, 13), 0.25)
    ground = ground - 16 * fibres[..., None] * [0.6, 1.3, 0.7]
    return ground + holes[..., None] * (np.array((240.0, 234.0, 240.0)) - ground), holes


def _places(rng: np.random.Generator, holes: Field, count: int) -> NDArray:
    """Draw centres that keep their distance, in clusters, and none in a hole."""
    shape = holes.shape
    free = gaussian_filter(holes, 3) < 0.05
    density = smooth_noise(rng, shape, 30)
    chosen: list[NDArray] = []
    for _ in range(count * 30):
        place = rng.uniform(0, 1, 2) * shape
        row, column = place.astype(int)
        room = 15 if density[row, column] > 0.2 else 24
        if free[row, column] and all(np.hypot(*(place - other)) > room for other in chosen):
            chosen.append(place)
        if len(chosen) == count:
            break
    return np.array(chosen) - (np.array(shape) - 1) / 2


def _add_cell(
    rng: np.random.Generator,
    painter: Painter,
    coordinates: list[Field],
    centre: NDArray,
    flow: Field,
    spindly: float,
    stain: NDArray,
) -> None:
    shape = flow.shape
    row, column = np.clip((centre + np.array(shape) / 2).astype(int), 0, np.array(shape) - 1)
    angle = flow[row, column] + rng.normal(0, 0.3)
    stretch = spindly * rng.uniform(0.85, 1.2)
    y, x = (axis - middle for axis, middle in zip(coordinates, centre, strict=True))
    v = (np.cos(angle) * y - np.sin(angle) * x) * np.sqrt(stretch)
    u = (np.sin(angle) * y + np.cos(angle) * x) / np.sqrt(stretch)
    radius = rng.uniform(5.5, 9.0)
    nucleus = blob(rng, (v, u), (0, 0), radius, roughness=0.07, harmonics=4)
    painter.paint(nucleus - rng.uniform(2, 6), _CYTOPLASM + stain, softness=9, strength=0.5)
    density = rng.uniform(0.25, 0.95)
    body = _NUCLEUS + stain + density * (_CHROMATIN - _NUCLEUS)
    clumps = smooth_noise(rng, shape, 1.8)[..., None]
    rim = np.exp(-(((nucleus + 1.5) / 1.5) ** 2))[..., None]
    shaded = body + (9 + 10 * density) * clumps - 16 * (1 - density) * rim
    focus = rng.uniform(1.5, 3.0)
    painter.paint(nucleus, shaded, label=1, softness=focus, strength=rng.uniform(0.8, 0.97))
    if density < 0.6 and rng.random() < 0.6:
        spot = blob(rng, (v, u), rng.normal(0, 0.25 * radius, 2), rng.uniform(1.2, 2.0))
        painter.paint(spot, _CHROMATIN + stain, softness=1.5, strength=0.8)
