"""Sets of augmentation values: what was published, and what this project proposes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STANDARD: Mapping[str, Any] = {
    "flip_horizontal": 0.5,
    "rotate": 0.5,
    "rotate_degrees": 30.0,
    "scale": 0.3,
    "scale_range": (0.75, 1.33),
    "shift": 0.2,
    "elastic": 0.2,
    "jitter": 0.3,
    "brightness": 0.25,
    "contrast": 0.25,
    "saturation": 0.2,
    "hue": 0.03,
    "gamma": 0.3,
    "blur": 0.15,
    "noise": 0.15,
}

_SELFREG: Mapping[str, Any] = {
    "quarter_turns": 0.5,
    "rotate": 0.5,
    "rotate_degrees": 20.0,
    "rotate_whole_degrees": True,
    "rotate_unless_turned": True,
    "interpolation": "nearest",
    "outside": "zeros",
}

_CONDSEG_1: Mapping[str, Any] = {
    "rotate": 0.5,
    "rotate_degrees": 90.0,
    "flip_horizontal": 0.5,
    "flip_vertical": 0.5,
    "holes": 0.3,
    "hole_count": (1, 10),
    "hole_side": (0.03, 0.125),
}

_CONDSEG_2: Mapping[str, Any] = {
    **_CONDSEG_1,
    "rotate": 0.3,
    "rotate_degrees": 35.0,
    "flip_horizontal": 0.3,
    "flip_vertical": 0.3,
}

_CONDSEG_VIEW: Mapping[str, Any] = {
    "jitter": 1.0,
    "brightness": 0.3,
    "contrast": 0.3,
    "saturation": 0.3,
    "hue": 0.1,
    "greyscale": 0.5,
    "blur": 1.0,
    "blur_sigma": (0.1, 3.0),
    "blur_along": "vertical",
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "standard": _STANDARD,
    "selfreg": _SELFREG,
    "condseg-stage-1": _CONDSEG_1,
    "condseg-stage-2": _CONDSEG_2,
    "condseg-view": _CONDSEG_VIEW,
}
"""Values by name.

standard
    This project's: mirrored left and right only, since up and down seldom occur in images of
    patients; strengths after nnU-Net's (Isensee et al., Nature Methods 2021, supplement).
selfreg
    SelfReg-UNet (Zhu et al., MICCAI 2024), the authors' code for Synapse and ACDC, after TransUNet:
    with a chance of a half a quarter turn and a mirror, else with a half a turn by whole degrees
    from -20 to 19, image and mask by nearest neighbour.
condseg-stage-1, condseg-stage-2
    ConDSeg (Lei et al., AAAI 2025), the authors' training scripts. There the holes are up to 32
    pixels of the unscaled picture, here up to an eighth of the net's 256.
condseg-view
    The disturbed view of ConDSeg's first stage, from the same scripts: colours and a blur along the
    columns. There one draw serves a whole batch, here each image has its own.
"""

TITLES: Mapping[str, str] = {
    "none": "No augmentation",
    "standard": "Standard (this project's)",
    "selfreg": "SelfReg-UNet, as published",
    "condseg-stage-1": "ConDSeg stage 1, as published",
    "condseg-stage-2": "ConDSeg stage 2, as published",
    "condseg-view": "ConDSeg's disturbed view, as published",
}
"""What a person reads."""


def preset(name: str) -> dict[str, Any]:
    """Give the values of a preset, for `medseg_training.data.augment_options.AugmentOptions`.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in PRESETS:
        raise ValueError(f"There is no augmentation {name!r}; choose {', '.join(PRESETS)}.")
    return {"preset": name, **PRESETS[name]}
