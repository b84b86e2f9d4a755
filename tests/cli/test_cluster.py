"""``napari-medseg cluster`` writes what the Python call gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

import napari_medseg as medseg
from napari_medseg.cli import app
from napari_medseg.io.labels import read_labels


def run(*arguments: object):
    return CliRunner().invoke(app, ["cluster", *(str(argument) for argument in arguments)])


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    image = np.full((40, 50), 200, np.uint8)
    image[10:30, 15:35] = 60
    Image.fromarray(image).save(tmp_path / "plane.png")
    return tmp_path / "plane.png"


def test_writes_the_labels_that_python_gives(plane, tmp_path):
    done = run(plane, "-o", tmp_path / "out", "--method", "kmeans", "--seed", 4, "--json")
    assert done.exit_code == 0
    entry = json.loads(done.stdout)["results"][0]
    expected = medseg.cluster(np.asarray(Image.open(plane)), "kmeans", 4)
    assert entry["output"] == str(tmp_path / "out" / "plane.png")
    np.testing.assert_array_equal(read_labels(entry["output"]).labels, expected.labels)
    assert entry["pixels"] == {"background": 0, "cluster 1": 400, "cluster 2": 1600}
    assert entry["provenance"]["parameters"]["seed"] == 4


def test_a_volume_becomes_nifti(plane, tmp_path):
    volume = np.stack([np.asarray(Image.open(plane))] * 6)
    tifffile.imwrite(tmp_path / "stack.tif", volume)
    done = run(tmp_path / "stack.tif", "-o", tmp_path / "out", "--method", "otsu")
    assert done.exit_code == 0
    assert (tmp_path / "out" / "stack.nii.gz").is_file()


def test_one_bad_file_does_not_stop_the_others(plane, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    done = run(tmp_path / "broken.png", plane, "-o", tmp_path / "out", "--method", "otsu")
    assert done.exit_code == 1
    assert "1 of 2 inputs failed" in done.stderr
    assert (tmp_path / "out" / "plane.png").is_file()


def test_a_number_of_clusters_that_means_nothing_is_told(plane, tmp_path):
    done = run(plane, "-o", tmp_path / "out", "--method", "otsu", "--clusters", "3")
    assert done.exit_code == 0, done.output
    assert "--clusters is a choice of k-means; otsu makes its own." in done.stderr
    assert read_labels(tmp_path / "out" / "plane.png").labels.max() == 2


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--method", "magic"), "magic"),
        (("--clusters", "1"), "clusters"),
        (("--piece",), "the cluster that --take picks"),
        (("--label", "3"), "the cluster that --take picks"),
    ],
)
def test_wrong_requests_start_nothing(plane, tmp_path, extra, words):
    done = run(plane, "-o", tmp_path / "out", *extra)
    assert done.exit_code == 2 and words in done.output
    assert not (tmp_path / "out").exists()


def test_a_pixel_outside_the_image_is_refused_before_anything_is_clustered(plane, tmp_path):
    done = run(plane, "-o", tmp_path / "out", "--method", "kmeans", "--take", "999,5")
    assert done.exit_code == 2
    assert "--take 999,5 (row, column) does not lie in a plane of" in done.stderr
