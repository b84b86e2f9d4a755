"""What a click takes, and parts of an image that are clustered for themselves."""

from __future__ import annotations

import numpy as np
import pytest

import napari_medseg as medseg
from napari_medseg.engine.cluster.job import cluster, cluster_job
from napari_medseg.engine.cluster.options import ClusterOptions

LABELS = np.array([[1, 1, 0, 1], [2, 2, 0, 1], [0, 0, 2, 0]], np.uint8)


def test_a_whole_label_and_one_piece_of_it() -> None:
    assert medseg.pick_cluster(LABELS, 0, 0).sum() == 4
    assert medseg.pick_cluster(LABELS, 0, 0, piece=True).sum() == 2
    assert medseg.pick_cluster(LABELS, 2, 2, piece=True).sum() == 3


@pytest.mark.parametrize("at", [(0, 2), (9, 0), (-1, 0)])
def test_where_there_is_nothing_nothing_is_taken(at: tuple[int, int]) -> None:
    assert not medseg.pick_cluster(LABELS, *at).any()


def test_a_rectangle_gets_the_clusters_that_it_has_when_cut_out() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 4000, (3, 40, 50)).astype(np.int16)
    limits = {"value_range": (0.0, 4000.0)}
    found = cluster(image, "kmeans", planes=[1], rectangle=(5, 10, 30, 42), **limits)
    alone = cluster(image[1, 5:30, 10:42], "kmeans", **limits)
    assert np.array_equal(found.labels[1, 5:30, 10:42], alone.labels)
    assert np.count_nonzero(found.labels) == alone.labels.size
    assert found.provenance.parameters["rectangle"] == [5, 10, 30, 42]


def test_planes_along_another_axis() -> None:
    image = np.random.default_rng(0).integers(0, 255, (12, 20, 30)).astype(np.uint8)
    turned = cluster(np.moveaxis(image, 1, 0), "kmeans", planes=[3])
    found = cluster(image, "kmeans", axis=1, planes=[3])
    assert np.array_equal(found.labels, np.moveaxis(turned.labels, 0, 1))


def test_stopping_after_some_iterations_gives_what_cancelling_there_keeps() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    options = ClusterOptions(size=32, iterations=6, device="cpu", enough=1)
    job = cluster_job(image, options)
    kept = [next(job).preview for _ in range(3)][-1]
    job.close()
    again = cluster(image, size=32, iterations=6, device="cpu", enough=1, stop_after=3)
    assert np.array_equal(again.labels, kept.labels)
    assert again.provenance.parameters["stop_after"] == 3


def test_a_rectangle_beside_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie in the plane of 8 × 8"):
        cluster(np.zeros((8, 8), np.uint8), "kmeans", rectangle=(0, 0, 9, 8))
