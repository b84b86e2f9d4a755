"""Image and mask go through the same view, and masks stay binary."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medseg_training.in_context import views
from medseg_training.in_context.tasks import Pair

STRONG = views.Warp(1.0, 180.0, 0.2, (0.7, 1.3), 1.0, (0.3, 0.6))
STILL = views.Warp(0.0, 0.0, 0.0, (1.0, 1.0), 0.0, (0.0, 0.0))


@pytest.fixture
def blob() -> Pair:
    """An image that is its own mask."""
    rows, columns = np.mgrid[:96, :120]
    labels = ((rows - 40) ** 2 + (columns - 70) ** 2 < 20**2).astype(np.uint8)
    image = torch.from_numpy(labels.astype(np.float32))[None]
    return Pair("blob", (image, image[:, ::2, ::2], image[:, ::4, ::4]), labels)


@pytest.mark.parametrize("seed", range(6))
def test_masks_follow_images_through_any_warp(blob: Pair, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = views.grids(rng, 1, 64, STRONG, STRONG)[0]
    box = views.foreground_box(rng, blob.labels > 0, 0.5, True, 0.1)
    image, mask = views.sample(blob, blob.labels > 0, box, grid, None, "zeros")
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert float(((image[0] > 0.5).float() - mask).abs().mean()) < 0.02


def test_the_whole_view_without_warp_is_the_image(blob: Pair) -> None:
    grid = views.grids(np.random.default_rng(3), 1, 64, STILL, STILL)[0]
    _, mask = views.sample(blob, blob.labels > 0, views.WHOLE, grid, None, "zeros")
    assert abs(float(mask.mean()) - float(blob.labels.mean())) < 0.005


def test_a_crop_shows_its_target_larger(blob: Pair) -> None:
    rng = np.random.default_rng(0)
    grid = views.grids(rng, 1, 64, STILL, STILL)[0]
    box = views.foreground_box(rng, blob.labels > 0, 0.2, True, 0.0)
    _, close = views.sample(blob, blob.labels > 0, box, grid, None, "zeros")
    assert float(close.mean()) > 3 * float(blob.labels.mean())


def test_without_foreground_the_crop_is_the_whole_image() -> None:
    rng = np.random.default_rng(0)
    empty = np.zeros((20, 30), bool)
    assert views.foreground_box(rng, empty, 0.3, True, 0.1) == views.WHOLE
    assert views.random_box(rng, empty, 0.5) == views.WHOLE


def test_thin_structures_survive_a_low_resolution() -> None:
    cover = torch.zeros(8, 8)
    cover[:, 3] = 0.4
    assert float(views.binarise(cover)[:, 3].mean()) == 1.0
    assert float(views.binarise(torch.full((8, 8), 0.7)).mean()) == 1.0
