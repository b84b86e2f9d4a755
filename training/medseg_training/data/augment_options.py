"""What may happen to images while a net learns from them; values and limits, no arithmetic.

They stand apart from what carries them out, so that a form can be made of them without torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from medseg_training.data.presets import preset

Share = Annotated[float, Field(ge=0, le=1)]
Chance = Share


class GeometricOptions(BaseModel):
    """Changes of place; each has the chance with which it happens to an image.

    Lengths are parts of the image's side, angles degrees.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    flip_horizontal: Annotated[Chance, Field(description="Chance: mirror left and right.")] = 0.0
    flip_vertical: Annotated[Chance, Field(description="Chance: mirror top and bottom.")] = 0.0
    quarter_turns: Annotated[
        Chance, Field(description="Chance: turn by a multiple of 90 degrees, then mirror one axis.")
    ] = 0.0
    rotate: Annotated[Chance, Field(description="Chance: turn by any angle.")] = 0.0
    rotate_degrees: Annotated[
        float, Field(ge=0, le=180, description="Largest angle, either way.")
    ] = 15.0
    rotate_whole_degrees: bool = Field(default=False, description="Only whole degrees.")
    rotate_unless_turned: bool = Field(
        default=False, description="Spare images that got a quarter turn."
    )
    scale: Annotated[Chance, Field(description="Chance: zoom in or out.")] = 0.0
    scale_range: tuple[PositiveFloat, PositiveFloat] = Field(
        default=(0.8, 1.25), description="Smallest and largest zoom."
    )
    shift: Annotated[Chance, Field(description="Chance: move.")] = 0.0
    shift_by: Annotated[
        float, Field(ge=0, le=0.5, description="Furthest, as a part of the side.")
    ] = 0.1
    elastic: Annotated[Chance, Field(description="Chance: bend smoothly.")] = 0.0
    elastic_by: Annotated[
        float, Field(ge=0, le=0.2, description="Largest displacement, as a part of the side.")
    ] = 0.03
    elastic_nodes: Annotated[
        int, Field(ge=4, le=32, description="Points along a side that are moved.")
    ] = 5
    interpolation: Literal["bilinear", "nearest"] = Field(
        default="bilinear", description="Of the image; masks are always nearest."
    )
    outside: Literal["zeros", "border", "reflection"] = Field(
        default="reflection", description="What comes in from beyond the edge."
    )


class PhotometricOptions(BaseModel):
    """Changes of looks in the order in which they happen, each with its chance for an image.

    Brightness, contrast and saturation are multiplied by 1 plus or minus up to their value, hue is
    turned by up to its part of the circle; these four happen together, with the chance `jitter`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    jitter: Annotated[
        Chance, Field(description="Chance: change brightness, contrast, saturation and hue.")
    ] = 0.0
    brightness: Annotated[
        float, Field(ge=0, le=1, description="Factor 1 plus or minus up to this.")
    ] = 0.0
    contrast: Annotated[
        float, Field(ge=0, le=1, description="Factor 1 plus or minus up to this.")
    ] = 0.0
    saturation: Annotated[
        float, Field(ge=0, le=1, description="Factor 1 plus or minus up to this.")
    ] = 0.0
    hue: Annotated[
        float, Field(ge=0, le=0.5, description="Largest turn, as a part of the circle.")
    ] = 0.0
    greyscale: Annotated[Chance, Field(description="Chance: take the colours away.")] = 0.0
    gamma: Annotated[Chance, Field(description="Chance: brighten or darken the middle tones.")] = (
        0.0
    )
    gamma_range: tuple[PositiveFloat, PositiveFloat] = Field(
        default=(0.7, 1.5), description="Smallest and largest exponent."
    )
    blur: Annotated[Chance, Field(description="Chance: blur.")] = 0.0
    blur_sigma: tuple[PositiveFloat, PositiveFloat] = Field(
        default=(0.5, 1.0), description="Smallest and largest, in pixels."
    )
    blur_along: Literal["both", "vertical"] = Field(
        default="both", description="Both axes, or the columns alone as ConDSeg's code has it."
    )
    noise: Annotated[Chance, Field(description="Chance: add noise.")] = 0.0
    noise_sd: Annotated[
        float, Field(ge=0, le=1, description="Largest standard deviation; the image is 0 to 1.")
    ] = 0.05
    holes: Annotated[
        Chance, Field(description="Chance: black out rectangles, in the image alone.")
    ] = 0.0
    hole_count: tuple[PositiveInt, PositiveInt] = Field(
        default=(1, 10), description="Fewest and most."
    )
    hole_side: tuple[Share, Share] = Field(
        default=(0.03, 0.125), description="Smallest and largest, as a part of the side."
    )


class AugmentOptions(GeometricOptions, PhotometricOptions):
    """Everything that is changed at random; without options nothing is.

    `preset` names a published or proven set of values (`medseg_training.data.presets`), of which
    single ones can be changed beside it.
    """

    preset: str = Field(default="none", description="A set of values to begin with.")

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return preset(given.get("preset", "none")) | given
