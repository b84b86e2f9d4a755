from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medseg.engine.cut import labels_from_probabilities
from napari_medseg.session.by_example.order import nearest_first


def test_the_best_class_wins_where_it_reaches_the_threshold() -> None:
    probabilities = np.array([[[0.6, 0.4, 0.9]], [[0.7, 0.3, 0.1]]], np.float32)
    assert labels_from_probabilities(probabilities).tolist() == [[2, 0, 1]]
    assert labels_from_probabilities(probabilities, 0.35).tolist() == [[2, 1, 1]]
    assert labels_from_probabilities(probabilities, 0.95).tolist() == [[0, 0, 0]]


def test_nothing_found_is_background_at_any_threshold() -> None:
    assert not labels_from_probabilities(np.zeros((2, 3, 3), np.float32), 0.0).any()


def test_the_first_class_wins_a_tie() -> None:
    assert labels_from_probabilities(np.full((3, 1, 1), 0.5, np.float32)).item() == 1


def test_many_classes_need_wider_labels() -> None:
    probabilities = np.zeros((300, 1, 1), np.float32)
    probabilities[299] = 1
    labels = labels_from_probabilities(probabilities)
    assert labels.dtype == np.uint16
    assert labels.item() == 300


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        labels_from_probabilities(np.zeros((1, 2, 2), np.float32), threshold)


@given(st.integers(1, 40), st.lists(st.integers(-5, 50), max_size=5))
def test_nearest_first_visits_every_plane_once_and_moves_away(
    n_planes: int, sources: list[int]
) -> None:
    order = nearest_first(n_planes, sources)
    assert sorted(order) == list(range(n_planes))
    inside = [source for source in sources if 0 <= source < n_planes] or [n_planes // 2]
    distances = [min(abs(plane - source) for source in inside) for plane in order]
    assert distances == sorted(distances)
