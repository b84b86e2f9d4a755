"""The optimisers of recipes."""

from __future__ import annotations

from typing import Any

import torch

from medseg_training.schema import OptimiserOptions
from napari_medseg.engine.muon import Muon


def make_optimiser(law: OptimiserOptions, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Make the optimiser that a recipe names; groups may carry their own ``lr``."""
    if law.kind == "muon":
        return Muon(groups, law.rate, law.momentum, law.betas)
    if law.kind == "sgd":
        return torch.optim.SGD(
            groups, law.rate, momentum=law.momentum, weight_decay=law.weight_decay
        )
    kind = torch.optim.Adam if law.kind == "adam" else torch.optim.AdamW
    return kind(groups, law.rate, law.betas, weight_decay=law.weight_decay)
