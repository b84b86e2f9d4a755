"""Losses: those of the published nets, for any net, and what in-context training minimises."""

from __future__ import annotations

from typing import Any

from medseg_training.losses.boundary import BoundaryRefinement
from medseg_training.losses.condseg import ConsistencyReinforcement, SemanticDecouplingLoss
from medseg_training.losses.dice_ce import dice_cross_entropy
from medseg_training.losses.overlap import dice_bce_loss, soft_dice_loss
from medseg_training.losses.selfreg import SelfRegularization

__all__ = [
    "BoundaryRefinement",
    "ConsistencyReinforcement",
    "DiceCELoss",
    "SelfRegularization",
    "SemanticDecouplingLoss",
    "dice_bce_loss",
    "dice_cross_entropy",
    "soft_dice_loss",
]


def __getattr__(name: str) -> Any:
    """Give MONAI's `DiceCELoss`, which is imported only when it is asked for."""
    if name == "DiceCELoss":
        from monai.losses import DiceCELoss

        return DiceCELoss
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
