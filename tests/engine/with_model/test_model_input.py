"""What becomes of raw values where a model takes 8-bit ones divided by 255."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_medseg.engine.scaling import robust_range
from napari_medseg.engine.with_model.model_input import input_planes
from napari_medseg.zoo.specs import InputSpec, Scaling

SPEC = InputSpec((32, 32), scaling=Scaling("divide", 0.0, 255.0))
UNIT = np.random.default_rng(0).random((90, 120))
EIGHT = np.floor(UNIT * 256).astype(np.uint8)


def range_of(image: NDArray) -> tuple[float, float]:
    return input_planes(image, SPEC).value_range


def with_pixel(image: NDArray, value: float) -> NDArray:
    changed = image.copy()
    changed[7, 5] = value
    return changed


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (EIGHT, (0, 255)),
        (EIGHT // 32, (0, 255)),
        (EIGHT.astype(np.int16), (0, 255)),
        (EIGHT.astype(np.float32), (0, 255)),
        ((EIGHT // 32).astype(np.float32), (0, 255)),
        (np.where(UNIT > 0.999, EIGHT, 0).astype(np.float32), (0, 255)),
        (UNIT * 255, (0, 255)),
        (UNIT * 60, (0, 255)),
        (UNIT, (0, 1)),
        (UNIT.astype(np.float16) / 4, (0, 1)),
        (np.round(UNIT), (0, 1)),
        (UNIT > 0.5, (0, 1)),
        (np.full((4, 4), np.nan), (0, 1)),
    ],
)
def test_8_bit_values_are_divided_and_those_up_to_1_are_not(
    image: NDArray, expected: tuple[float, float]
) -> None:
    assert range_of(image) == expected


@pytest.mark.parametrize("value", [1.3, 2.0, 200.0, -0.5, np.inf])
def test_one_hot_pixel_changes_nothing(value: float) -> None:
    assert range_of(with_pixel(UNIT, value)) == (0, 1)
    large = np.tile(UNIT, (24, 20))
    for place in ((0, 0), (1, 1)):  # one beside the grid on which large images are looked at
        changed = large.copy()
        changed[place] = value
        assert range_of(changed) == (0, 1)


@pytest.mark.parametrize("gain", [1.02, 1.5, 2.0, 5.0])
def test_floats_beyond_1_keep_their_contrast(gain: float) -> None:
    low, high = range_of(UNIT * gain)
    assert low == 0
    assert 0.95 * gain < high <= gain


@pytest.mark.parametrize("image", [UNIT * 4000, UNIT * 2 - 1, EIGHT * np.uint16(257)])
def test_what_is_no_8_bit_image_is_brought_to_its_range(image: NDArray) -> None:
    assert range_of(image) == robust_range(image)
