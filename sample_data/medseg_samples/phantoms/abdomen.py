"""An abdominal CT in the portal phase, in Hounsfield units: one anatomy, smoothly bent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medseg_samples.phantoms.drawing import Field, Painter, ellipse, inside, smooth_noise

CLASS_NAMES = ("background", "liver", "spleen", "left kidney", "right kidney", "aorta")
SPACING = (6.0, 1.9, 1.9)
LIVER, SPLEEN, LEFT_KIDNEY, RIGHT_KIDNEY, AORTA = 1, 2, 3, 4, 5
_AIR, _LUNG, _FAT, _MUSCLE, _GAS = -1000.0, -840.0, -100.0, 55.0, -900.0


def abdomen_ct(seed: int, shape: tuple[int, int, int] = (20, 160, 192)) -> tuple[NDArray, NDArray]:
    """Give a volume (Z, H, W) int16 in HU and its labels (Z, H, W) uint8.

    Planes go from the pelvis to the lungs; the patient's right is on the left of the image, the
    back below, as radiologists look at it.
    """
    rng = np.random.default_rng(seed)
    z, y, x = _millimetres(rng, shape)
    painter = Painter(np.full(shape, _AIR), ndim=3)
    trunk = _trunk(rng, painter, z, y, x)
    _gut(rng, painter, z, y, x)
    _organs(rng, painter, z, y, x)
    _vessels_and_bones(rng, painter, z, y, x)
    outside = trunk > 0
    painter.labels[outside] = 0
    painter.values[outside & (painter.values > -500)] = _AIR
    _couch(painter, shape)
    values = gaussian_filter(painter.values, (0.3, 0.55, 0.55))
    grain = gaussian_filter(rng.standard_normal(shape), (0, 0.7, 0.7))
    values += 15.0 * grain / grain.std()
    return np.round(np.clip(values, -1024, 1500)).astype(np.int16), painter.labels


def _millimetres(rng: np.random.Generator, shape: tuple[int, int, int]) -> list[Field]:
    """Coordinates in mm from the middle, smoothly bent: this makes each patient another one."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, SPACING, strict=True)]
    fields = np.meshgrid(*axes, indexing="ij")
    size = rng.uniform(0.94, 1.06)
    bends = [smooth_noise(rng, shape, (4, 20, 20)) for _ in range(3)]
    fine = [smooth_noise(rng, shape, (1.5, 6, 6)) for _ in range(3)]
    return [
        field / size + 5.0 * bend + 1.3 * small
        for field, bend, small in zip(fields, bends, fine, strict=True)
    ]


def _trunk(rng: np.random.Generator, painter: Painter, z: Field, y: Field, x: Field) -> Field:
    """Skin, fat, the muscular wall, and the lungs at the top; gives the distance to the skin."""
    shape = z.shape
    skin = ellipse((y, x), (0, 0), (104, 150))
    painter.paint(skin, 20.0, softness=2.5)
    fat = _FAT + 8 * smooth_noise(rng, shape, (1, 5, 5))
    painter.paint(skin + 2.5, fat, softness=2.5)
    cavity = ellipse((y, x), (-4, 0), (84, 126))
    wall = _MUSCLE + 10 * smooth_noise(rng, shape, (1, 2.5, 2.5))
    painter.paint(cavity - 5, wall, softness=3)
    for side in (-1, 1):
        back = ellipse((y, x), (66, 38 * side), (22, 30))
        marbled = wall - 60 * np.clip(smooth_noise(rng, shape, (1, 2, 4)) - 1.1, 0, 1)
        painter.paint(back, marbled, softness=3)
    mesentery = _FAT + 12 * smooth_noise(rng, shape, (1, 4, 4))
    painter.paint(cavity + 4, mesentery, softness=3)
    for side in (-1, 1):
        psoas = ellipse((y, x), (44, 34 * side), (19, 15))
        painter.paint(psoas, np.where(z < 25, wall, mesentery), softness=3)
    for side in (-1, 1):
        lung = ellipse((z, y, x), (78, 8, 76 * side), (46, 66, 50))
        vessels = 500 * np.clip(smooth_noise(rng, shape, (0.8, 1.3, 1.3)) - 1.9, 0, 1)
        painter.paint(lung, _LUNG + vessels, softness=3)
    return skin


def _gut(rng: np.random.Generator, painter: Painter, z: Field, y: Field, x: Field) -> None:
    """Loops of bowel in front, colon at the sides, stomach with its bubble of gas."""
    shape = z.shape
    for _ in range(26):
        centre = (rng.uniform(-75, 5), rng.uniform(-62, 18), rng.uniform(-80, 80))
        radii = (rng.uniform(9, 22), rng.uniform(9, 14), rng.uniform(11, 24))
        loop = ellipse((z, y, x), centre, radii, rng.uniform(0, np.pi))
        painter.paint(loop, 62 + rng.normal(0, 12), softness=3)
        content = rng.choice([18.0, 35.0, 190.0, _GAS], p=[0.45, 0.3, 0.1, 0.15])
        painter.paint(loop + 3, content, softness=3)
    for centre_x in (-102, 104):
        colon = ellipse((y, x), (-4, centre_x), (19, 17)) + 2.5 * smooth_noise(
            rng, shape, (1, 4, 4)
        )
        painter.paint(np.maximum(colon, z - 5), 55.0, softness=3)
        stool = -60 + 160 * smooth_noise(rng, shape, (1, 2, 2))
        painter.paint(np.maximum(colon + 4, z - 2), np.clip(stool, -700, 80), softness=3)
    stomach = ellipse((z, y, x), (34, -32, 50), (38, 34, 46), -0.4)
    painter.paint(stomach, 75.0, softness=3)
    filled = 25 + 14 * smooth_noise(rng, shape, (1, 3, 3))
    painter.paint(stomach + 4, np.where(y < -42, _GAS, filled), softness=3)


