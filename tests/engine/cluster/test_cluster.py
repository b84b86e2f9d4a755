"""Clustering one image: what it gives for images of every kind, and how a run is watched."""

from __future__ import annotations

import json

import numpy as np
import pytest

import napari_medseg
from napari_medseg.engine.cluster.job import cluster, cluster_job
from napari_medseg.engine.cluster.methods import METHODS, blur_job
from napari_medseg.engine.cluster.options import ClusterOptions
from napari_medseg.engine.results import finished

SMALL = {"size": 32, "iterations": 6}


def lesion(height=40, width=56, dtype=np.uint8):
    """A dark disc on a bright ground, with a little noise."""
    rows, cols = np.mgrid[:height, :width]
    inside = (rows - height / 2) ** 2 + (cols - width / 2) ** 2 < (min(height, width) / 4) ** 2
    noise = np.random.default_rng(0).normal(0, 4, (height, width))
    return (np.where(inside, 70, 190) + noise).astype(dtype), inside


def run(job):
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as stop:
            return steps, stop.value


@pytest.mark.parametrize("method", METHODS)
def test_finds_a_dark_disc(method):
    image, inside = lesion()
    result = napari_medseg.cluster(image, method, focus="dark", size=48, iterations=10)
    found = result.labels == np.bincount(result.labels[inside]).argmax()
    assert result.labels.shape == image.shape
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.8


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_takes_every_type_of_pixel(method, dtype):
    image, inside = lesion()
    image = inside if dtype is bool else image.astype(dtype)
    result = cluster(image, method, **SMALL)
    assert result.labels.dtype == np.uint8
    assert result.labels.min() == 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 90), (41, 29), (24, 30, 3), (24, 30, 4)])
@pytest.mark.parametrize("method", METHODS)
def test_takes_every_size_and_colours(method, shape):
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    result = cluster(image, method, **SMALL)
    assert result.labels.shape == shape[:2]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_labels(method):
    image, _ = lesion()
    first = cluster(image, method, 3, **SMALL)
    np.random.seed(1)
    again = cluster(image, method, 3, **SMALL)
    np.testing.assert_array_equal(first.labels, again.labels)


def test_a_run_leaves_the_random_numbers_of_others_alone():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    cluster(lesion()[0], "s3net", **SMALL)
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_starts_from_another_net():
    image = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    jobs = [cluster_job(image, ClusterOptions(seed=seed, **SMALL)) for seed in (0, 1)]
    first, other = (next(job).preview.labels for job in jobs)
    assert (first != other).any()


def test_clusters_are_named_and_numbered_from_dark_to_bright():
    image, inside = lesion()
    result = cluster(image, "kmeans", clusters=3)
    means = [image[result.labels == label].mean() for label in (1, 2, 3)]
    assert means == sorted(means)
    assert result.class_names == ("background", "cluster 1", "cluster 2", "cluster 3")
    dark = cluster(image, "otsu").labels == 1
    assert (dark == inside).mean() > 0.99


def test_shows_the_labels_after_every_iteration():
    image, _ = lesion()
    steps, result = run(cluster_job(image, ClusterOptions(**SMALL)))
    counts = [int(step.preview.labels.max()) for step in steps]
    assert [step.done for step in steps] == [1, 2, 3, 4, 5, 6, 6]
    assert all(step.preview.labels.shape == image.shape for step in steps)
    assert counts[0] > counts[-1]
    np.testing.assert_array_equal(steps[-1].preview.labels, result.labels)
    assert steps[1].message == f"Iteration 2: {counts[1]} clusters"


@pytest.mark.parametrize("method", ["s3net", "kmeans", "otsu"])
@pytest.mark.parametrize("focus", ["none", "lesion"])
def test_a_large_image_is_worked_on_in_parts_with_the_same_result(monkeypatch, method, focus):
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    options = ClusterOptions(method, focus=focus, size=32, iterations=2)
    whole = finished(cluster_job(image, options)).labels
    for part in ("job._SCALED", "methods._BLURRED", "pixel_clusters._NEAREST"):
        monkeypatch.setattr(f"napari_medseg.engine.cluster.{part}_AT_ONCE", 500)
    monkeypatch.setattr("napari_medseg.engine.label_maps._LARGE", 500)
    steps, result = run(cluster_job(image, options))
    np.testing.assert_array_equal(result.labels, whole)
    assert [step.preview for step in steps[:20]] == [None] * 20
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_cancelling_keeps_the_current_state():
    image, _ = lesion()
    job = cluster_job(image, ClusterOptions(**SMALL))
    next(job)
    progress = next(job)
    job.close()
    kept = progress.preview.segmentation()
    np.testing.assert_array_equal(kept.labels, progress.preview.labels)
    assert kept.provenance.method == "cluster"
    assert len(kept.class_names) == kept.labels.max() + 1


def test_a_volume_is_clustered_plane_by_plane():
    image, _ = lesion()
    volume = np.stack([image, np.zeros_like(image), image[::-1]])
    steps, result = run(cluster_job(volume, ClusterOptions("kmeans")))
    assert [step.preview.index for step in steps] == [0, 1, 2]
    assert steps[-1].done == steps[-1].total == 3
    assert (result.labels[1] == 1).all()
    for index in (0, 2):
        alone = cluster(volume[index], "kmeans")
        np.testing.assert_array_equal(result.labels[index], alone.labels)
    first = steps[0].preview.segmentation()
    np.testing.assert_array_equal(first.labels[0], result.labels[0])


