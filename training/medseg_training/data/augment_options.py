"""What may happen to images while a net learns from them; values and limits, no arithmetic.

They stand apart from what carries them out, so that a form can be made of them without torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from medseg_training.data.presets import preset
from medseg_training.recipe_part import Part

Share = Annotated[float, Field(ge=0, le=1)]
Chance = Share


class GeometricOptions(Part):
    """Changes of place; each has the chance with which it happens to an image.

    Lengths are parts of the image's side, angles degrees.
    """

    flip_horizontal: Chance = 0.0
    """Chance: mirror left and right."""
    flip_vertical: Chance = 0.0
    """Chance: mirror top and bottom."""
    quarter_turns: Chance = 0.0
    """Chance: turn by a multiple of 90 degrees, then mirror one axis."""
    rotate: Chance = 0.0
    """Chance: turn by any angle."""
    rotate_degrees: float = Field(default=15.0, ge=0, le=180)
    """Largest angle, either way."""
    rotate_whole_degrees: bool = False
    """Only whole degrees."""
    rotate_unless_turned: bool = False
    """Spare images that got a quarter turn."""
    scale: Chance = 0.0
    """Chance: zoom in or out."""
    scale_range: tuple[PositiveFloat, PositiveFloat] = (0.8, 1.25)
    """Smallest and largest zoom."""
    shift: Chance = 0.0
    """Chance: move."""
    shift_by: float = Field(default=0.1, ge=0, le=0.5)
    """Furthest, as a part of the side."""
    elastic: Chance = 0.0
    """Chance: bend smoothly."""
    elastic_by: float = Field(default=0.03, ge=0, le=0.2)
    """Largest displacement, as a part of the side."""
    elastic_nodes: int = Field(default=5, ge=4, le=32)
    """Points along a side that are moved."""
    interpolation: Literal["bilinear", "nearest"] = "bilinear"
    """Of the image; masks are always nearest."""
    outside: Literal["zeros", "border", "reflection"] = "reflection"
    """What comes in from beyond the edge."""


class PhotometricOptions(Part):
    """Changes of looks in the order in which they happen, each with its chance for an image.

    Brightness, contrast and saturation are multiplied by 1 plus or minus up to their value, hue is
    turned by up to its part of the circle; these four happen together, with the chance `jitter`.
    """

    jitter: Chance = 0.0
    """Chance: change brightness, contrast, saturation and hue."""
    brightness: float = Field(default=0.0, ge=0, le=1)
    """Factor 1 plus or minus up to this."""
    contrast: float = Field(default=0.0, ge=0, le=1)
    """Factor 1 plus or minus up to this."""
    saturation: float = Field(default=0.0, ge=0, le=1)
    """Factor 1 plus or minus up to this."""
    hue: float = Field(default=0.0, ge=0, le=0.5)
    """Largest turn, as a part of the circle."""
    greyscale: Chance = 0.0
    """Chance: take the colours away."""
    gamma: Chance = 0.0
    """Chance: brighten or darken the middle tones."""
    gamma_range: tuple[PositiveFloat, PositiveFloat] = (0.7, 1.5)
    """Smallest and largest exponent."""
    blur: Chance = 0.0
    """Chance: blur."""
    blur_sigma: tuple[PositiveFloat, PositiveFloat] = (0.5, 1.0)
    """Smallest and largest, in pixels."""
    blur_along: Literal["both", "vertical"] = "both"
    """Both axes, or the columns alone as ConDSeg's code has it."""
    noise: Chance = 0.0
    """Chance: add noise."""
    noise_sd: float = Field(default=0.05, ge=0, le=1)
    """Largest standard deviation; the image is 0 to 1."""
    holes: Chance = 0.0
    """Chance: black out rectangles, in the image alone."""
    hole_count: tuple[PositiveInt, PositiveInt] = (1, 10)
    """Fewest and most."""
    hole_side: tuple[Share, Share] = (0.03, 0.125)
    """Smallest and largest, as a part of the side."""


class AugmentOptions(GeometricOptions, PhotometricOptions):
    """Everything that is changed at random; without options nothing is.

    `preset` names a published or proven set of values (`medseg_training.data.presets`), of which
    single ones can be changed beside it.
    """

    preset: str = "none"
    """A set of values to begin with."""

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return preset(given.get("preset", "none")) | given