def _organs(rng: np.random.Generator, painter: Painter, z: Field, y: Field, x: Field) -> None:
    """Liver with its vessels, gallbladder, spleen, kidneys with cortex and pelvis, pancreas."""
    shape = z.shape
    liver = np.minimum(
        ellipse((z, y, x), (28, -4, -62), (66, 66, 58), 0.1),
        ellipse((z, y, x), (44, -36, -8), (34, 30, 50), 0.15),
    )
    tree = smooth_noise(rng, shape, (0.9, 2.6, 2.6))
    tubes = np.exp(-((tree / 0.22) ** 2)) * inside(0.7 - smooth_noise(rng, shape, (1, 6, 6)), 0.5)
    parenchyma = rng.uniform(102, 116) + 48 * tubes
    painter.paint(liver, parenchyma, label=LIVER, softness=2.5)
    painter.paint(ellipse((z, y, x), (-12, -34, -54), (20, 17, 14), 0.3), 10.0, 0, softness=2.5)
    pancreas = ellipse((z, y, x), (6, -10, 6), (11, 11, 46), -0.35)
    lobules = 92 - 55 * np.clip(smooth_noise(rng, shape, (1, 1.6, 1.6)), 0, 1)
    painter.paint(pancreas, lobules, 0, softness=3)
    painter.paint(ellipse((z, y, x), (28, 26, 98), (44, 44, 25), 0.35), 122.0, SPLEEN, softness=2.5)
    for side, lab, height in ((1, LEFT_KIDNEY, -6), (-1, RIGHT_KIDNEY, -16)):
        _kidney(rng, painter, (z - height, y - 40, x - 66 * side), 0.35 * side, lab)


def _kidney(
    rng: np.random.Generator,
    painter: Painter,
    zyx: tuple[Field, Field, Field],
    turn: float,
    lab: int,
) -> None:
    """Fat around it, bright cortex, pyramids, and the pelvis that opens to the middle."""
    middle = np.sign(turn)
    kidney = ellipse(zyx, (0, 0, 0), (50, 29, 25), turn)
    pelvis = ellipse(zyx, (0, -6, -16 * middle), (26, 10, 17), turn)
    pyramids = 14 * smooth_noise(rng, zyx[0].shape, (1, 2.2, 2.2))
    painter.paint(kidney - 7, _FAT, 0, softness=3)
    painter.paint(kidney, 188.0, lab, softness=2.5)
    painter.paint(kidney + 7, 150.0 + pyramids, softness=5)
    painter.paint(pelvis, _FAT + 60, 0, softness=4)
    painter.paint(pelvis + 5, 22.0, softness=3)


def _vessels_and_bones(
    rng: np.random.Generator, painter: Painter, z: Field, y: Field, x: Field
) -> None:
    shape = z.shape
    vertebra = ellipse((y, x), (46, 0), (19, 24))
    disc = np.abs((z + 8) % 36 - 18) < 4
    marrow = 190 + 45 * smooth_noise(rng, shape, (0.8, 1.2, 1.2))
    painter.paint(vertebra, np.where(disc, 90.0, 480.0), 0, softness=3)
    painter.paint(vertebra + 3.5, np.where(disc, 85.0, marrow), softness=3)
    canal = ellipse((y, x), (74, 0), (9, 11))
    arch = np.minimum(canal - 6, ellipse((y, x), (94, 0), (17, 4.5)))
    for side in (-1, 1):
        process = ellipse((y, x), (72, 27 * side), (5, 19), 0.25 * side)
        arch = np.minimum(arch, np.where(disc, 99.0, process))
    painter.paint(arch, 420.0, 0, softness=3)
    painter.paint(canal, 30.0, softness=3)
    painter.paint(ellipse((y, x), (21, 10), (11, 11)), 168.0, AORTA, softness=2.5)
    painter.paint(ellipse((y, x), (20, -20), (10, 13)), 142.0, 0, softness=2.5)
    painter.paint(ellipse((z, y, x), (0, -4, -4), (60, 6, 6)), 150.0, softness=2.5)
    for n in range(5):
        theta = 0.9 - 0.5 * n
        for side in (-1, 1):
            centre = (62 - 17 * n, 86 * np.sin(theta), side * 130 * np.cos(theta))
            rib = ellipse((z, y, x), centre, (26, 6, 10), side * theta)
            painter.paint(rib, 460.0, softness=3)
            painter.paint(rib + 3, 160.0, softness=3)


def _couch(painter: Painter, shape: tuple[int, int, int]) -> None:
    """Add the table top, a thin, shallow bow under the patient."""
    rows, columns = np.indices(shape[1:], dtype=float)
    middle = (shape[2] - 1) / 2
    bow = shape[1] - 10 - ((columns - middle) / middle) ** 2 * 12
    top = np.abs(rows - bow) - 0.8
    painter.paint(np.broadcast_to(top, shape), 120.0, softness=1.0)
