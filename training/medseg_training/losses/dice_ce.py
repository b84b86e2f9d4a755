"""Dice and cross-entropy together, the loss of SelfReg-UNet and its ancestors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.losses.overlap import over_processes

IGNORED = 255
"""Label of pixels that neither teach nor count."""


def dice_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    dice: float = 0.6,
    cross_entropy: float = 0.4,
    ignored: int = IGNORED,
) -> Tensor:
    """Weigh the soft Dice over the whole batch and the cross-entropy.

    The Dice term has squared denominators and is the mean over all classes, background included
    (Zhu et al., MICCAI 2024, published code; 0.4 and 0.6 on Synapse, 0.3 and 0.7 on ACDC). It
    equals MONAI's ``DiceCELoss(to_onehot_y=True, softmax=True, squared_pred=True, batch=True)``.

    Parameters
    ----------
    logits
        (B, K, H, W), the background first.
    labels
        (B, H, W) class indices, int64.
    ignored
        Label of pixels that count in neither term.

    Returns
    -------
    Tensor
        A scalar; 0 where no pixel counts.
    """
    entropy = F.cross_entropy(logits, labels, ignore_index=ignored, reduction="sum")
    counted = (labels != ignored).sum().clamp(min=1)
    return dice * batch_dice_loss(logits, labels, ignored) + cross_entropy * entropy / counted


def batch_dice_loss(logits: Tensor, labels: Tensor, ignored: int = IGNORED) -> Tensor:
    """One minus the soft Dice of each class over the whole batch, mean over the classes.

    Where several processes share a batch, over what all of them hold.
    """
    valid = (labels != ignored)[:, None]
    p = logits.softmax(1) * valid
    classes = torch.arange(logits.shape[1], device=labels.device).view(1, -1, 1, 1)
    t = (labels[:, None] == classes).to(p.dtype)
    sums = torch.stack([(p * t).sum((0, 2, 3)), (p * p + t).sum((0, 2, 3))])
    overlap, sizes = over_processes(sums)
    return (1 - (2 * overlap + 1e-5) / (sizes + 1e-5)).mean()
