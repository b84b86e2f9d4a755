"""The loss is the published one, and an absent target does not disturb it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg_training.losses import dice_bce_loss, soft_dice_loss


def test_perfect_and_opposite_masks() -> None:
    mask = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert float(soft_dice_loss(mask, mask)) == pytest.approx(0.0, abs=1e-6)
    assert float(soft_dice_loss(1 - mask, mask)) == pytest.approx(1.0, abs=1e-6)


def test_an_absent_target_counts_with_its_cross_entropy_only() -> None:
    logits = torch.full((1, 1, 4, 4), -2.0)
    expected = float(torch.nn.functional.softplus(torch.tensor(-2.0)))
    assert float(dice_bce_loss(logits, torch.zeros_like(logits))) == pytest.approx(expected)


def test_soft_dice_and_its_gradient_equal_the_reference(shared: Path) -> None:
    golden = np.load(shared / "golden" / "uvs_softdice.npz")
    facts = json.loads((shared / "golden" / "uvs_softdice.json").read_text())
    logits = torch.from_numpy(golden["f64_c0.logits"]).requires_grad_()
    target = torch.from_numpy(golden["f64_c0.y"])
    loss = soft_dice_loss(logits.sigmoid(), target).mean()
    loss.backward()
    assert float(loss.detach()) == pytest.approx(facts["cases"][0]["soft_dice_loss"], abs=1e-9)
    assert logits.grad is not None
    assert np.abs(logits.grad.numpy() - golden["f64_c0.grad"]).max() < 1e-9
