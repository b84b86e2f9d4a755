"""Losses on logits."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


def soft_dice_loss(probabilities: Tensor, target: Tensor, epsilon: float = 1e-7) -> Tensor:
    """One minus the soft Dice with squared denominators, per sample: (B, ...) -> (B,).

    The form that UniverSeg's authors use in their later public code:
    ``1 - (2 sum(p y) + eps) / (sum(p^2) + sum(y^2) + eps)``.
    """
    p, y = probabilities.flatten(1), target.flatten(1)
    overlap = 2 * (p * y).sum(1)
    return 1 - (overlap + epsilon) / ((p * p).sum(1) + (y * y).sum(1) + epsilon)


def dice_bce_loss(logits: Tensor, target: Tensor, bce_weight: float = 1.0) -> Tensor:
    """Soft Dice plus binary cross-entropy, mean over the batch.

    A sample without foreground counts with its cross-entropy only: its soft Dice is near one
    whatever the net does, so that its gradient would be noise.
    """
    logits, target = logits.float(), target.float()
    dice = soft_dice_loss(logits.sigmoid(), target)
    filled = target.flatten(1).amax(1)
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).mean(1)
    return (dice * filled + bce_weight * bce).mean()


def over_processes(sums: Tensor) -> Tensor:
    """Add up what all processes of a training hold; gradients flow back to each.

    A ratio of sums over a batch, as the Dice is, is only then that of the whole batch.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return sums
    total: Tensor = _Sum.apply(sums)
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sums: Tensor) -> Tensor:
        total = sums.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)
