"""UniverSeg and its parts give the values of the published code."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_medseg.nets.cross_conv import CrossBlock, CrossConv2d
from napari_medseg.nets.universeg import UniverSeg

NET_TOLERANCE = 1e-4
PART_TOLERANCE = 1e-5


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


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def drawn_net(recipe: ModuleType, facts: dict[str, Any]) -> UniverSeg:
    """Give the published net with the weights that the recipe draws."""
    net = UniverSeg()
    shapes = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    state = recipe.state_with_overrides(shapes, facts["weight_salt"], facts["gain"])
    assert recipe.state_sha256(state) == facts.get("state_sha256", recipe.state_sha256(state))
    net.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    return net


def arguments(tensors: dict[str, Tensor], case: str) -> tuple[Tensor, Tensor, Tensor]:
    names = ("query", "support_images", "support_labels")
    query, images, labels = (tensors[f"{case}.{name}"].float() for name in names)
    return query, images, labels


def assert_near(found: Tensor, expected: Tensor, tolerance: float = NET_TOLERANCE) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= tolerance


def assert_logits(net: UniverSeg, inputs: tuple[Tensor, ...], expected: Tensor) -> None:
    """Compare what training sees and what inference sees."""
    assert_near(net(*inputs).detach(), expected)
    with torch.inference_mode():
        assert_near(net(*inputs), expected)


def test_cross_convolution(golden):
    facts, tensors = load(golden, "uvs_crossconv")
    for case in facts["cases"]:
        options = {k: case[k] for k in ("padding", "bias") if k in case}
        conv = CrossConv2d(
            tuple(case["in_channels"]), case["out_channels"], case["kernel_size"], **options
        )
        values = under(f"{case['id']}.", tensors)
        x, y, expected = (values.pop(name) for name in ("x", "y", "out"))
        conv.load_state_dict(values, strict=True)
        assert_near(conv(x, y), expected, PART_TOLERANCE)


def test_cross_block(golden):
    facts, tensors = load(golden, "uvs_crossblock")
    for case in facts["cases"]:
        values = under(f"{case.pop('id')}.", tensors)
        names = ("target", "support", "out_target", "out_support")
        target, support, *expected = (values.pop(name) for name in names)
        block = CrossBlock(tuple(case.pop("in_channels")), **case)
        block.load_state_dict(values, strict=True)
        for found, wanted in zip(block(target, support), expected, strict=True):
            assert_near(found, wanted, PART_TOLERANCE)


@pytest.mark.parametrize("name", ["uvs_small", "uvs_smalldec"])
def test_small_nets(golden, name):
    facts, tensors = load(golden, name)
    net = UniverSeg(facts["encoder_blocks"], facts["decoder_blocks"])
    net.load_state_dict(under("w.", tensors), strict=True)
    for case in facts["cases"]:
        inputs = arguments(tensors, case["id"])
        assert_logits(net, inputs, tensors[f"{case['id']}.logits"])


def test_published_size(golden, recipe):
    facts, tensors = load(golden, "uvs_v1")
    net = drawn_net(recipe, facts)
    for case in facts["cases"]:
        inputs = arguments(tensors, case["id"])
        assert_logits(net, inputs, tensors[f"{case['id']}.logits"])


@pytest.mark.parametrize(
    ("name", "case"), [("uvs_small", "a"), ("uvs_small", "b"), ("uvs_v1", "s4")]
)
def test_every_block(golden, recipe, name, case):
    facts, tensors = load(golden, name)
    net = UniverSeg(facts["encoder_blocks"])
    stored = under("w.", tensors)
    net.load_state_dict(stored or drawn_net(recipe, facts).state_dict())
    seen = outputs_of_blocks(net)
    with torch.no_grad():
        net(*arguments(tensors, case))
    last = f"dec_blocks.{len(net.dec_blocks) - 1}"
    assert set(seen) == {
        key.removesuffix(".target")
        for key in under(f"{case}.", tensors)
        if key.endswith(".target") and not key.startswith(last)
    }
    for block, (target, support) in seen.items():
        wanted = under(f"{case}.{block}.", tensors)
        assert_near(target[:, :, ::8, ::4, ::4], wanted["target"])
        assert_near(support[:, :, ::16, ::8, ::8], wanted["support"])


def outputs_of_blocks(net: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    seen = {}
    for name, module in net.named_modules():
        if isinstance(module, CrossBlock):
            module.register_forward_hook(
                lambda _module, _inputs, output, name=name: seen.__setitem__(name, output)
            )
    return seen


def test_several_queries_with_one_support_set(golden, recipe):
    facts, tensors = load(golden, "uvs_shared_support")
    net = drawn_net(recipe, facts)
    query, images, labels = (
        torch.from_numpy(array)
        for array in (
            recipe.smooth_input("query", (4, 1, 64, 64), facts["query_salt"]),
            recipe.smooth_input("support_images", (1, 3, 1, 64, 64), facts["support_salt"]),
            recipe.blob_mask("support_labels", (1, 3, 1, 64, 64), facts["support_salt"]),
        )
    )
    expanded = (images.expand(4, -1, -1, -1, -1), labels.expand(4, -1, -1, -1, -1))
    assert_logits(net, (query, images, labels), tensors["logits"])
    assert_logits(net, (query, *expanded), tensors["logits"])


def test_random_weights_in_a_published_file(golden):
    _, tensors = load(golden, "uvs_v1")
    net = UniverSeg()
    net.load_state_dict(load_file(golden / "uvs_v1_random.safetensors"), strict=True)
    assert_logits(net, arguments(tensors, "s2b2"), tensors["s2b2.logits"])


def soft_dice(logits: Tensor, label: Tensor) -> Tensor:
    """Give the loss of the published training: squared denominators, mean over the batch."""
    p, y = logits.sigmoid().flatten(1), label.flatten(1)
    overlap, total = (p * y).sum(1), p.square().sum(1) + y.square().sum(1)
    return (1 - (2 * overlap + 1e-7) / (total + 1e-7)).mean()


def test_soft_dice_and_its_gradient(golden):
    facts, tensors = load(golden, "uvs_softdice")
    for case in facts["cases"]:
        values = under(f"f64_{case['id']}.", tensors)
        logits = values["logits"].requires_grad_()
        loss = soft_dice(logits, values["y"])
        loss.backward()
        assert loss.item() == pytest.approx(case["soft_dice_loss"], rel=1e-9)
        torch.testing.assert_close(logits.grad, values["grad"], rtol=1e-6, atol=1e-12)


def test_a_training_step(golden, recipe):
    facts, _ = load(golden, "uvs_trainstep")
    net = drawn_net(recipe, facts).double()
    b, s, h, w, salt = (facts[key] for key in ("B", "S", "H", "W", "input_salt"))
    query, images, labels, truth = (
        torch.from_numpy(array).double()
        for array in (
            recipe.smooth_input("query", (b, 1, h, w), salt),
            recipe.smooth_input("support_images", (b, s, 1, h, w), salt),
            recipe.blob_mask("support_labels", (b, s, 1, h, w), salt),
            recipe.blob_mask("query_label", (b, 1, h, w), salt),
        )
    )
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)
    loss = soft_dice(net(query, images, labels), truth)
    loss.backward()
    assert loss.item() == pytest.approx(facts["loss"], rel=1e-6)
    norms = {k: p.grad.norm().item() for k, p in net.named_parameters() if p.grad is not None}
    wanted = {key: norm for key, norm in facts["grad_norms"].items() if norm is not None}
    assert norms == pytest.approx(wanted, rel=1e-6)
    optimiser.step()
    after = soft_dice(net(query, images, labels), truth)
    assert after.item() == pytest.approx(facts["loss_after_one_adam_step"], rel=1e-6)
