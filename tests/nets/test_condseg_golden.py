"""ConDSeg and its parts give the values of the published code."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medseg_training.losses.condseg import ConsistencyReinforcement, SemanticDecouplingLoss
from napari_medseg.nets.cdfa import ContrastDrivenFeatureAggregation
from napari_medseg.nets.condseg import ConDSeg, ConDSegStage1
from napari_medseg.nets.condseg_blocks import (
    ChannelAttention,
    ConvNormReLU,
    DilatedConv,
    SpatialAttention,
)
from napari_medseg.nets.condseg_parts import (
    AuxiliaryHead,
    GuidancePreprocess,
    OutputBlock,
    SemanticInformationDecoupling,
    SizeAwareDecoder,
    StageOneHead,
)
from napari_medseg.nets.inference import inference_copy

from .base import official_shapes, tensors_of

TOLERANCE = 1e-4
MAPS = ("mask", "fg", "bg", "uc")
PARTS = {
    "cbr": lambda: ConvNormReLU(5, 8, dilation=2),
    "channel_attention": lambda: ChannelAttention(32),
    "spatial_attention": SpatialAttention,
    "dilated_conv": lambda: DilatedConv(12, 16),
    "sid": lambda: SemanticInformationDecoupling(24, 16),
    "aux_head": lambda: AuxiliaryHead(16),
    "cdfa_preprocess1": lambda: GuidancePreprocess(16, 16, 1),
    "cdfa_preprocess8": lambda: GuidancePreprocess(16, 16, 8),
    "sa_decoder": lambda: SizeAwareDecoder(16, 16),
    "output_block": lambda: OutputBlock(16),
    "stage1_head": lambda: StageOneHead((8, 16, 24, 32)),
}
NETS = {
    "cds_resnet": ("keys_condseg_resnet50.json", ConDSeg),
    "cds_pvt": ("keys_condseg_pvt.json", lambda: ConDSeg("pvt_v2_b2")),
    "cds_stage1": ("keys_condseg_stage1.json", ConDSegStage1),
    "cds_trainstep1": ("keys_condseg_stage1.json", ConDSegStage1),
    "cds_trainstep2": ("keys_condseg_resnet50.json", ConDSeg),
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden"


@pytest.fixture(scope="module")
def recipe(golden: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe", golden / "recipe_universeg_condseg.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(golden: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    arrays = np.load(golden / f"{name}.npz")
    tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    return json.loads((golden / f"{name}.json").read_text()), tensors


def fill(net: nn.Module, state: dict[str, np.ndarray]) -> None:
    tensors = {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}
    net.load_state_dict(tensors, strict=True)


def published_net(
    shared: Path, recipe: ModuleType, name: str
) -> tuple[nn.Module, dict[str, Any], dict[str, Tensor]]:
    """Build a net, draw its weights under the published keys, load them strictly."""
    facts, tensors = load(shared / "golden", name)
    keys, build = NETS[name]
    shapes = official_shapes(shared / "reference" / "keys" / keys)
    net = build()
    assert list(net.state_dict()) == list(shapes)
    stored = {k.removeprefix("bn."): t.numpy() for k, t in tensors.items() if k.startswith("bn.")}
    state = recipe.state_with_overrides(
        shapes, facts["weight_salt"], facts["gain"], facts["gain_overrides"], stored
    )
    if "state_sha256" in facts:
        assert recipe.state_sha256(state) == facts["state_sha256"]
    fill(net, state)
    return net, facts, tensors


def image_of(recipe: ModuleType, case: dict[str, Any]) -> Tensor:
    shape = (case["B"], 3, case["H"], case["W"])
    image = recipe.smooth_input("image", shape, case["salt"])
    assert hashlib.sha256(image.tobytes()).hexdigest() == case["image_sha256"]
    return torch.from_numpy(image)


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Compare relative to the largest value, where that is above one."""
    assert found.shape == expected.shape
    scale = max(1.0, expected.abs().max().item())
    assert (found - expected).abs().max().item() <= TOLERANCE * scale


@torch.no_grad()
def test_aggregation(golden, recipe):
    facts, tensors = load(golden, "cds_cdfa")
    for case in facts["cases"]:
        net = ContrastDrivenFeatureAggregation(**case["args"], **case["kwargs"]).eval()
        shapes = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
        state = recipe.state_with_overrides(
            shapes, case["salt"], facts["gain"], facts["gain_overrides"]
        )
        assert recipe.state_sha256(state) == case["state_sha256"]
        fill(net, state)
        x, fg, bg, out = (tensors[f"{case['id']}.{name}"] for name in ("x", "fg", "bg", "out"))
        assert_near(net(x, fg, bg), out)
        assert_near(inference_copy(net)(x, fg, bg), out)


