"""How strongly the views of an in-context training are changed; read without starting torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Warp:
    """Strengths of the random maps; angles in degrees, lengths in halves of the view's side."""

    probability: float
    rotation: float
    translation: float
    scale: tuple[float, float]
    elastic_probability: float
    elastic: tuple[float, float]


@dataclass(frozen=True)
class Appearance:
    """Chance of each change and its largest strength."""

    probability: float
    brightness: float
    contrast: float
    gamma: float
    bias_field: float
    noise: float
    blur: float
    sharpen: float
