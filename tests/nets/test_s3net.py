"""S3-Net against the published net, and the contract of every net."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pytest
import torch

from napari_medseg.nets.s3net import InceptionLargeKernelAttention, S3Net

from .base import NetContract, seeded


class TestS3Net(NetContract):
    sizes = ((32, 40),)
    refused_sizes = ((32, 32), (40, 32))
    official_keys = "keys_s3net.json"

    def build(self):
        return S3Net(3, 8, 2, (32, 40))

    def build_official(self):
        return S3Net()

    def inputs(self, batch, height, width):
        return (seeded(batch, 3, height, width),)

    def expected_shapes(self, batch, height, width):
        return [(batch, 8, height, width)] * 2


class TestS3NetInColour(TestS3Net):
    official_keys = "keys_s3net_color.json"

    def build(self):
        return S3Net(3, 8, 1, (32, 40), color=True)

    def build_official(self):
        return S3Net(color=True)


def test_refuses_another_number_of_channels():
    with pytest.raises(ValueError, match="3 channels"):
        S3Net(size=(16, 16))(torch.rand(1, 1, 16, 16))


def test_frozen_sampling_points_that_are_replaced_count_at_once():
    torch.manual_seed(0)
    net, image = S3Net(3, 8, 1, (32, 40)).requires_grad_(False), torch.rand(1, 3, 32, 40)
    before, _ = net(image)
    net.convdeform.offset.data = net.convdeform.offset.data + 2
    fresh = S3Net(3, 8, 1, (32, 40))
    fresh.load_state_dict(net.state_dict())
    after, _ = net(image)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, fresh(image)[0].detach())


def test_can_be_made_and_asked_in_inference_mode():
    with torch.inference_mode():
        net, image = S3Net(3, 8, 1, (32, 40)).requires_grad_(False), torch.rand(1, 3, 32, 40)
        assert torch.equal(net(image)[0], net(image)[0])


@pytest.fixture
def fill(shared):
    return runpy.run_path(str(shared / "golden" / "recipe_s3net_selfreg.py"))["fill"]


def relative_error(found, wanted):
    return float(np.abs(found.detach().numpy() - wanted).max() / np.abs(wanted).max())


def turned(maps):
    """Turn by 90 degrees about the centre and keep the size; what comes from outside is zero."""
    height, width = maps.shape[2:]
    i, j = np.mgrid[:height, :width]
    row = ((height - 1) / 2 - j + (width - 1) / 2).astype(int)
    col = ((width - 1) / 2 + i - (height - 1) / 2).astype(int)
    inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    found = maps[:, :, row.clip(0, height - 1), col.clip(0, width - 1)]
    return torch.where(torch.from_numpy(inside), found, 0)


@pytest.mark.parametrize("name", ["s3_net_full", "s3_net_rect", "s3_net_color"])
def test_reproduces_the_published_net(shared, fill, name):
    golden = np.load(shared / "golden" / f"{name}.npz")
    meta = json.loads(str(golden["meta"]))
    size = (meta["H"], meta["W"])
    net = fill(S3Net(3, meta["nChannel"], meta["nConv"], size, meta["color"])).train()
    x = torch.from_numpy(golden["in_x"])
    logits, auxiliary = net(x)
    assert relative_error(logits, golden["out_train"]) <= 1e-4
    assert relative_error(turned(auxiliary), golden["out_aux_train"]) <= 1e-4
    assert relative_error(net.bn1.running_mean, golden["out_bn1_running_mean"]) <= 1e-4
    assert relative_error(net.eval()(x)[0], golden["out_eval"]) <= 1e-4


def test_reproduces_the_published_attention(shared, fill):
    golden = np.load(shared / "golden" / "s3_ilka_module.npz")
    attention = fill(InceptionLargeKernelAttention(16))
    found = attention(torch.from_numpy(golden["in_x"]))
    assert relative_error(found, golden["out_y"]) <= 1e-4


def test_reproduces_the_published_attention_block(shared, fill):
    golden = np.load(shared / "golden" / "s3_attention_block.npz")
    block = fill(S3Net(3, 16, 1, (8, 8)).conv2[0])
    found = block(torch.from_numpy(golden["in_x"]))
    assert relative_error(found, golden["out_y"]) <= 1e-4
