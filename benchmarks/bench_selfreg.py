"""What SelfReg-UNet's two losses cost in a training step, beside the textbook formulation.

Run: python benchmarks/bench_selfreg.py

A step of UNet (17 million parameters, 1 channel, 9 classes) at 224 x 224 with Dice and
cross-entropy, forward and backward. The losses are timed alone, forward and backward, on features
of that step; the textbook formulation writes both losses down as the paper's equations read, with
autograd doing the rest. CPU time of one thread, median of several turns.
"""

from __future__ import annotations

import timing  # first: it makes idle threads sleep

# isort: split
import random

import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.losses import SelfRegularization, dice_cross_entropy
from napari_medseg.nets import UNet
from napari_medseg.nets.feature_taps import Features, tap_features

BATCH, SIZE, CLASSES = 2, 224, 9
WEIGHT = 0.015


def textbook(features: Features) -> Tensor:
    """Both losses of all stages, each written down for itself."""
    final = features.final
    assert final is not None
    encoder = [stage[0] for stage in features.encoder]
    decoder = [stage[0] for stage in features.decoder]
    inner = sum(_halves(maps) for maps in encoder) / len(encoder)
    inner = inner + sum(_halves(maps) for maps in decoder) / len(decoder)
    outer = sum(_to_final(maps, final) for maps in decoder + encoder) / 7
    return WEIGHT * (inner + outer)


def _halves(maps: Tensor) -> Tensor:
    unit = F.normalize(maps.flatten(2), dim=2)
    order = unit.mean((0, 2)).argsort(descending=True)
    ordered = maps[:, order]
    half = maps.shape[1] // 2
    return F.mse_loss(ordered[:, :half], ordered[:, half:])


def _to_final(maps: Tensor, final: Tensor) -> Tensor:
    count = min(maps.shape[1], final.shape[1])
    small = F.adaptive_avg_pool2d(final, tuple(maps.shape[2:]))
    student = maps[:, random.sample(range(maps.shape[1]), count)]
    teacher = small[:, random.sample(range(final.shape[1]), count)]
    return F.mse_loss(student, teacher.detach())


def features_of(net: UNet, images: Tensor) -> Features:
    """Give the features of a step, cut off from the net so that the losses are timed alone."""
    with torch.no_grad(), tap_features(net) as features:
        net(images)
    leaves = [
        [[maps.clone().requires_grad_() for maps in stage] for stage in group]
        for group in (features.encoder, features.decoder)
    ]
    assert features.final is not None
    return Features(leaves[0], leaves[1], features.final.clone().requires_grad_())


def main() -> None:
    torch.manual_seed(0)
    net = UNet(1, CLASSES).train()
    images = torch.rand(BATCH, 1, SIZE, SIZE)
    labels = torch.randint(CLASSES, (BATCH, SIZE, SIZE))
    features = features_of(net, images)
    print(f"UNet, batch {BATCH}, {SIZE} x {SIZE}; CPU seconds of one thread")
    for variant in ("published", "corrected"):
        loss = SelfRegularization(WEIGHT, WEIGHT, 0, variant=variant)
        terms = timing.alternate(
            lambda: textbook(features).backward(),
            lambda loss=loss: loss(features).backward(),
            repeats=9,
        )
        step = timing.alternate(
            lambda: dice_cross_entropy(net(images), labels).backward(),
            lambda loss=loss: loss(features).backward(),
            repeats=3,
        )
        print(
            f"{variant:10} textbook {terms.reference:.3f}, ours {terms.candidate:.3f} "
            f"({terms.ratio:.1f} times faster); a step {step.reference:.2f}, so the terms add "
            f"{100 * terms.candidate / step.reference:.1f} %"
        )


if __name__ == "__main__":
    main()
