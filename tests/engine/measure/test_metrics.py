"""Metrics against shapes that can be worked out by hand, identities, and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pytest import approx

from napari_medseg.engine.measure.metrics import (
    best_cluster,
    official_cluster,
    official_scores,
    overlap,
    scores,
    surface_distances,
)

shapes = array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6)
pairs = shapes.flatmap(lambda shape: st.tuples(*[arrays(bool, shape)] * 2))


def box(shape, *sides):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


class TestKnownShapes:
    def test_two_squares_side_by_side(self):
        found, wanted = box((10, 20), (2, 6), (2, 8)), box((10, 20), (2, 6), (4, 12))
        result = scores(found, wanted)
        assert result["dice"] == approx(2 * 16 / (24 + 32))
        assert result["iou"] == approx(16 / 40)
        assert result["hm"] == approx(24 / 40)
        assert result["xor"] == approx(24 / 32)

    def test_distances_follow_the_spacing_of_each_axis(self):
        found, wanted = box((9, 9), (4, 5), (4, 5)), box((9, 9), (6, 7), (4, 5))
        assert scores(found, wanted)["assd"] == 2
        assert scores(found, wanted, spacing=(2.5, 1))["assd"] == 5
        diagonal = box((9, 9), (6, 7), (5, 6))
        assert scores(found, diagonal, spacing=(1.5, 4))["hd95"] == approx(5)

    def test_parallel_plates_in_a_volume(self):
        found, wanted = (box((12, 6, 6), (z, z + 1), (0, 6), (0, 6)) for z in (2, 9))
        result = scores(found, wanted, spacing=(3, 1, 1))
        assert result["hd95"] == result["assd"] == approx(21)
        assert result["dice"] == 0

    def test_the_95th_percentile_looks_past_a_stray_pixel(self):
        wanted = box((40, 40), (5, 35), (5, 35))
        found = wanted.copy()
        found[0, 0] = True
        there, back = surface_distances(found, wanted)
        assert max(there.max(), back.max()) == approx(math.hypot(5, 5))
        assert scores(found, wanted)["hd95"] == 0

    def test_pixels_at_the_border_of_the_image_are_surface(self):
        full = np.ones((5, 5), dtype=bool)
        there, back = surface_distances(full, full)
        assert len(there) == len(back) == 16


class TestEmptyMasks:
    empty, full = np.zeros((4, 4), dtype=bool), np.ones((4, 4), dtype=bool)

    def test_nothing_can_be_said_where_both_are_empty(self):
        assert all(math.isnan(value) for value in scores(self.empty, self.empty).values())

    def test_a_missed_object_has_no_overlap_and_no_distance(self):
        result = scores(self.empty, self.full)
        assert [result[name] for name in ("dice", "iou", "xor", "hm")] == [0, 0, 1, 1]
        assert math.isnan(result["hd95"])
        assert math.isnan(result["assd"])

    def test_an_invented_object_has_no_overlap_and_no_distance(self):
        result = scores(self.full, self.empty)
        assert [result[name] for name in ("dice", "iou", "hm")] == [0, 0, 1]
        assert all(math.isnan(result[name]) for name in ("hd95", "assd", "xor"))


class TestBadInput:
    def test_masks_of_different_shape_are_refused(self):
        with pytest.raises(ValueError, match=r"shape \(2, 3\).*shape \(3, 2\); resample"):
            scores(np.ones((2, 3)), np.ones((3, 2)))

    @pytest.mark.parametrize("spacing", [(1,), (1, 1, 1), (0, 1), (-1, 1), (math.nan, 1)])
    def test_a_spacing_that_does_not_fit_is_refused(self, spacing):
        with pytest.raises(ValueError, match="needs 2 positive numbers"):
            scores(np.ones((2, 2)), np.ones((2, 2)), spacing)


class TestIdentities:
    @given(pairs)
    def test_a_mask_agrees_perfectly_with_itself(self, masks):
        mask = masks[0]
        mask.flat[0] = True
        assert scores(mask, mask) == {
            "dice": 1, "iou": 1, "hd95": 0, "assd": 0, "xor": 0, "hm": 0
        }  # fmt: skip

    @given(pairs)
    def test_all_but_xor_are_symmetric(self, masks):
        one, other = scores(*masks), scores(*masks[::-1])
        assert {**one, "xor": 0} == approx({**other, "xor": 0}, nan_ok=True)

    @given(pairs)
    def test_overlaps_keep_their_order(self, masks):
        counts = overlap(*masks)
        if counts.reference:
            assert counts.hm == approx(1 - counts.iou)
            assert counts.dice == approx(2 * counts.iou / (1 + counts.iou))
            assert 0 <= counts.iou <= counts.dice <= 1
            assert counts.hm <= counts.xor or counts.hm == approx(counts.xor)

    @given(pairs, st.floats(0.1, 10))
    def test_distances_scale_with_the_spacing(self, masks, factor):
        unit, scaled = scores(*masks), scores(*masks, [factor] * masks[0].ndim)
        for name in ("hd95", "assd"):
            assert scaled[name] == approx(factor * unit[name], nan_ok=True)

    @settings(max_examples=30)
    @given(pairs, st.integers(1, 3))
    def test_room_around_the_masks_changes_nothing(self, masks, margin):
        padded = [np.pad(mask, margin) for mask in masks]
        assert scores(*padded) == approx(scores(*masks), nan_ok=True)

    @settings(max_examples=30)
    @given(pairs)
    def test_distances_are_those_to_the_nearest_surface_pixel(self, masks):
        spacing = [0.7, 1.9, 3.1][: masks[0].ndim]
        there, back = surface_distances(*masks, spacing)
        points = [_surface_points(mask) * spacing for mask in masks]
        if masks[0].any() and masks[1].any():
            between = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)
            assert there == approx(between.min(axis=1))
            assert back == approx(between.min(axis=0))


def _surface_points(mask):
    """Pixels with a neighbour outside, found one by one."""
    padded = np.pad(mask, 1)
    steps = [sign * step for step in np.eye(mask.ndim, dtype=int) for sign in (1, -1)]
    return np.array(
        [p for p in np.argwhere(mask) if not all(padded[tuple(p + 1 + s)] for s in steps)]
    ).reshape(-1, mask.ndim)


class TestPublishedConventions:
    @pytest.fixture
    def selfreg(self, shared):
        return np.load(shared / "golden" / "seg_metrics.npz")

    @pytest.fixture
    def s3net(self, shared):
        return np.load(shared / "golden" / "s3_metrics.npz")

    def test_scores_are_those_of_the_published_evaluation(self, selfreg):
        found = official_scores(selfreg["in_pred"], selfreg["in_gt"])
        assert list(found.values()) == approx(selfreg["out_normal"])
        assert found == {name: scores(selfreg["in_pred"], selfreg["in_gt"])[name] for name in found}

    def test_empty_masks_score_as_in_the_published_evaluation(self, selfreg):
        mask, empty = selfreg["in_pred"], np.zeros_like(selfreg["in_pred"])
        for masks, wanted in (
            ((mask, empty), selfreg["out_gt_empty"]),
            ((empty, mask), selfreg["out_pred_empty"]),
            ((empty, empty), selfreg["out_both_empty"]),
        ):
            assert list(official_scores(*masks).values()) == list(wanted)

    @pytest.mark.parametrize(
        ("choose", "wanted"), [(official_cluster, "out_clip"), (best_cluster, "out_honest")]
    )
    def test_clusters_score_as_in_the_published_evaluation(self, s3net, choose, wanted):
        found = scores(choose(s3net["in_labels"], s3net["in_gt"]), s3net["in_gt"])
        assert [found[name] for name in ("dice", "hm", "xor")] == approx(s3net[wanted])

    def test_the_published_cluster_mask_is_reproduced(self, s3net):
        mask = official_cluster(s3net["in_labels"], s3net["in_gt"])
        assert np.array_equal(mask, s3net["out_mask_official"])


class TestBestCluster:
    def test_may_be_cluster_0(self):
        labels = np.array([[0, 0, 1, 1]])
        assert best_cluster(labels, np.array([[255, 255, 255, 0]])).tolist() == [[1, 1, 0, 0]]

    def test_is_refused_where_the_reference_is_empty(self):
        with pytest.raises(ValueError, match="reference mask is empty"):
            best_cluster(np.ones((2, 2), dtype=int), np.zeros((2, 2)))
