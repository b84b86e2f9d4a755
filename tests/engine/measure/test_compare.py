"""Comparing label maps class by class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pytest import approx

import napari_medseg as medseg
from napari_medseg.engine.measure.metrics import scores
from napari_medseg.engine.results import Provenance, Segmentation

MEASURES = ["dice", "iou", "hd95", "assd", "xor", "hm"]
shapes = array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=8)
label_maps = shapes.flatmap(
    lambda s: st.tuples(*[arrays(np.uint8, s, elements=st.integers(0, 3))] * 2)
)


@settings(max_examples=50, deadline=None)
@given(label_maps)
def test_each_row_is_the_score_of_that_class_over_the_whole_image(maps):
    table = medseg.compare(*maps, spacing=[2.0, 1.0, 0.5][: maps[0].ndim])
    assert list(table.label) == sorted({*np.unique(maps)} - {0})
    for row in table.to_dict("records"):
        masks = [labels == row["label"] for labels in maps]
        wanted = scores(*masks, [2.0, 1.0, 0.5][: maps[0].ndim])
        assert {name: row[name] for name in MEASURES} == approx(wanted, nan_ok=True)
        assert [row["prediction_pixels"], row["reference_pixels"]] == [m.sum() for m in masks]


def test_columns_come_in_a_stated_order_even_without_classes():
    empty = np.zeros((4, 4), dtype=np.uint8)
    wanted = ["label", "name", *MEASURES, "prediction_pixels", "reference_pixels"]
    assert list(medseg.compare(empty, empty)) == wanted
    assert list(medseg.compare(empty + 1, empty)) == wanted
    assert len(medseg.compare(empty, empty)) == 0


def test_named_classes_get_a_row_also_where_they_are_absent():
    labels = np.array([[0, 2, 5]], dtype=np.uint16)
    table = medseg.compare(labels, labels, class_names=("background", "lung", "heart"))
    assert list(table.name) == ["lung", "heart", "class 5"]
    assert np.isnan(table.dice[0])
    assert list(table.dice[1:]) == [1, 1]


def test_a_segmentation_brings_its_own_names():
    labels = np.array([[0, 1]], dtype=np.uint8)
    found = Segmentation(labels, None, ("background", "lesion"), Provenance("by-example"))
    assert list(medseg.compare(found, labels).name) == ["lesion"]
    assert list(medseg.compare(labels, found).name) == ["lesion"]


def test_the_published_convention_is_there_for_comparison():
    full, empty = np.ones((3, 3), dtype=np.uint8), np.zeros((3, 3), dtype=np.uint8)
    table = medseg.compare(full, empty, official=True)
    assert list(table.dice) == [1]
    assert "xor" not in table


def test_labels_may_be_any_whole_numbers():
    labels = np.array([[0, 7, 2**31, 2**31]], dtype=np.int64)
    table = medseg.compare(labels, np.roll(labels, 1))
    assert table.label.to_list() == [7, 2**31]
    assert table.dice.to_list() == [0, 0.5]


@pytest.mark.parametrize("masks", [(bool, bool), (np.int64, np.uint8)])
def test_label_types_may_differ(masks):
    maps = [np.array([[0, 1, 1]]).astype(dtype) for dtype in masks]
    assert list(medseg.compare(*maps).dice) == [1]


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ((np.ones((2, 2), int), np.ones((2, 3), int)), "resample one to the other's grid"),
        ((np.ones((2, 2)), np.ones((2, 2), int)), "whole numbers from 0"),
        ((-np.ones((2, 2), int), np.ones((2, 2), int)), "values below 0"),
        ((np.ones(4, int), np.ones(4, int)), "two or three dimensions, not 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(maps, message):
    with pytest.raises(ValueError, match=message):
        medseg.compare(*maps)


def test_a_wrong_spacing_is_refused_even_where_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="2 positive numbers"):
        medseg.compare(np.zeros((2, 2), int), np.zeros((2, 2), int), spacing=(1, 1, 1))
