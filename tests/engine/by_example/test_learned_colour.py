from __future__ import annotations

import numpy as np

from napari_medseg.engine.by_example.learned_colour import learn_projection
from napari_medseg.engine.colour import GREY
from tests.engine.conftest import make_colour_plane


def test_grey_is_brightness() -> None:
    white = np.ones((2, 2, 3), np.float32)
    np.testing.assert_allclose(GREY(white), 1.0)
    plane = np.random.default_rng(0).random((4, 5), np.float32)
    assert GREY(plane) is plane


def test_the_learned_projection_separates_where_grey_does_not() -> None:
    pairs = [make_colour_plane(seed) for seed in range(3)]
    images = [(image / 255).astype(np.float32) for image, _ in pairs]
    masks = [mask for _, mask in pairs]
    projection = learn_projection(images, masks)
    inside = projection(images[0])[masks[0] == 1]
    outside = projection(images[0])[masks[0] == 0]
    assert np.quantile(inside, 0.05) > np.quantile(outside, 0.95)
    assert 0 <= outside.min() <= inside.max() <= 1


def test_nothing_to_learn_gives_grey() -> None:
    flat = [np.full((8, 8, 3), 0.5, np.float32)]
    assert learn_projection(flat, [np.eye(8)]) == GREY
    everything = [np.random.default_rng(0).random((8, 8, 3), np.float32)]
    found = learn_projection(everything, [np.ones((8, 8))])
    assert np.isfinite(found(everything[0])).all()