def test_only_the_planes_asked_for_are_clustered():
    volume = np.stack([lesion()[0]] * 3)
    result = cluster(volume, "otsu", planes=[1])
    assert result.labels[1].min() == 1
    assert not result.labels[[0, 2]].any()


def test_pixels_without_a_value_belong_to_no_cluster():
    image = lesion(dtype=np.float32)[0]
    image[:5, :5] = np.nan
    result = cluster(image, "kmeans")
    assert not result.labels[:5, :5].any()
    assert result.labels[6:, 6:].min() == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_image_is_one_cluster(method):
    result = cluster(np.full((20, 30), 7.0), method, **SMALL)
    assert (result.labels == 1).all()


def test_looking_for_something_dark_leaves_dark_corners_out():
    image, inside = lesion()
    image[:12, :12] = image[-12:, :12] = image[:12, -12:] = image[-12:, -12:] = 60
    plain = cluster(image, "kmeans").labels
    focused = cluster(image, "kmeans", focus="dark").labels
    disc = np.bincount(focused[inside]).argmax()
    assert (plain[:8, :8] == plain[20, 28]).all()
    assert ((focused == disc) & ~inside).sum() < 0.2 * inside.sum()
    assert (focused[inside] == disc).mean() > 0.8


def test_says_what_made_the_labels():
    provenance = cluster(lesion()[0], "kmeans", 5, clusters=3).provenance
    assert (provenance.method, provenance.model) == ("cluster", "kmeans")
    assert provenance.parameters["seed"] == 5
    assert provenance.parameters["value_range"] == [0.0, 255.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"focus": "left"}, "focus"),
        ({"clusters": 1}, "clusters"),
        ({"iterations": 0}, "iteration"),
        ({"size": 8}, "32 to 1024"),
    ],
)
def test_refuses_options_that_cannot_be_used(options, message):
    with pytest.raises(ValueError, match=message):
        ClusterOptions(**options)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (0, 4)])
def test_refuses_arrays_that_are_no_image(shape):
    with pytest.raises(ValueError, match="shape"):
        cluster(np.zeros(shape), "kmeans")


@pytest.mark.parametrize("method", ["kmeans", "otsu"])
def test_a_lesion_is_told_from_reddened_skin_and_may_touch_the_edge(method):
    """Redness changes green, not blue; melanin takes blue away."""
    skin = np.full((40, 60, 3), (230, 180, 160), np.uint8)
    skin[:, 45:] = (200, 90, 150)
    inside = np.zeros((40, 60), bool)
    inside[0:22, 18:36] = True
    skin[inside] = (190, 130, 60)
    labels = cluster(skin, method, focus="lesion").labels
    found = labels == np.bincount(labels[inside]).argmax()
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.9


def test_the_improved_variant_keeps_the_shape_of_the_image():
    image, _ = lesion(40, 80)
    options = ClusterOptions("s3net-improved", size=64, iterations=1)
    steps = METHODS["s3net-improved"](options).steps(image.astype(np.float32) / 255)
    assert next(steps).labels.shape == (32, 64)


@pytest.mark.parametrize("method", ["kmeans", "otsu"])
def test_pixels_without_a_value_have_no_say_in_where_the_others_are_parted(method):
    body = np.repeat([0.0, *[150.0] * 14, *[200.0] * 15], 20).reshape(30, 20)
    image = np.full((30, 80), np.nan)
    image[:, 60:] = body
    found = cluster(image, method).labels
    np.testing.assert_array_equal(found[:, 60:], cluster(body, method).labels)
    assert not found[:, :60].any()


def test_clusters_that_are_lost_on_the_way_to_the_image_leave_no_gap():
    image = np.random.default_rng(1).integers(0, 255, (37, 53), np.uint8)
    image[10:20, 10:30] = 250
    result = cluster(image, "s3net-improved", size=64, iterations=2)
    numbers = np.unique(result.labels)
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert len(result.class_names) == len(numbers) + 1


@pytest.mark.parametrize("seed", [-1, 1.5, None, 2**63])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        cluster(lesion()[0], "kmeans", seed)


@pytest.mark.parametrize("rectangle", [(5, 5, 20), (0.5, 0, 9, 9)])
def test_a_rectangle_is_four_whole_numbers(rectangle):
    with pytest.raises(ValueError, match="four whole numbers"):
        cluster(lesion()[0], "kmeans", rectangle=rectangle)


def test_numbers_of_numpy_can_be_written_down():
    options = {"clusters": np.int64(3), "rectangle": np.array([0, 0, 20, 20])}
    made = cluster(lesion()[0], "kmeans", np.int64(3), **options).provenance
    told = json.loads(json.dumps(made.as_dict()))["parameters"]
    assert (told["seed"], told["clusters"], told["rectangle"]) == (3, 3, [0, 0, 20, 20])


def test_nor_do_they_bleed_into_others_where_something_is_looked_for():
    known = np.zeros((60, 60), bool)
    known[20:, 5:] = True
    plane = np.where(known, np.float32(5), np.float32(0))
    blurred = finished(blur_job(plane, known))
    np.testing.assert_allclose(blurred[known], 5, rtol=1e-5)
    assert np.ptp(finished(blur_job(plane))[known]) > 1
