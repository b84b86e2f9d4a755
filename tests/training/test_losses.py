"""The loss is the published one, and an absent target does not disturb it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg_training.losses import (
    BoundaryRefinement,
    dice_bce_loss,
    dice_cross_entropy,
    soft_dice_loss,
)


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


def test_dice_and_cross_entropy_are_monais() -> None:
    pytest.importorskip("monai")
    from medseg_training.losses import DiceCELoss

    logits = torch.randn(3, 4, 9, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(3 * 9 * 7).view(3, 9, 7) % 4
    theirs = DiceCELoss(
        to_onehot_y=True,
        softmax=True,
        squared_pred=True,
        batch=True,
        smooth_nr=1e-5,
        smooth_dr=1e-5,
        lambda_dice=0.6,
        lambda_ce=0.4,
    )
    assert dice_cross_entropy(logits, labels).item() == pytest.approx(
        theirs(logits, labels[:, None]).item(), rel=1e-5
    )


def test_ignored_pixels_neither_teach_nor_count() -> None:
    logits = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(2 * 6 * 6).view(2, 6, 6) % 3
    labels[:, :, 4:] = 255
    kept = dice_cross_entropy(logits[..., :4], labels[..., :4])
    assert dice_cross_entropy(logits, labels).item() == pytest.approx(kept.item(), rel=1e-5)
    logits.requires_grad_()
    dice_cross_entropy(logits, labels).backward()
    assert logits.grad is not None
    assert logits.grad[..., 4:].abs().sum() == 0


def test_a_batch_in_which_no_pixel_counts_teaches_nothing() -> None:
    logits = torch.randn(2, 3, 6, 6, requires_grad=True)
    loss = dice_cross_entropy(logits, torch.full((2, 6, 6), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_the_boundary_term_dislikes_what_is_thin(shared: Path) -> None:
    wanted = np.load(shared / "golden" / "s3x_boundary_reading.npz")
    logits = torch.from_numpy(wanted["in_logits"])
    logits = logits if logits.dim() == 4 else logits[None]
    found = BoundaryRefinement(alpha=1.0)(logits)
    assert found.item() == pytest.approx(float(wanted["out_alpha1"]), rel=1e-4)
