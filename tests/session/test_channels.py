"""A channel becomes an image of its own that lies where it lay."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from napari_medseg.session.layers.channels import channel_layer, channels_of


@pytest.mark.parametrize("axis", [0, 1])
def test_a_channel_is_a_view_in_the_same_place(axis: int) -> None:
    shape = [30, 20, 25]
    shape.insert(axis, 3)
    scale = [2.0, 0.5, 0.4]
    scale.insert(axis, 1.0)
    data = np.random.default_rng(0).random(shape, np.float32)
    image = Image(data, name="stain", scale=scale, translate=range(4), units="mm")
    offered = channels_of(image)
    assert [(channel.axis, channel.index) for channel in offered] == [(axis, i) for i in range(3)]
    layer = channel_layer(image, offered[2])
    assert layer.ndim == 3
    assert np.shares_memory(layer.data, data)
    np.testing.assert_array_equal(layer.data, data.take(2, axis))
    kept = [other for other in range(4) if other != axis]
    at = image.data_to_world(np.insert([1.0, 2.0, 3.0], axis, 0))
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), np.asarray(at)[kept])
    assert layer.units == tuple(image.units[other] for other in kept)


def test_of_an_image_on_disk_at_several_resolutions_only_the_smallest_is_read() -> None:
    read: list[int] = []

    def note(block: np.ndarray) -> np.ndarray:
        read.append(block.shape[-1])
        return block

    levels = [
        da.zeros((2, side, side), chunks=-1, dtype=np.uint8).map_blocks(note, dtype=np.uint8)
        for side in (64, 32)
    ]
    image = Image(levels, multiscale=True, contrast_limits=(0, 255))
    layer = channel_layer(image, channels_of(image)[1])
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(64, 64), (32, 32)]
    assert 64 not in read, "napari itself looks at the smallest one"


def test_colours_planes_and_long_axes_are_no_channels() -> None:
    assert channels_of(None) == []
    assert channels_of(Image(np.zeros((3, 8, 8, 3), np.uint8), rgb=True)) == []
    assert channels_of(Image(np.zeros((8, 8)))) == []
    assert channels_of(Image(np.zeros((40, 8, 8)))) == []
