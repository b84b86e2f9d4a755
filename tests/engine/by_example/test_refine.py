from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.by_example.job import segment_by_example
from napari_medseg.engine.by_example.refine import blend_back, found_region, window_around
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.resample import Window, resize, shrink_mask
from tests.engine.conftest import disc


@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.floats(0.5, 60),
)
def test_a_window_holds_the_region_and_lies_in_the_plane(
    shape: tuple[int, int], centre: tuple[float, float], radius: float
) -> None:
    region = disc(shape, (centre[0] * shape[0], centre[1] * shape[1]), radius)
    window = window_around(region)
    if window is None:
        return
    assert 0 <= window.top < window.bottom <= shape[0]
    assert 0 <= window.left < window.right <= shape[1]
    assert region[window.slices].sum() == region.sum()


def test_what_fills_the_plane_is_not_looked_at_again() -> None:
    assert window_around(np.ones((50, 50), bool)) is None
    assert window_around(np.zeros((50, 50), bool)) is None


def test_crumbs_do_not_blow_up_the_region() -> None:
    probability = np.zeros((100, 100), np.float32)
    probability[20:30, 20:30] = 0.9
    probability[90, 90] = 0.9
    region = found_region(probability)
    assert region[25, 25]
    assert not region[90, 90]


def test_a_shy_answer_is_still_a_region_and_no_answer_is_none() -> None:
    probability = np.full((50, 50), 0.01, np.float32)
    assert not found_region(probability).any()
    probability[10:14, 10:14] = 0.2
    assert found_region(probability).sum() == 16


def test_the_second_answer_replaces_the_first_inside_and_fades_at_the_edge() -> None:
    coarse = np.zeros((100, 100), np.float32)
    window = Window(0, 20, 60, 80)
    blended = blend_back(coarse, [np.ones((32, 32), np.float32)], [window])
    assert blended[30, 50] == 1
    assert blended[0, 50] == 1  # the plane's own border does not fade
    assert 0 < blended[58, 50] < 1
    assert not blended[60:].any()
    assert not coarse.any()


def test_making_smaller_averages_and_stays_in_range() -> None:
    plane = np.indices((64, 64)).sum(0).astype(np.float32) % 2
    np.testing.assert_allclose(resize(plane, (16, 16))[2:-2, 2:-2], 0.5, atol=0.05)
    assert resize(plane, (100, 90)).min() >= 0


@pytest.mark.parametrize("shape", [(1, 1), (300, 2), (1000, 1000)])
def test_a_painted_pixel_never_vanishes(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, bool)
    mask[-1, -1] = True
    small = shrink_mask(mask, (32, 32))
    assert small.any()
    assert set(np.unique(small)) <= {0.0, 1.0}


def test_a_second_look_sharpens_what_is_small() -> None:
    def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        row, column = rng.integers(200, 400, 2)
        mask = np.zeros((640, 640), np.uint8)
        mask[row : row + 40, column : column + 40 : 8] = 1
        mask[row : row + 40, column + 1 : column + 41 : 8] = 1
        mask[row : row + 40, column + 2 : column + 42 : 8] = 1
        return (40 + 150 * mask).astype(np.uint8), mask

    support = SupportSet()
    for seed in range(3):
        support.add(*scene(seed))
    image, mask = scene(9)
    once = segment_by_example(image, support, model="intensity", refine=False)
    twice = segment_by_example(image, support, model="intensity", refine=True)
    chosen = segment_by_example(image, support, model="intensity")
    assert dice(twice.labels == 1, mask == 1) > dice(once.labels == 1, mask == 1) + 0.2
    assert chosen.probabilities.tobytes() == twice.probabilities.tobytes()
