"""The losses of ConDSeg's two stages of training.

Lei et al., "ConDSeg: A General Medical Image Segmentation Framework via Contrast-Driven Feature
Enhancement", AAAI 2025: consistency reinforcement, and semantic information decoupling.

All inputs are probabilities, since ConDSeg ends in a sigmoid.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medseg_training.losses.overlap import over_processes


def batch_dice_bce(
    probabilities: Tensor, target: Tensor, *, double_sigmoid: bool = False
) -> Tensor:
    """Binary cross-entropy plus one minus the soft Dice, both over the whole batch at once.

    Parameters
    ----------
    probabilities, target
        Same shape, values 0 to 1.
    double_sigmoid
        Squeeze the probabilities through another sigmoid first, as the published code does. They
        then lie between 0.5 and 0.73 and the gradient is weak: with a small foreground the net
        may learn to answer nothing. Only for reproducing published trainings.

    Returns
    -------
    Tensor
        A scalar.
    """
    p = probabilities.sigmoid() if double_sigmoid else probabilities
    overlap, sizes = over_processes(torch.stack([(p * target).sum(), p.sum() + target.sum()]))
    dice = (2 * overlap + 1) / (sizes + 1)
    return F.binary_cross_entropy(p, target) + 1 - dice


class ConsistencyReinforcement(nn.Module):
    """Loss of the first stage: two disturbed views of an image shall give one and the same mask.

    Each view is compared with the reference, and with the other view's mask cut at 0.5, through
    which no gradient flows.

    Parameters
    ----------
    as_published
        With the second sigmoid of the published code, see `batch_dice_bce`.
    """

    def __init__(self, as_published: bool = False) -> None:
        super().__init__()
        self.double_sigmoid = as_published

    def terms(self, first: Tensor, second: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Give the terms "mask", "mask_aug" and "consistency"; their sum is the loss.

        Parameters
        ----------
        first, second
            Probabilities (B, 1, H, W) of both views.
        target
            Reference mask (B, 1, H, W), 0 to 1.
        """
        consistency = F.binary_cross_entropy(first, (second > 0.5).to(first.dtype))
        consistency = consistency + F.binary_cross_entropy(second, (first > 0.5).to(first.dtype))
        return {
            "mask": batch_dice_bce(first, target, double_sigmoid=self.double_sigmoid),
            "mask_aug": batch_dice_bce(second, target, double_sigmoid=self.double_sigmoid),
            "consistency": consistency,
        }

    def forward(self, first: Tensor, second: Tensor, target: Tensor) -> Tensor:
        """Give the loss, a scalar; parameters as of `terms`."""
        return torch.stack(list(self.terms(first, second, target).values())).sum()


class SemanticDecouplingLoss(nn.Module):
    """Loss of the second stage: the mask, and foreground, background and uncertainty decoupled.

    The smaller a region, the more its map counts. As published, the sizes are summed over the
    batch, so that a large batch evens the weights out, and gradient flows through them; and the
    complementary term takes a softmax of probabilities, which leaves it a range of 0.29 to 0.33.

    Parameters
    ----------
    as_published
        With the second sigmoid of the published code, see `batch_dice_bce`.
    """

    def __init__(self, as_published: bool = False) -> None:
        super().__init__()
        self.double_sigmoid = as_published

    def terms(
        self, maps: tuple[Tensor, Tensor, Tensor, Tensor], target: Tensor, background: Tensor
    ) -> dict[str, Tensor]:
        """Give the terms "mask", "fg", "bg" and "comp"; their sum is the loss.

        Parameters
        ----------
        maps
            ConDSeg's output: probabilities (B, 1, H, W) of mask, foreground, background and
            uncertainty.
        target, background
            Reference masks (B, 1, H, W), 0 to 1. Take `1 - target` of the augmented target as
            background; the published training augments only the target and so supervises the
            background with a mask that is turned another way.
        """
        mask, fg, bg, uc = maps
        terms = {
            name: batch_dice_bce(p, reference, double_sigmoid=self.double_sigmoid)
            for name, p, reference in (
                ("mask", mask, target),
                ("fg", fg, target),
                ("bg", bg, background),
            )
        }
        terms["fg"] = _rarity(fg) * terms["fg"]
        terms["bg"] = _rarity(bg) * terms["bg"]
        terms["comp"] = _complementary(fg, bg, uc)
        return terms

    def forward(
        self, maps: tuple[Tensor, Tensor, Tensor, Tensor], target: Tensor, background: Tensor
    ) -> Tensor:
        """Give the loss, a scalar; parameters as of `terms`."""
        return torch.stack(list(self.terms(maps, target, background).values())).sum()


def _rarity(probabilities: Tensor) -> Tensor:
    """Weigh a region inversely to its share of the image, summed over the batch."""
    area = probabilities.shape[-2] * probabilities.shape[-1]
    return 1 / (torch.tanh(over_processes(probabilities.sum()) / area) + 1e-15)


def _complementary(fg: Tensor, bg: Tensor, uc: Tensor) -> Tensor:
    """Want each pixel to belong to one of the three."""
    f, b, u = torch.cat([fg, bg, uc], 1).softmax(1).unbind(1)
    return (f * b + f * u + b * u).mean()
