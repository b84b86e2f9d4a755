from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medseg.engine.postprocess import (
    PostProcess,
    fill_holes,
    keep_largest,
    postprocess,
    remove_small,
)


def label_map(text: str) -> np.ndarray:
    return np.array([[int(c) for c in line] for line in text.split()], np.uint8)


MIXED = label_map("1100222 1100202 0000222 0010001 2200000")


def test_the_largest_piece_of_each_class_is_kept() -> None:
    expected = label_map("1100222 1100202 0000222 0000000 0000000")
    np.testing.assert_array_equal(keep_largest(MIXED), expected)


def test_pieces_that_touch_over_a_corner_are_one() -> None:
    diagonal = label_map("100 010 001")
    np.testing.assert_array_equal(keep_largest(diagonal), diagonal)
    np.testing.assert_array_equal(remove_small(diagonal, 3), diagonal)


def test_small_pieces_go() -> None:
    expected = label_map("1100222 1100202 0000222 0000000 2200000")
    np.testing.assert_array_equal(remove_small(MIXED, 2), expected)


def test_holes_are_filled_and_other_classes_in_them_stay() -> None:
    ring = label_map("11111 10001 10201 10001 11111")
    np.testing.assert_array_equal(fill_holes(ring), label_map("11111 11111 11211 11111 11111"))
    np.testing.assert_array_equal(fill_holes(label_map("111 101 101")), label_map("111 101 101"))


def test_volumes_are_connected_in_all_axes() -> None:
    volume = np.zeros((3, 5, 5), np.uint8)
    volume[:, 0, 0] = 1
    volume[1, 3, 3:5] = 1
    assert keep_largest(volume).sum() == 3
    shell = np.ones((3, 3, 3), np.uint8)
    shell[1, 1, 1] = 0
    assert fill_holes(shell).all()


def test_the_order_is_crumbs_then_largest_then_holes() -> None:
    found = postprocess(MIXED, PostProcess(min_size=2, largest=True, fill_holes=True))
    np.testing.assert_array_equal(found, label_map("1100222 1100222 0000222 0000000 0000000"))


def test_nothing_asked_for_changes_nothing() -> None:
    assert not PostProcess()
    np.testing.assert_array_equal(postprocess(MIXED, PostProcess()), MIXED)
    with pytest.raises(ValueError, match="negative"):
        PostProcess(min_size=-1)


@given(arrays(np.uint8, (6, 7), elements=st.integers(0, 3)))
def test_cleaning_never_changes_its_input_and_only_ever_removes_or_fills(
    labels: np.ndarray,
) -> None:
    before = labels.copy()
    for cleaned in (keep_largest(labels), remove_small(labels, 3)):
        assert ((cleaned == labels) | (cleaned == 0)).all()
    assert set(np.unique(keep_largest(labels))) - {0} == set(np.unique(labels)) - {0}
    filled = fill_holes(labels)
    assert (filled[labels > 0] == labels[labels > 0]).all()
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(keep_largest(keep_largest(labels)), keep_largest(labels))
