"""The net that is fitted on examples: every pixel has its place, and it costs what it should."""

from __future__ import annotations

import torch

from napari_medseg.engine.by_example.adapt.small_net import HalfGridUNet
from napari_medseg.nets import UNet
from tests.nets.base import NetContract, seeded


class TestHalfGridUNet(NetContract):
    sizes = ((64, 96), (32, 32))
    refused_sizes = ((30, 64), (64, 33))

    def build(self):
        return HalfGridUNet(2, 3, width=8)

    def inputs(self, batch, height, width):
        return (seeded(batch, 2, height, width),)

    def expected_shapes(self, batch, height, width):
        return [(batch, 3, height, width)]


def test_pixels_come_back_to_where_they_were():
    net = HalfGridUNet(1, 1, width=2)
    net.unet = torch.nn.Identity()
    image = seeded(2, 1, 32, 48)
    assert torch.equal(net(image), image)


def test_its_blocks_are_seen_by_a_unet_of_the_same_width():
    wanted = {f"unet.{key}" for key in UNet(4, 4, width=8).state_dict()}
    assert set(HalfGridUNet(1, 1, width=8).state_dict()) == wanted
