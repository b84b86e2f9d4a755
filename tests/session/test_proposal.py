"""Proposals, which the user has not accepted yet."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medseg.engine.cut import labels_from_probabilities
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.proposal import LOWEST_THRESHOLD, PlaneProposal, Proposal

STACK = Stack(axes=(1, 2), axis=0, at=(0, 0, 0), n_planes=4)


def probabilities(seed: int = 0, n_classes: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = rng.random((n_classes, 12, 9), np.float32)
    field[:, :4] = 0
    return field


@pytest.mark.parametrize("threshold", [LOWEST_THRESHOLD, 0.3, 0.5, 0.77, 1.0])
def test_it_cuts_as_the_engine_does(threshold: float) -> None:
    proposal = Proposal(STACK, (1, 2), threshold)
    proposal.put(PlaneProposal.of(2, probabilities(), proposal.values))
    expected = labels_from_probabilities(probabilities(), threshold)
    assert np.array_equal(proposal.labels(2), expected)
    assert proposal.positions == [2]


def test_the_threshold_can_be_moved_back_and_forth() -> None:
    proposal = Proposal(STACK, (1, 2))
    proposal.put(PlaneProposal.of(0, probabilities(), proposal.values))
    first = proposal.labels(0)
    proposal.threshold = 0.9
    assert (proposal.labels(0) > 0).sum() < (first > 0).sum()
    proposal.threshold = 0.5
    assert np.array_equal(proposal.labels(0), first)


def test_label_values_need_not_be_dense() -> None:
    proposal = Proposal(STACK, (3, 300))
    proposal.put(
        PlaneProposal.of(0, np.array([[[0.9, 0.1]], [[0.2, 0.8]]], np.float32), proposal.values)
    )
    assert proposal.labels(0).tolist() == [[3, 300]]


def test_a_component_is_one_connected_piece_of_one_class() -> None:
    field = np.zeros((2, 8, 8), np.float32)
    field[0, 0:2, 0:2] = 0.9
    field[0, 2, 2] = 0.9  # touches by its corner
    field[1, 0:2, 2:4] = 0.9  # another class beside it
    field[0, 6, 6] = 0.9
    proposal = Proposal(STACK, (1, 2))
    proposal.put(PlaneProposal.of(0, field, proposal.values))
    piece = proposal.component(0, 0, 0)
    assert piece is not None
    assert piece.sum() == 5
    assert proposal.component(0, 5, 0) is None
    assert proposal.component(0, 99, 0) is None
    assert proposal.component(1, 0, 0) is None
    proposal.discard(0, piece)
    assert np.array_equal(proposal.labels(0) == 1, field[0] * (np.arange(8) == 6) > 0.5)
    assert (proposal.labels(0) == 2).sum() == 4


def test_an_empty_prediction_proposes_nothing() -> None:
    proposal = Proposal(STACK, (1,))
    proposal.put(PlaneProposal.of(0, np.zeros((1, 5, 4), np.float32), proposal.values))
    assert proposal.labels(0).shape == (5, 4)
    assert not proposal.labels(0).any()
    proposal.discard(0)
    assert proposal.positions == []


def test_a_prediction_of_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="3 classes"):
        PlaneProposal.of(0, probabilities(n_classes=3), (1,))
