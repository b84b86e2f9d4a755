"""Views of the examples: image and mask stay together, and small targets are in sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_medseg.engine.by_example.adapt import views as adapt_views
from napari_medseg.engine.by_example.adapt.views import Strengths, draw_views

STILL = Strengths(gamma=0.0, contrast=0.0, brightness=0.0, noise=0.0)


@pytest.fixture(autouse=True)
def small_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt_views, "VIEW", 32)


def spots() -> tuple[torch.Tensor, torch.Tensor]:
    """Eight planes of 128 pixels with one spot of 5 × 5 in a corner of each."""
    masks = torch.zeros(8, 2, 128, 128)
    for at in range(8):
        masks[at, at % 2, 10 + 12 * at : 15 + 12 * at, 15:20] = 1.0
    return masks.amax(1, keepdim=True), masks


def test_image_and_mask_go_the_same_way() -> None:
    images, masks = spots()
    seen, wanted = draw_views(np.random.default_rng(0), images, masks, 1, STILL)
    assert seen.shape == (8, 1, 32, 32)
    assert wanted.shape == (8, 2, 32, 32)
    torch.testing.assert_close(seen[:, 0], wanted.amax(1), rtol=0, atol=2e-4)


@pytest.mark.parametrize(("aimed", "least", "most"), [(1.0, 0.9, 1.0), (0.0, 0.0, 0.3)])
def test_windows_that_are_aimed_show_the_target(aimed: float, least: float, most: float) -> None:
    images, masks = spots()
    strengths = replace(STILL, aimed=aimed)
    shown = []
    for seed in range(12):
        _, wanted = draw_views(np.random.default_rng(seed), images, masks, 1, strengths)
        shown += (wanted.amax((1, 2, 3)) > 0.5).tolist()
    assert least <= np.mean(shown) <= most


def test_a_plane_without_a_target_is_seen_as_well() -> None:
    images, masks = spots()
    _, wanted = draw_views(
        np.random.default_rng(0), images, torch.zeros_like(masks), 1, replace(STILL, aimed=1.0)
    )
    assert float(wanted.amax()) == 0.0


def test_the_same_seed_draws_the_same_views() -> None:
    first, second = (
        draw_views(np.random.default_rng(3), *spots(), 1, Strengths()) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
