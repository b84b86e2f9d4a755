"""SwinUNet against the published net, and the contract of every net."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pytest
import torch
from pytest import approx

from napari_medseg.nets import SwinUNet
from napari_medseg.nets.feature_taps import tap_features
from napari_medseg.nets.swin_unet import window_size
from napari_medseg.nets.swin_weights import fit_positions, start_from_swin_t
from napari_medseg.nets.swin_windows import relative_position_index, shift_mask
from napari_medseg.nets.token_linear import FEW_TOKENS, TokenLinear

from .base import NetContract, seeded


class TestSwinUNet(NetContract):
    sizes = ((64, 64),)
    refused_sizes = ((32, 32), (64, 96))

    def build(self):
        return SwinUNet(4, image_size=64, depths=(1, 2, 1, 1), drop_path=0.0, channels=32)

    def inputs(self, batch, height, width):
        return (seeded(batch, 3, height, width),)

    def expected_shapes(self, batch, height, width):
        return [(batch, 4, height, width)]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return SwinUNet(9, drop_path=0.0).eval()


@pytest.fixture
def golden(shared):
    return np.load(shared / "golden" / "swinunet.npz")


@pytest.fixture
def filled(net, shared):
    fill = runpy.run_path(str(shared / "golden" / "recipe_s3net_selfreg.py"))["fill"]
    return fill(net, 0, "swin_unet.")


def relative_error(found, wanted):
    return float(np.abs(found.detach().numpy() - wanted).max() / np.abs(wanted).max())


def test_has_the_published_keys_and_shapes(net, shared):
    listing = json.loads((shared / "reference" / "keys" / "keys_swinunet.json").read_text())
    published = {entry["key"]: tuple(entry["shape"]) for entry in listing["entries"]}
    assert {f"swin_unet.{k}": tuple(v.shape) for k, v in net.state_dict().items()} == published


def test_agrees_with_the_published_net(filled, golden):
    with torch.inference_mode():
        logits = filled.eval()(torch.from_numpy(golden["in_x"]))
    assert relative_error(logits[:, :, ::2, ::2], golden["out_logits_sub"]) < 1e-4
    summary = torch.stack([logits.mean(), logits.std()])
    assert relative_error(summary, golden["out_logits_mean"]) < 1e-4


def test_gives_the_published_features_to_the_taps(filled, golden):
    with tap_features(filled.train()) as features:
        filled(torch.from_numpy(golden["in_x"]))
    wanted = json.loads(str(golden["meta"]))["shapes"]
    assert [[list(m.shape) for m in stage] for stage in features.encoder] == wanted["enc"]
    assert [[list(m.shape) for m in stage] for stage in features.decoder] == wanted["dec"]
    assert list(features.final.shape) == wanted["final"]
    maps = [m for stage in features.encoder + features.decoder for m in stage] + [features.final]
    means, spreads = (torch.stack([f(m) for m in maps]) for f in (torch.mean, torch.std))
    assert relative_error(means, golden["out_featmean"]) < 1e-4
    assert relative_error(spreads, golden["out_featstd"]) < 1e-4


def test_gives_the_same_logits_whether_or_not_somebody_listens():
    net = SwinUNet(5, 64, channels=32)
    image = seeded(1, 3, 64, 64)
    with torch.no_grad():
        alone = net.eval()(image)
        with tap_features(net) as features:
            heard = net(image)
        classified = net.output(features.final)
    torch.testing.assert_close(alone, heard, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(heard, classified)


def test_takes_one_channel_as_three_equal_ones():
    net = SwinUNet(2, 64, channels=32)
    grey = seeded(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(net.eval()(grey), net(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize(
    ("image_size", "window"),
    [(224, 7), (448, 7), (672, 7), (256, 8), (512, 8), (384, 6), (192, 6), (320, 5), (64, 2)],
)
def test_chooses_windows_that_tile_the_image(image_size, window):
    assert window_size(image_size) == window


@pytest.mark.parametrize("image_size", [0, 100, -32])
def test_refuses_an_image_size_that_it_cannot_tile(image_size):
    with pytest.raises(ValueError, match=f"multiple of 32, not {image_size}"):
        SwinUNet(2, image_size)


def test_refuses_another_number_of_stages():
    with pytest.raises(ValueError, match="four depths"):
        SwinUNet(2, depths=(2, 2, 2))


def test_refuses_two_channels():
    with pytest.raises(ValueError, match=r"1 or 3, 64, 64\), not \(1, 2, 64, 64\)"):
        SwinUNet(2, 64)(torch.rand(1, 2, 64, 64))


def test_drops_paths_linearly_along_the_encoder_and_mirrors_them():
    net = SwinUNet(2, 64, depths=(1, 1, 2, 1), drop_path=0.4, channels=32)
    rates = [[b.drop_path.probability for b in layer.blocks] for layer in net.layers]
    mirrored = [[b.drop_path.probability for b in layer.blocks] for layer in net.layers_up[1:]]
    assert rates == [[0.0], [approx(0.1)], [approx(0.2), approx(0.3)], [approx(0.4)]]
    assert mirrored == rates[2::-1]


def test_drops_paths_only_while_training():
    net = SwinUNet(2, 64, depths=(1, 1, 1, 1), drop_path=0.9, channels=32)
    image = seeded(4, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(net.eval()(image), net(image))
        assert not torch.equal(net.train()(image), net(image))


def test_refuses_channels_that_do_not_make_heads():
    with pytest.raises(ValueError, match="multiple of 32 channels, not 48"):
        SwinUNet(2, channels=48)


class TestShiftMask:
    def test_lets_tokens_see_each_other_only_where_they_were_neighbours(self):
        mask = shift_mask(grid=4, window=2, shift=1)
        assert mask.shape == (4, 4, 4)
        assert mask[0].eq(0).all()
        # The last window holds the four corners of the map, all strangers to each other.
        assert torch.equal(mask[3] == 0, torch.eye(4, dtype=torch.bool))


def test_the_position_index_counts_the_offsets_row_by_row():
    index = relative_position_index(2)
    assert index.tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


class TestTokenLinear:
    @pytest.mark.parametrize("tokens", [FEW_TOKENS // 2, FEW_TOKENS, 500])
    @pytest.mark.parametrize("bias", [True, False])
    def test_equals_a_linear_layer_with_its_gradients(self, tokens, bias):
        torch.manual_seed(0)
        layer = TokenLinear(12, 64, bias=bias)
        twin = torch.nn.Linear(12, 64, bias=bias)
        twin.load_state_dict(layer.state_dict())
        x = torch.randn(2, tokens, 12, requires_grad=True)
        twin_x = x.detach().clone().requires_grad_()
        ours, theirs = layer(x), twin(twin_x)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        ours.square().sum().backward()
        theirs.square().sum().backward()
        torch.testing.assert_close(x.grad, twin_x.grad, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(layer.weight.grad, twin.weight.grad, rtol=1e-4, atol=1e-3)


class TestOtherSizes:
    @pytest.fixture
    def net(self):
        torch.manual_seed(0)
        return SwinUNet(9, channels=32)

    def test_load_the_weights_of_the_published_size(self, net):
        for size in (256, 448):
            other = SwinUNet(9, size, channels=32)
            other.load_state_dict(fit_positions(net.state_dict(), other), strict=True)

    def test_leave_a_state_dict_of_the_same_size_as_it_is(self, net):
        state = net.state_dict()
        fitted = fit_positions(state, net)
        assert fitted.keys() == state.keys()
        assert all(torch.equal(fitted[key], state[key]) for key in state)

    def test_resample_the_bias_over_the_relative_offsets(self, net):
        other = SwinUNet(9, 256, channels=32)
        key = "layers.0.blocks.0.attn.relative_position_bias_table"
        offsets = torch.linspace(-1, 1, 13)
        state = net.state_dict()
        ramp = (10 * offsets[:, None] + offsets[None, :]).reshape(-1, 1)
        fitted = fit_positions({**state, key: ramp}, other)[key].view(15, 15)
        corners = [float(fitted[at]) for at in ((0, 0), (7, 7), (14, 0))]
        assert corners == approx([-11, 0, 9], abs=1e-5)


class TestStartFromSwinT:
    @pytest.fixture
    def net(self):
        torch.manual_seed(1)
        return SwinUNet(3, 64, channels=32)

    @pytest.fixture
    def swin_t(self):
        torch.manual_seed(2)
        source = SwinUNet(1, 224, depths=(2, 2, 6, 2), channels=32).state_dict()
        encoder = {k: v for k, v in source.items() if k.split(".")[0] in _SWIN_T_ROOTS}
        return {**encoder, "head.weight": torch.zeros(10, 256), "head.bias": torch.zeros(10)}

    def test_fills_the_encoder_and_mirrors_it_into_the_decoder(self, net, swin_t):
        start_from_swin_t(net, swin_t)
        state = net.state_dict()
        published = swin_t["layers.1.blocks.1.mlp.fc1.weight"]
        assert torch.equal(state["layers.1.blocks.1.mlp.fc1.weight"], published)
        assert torch.equal(state["layers_up.2.blocks.1.mlp.fc1.weight"], published)
        assert torch.equal(state["norm.weight"], swin_t["norm.weight"])

    def test_says_what_kept_its_random_start(self, net, swin_t):
        before = {key: value.clone() for key, value in net.state_dict().items()}
        kept = start_from_swin_t(net, swin_t)
        after = net.state_dict()
        assert "output.weight" in kept
        assert "layers_up.0.expand.weight" in kept
        assert "concat_back_dim.1.weight" in kept
        assert not any(key.startswith(("layers.", "patch_embed.")) for key in kept)
        assert all(torch.equal(before[key], after[key]) for key in kept)

    def test_refuses_the_weights_of_something_else(self, net):
        with pytest.raises(ValueError, match="not those of a Swin-T"):
            start_from_swin_t(net, {"conv1.weight": torch.zeros(64, 3, 7, 7)})


_SWIN_T_ROOTS = {"patch_embed", "layers", "norm"}
