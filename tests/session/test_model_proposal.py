"""A model's proposal is cut and cleaned up as the engine does it, as often as one likes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medseg.engine.cut import labels_from_probabilities
from napari_medseg.engine.postprocess import PostProcess, postprocess
from napari_medseg.engine.results import finished
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.with_model.proposal import Cut, ModelPlane, ModelProposal

SHAPE = (4, 40, 50)
STACK = Stack((1, 2), 0, (0, 0, 0), SHAPE[0])
ALL = PostProcess(min_size=4, largest=True, fill_holes=True)


@pytest.fixture
def probabilities() -> np.ndarray:
    """Of two classes and the background, with holes and crumbs; (3, Z, H, W), adding up to 1."""
    from scipy.ndimage import gaussian_filter

    raw = np.random.default_rng(0).random((3, *SHAPE))
    smooth = np.stack([gaussian_filter(channel, (1, 3, 3)) for channel in raw])
    logits = 60 * (smooth - 0.5)
    return (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32)


def proposal_of(probabilities: np.ndarray, cut: Cut, values=(1, 2)) -> ModelProposal:
    proposal = ModelProposal(STACK, values, cut)
    decided = probabilities.argmax(0).astype(np.uint8)
    for position in (2, 0, 3, 1):
        graded = ModelPlane.graded_of(position, probabilities[1:, position], decided[position])
        proposal.put(graded)
    return proposal


def all_labels(proposal: ModelProposal) -> np.ndarray:
    return np.stack([proposal.labels(position) for position in range(len(SHAPE) + 1)])


@pytest.mark.parametrize("post", [PostProcess(), PostProcess(min_size=9), ALL])
@pytest.mark.parametrize("threshold", [None, 0.05, 0.4, 0.5, 0.93])
def test_every_cut_is_what_the_engine_gives(
    probabilities: np.ndarray, threshold: float | None, post: PostProcess
) -> None:
    proposal = proposal_of(probabilities, Cut())
    proposal.set_cut(Cut(threshold, post))
    if not proposal.is_settled:
        proposal.take_cleaned(finished(proposal.clean_job()))
    raw = (
        probabilities.argmax(0).astype(np.uint8)
        if threshold is None
        else labels_from_probabilities(probabilities[1:], threshold)
    )
    np.testing.assert_array_equal(all_labels(proposal), postprocess(raw, post))
    assert proposal.decisions["threshold"] == threshold


def test_what_is_accepted_leaves_the_rest_as_it_was(probabilities: np.ndarray) -> None:
    proposal = proposal_of(probabilities, Cut(None, PostProcess(largest=True)))
    proposal.take_cleaned(finished(proposal.clean_job()))
    before = all_labels(proposal)
    row, column = (int(i[0]) for i in np.nonzero(before[1]))
    piece = proposal.component(1, row, column)
    assert piece is not None
    proposal.discard(1, piece)
    proposal.discard(2)
    assert proposal.positions == [0, 1, 3]
    assert proposal.is_settled
    np.testing.assert_array_equal(proposal.labels(1), np.where(piece, 0, before[1]))
    proposal.take_cleaned(finished(proposal.clean_job()))
    np.testing.assert_array_equal(proposal.labels(3), before[3])


def test_the_cuts_of_an_accept_are_those_of_its_moment(probabilities: np.ndarray) -> None:
    proposal = proposal_of(probabilities, Cut(0.5))
    expected = all_labels(proposal)
    cuts = proposal.cuts()
    proposal.set_cut(Cut(0.9))
    proposal.discard(0)
    assert sorted(cuts) == [0, 1, 2, 3]
    for position, plane in cuts.items():
        np.testing.assert_array_equal(plane, expected[position])


def test_classes_get_the_label_values_they_are_given(probabilities: np.ndarray) -> None:
    first = all_labels(proposal_of(probabilities, Cut()))
    other = all_labels(proposal_of(probabilities, Cut(), values=(5, 300)))
    np.testing.assert_array_equal(other, np.array([0, 5, 300])[first])


def test_a_plane_too_large_for_probabilities_keeps_its_labels() -> None:
    labels = np.zeros((6, 7), np.uint8)
    labels[2:4, 1:5] = 2
    proposal = ModelProposal(Stack((0, 1), None, (0, 0)), (1, 2), Cut(0.7))
    proposal.put(ModelPlane.decided(0, labels))
    np.testing.assert_array_equal(proposal.labels(0), labels)
    assert not proposal.is_graded
    proposal.set_cut(Cut(None, PostProcess(min_size=100)))
    proposal.take_cleaned(finished(proposal.clean_job()))
    assert not proposal.labels(0).any()
