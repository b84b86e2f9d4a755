"""ResNets have torchvision's layout, so that its checkpoints load."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from napari_medseg.nets.resnet import ResNet

from .base import NetContract, seeded


class TestResNet(NetContract):
    sees_images = False
    sizes = ((64, 48), (33, 47))

    def build(self) -> nn.Module:
        return ResNet(18, n_classes=7)

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        return (seeded(batch, 3, height, width),)

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        return [(batch, 7)]


# Parameters of torchvision's models of the same names, from its documentation.
@pytest.mark.parametrize(
    ("depth", "parameters"),
    [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032), (101, 44_549_160)],
)
def test_has_as_many_parameters_as_torchvisions(depth, parameters):
    with torch.device("meta"):
        net = ResNet(depth)
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_strides_in_the_3x3_convolution_of_a_bottleneck():
    block = ResNet(50).layer2[0]
    assert block.conv1.stride == (1, 1)
    assert block.conv2.stride == (2, 2)
    assert block.downsample[0].stride == (2, 2)


def test_has_torchvisions_names():
    keys = set(ResNet(50).state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer4.2.bn3.num_batches_tracked"} <= keys
    assert {"layer1.0.downsample.0.weight", "fc.weight", "fc.bias"} <= keys


def test_refuses_another_depth():
    with pytest.raises(ValueError, match=r"18, 34, 50, 101.*not 20"):
        ResNet(20)
