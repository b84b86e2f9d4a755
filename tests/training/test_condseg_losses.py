"""The losses of ConDSeg give the published values and gradients, and the corrected ones learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medseg_training.losses.condseg import (
    ConsistencyReinforcement,
    SemanticDecouplingLoss,
    batch_dice_bce,
)

CASES = ("c0", "c1")


@pytest.fixture(scope="module")
def facts(shared: Path) -> dict[str, Any]:
    cases = json.loads((shared / "golden" / "cds_losses.json").read_text())["cases"]
    return {case["id"]: case for case in cases}


@pytest.fixture(scope="module")
def arrays(shared: Path) -> dict[str, Tensor]:
    stored = np.load(shared / "golden" / "cds_losses.npz")
    return {key: torch.from_numpy(stored[key]) for key in stored.files}


def assert_gradients(
    loss: Tensor, inputs: dict[str, Tensor], arrays: dict[str, Tensor], prefix: str
) -> None:
    gradients = torch.autograd.grad(loss, list(inputs.values()))
    for name, gradient in zip(inputs, gradients, strict=True):
        torch.testing.assert_close(gradient, arrays[f"{prefix}.g_{name}"], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_first_stage_as_published(facts, arrays, case):
    inputs = {n: arrays[f"f64_{case}.{n}"].requires_grad_() for n in ("mask", "mask_aug")}
    target, expected = arrays[f"f64_{case}.y1"], facts[case]
    loss = ConsistencyReinforcement(as_published=True)
    parts = loss.terms(*inputs.values(), target)
    assert parts["mask"].item() == pytest.approx(expected["dice_bce_mask"], rel=1e-6)
    assert parts["consistency"].item() == pytest.approx(expected["consistency"], rel=1e-6)
    total = loss(*inputs.values(), target)
    assert total.item() == pytest.approx(expected["stage1_total"], rel=1e-6)
    assert_gradients(total, inputs, arrays, f"f64_{case}.stage1")


@pytest.mark.parametrize("case", CASES)
def test_second_stage_as_published(facts, arrays, case):
    inputs = {n: arrays[f"f64_{case}.{n}"].requires_grad_() for n in ("mask", "fg", "bg", "uc")}
    targets = arrays[f"f64_{case}.y1"], arrays[f"f64_{case}.y2"]
    expected = facts[case]
    loss = SemanticDecouplingLoss(as_published=True)
    parts = loss.terms(tuple(inputs.values()), *targets)
    assert parts["comp"].item() == pytest.approx(expected["complementary"], rel=1e-6)
    for name, weight in (("fg", "beta1"), ("bg", "beta2")):
        value = expected[weight] * expected[f"dice_bce_{name}"]
        assert parts[name].item() == pytest.approx(value, rel=1e-6)
    total = loss(tuple(inputs.values()), *targets)
    assert total.item() == pytest.approx(expected["stage2_total"], rel=1e-6)
    assert_gradients(total, inputs, arrays, f"f64_{case}.stage2")


def test_one_sigmoid_rewards_a_perfect_mask_as_two_do_not():
    target = torch.zeros(1, 1, 20, 20)
    target[..., :3, :] = 1
    nothing = torch.zeros_like(target)
    assert batch_dice_bce(target, target).item() == pytest.approx(0, abs=1e-6)
    gain = batch_dice_bce(nothing, target) - batch_dice_bce(target, target)
    published = batch_dice_bce(nothing, target, double_sigmoid=True)
    published_gain = published - batch_dice_bce(target, target, double_sigmoid=True)
    assert gain > 10 * published_gain > 0


def test_views_that_agree_are_consistent():
    target = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    loss = ConsistencyReinforcement()
    assert loss(target, target, target).item() == pytest.approx(0, abs=1e-6)
    assert loss(target, 1 - target, target) > 100
