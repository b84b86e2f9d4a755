"""ConDSeg and its first stage keep the contract of every net, and what they promise besides."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from napari_medseg import nets
from napari_medseg.nets.condseg import ConDSeg, ConDSegStage1
from napari_medseg.nets.condseg_parts import SemanticInformationDecoupling, SizeAwareDecoder
from napari_medseg.nets.resnet import ResNet

from .base import NetContract, seeded


class TestConDSegResNet50(NetContract):
    sizes = ((32, 48), (16, 16))
    refused_sizes = ((40, 48), (32, 33), (0, 16))
    official_keys = "keys_condseg_resnet50.json"

    def build(self) -> nn.Module:
        return ConDSeg("resnet18", width=16)

    def build_official(self) -> nn.Module:
        return ConDSeg()

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        return (seeded(batch, 3, height, width),)

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        return [(batch, 1, height, width)] * 4

    @pytest.mark.slow
    def test_can_be_exported_and_gives_the_same_output(self, net: nn.Module) -> None:
        super().test_can_be_exported_and_gives_the_same_output(net)


class TestConDSegPVT(NetContract):
    sizes = ((32, 64),)
    refused_sizes = ((48, 64), (64, 80))
    official_keys = "keys_condseg_pvt.json"

    def build(self) -> nn.Module:
        return ConDSeg("pvt_v2_b2", width=16)

    def build_official(self) -> nn.Module:
        return ConDSeg("pvt_v2_b2")

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        return (seeded(batch, 3, height, width),)

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        return [(batch, 1, height, width)] * 4

    @pytest.mark.slow
    def test_can_be_exported_and_gives_the_same_output(self, net: nn.Module) -> None:
        super().test_can_be_exported_and_gives_the_same_output(net)


class TestConDSegStage1(NetContract):
    sizes = ((32, 48), (16, 16))
    refused_sizes = ((40, 48),)
    official_keys = "keys_condseg_stage1.json"

    def build(self) -> nn.Module:
        return ConDSegStage1("resnet18")

    def build_official(self) -> nn.Module:
        return ConDSegStage1()

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        return (seeded(batch, 3, height, width),)

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        return [(batch, 1, height, width)]


@pytest.fixture(scope="module")
def net() -> ConDSeg:
    torch.manual_seed(0)
    return ConDSeg("resnet34", width=16).eval()


@torch.no_grad()
def test_logits_are_those_of_the_mask(net):
    image = seeded(2, 3, 32, 64)
    assert torch.equal(net.mask_logits(image).sigmoid(), net(image)[0])
    stage = ConDSegStage1("resnet18").eval()
    assert torch.equal(stage.mask_logits(image).sigmoid(), stage(image))


@torch.no_grad()
def test_first_stage_runs_on_the_transformer_too():
    stage = ConDSegStage1("pvt_v2_b2").eval()
    assert stage(seeded(1, 3, 32, 64)).shape == (1, 1, 32, 64)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(1, 1, 32, 32),
        torch.zeros(1, 4, 32, 32),
        torch.zeros(3, 32, 32),
        torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
    ],
)
def test_refuses_what_is_not_a_batch_of_colour_images(net, image):
    for run in (net, net.mask_logits):
        with pytest.raises(ValueError, match=r"\(batch, 3, height, width\)"):
            run(image)


def test_names_the_backbones_it_has():
    with pytest.raises(ValueError, match=r"resnet18.*pvt_v2_b2, not 'vgg'"):
        ConDSeg("vgg")


def test_refuses_a_width_that_attention_cannot_divide():
    with pytest.raises(ValueError, match="multiple of 16, not 40"):
        ConDSeg("resnet18", width=40)


def encoder(net: nn.Module) -> dict[str, Tensor]:
    prefixes = ("layer", "backbone.")
    return {key: t for key, t in net.state_dict().items() if key.startswith(prefixes)}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_takes_the_encoder_of_an_imagenet_checkpoint():
    source = ResNet(18)
    state = {k: t for k, t in source.state_dict().items() if "num_batches_tracked" not in k}
    net = ConDSeg("resnet18", width=16)
    rest = {key: t.clone() for key, t in net.state_dict().items() if not key.startswith("layer")}
    net.load_backbone(state)
    assert torch.equal(net.layer0[0].weight, source.conv1.weight)
    assert torch.equal(net.layer1[1][1].conv2.weight, source.layer1[1].conv2.weight)
    image = seeded(1, 3, 32, 32)
    with torch.no_grad():
        x = source.eval().maxpool(source.relu(source.bn1(source.conv1(image))))
        expected = source.layer3(source.layer2(source.layer1(x)))
        assert torch.equal(net.eval().encode(image)[3], expected)
    assert_same({k: t for k, t in net.state_dict().items() if not k.startswith("layer")}, rest)


def test_takes_the_encoder_of_the_first_stage():
    stage = ConDSegStage1("resnet18")
    stage.train()(seeded(2, 3, 32, 32))
    net = ConDSeg("resnet18", width=16)
    net.load_backbone(stage.state_dict())
    assert_same(encoder(net), encoder(stage))


def test_can_leave_the_statistics_as_the_published_second_stage_does():
    stage = ConDSegStage1("resnet18")
    stage.train()(seeded(2, 3, 32, 32))
    net = ConDSeg("resnet18", width=16)
    net.load_backbone(stage.state_dict(), statistics=False)
    assert torch.equal(net.layer0[0].weight, stage.layer0[0].weight)
    assert not net.layer0[1].running_mean.any()


@pytest.mark.parametrize(
    "state",
    [
        ResNet(34).state_dict(),
        ResNet(50).state_dict(),
        {},
        {"patch_embed1.proj.bias": torch.ones(1)},
    ],
    ids=["deeper", "wider", "empty", "transformer"],
)
def test_refuses_the_checkpoint_of_another_backbone(state):
    net = ConDSeg("resnet18", width=16)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    with pytest.raises(ValueError, match="not one of resnet18") as refusal:
        net.load_backbone(state)
    assert "\n" not in str(refusal.value)
    assert_same(net.state_dict(), before)


def test_parts_are_modules_of_their_own():
    features = seeded(2, 8, 4, 6)
    maps = SemanticInformationDecoupling(8, 16, 12)(features)
    assert [tuple(m.shape) for m in maps] == [(2, 16, 4, 6)] * 3
    joined = SizeAwareDecoder(8, 16, scale=4)(features, seeded(2, 16, 16, 24))
    assert joined.shape == (2, 16, 16, 24)


def test_is_public():
    assert nets.ConDSeg is ConDSeg
    assert nets.ConDSegStage1 is ConDSegStage1
    assert nets.SizeAwareDecoder is SizeAwareDecoder
