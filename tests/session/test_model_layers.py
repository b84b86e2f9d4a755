"""Probabilities lie where the image lies, along whatever axis its planes were taken."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_medseg.engine.results import Provenance, Segmentation
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.with_model.layers import probability_layers

SHAPE = (2, 4, 5, 6)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_they_have_the_axes_of_the_image(axis: int) -> None:
    image = Image(np.zeros(SHAPE), scale=(1, 2, 3, 4), translate=(0, 1, 1, 1))
    plane = tuple(other for other in (1, 2, 3) if other != axis)
    at = tuple(1 if other == 0 else 2 if other == axis else 0 for other in range(4))
    stack = Stack(plane, axis, at, SHAPE[axis])
    expected = np.random.default_rng(0).random((2, *SHAPE[1:]), np.float32)
    made = np.moveaxis(expected, axis, 1)
    names = ("background", "a", "b")
    found = Segmentation(np.zeros(made.shape[1:], np.uint8), made, names, Provenance("segment"))
    layers = probability_layers(image, stack, found, list(range(SHAPE[axis])))
    assert [layer.name for layer in layers] == ["probability of a", "probability of b"]
    for layer, one in zip(layers, expected, strict=True):
        np.testing.assert_array_equal(layer.data[0], one)
        np.testing.assert_allclose(layer.data_to_world((0, 1, 1, 1)), (1, 3, 4, 5))
    (single, _) = probability_layers(image, stack, found, [2])
    np.testing.assert_array_equal(single.data[0], expected[0].take([2], axis - 1))
    assert not probability_layers(
        image, stack, Segmentation(found.labels, None, names, found.provenance), [2]
    )