@pytest.mark.parametrize("name", PARTS)
@torch.no_grad()
def test_part(golden, recipe, name):
    facts, tensors = load(golden, "cds_modules")
    case = next(case for case in facts["cases"] if case["id"] == name)
    net = PARTS[name]().eval()
    state = recipe.state_with_overrides(
        case["key_shapes"], case["salt"], case["gain"], case["gain_overrides"]
    )
    assert recipe.state_sha256(state) == case["state_sha256"]
    fill(net, state)
    inputs = [
        torch.from_numpy(recipe.normal_input(f"in{i}", shape, case["salt"]).astype(np.float32))
        for i, shape in enumerate(case["input_shapes"])
    ]
    outputs = tensors_of(net(*inputs))
    assert len(outputs) == len(case["out_shapes"])
    for i, output in enumerate(outputs):
        assert_near(output, tensors[f"{name}.out{i}"])


def record(net: nn.Module, wanted: dict[str, Tensor], stride: int) -> dict[str, Tensor]:
    """Keep the outputs of the named modules, thinned out as they are stored."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, output: Any) -> None:
        for i, tensor in enumerate(tensors_of(output)):
            key = f"{name}.{i}" if f"{name}.{i}" in wanted else name
            seen[key] = tensor[:, ::16, ::stride, ::stride].clone()

    modules = dict(net.named_modules())
    for name in {key.removesuffix(".0").removesuffix(".1").removesuffix(".2") for key in wanted}:
        modules[name].register_forward_hook(lambda _m, _i, out, name=name: keep(name, out))
    return seen


@pytest.mark.parametrize("name", ["cds_resnet", "cds_pvt", "cds_stage1"])
@torch.no_grad()
def test_net(shared, recipe, name):
    net, facts, tensors = published_net(shared, recipe, name)
    net.eval()
    fast = inference_copy(net)
    prefix = "a.act."
    wanted = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
    for case in facts["cases"]:
        image = image_of(recipe, case)
        if case.get("inter"):
            seen = record(net, wanted, case.get("st", 2))
        outputs = tensors_of(net(image))
        if case.get("inter"):
            assert seen.keys() == wanted.keys()
            for key, tensor in seen.items():
                assert_near(tensor, wanted[key])
        for found, label in zip(outputs, MAPS, strict=False):
            assert_near(found, tensors[f"{case['id']}.{label}"])
        assert_near(fast.mask_logits(image).sigmoid(), tensors[f"{case['id']}.mask"])


def training_inputs(recipe: ModuleType, facts: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    size, salt = (facts["H"], facts["W"]), facts["input_salt"]
    images = (
        recipe.smooth_input(name, (facts["B"], 3, *size), salt) for name in ("image", "image_aug")
    )
    mask = recipe.blob_mask("mask", (facts["B"], 1, *size), salt)
    first, second, target = (torch.from_numpy(array).double() for array in (*images, mask))
    return first, second, target


def stage_one_losses(net: nn.Module, x: Tensor, again: Tensor, y: Tensor) -> dict[str, Tensor]:
    return ConsistencyReinforcement(as_published=True).terms(net(x), net(again), y)


def stage_two_losses(net: nn.Module, x: Tensor, _again: Tensor, y: Tensor) -> dict[str, Tensor]:
    return SemanticDecouplingLoss(as_published=True).terms(net(x), y, 1 - y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "losses", "statistics"),
    [
        ("cds_trainstep1", stage_one_losses, "layer0.1.running_mean_after_1_forward_pair"),
        ("cds_trainstep2", stage_two_losses, "layer0.1.running_mean_after_1_forward"),
    ],
)
def test_training_step(shared, recipe, name, losses, statistics):
    net, facts, tensors = published_net(shared, recipe, name)
    net.double().train()
    inputs = training_inputs(recipe, facts)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)

    parts = losses(net, *inputs)
    assert {k: v.item() for k, v in parts.items()} == pytest.approx(facts["losses"], rel=1e-6)
    total = sum(parts.values())
    assert total.item() == pytest.approx(facts["total"], rel=1e-6)
    torch.testing.assert_close(net.layer0[1].running_mean.float(), tensors[statistics])

    total.backward()
    norms = {key: p.grad.norm().item() for key, p in net.named_parameters()}
    assert {k: norms[k] for k in facts["grad_norms"]} == pytest.approx(
        facts["grad_norms"], rel=1e-5
    )
    whole = torch.tensor(list(norms.values())).norm().item()
    assert whole == pytest.approx(facts["total_grad_norm"], rel=1e-5)

    optimizer.step()
    with torch.no_grad():
        after = {key: part.item() for key, part in losses(net, *inputs).items()}
    assert after == pytest.approx(facts["losses_after_one_adam_step"], rel=1e-5)
