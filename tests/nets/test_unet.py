"""UNet against the published net, and the contract of every net."""

from __future__ import annotations

import runpy

import numpy as np
import pytest
import torch

from napari_medseg.nets import UNet
from napari_medseg.nets.feature_taps import TapNames, tap_features

from .base import NetContract, seeded


class TestUNet(NetContract):
    sizes = ((32, 48), (37, 21), (16, 16))
    refused_sizes = ((15, 64), (64, 8))
    official_keys = "keys_unet_hd_bilinear.json"

    def build(self):
        return UNet(1, 3, width=8)

    def build_official(self):
        return UNet(1, 9)

    def inputs(self, batch, height, width):
        return (seeded(batch, 1, height, width),)

    def expected_shapes(self, batch, height, width):
        return [(batch, 3, height, width)]


class TestUNetWithTransposedConvolutions(TestUNet):
    official_keys = "keys_unet_transposed.json"

    def build(self):
        return UNet(1, 3, bilinear=False, width=8)

    def build_official(self):
        return UNet(1, 9, bilinear=False)


@pytest.fixture
def golden(shared):
    return lambda name: np.load(shared / "golden" / f"{name}.npz")


@pytest.fixture
def fill(shared):
    return runpy.run_path(str(shared / "golden" / "recipe_s3net_selfreg.py"))["fill"]


def relative_error(found, wanted):
    return float(np.abs(found.detach().numpy() - wanted).max() / np.abs(wanted).max())


def test_agrees_with_the_published_net(golden, fill):
    wanted = golden("unet_hd")
    net = fill(UNet(1, 9), 0).eval()
    assert relative_error(net(torch.from_numpy(wanted["in_x"])), wanted["out_eval"]) < 1e-4


def test_agrees_with_the_published_net_at_odd_sizes_with_transposed_convolutions(golden, fill):
    wanted = golden("unet_transposed")
    net = fill(UNet(3, 4, bilinear=False), 0).eval()
    assert relative_error(net(torch.from_numpy(wanted["in_x"])), wanted["out_eval"]) < 1e-4


def test_trains_as_the_published_net_does(golden, fill):
    wanted = golden("unet_hd")
    net = fill(UNet(1, 9), 0).train()
    image, label = torch.from_numpy(wanted["in_x"]), torch.from_numpy(wanted["in_label"]).long()
    with tap_features(net) as features:
        logits = net(image)
    assert relative_error(logits, wanted["out_train"]) < 1e-4
    loss = torch.nn.functional.cross_entropy(logits, label)
    assert float(loss.detach()) == pytest.approx(float(wanted["out_ce"]), rel=1e-4)

    maps = [stage[0] for stage in features.encoder + features.decoder] + [features.final]
    assert [m.shape[1] for m in maps] == [128, 256, 512, 512, 256, 128, 64, 64]
    means, spreads = (torch.stack([f(m) for m in maps]) for f in (torch.mean, torch.std))
    assert relative_error(means, wanted["out_featmean"]) < 1e-4
    assert relative_error(spreads, wanted["out_featstd"]) < 1e-4


def test_refuses_another_number_of_channels():
    with pytest.raises(ValueError, match=r"\(batch, 3, height, width\), not \(1, 1, 32, 32\)"):
        UNet(3, 2)(torch.rand(1, 1, 32, 32))


class TestFeatureTaps:
    def test_give_features_that_a_loss_can_reach_the_weights_through(self):
        net = UNet(1, 2, width=8)
        with tap_features(net) as features:
            net(seeded(1, 1, 32, 32))
        features.final.square().mean().backward()
        assert net.inc.double_conv[0].weight.grad.abs().sum() > 0

    def test_are_filled_anew_by_each_pass_and_silent_afterwards(self):
        net = UNet(1, 2, width=8)
        with tap_features(net) as features:
            net(seeded(1, 1, 32, 32))
            net(seeded(1, 1, 48, 32))
            assert features.final.shape == (1, 8, 48, 32)
        net(seeded(1, 1, 64, 64))
        assert features.final.shape == (1, 8, 48, 32)

    def test_are_taken_off_when_the_net_fails(self):
        net = UNet(1, 2, width=8)
        with pytest.raises(ValueError, match="too small"), tap_features(net):
            net(seeded(1, 1, 8, 8))
        assert not any(module._forward_hooks for module in net.modules())

    def test_fit_any_net_whose_modules_are_named(self):
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3), torch.nn.Conv2d(2, 4, 3), torch.nn.Conv2d(4, 1, 1)
        )
        with tap_features(net, TapNames(encoder=("0",), decoder=(), final="1")) as features:
            net(seeded(1, 1, 8, 8))
        assert features.encoder[0][0].shape == (1, 2, 6, 6)
        assert features.decoder == []
        assert features.final.shape == (1, 4, 4, 4)

    def test_say_which_module_is_missing(self):
        taps = TapNames(encoder=("down1", "down9"), decoder=(), final="up4")
        with (
            pytest.raises(ValueError, match="UNet has no module named down9"),
            tap_features(UNet(1, 2), taps),
        ):
            pass

    def test_ask_for_names_where_the_net_has_none(self):
        with (
            pytest.raises(ValueError, match="Identity names no taps"),
            tap_features(torch.nn.Identity()),
        ):
            pass
