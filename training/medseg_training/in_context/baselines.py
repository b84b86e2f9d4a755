"""What an in-context net must beat: methods that need no training before the examples come."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.in_context import augment
from medseg_training.in_context.episodes import Trial, enlarged, grey_planes, mask_planes
from medseg_training.in_context.laws import Warp
from medseg_training.in_context.tasks import Pair
from medseg_training.in_context.views import grids
from medseg_training.losses import dice_bce_loss
from napari_medseg.engine.by_example.held_out import dice

SIZE = 128

UNET_WARP = Warp(0.8, 20.0, 0.1, (0.8, 1.25), 0.5, (0.05, 0.3))
UNET_APPEARANCE = augment.Appearance(0.5, 0.1, 0.3, 0.3, 0.0, 0.05, 1.0, 1.0)


def mean_mask(trial: Trial) -> list[np.ndarray]:
    """Answer every query with the examples' mean mask, cut where it fits the examples best."""
    masks = mask_planes(trial, SIZE)
    mean = masks.mean(0, keepdim=True)
    thresholds = np.linspace(0.1, 0.9, 9) * float(mean.max())
    single = [m[0].numpy() > 0.5 for m in masks]
    fit = [np.mean([dice(mean[0, 0].numpy() >= t, m) for m in single]) for t in thresholds]
    best = float(thresholds[int(np.argmax(fit))])
    return [enlarged(mean, query) >= best for query in trial.queries]


def nearest_mask(trial: Trial) -> list[np.ndarray]:
    """Answer every query with the mask of the example that looks most alike at 32 x 32 in grey."""
    small = _standardised(grey_planes(trial.support, 32))
    likeness = _standardised(grey_planes(trial.queries, 32)) @ small.T
    masks = mask_planes(trial, SIZE)
    return [
        enlarged(masks[int(best)][None], query) >= 0.5
        for best, query in zip(likeness.argmax(1), trial.queries, strict=True)
    ]


class FittedUNet:
    """A small U-Net fitted on the examples of each trial, with augmentation, in given time.

    Parameters
    ----------
    seconds
        CPU time of each fit; wall time would punish it on a busy machine.
    width
        Channels of the first level.
    """

    def __init__(self, seconds: float = 60.0, width: int = 16, seed: int = 0) -> None:
        self.seconds, self.width, self.seed = seconds, width, seed

    def __call__(self, trial: Trial) -> list[np.ndarray]:
        """Fit and segment the queries of a trial."""
        from napari_medseg.nets.unet import UNet

        torch.manual_seed(self.seed)
        images, masks = _planes(trial.support), mask_planes(trial, SIZE)
        net = UNet(images.shape[1], 1, width=self.width)
        optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
        rng = np.random.default_rng(self.seed)
        start = time.process_time()
        while (spent := time.process_time() - start) < self.seconds:
            for group in optimiser.param_groups:
                group["lr"] = 2e-3 * (1 - 0.95 * spent / self.seconds)
            seen, wanted = _augmented(rng, images, masks)
            loss = dice_bce_loss(net(seen), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        net.eval()
        with torch.inference_mode():
            answers = net(_planes(trial.queries)).sigmoid()
        return [
            enlarged(answer[None], query) >= 0.5
            for answer, query in zip(answers, trial.queries, strict=True)
        ]


def _planes(pairs: Sequence[Pair]) -> Tensor:
    planes = [
        F.interpolate(p.pyramid[0][None], size=(SIZE, SIZE), mode="bilinear", antialias=True)
        for p in pairs
    ]
    return torch.cat(planes).clamp(0, 1)


def _augmented(rng: np.random.Generator, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Draw a batch of eight warped examples with changed appearance; colours change together."""
    chosen = torch.from_numpy(rng.integers(0, len(images), 8))
    grid = grids(rng, 8, SIZE, UNET_WARP, UNET_WARP)
    seen = F.grid_sample(images[chosen], grid, padding_mode="reflection", align_corners=False)
    wanted = F.grid_sample(masks[chosen], grid, padding_mode="reflection", align_corners=False)
    flat = seen.reshape(-1, 1, SIZE, SIZE)
    flat = augment.appearance(rng, flat, 8, UNET_APPEARANCE)
    return flat.view_as(seen), (wanted >= 0.5).float()


def _standardised(planes: Tensor) -> Tensor:
    flat = planes.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-6)
