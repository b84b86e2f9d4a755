"""A stack of short-axis cardiac MR planes: bright blood, dark muscle, from base to apex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medseg_samples.phantoms.drawing import Field, Painter, blob, ellipse, grid, smooth_noise

CLASS_NAMES = ("background", "right ventricle", "myocardium", "left ventricle")
SPACING = (8.0, 1.4, 1.4)
RIGHT_VENTRICLE, MYOCARDIUM, LEFT_VENTRICLE = 1, 2, 3
_BLOOD, _MUSCLE, _FAT, _LUNG, _LIVER, _AIR = 0.80, 0.20, 0.92, 0.05, 0.30, 0.015


def cardiac_mr(seed: int, shape: tuple[int, int, int] = (10, 160, 160)) -> tuple[NDArray, NDArray]:
    """Give a volume (Z, H, W) int16 and its labels (Z, H, W) uint8, base first."""
    rng = np.random.default_rng(seed)
    body = _Body(rng, shape[1:])
    planes = [body.plane(level) for level in np.linspace(0.0, 1.0, shape[0])]
    signal = np.stack([values for values, _ in planes])
    labels = np.stack([plane_labels for _, plane_labels in planes])
    coil = np.exp(0.28 * smooth_noise(rng, shape, (8, 45, 45)))
    signal = gaussian_filter(signal * coil, (0, 0.6, 0.6))
    noise = 0.022 * rng.standard_normal((2, *shape))
    magnitude = np.hypot(signal + noise[0], noise[1])
    return np.round(600 * magnitude).astype(np.int16), labels


class _Body:
    """One patient: what stays the same from plane to plane, and how the heart tapers."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int]) -> None:
        self.rng = rng
        self.shape = shape
        self.warp = [3.0 * smooth_noise(rng, shape, 22) for _ in range(2)]
        self.heart = np.array([4.0, 6.0]) + rng.normal(0, 3, 2)
        self.size = rng.uniform(0.92, 1.12)
        self.turn = rng.uniform(-0.35, 0.25)
        self.wall = rng.uniform(6.2, 8.2)
        self.anatomy_seed = int(rng.integers(2**31))

    def plane(self, level: float) -> tuple[Field, NDArray]:
        """Give signal and labels at a level from 0 (base) to 1 (apex)."""
        y, x = grid(self.shape)
        drift = 0.6 * self.rng.standard_normal(2)  # breath-holds differ a little
        y, x = y + self.warp[0] + drift[0], x + self.warp[1] + drift[1]
        painter = Painter(np.full(self.shape, _AIR), ndim=2)
        self._chest(painter, y, x, level)
        self._heart(painter, y, x, level)
        return painter.values, painter.labels

    def _chest(self, painter: Painter, y: Field, x: Field, level: float) -> None:
        rng = np.random.default_rng(self.anatomy_seed)
        outline = ellipse((y, x), (6, 0), (70, 62))
        grain = 0.05 * smooth_noise(rng, self.shape, 1.5) + 0.06 * smooth_noise(rng, self.shape, 6)
        painter.paint(outline, _FAT + grain)
        wall = _MUSCLE + 0.08 + grain + 0.25 * np.clip(smooth_noise(rng, self.shape, 2.5) - 1, 0, 1)
        painter.paint(outline + 6 + 2 * smooth_noise(rng, self.shape, 9), wall)
        ribs = np.abs(outline + 10.5) - 1.3 - 0.8 * smooth_noise(rng, self.shape, 7)
        painter.paint(ribs, 0.62, softness=2, strength=0.7)
        vessels = np.clip(smooth_noise(rng, self.shape, 1.2) - 1.9, 0, 1)
        lungs = ellipse((y, x), (-4, 28), (50, 29), -0.2)
        painter.paint(lungs, _LUNG + 0.5 * vessels, softness=2.5)
        right_lung = ellipse((y, x), (-8, -40), (36, 17), 0.2)
        painter.paint(right_lung, _LUNG + 0.5 * vessels, softness=2.5)
        liver = ellipse((y, x), (44 - 12 * level, -28), (24 + 6 * level, 36), 0.2)
        portal = 0.3 * np.clip(smooth_noise(rng, self.shape, 2.2) - 1.5, 0, 1)
        painter.paint(liver, _LIVER + 0.02 * grain + portal, softness=2)
        stomach = ellipse((y, x), (44, 36), (13, 17), -0.5)
        lumps = 0.5 + 0.25 * smooth_noise(rng, self.shape, 3)
        painter.paint(stomach, lumps, softness=2.5)
        painter.paint(ellipse((y, x), (52, 2), (10, 13)), 0.36 + grain, softness=2)
        painter.paint(ellipse((y, x), (65, 2), (4.5, 5)), 0.75, softness=2)
        aorta = ellipse((y, x), (41, 19), (6.5, 6.5))
        painter.paint(aorta - 1.5, 0.3, softness=1.5)
        painter.paint(aorta, _BLOOD, softness=1.5)

    def _heart(self, painter: Painter, y: Field, x: Field, level: float) -> None:
        rng = np.random.default_rng(self.anatomy_seed + 1)
        cy, cx = self.heart + level * np.array([3.0, 7.0])
        taper = np.sqrt(max(1.0 - (0.93 * level) ** 2.4, 0.02))
        cavity = self.size * 17.5 * taper
        wall = self.wall * (1.0 - 0.15 * level)
        sac = ellipse((y, x), (cy - 3, cx - 15 * taper), (27 * taper + 4, 36 * taper + 5), 0.25)
        fat = np.clip(0.36 + 0.28 * smooth_noise(rng, self.shape, 4), 0.12, 0.9)
        painter.paint(sac + 1.5 * smooth_noise(rng, self.shape, 7), fat, softness=3)
        self._right_ventricle(rng, painter, y, x, cy, cx, cavity + wall, taper)
        ring = blob(rng, (y, x), (cy, cx), cavity + wall, roughness=0.03, harmonics=4)
        muscle = _MUSCLE + 0.02 * smooth_noise(rng, self.shape, 2)
        painter.paint(ring, muscle, label=MYOCARDIUM, softness=1.6)
        inner = blob(rng, (y, x), (cy, cx), cavity, roughness=0.045, harmonics=6)
        swirl = _BLOOD + 0.05 * smooth_noise(rng, self.shape, 6)
        painter.paint(inner, swirl, label=LEFT_VENTRICLE, softness=1.6)
        if cavity > 7:
            for angle in (0.9 + self.turn, 2.6 + self.turn):
                spot = 0.66 * cavity * np.array([np.sin(angle), np.cos(angle)])
                papillary = blob(
                    rng, (y, x), spot + np.array([cy, cx]), 0.17 * cavity, roughness=0.3
                )
                painter.paint(papillary, _MUSCLE + 0.08, softness=2.0, strength=0.85)

    def _right_ventricle(
        self,
        rng: np.random.Generator,
        painter: Painter,
        y: Field,
        x: Field,
        cy: float,
        cx: float,
        outer: float,
        taper: float,
    ) -> None:
        """Add the crescent that hugs the septum, wide at the base, gone before the apex."""
        size = np.clip((taper - 0.42) / 0.5, 0.0, 1.0) ** 0.6
        if size < 0.15:
            return
        reach = outer * (0.72 + 0.2 * size)
        centre = (cy - 3 + 6 * self.turn, cx - outer * (0.35 + 0.42 * size))
        chamber = ellipse((y, x), centre, (reach * 0.98, reach * 0.86 * size + 4), 0.25 + self.turn)
        chamber = chamber + 0.9 * smooth_noise(rng, self.shape, 6)
        painter.paint(chamber - 2.4, _MUSCLE + 0.06, softness=2)
        trabeculae = 0.22 * np.clip(smooth_noise(rng, self.shape, 1.8) - 0.9, 0, 1)
        blood = _BLOOD - 0.03 - trabeculae * (chamber > -5)
        painter.paint(chamber, blood, label=RIGHT_VENTRICLE, softness=1.6)
