from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_medseg.engine.planes import Planes
from napari_medseg.engine.scaling import check_range, robust_range, scale_to_unit

REAL = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="="),
    npst.unsigned_integer_dtypes(endianness="="),
    npst.floating_dtypes(endianness="="),
)


@given(npst.arrays(REAL, npst.array_shapes(min_dims=2, max_dims=3, max_side=8)))
def test_every_real_array_comes_to_the_unit_interval(array: np.ndarray) -> None:
    with np.errstate(over="ignore"):  # a range wider than float64 itself
        scaled = scale_to_unit(array)
    assert scaled.shape == array.shape
    assert scaled.dtype == np.float32
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_a_tensor_is_taken_for_an_array() -> None:
    image = torch.arange(48, dtype=torch.uint8).view(6, 8)
    planes = Planes(image)
    assert planes.value_range == Planes(image.numpy()).value_range
    np.testing.assert_array_equal(planes.raw(0), image.numpy())
    assert robust_range(image) == robust_range(image.numpy())


def test_outliers_do_not_flatten_the_image() -> None:
    image = np.tile(np.linspace(0, 100, 100), (100, 1))
    image[0, 0] = 1e6
    scaled = scale_to_unit(image)
    assert scaled[50, 50] == pytest.approx(0.5, abs=0.02)
    assert scaled[0, 0] == 1.0


def test_a_single_bright_spot_on_black_is_kept() -> None:
    image = np.zeros((100, 100), np.uint16)
    image[10, 10] = 500
    assert scale_to_unit(image)[10, 10] == 1.0


def test_values_that_are_not_finite_are_left_out_and_become_the_minimum() -> None:
    image = np.linspace(0.0, 1.0, 100).reshape(10, 10)
    image[0, 0], image[0, 1], image[0, 2] = np.nan, np.inf, -np.inf
    low, high = robust_range(image)
    assert 0 < low < 0.1
    assert 0.9 < high <= 1
    assert (scale_to_unit(image)[0, :3] == 0).all()


@pytest.mark.parametrize("value", [0, 7, -3.5, np.nan, np.inf])
def test_a_constant_image_becomes_zero(value: float) -> None:
    assert (scale_to_unit(np.full((4, 5), value)) == 0).all()


def test_large_integers_keep_their_differences() -> None:
    image = np.array([[2**31, 2**31 + 1, 2**31 + 2]], np.int64)
    scaled = scale_to_unit(image, (2**31, 2**31 + 2))
    np.testing.assert_allclose(scaled, [[0, 0.5, 1]])


def test_the_range_of_a_volume_is_taken_from_a_sample() -> None:
    volume = np.broadcast_to(np.arange(1000.0), (64, 300, 1000))
    low, high = robust_range(volume)
    assert low == pytest.approx(5, abs=3)
    assert high == pytest.approx(994, abs=3)


@pytest.mark.parametrize("dtype", [complex, object, "U1"])
def test_what_is_no_number_is_refused(dtype: object) -> None:
    with pytest.raises(ValueError, match="cannot be segmented"):
        scale_to_unit(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("limits", [(1, 0), (0, np.nan), (-np.inf, 3)])
def test_a_range_that_makes_no_sense_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="value range"):
        check_range(limits)


@pytest.mark.parametrize("value_range", [3, (1,), "ab", (None, 2)])
def test_a_range_is_two_numbers(value_range):
    with pytest.raises(ValueError, match="A value range is two numbers"):
        check_range(value_range)
