"""A copy for inference gives the same output and leaves the net alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_medseg.nets.condseg import ConDSeg
from napari_medseg.nets.inference import inference_copy, logits_of
from napari_medseg.nets.resnet import ResNet
from napari_medseg.nets.unet import UNet

from .base import seeded, tensors_of


@pytest.mark.parametrize(
    "build",
    [
        lambda: ConDSeg("resnet18", width=16),
        lambda: ConDSeg("pvt_v2_b2", width=16),
        lambda: ResNet(50, n_classes=5),
        lambda: UNet(3, 4),
    ],
    ids=["condseg", "condseg-pvt", "resnet", "unet"],
)
@torch.no_grad()
def test_same_output_without_batch_normalisation(build):
    torch.manual_seed(0)
    net = build()
    net.train()(seeded(2, 3, 64, 64))
    image = seeded(1, 3, 64, 64, seed=1)
    copy = inference_copy(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    for found, expected in zip(tensors_of(copy(image)), tensors_of(net.eval()(image)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_leaves_the_net_as_it_is():
    net = ConDSeg("resnet18", width=16).train()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    copy = inference_copy(net)
    assert net.training
    assert not copy.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    after = net.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


@torch.no_grad()
def test_the_logits_are_those_of_the_mask_alone():
    x = torch.rand(1, 3, 64, 64)
    net, plain = ConDSeg("resnet18", width=16).eval(), UNet(3, 2, width=4).eval()
    assert torch.equal(logits_of(net, x).sigmoid(), net(x)[0])
    assert torch.equal(logits_of(plain, x), plain(x))
