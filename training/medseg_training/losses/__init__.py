"""Losses: what in-context training minimises, and those of the published nets, for any net."""

from medseg_training.losses.condseg import ConsistencyReinforcement, SemanticDecouplingLoss
from medseg_training.losses.overlap import dice_bce_loss, soft_dice_loss
from medseg_training.losses.selfreg import SelfRegularization

__all__ = [
    "ConsistencyReinforcement",
    "SelfRegularization",
    "SemanticDecouplingLoss",
    "dice_bce_loss",
    "soft_dice_loss",
]
