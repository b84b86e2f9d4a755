"""Appearance is changed within [0, 1] and repeatably; colour is projected as in the app."""

from __future__ import annotations

import numpy as np
import torch

from medseg_training.in_context import augment
from medseg_training.in_context.colour import discriminant, to_grey

LAW = augment.Appearance(1.0, 0.2, 0.4, 0.5, 0.3, 0.05, 1.2, 1.5)
NOTHING = augment.Appearance(0.0, 0.2, 0.4, 0.5, 0.3, 0.05, 1.2, 1.5)


def planes(n: int = 6) -> torch.Tensor:
    return torch.rand(n, 1, 24, 24, generator=torch.Generator().manual_seed(1))


def test_stays_in_range_and_repeats() -> None:
    first, second = (augment.appearance(np.random.default_rng(5), planes(), 6, LAW) for _ in "ab")
    assert torch.equal(first, second)
    assert float(first.min()) >= 0 and float(first.max()) <= 1
    assert not torch.equal(first, planes())


def test_probability_zero_changes_nothing() -> None:
    same = augment.appearance(np.random.default_rng(5), planes(), 6, NOTHING)
    assert torch.allclose(same, planes(), atol=1e-3)


def test_a_group_shares_its_draw() -> None:
    law = augment.Appearance(1.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    constant = torch.full((4, 1, 8, 8), 0.5)
    changed = augment.appearance(np.random.default_rng(2), constant, 2, law).mean((1, 2, 3))
    assert torch.allclose(changed[0], changed[1]) and torch.allclose(changed[2], changed[3])
    assert not torch.allclose(changed[0], changed[2])


def test_growing_and_outlining_keep_masks_binary() -> None:
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., 6:14, 6:14] = 1
    assert float(augment.grow(mask, 1).sum()) == 100
    assert float(augment.grow(mask, -1).sum()) == 36
    assert float(augment.edges(mask).sum()) == 64


def test_rescale_gives_the_full_range() -> None:
    scaled = augment.rescale(planes() * 0.2 + 0.3)
    assert float(scaled.amin()) == 0.0 and float(scaled.amax()) == 1.0


def test_the_discriminant_makes_the_foreground_bright() -> None:
    generator = torch.Generator().manual_seed(0)
    images = 0.5 + 0.1 * torch.randn(3, 3, 16, 16, generator=generator)
    masks = torch.zeros(3, 16, 16)
    masks[:, 4:10, 4:10] = 1
    images[:, 1] -= 0.3 * masks
    weights = discriminant(images, masks)
    assert weights is not None
    grey = torch.einsum("nchw,c->nhw", images, weights)
    assert float(grey[masks > 0.5].mean()) > float(grey[masks < 0.5].mean())
    assert discriminant(images, torch.zeros_like(masks)) is None


def test_every_way_to_grey_stays_in_range() -> None:
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    masks = (images[:, 0] > 0.7).float()
    for seed in range(12):
        grey = to_grey(np.random.default_rng(seed), images, masks)
        assert grey.shape == (3, 1, 16, 16)
        assert float(grey.min()) >= -1e-5 and float(grey.max()) <= 1 + 1e-5
