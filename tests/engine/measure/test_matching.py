"""Classes are matched by name where both label maps say so, else by number."""

from __future__ import annotations

import numpy as np
import pytest

import napari_medseg as medseg
from napari_medseg.engine.measure.matching import match_classes
from napari_medseg.engine.results import Provenance, Segmentation

REFERENCE = np.array([[0, 1, 1], [2, 2, 2]], np.uint8)
SWAPPED = np.array([[0, 2, 2], [1, 1, 1]], np.uint8)
LIVER_FIRST, TUMOUR_FIRST = ("background", "liver", "tumour"), ("background", "tumour", "liver")


def segmentation(labels, names):
    return Segmentation(labels, None, names, Provenance("test", None, None, {}, ""))


def test_the_same_names_in_another_order_are_the_same_classes():
    matched = match_classes(SWAPPED, TUMOUR_FIRST, REFERENCE, LIVER_FIRST)
    np.testing.assert_array_equal(matched.prediction, REFERENCE)
    assert (matched.names, matched.notice) == (LIVER_FIRST, "")
    table = medseg.compare(
        segmentation(SWAPPED, TUMOUR_FIRST), segmentation(REFERENCE, LIVER_FIRST)
    )
    assert table.dice.to_list() == [1, 1]
    assert table.name.to_list() == ["liver", "tumour"]


def test_numbers_with_a_gap_find_those_without_one_by_their_default_names():
    gap = np.where(REFERENCE == 2, np.uint8(3), REFERENCE)
    names = ("background", "class 1", "class 3")
    for matched in (
        match_classes(REFERENCE, names, gap, ()),
        match_classes(gap, (), REFERENCE, names),
    ):
        assert matched.notice == ""
        assert matched.prediction.max() == (3 if matched.names == () else 2)
    matched = match_classes(REFERENCE, names, gap, ())
    np.testing.assert_array_equal(matched.prediction, gap)


def test_a_renumbered_class_may_need_a_larger_type():
    high = np.where(REFERENCE == 2, np.uint16(300), REFERENCE.astype(np.uint16))
    matched = match_classes(REFERENCE, ("background", "class 1", "class 300"), high, ())
    np.testing.assert_array_equal(matched.prediction, high)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("background", "liver", "vessel"), "Class 2 is “vessel” in the prediction, “tumour”"),
        (("background", "tumour"), "Class 1 is “tumour” in the prediction, “liver”"),
        (("background", "liver", "liver"), "Class 2 is “liver” in the prediction, “tumour”"),
        (("background", "class 1", "liver"), "Class 2 is “liver” in the prediction, “tumour”"),
        (("background", "class 1", "class 2", "tumour"), "“tumour” is class 3 in the prediction"),
    ],
)
def test_names_that_contradict_the_numbers_are_told_in_one_sentence(names, said):
    matched = match_classes(REFERENCE, names, REFERENCE, LIVER_FIRST)
    assert matched.prediction is REFERENCE
    assert matched.names == LIVER_FIRST
    assert said in matched.notice
    assert "by number" in matched.notice
    with pytest.warns(UserWarning, match="by number"):
        medseg.compare(segmentation(REFERENCE, names), segmentation(REFERENCE, LIVER_FIRST))


@pytest.mark.parametrize("names", [(), ("background", "liver"), ("background", "class 1")])
def test_names_that_are_merely_missing_are_no_contradiction(names):
    matched = match_classes(REFERENCE, names, REFERENCE, LIVER_FIRST)
    assert (matched.names, matched.notice) == (LIVER_FIRST, "")
    matched = match_classes(REFERENCE, LIVER_FIRST, REFERENCE, names)
    assert matched.notice == ""
