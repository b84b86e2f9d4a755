from __future__ import annotations

from napari_medseg.engine.by_example import (
    segment_by_example,
)
from napari_medseg.engine.support import SupportSet

from .conftest import make_plane


def test_plane(support: SupportSet) -> None:
    image, _ = make_plane(9)
    result = segment_by_example(image, support, model="tiny")
    assert result.labels.shape == image.shape
    assert result.probabilities is not None
    assert result.probabilities.shape == (1, *image.shape)
