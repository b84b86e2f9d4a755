"""Synthetic families give finite images and binary, non-empty masks, repeatably."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medseg_training.in_context import phantoms, synthetic

FAMILIES = [family for family, _ in synthetic.FAMILIES] + list(phantoms.FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_family(family: synthetic.Family) -> None:
    images, masks = family(np.random.default_rng(4), 5, 48)
    again, _ = family(np.random.default_rng(4), 5, 48)
    assert images.shape == masks.shape == (5, 48, 48)
    assert torch.isfinite(images).all()
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(images, again)
    assert not torch.equal(images[0], images[1])
