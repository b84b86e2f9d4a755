"""``napari-medseg measure`` and ``compare`` give what the Python calls give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_medseg.cli import app
from napari_medseg.engine.measure.compare import compare
from napari_medseg.engine.measure.regions import measure
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.labels import read_labels, write_labels

SPACING = (2.0, 0.5, 0.5)
NAMES = ("background", "kidney", "tumour")


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def truth() -> np.ndarray:
    labels = np.zeros((4, 20, 30), np.uint8)
    labels[1:3, 5:15, 5:15] = 1
    return labels


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return write_labels(
        tmp_path / "truth.ome.tif", truth(), Geometry(SPACING, units="mm"), class_names=NAMES
    )


def test_measure_prints_the_table_of_the_python_call(volume, tmp_path):
    done = run("measure", volume, "--csv", tmp_path / "sizes.csv", "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    expected = measure(truth(), SPACING, class_names=NAMES)
    assert document["spacing"] == list(SPACING)
    assert document["rows"][0]["volume_ml"] == expected["volume_ml"][0] == pytest.approx(0.1)
    assert document["rows"][1]["name"] == "tumour"
    assert document["rows"][1]["centroid_x_mm"] is None, "JSON has no NaN"
    saved = pd.read_csv(tmp_path / "sizes.csv", encoding="utf-8-sig")
    pd.testing.assert_frame_equal(saved, expected)


def test_without_json_the_table_is_for_reading(volume):
    done = run("measure", volume)
    assert done.exit_code == 0
    assert "kidney" in done.stdout
    assert "volume (ml)" in done.stdout
    assert "e+" not in done.stdout


def test_an_image_adds_intensities(tmp_path):
    labels = truth()[1]
    write_labels(tmp_path / "labels.png", labels)
    Image.fromarray(labels * 90).save(tmp_path / "image.png")
    done = run("measure", tmp_path / "labels.png", "--image", tmp_path / "image.png", "--json")
    row = json.loads(done.stdout)["rows"][0]
    assert (row["intensity_mean"], row["area_px2"]) == (90.0, 100.0)


def test_compare_takes_the_spacing_and_names_of_the_reference(volume, tmp_path):
    wrong = truth()
    wrong[1, 5:15, 5] = 0
    write_labels(tmp_path / "mine.ome.tif", wrong, Geometry(SPACING, units="mm"))
    done = run("compare", tmp_path / "mine.ome.tif", volume, "--json")
    rows = json.loads(done.stdout)["rows"]
    expected = compare(wrong, truth(), SPACING, NAMES)
    assert [row["name"] for row in rows] == ["kidney", "tumour"]
    assert rows[0]["dice"] == expected["dice"][0]
    assert rows[0]["assd"] == expected["assd"][0]


def test_layers_of_different_sizes_fail_with_a_sentence(volume, tmp_path):
    write_labels(tmp_path / "other.ome.tif", truth()[:3])
    done = run("compare", tmp_path / "other.ome.tif", volume)
    assert done.exit_code == 2
    assert "bring one to the grid of the other" in done.stderr
    assert done.stdout == ""


def test_wrong_requests_start_nothing(volume, tmp_path):
    before = volume.read_bytes()
    assert run("measure", tmp_path / "missing.png").exit_code == 2
    assert run("measure", volume, "--image", tmp_path / "missing.png").exit_code == 2
    assert run("measure", volume, "--csv", volume).exit_code == 2
    assert run("compare", volume, volume, "--csv", tmp_path / "no" / "folder.csv").exit_code == 2
    assert volume.read_bytes() == before


def test_objects_that_touch_are_numbered_and_written_with_the_geometry(tmp_path):
    rows, columns = np.indices((40, 60))
    blobs = [np.hypot(rows - 20, columns - column) < 11 for column in (20, 38)]
    source = write_labels(
        tmp_path / "nuclei.ome.tif", np.uint8(blobs[0] | blobs[1]), Geometry((0.5, 0.5), units="um")
    )
    result = run("objects", source, "-o", tmp_path / "objects.ome.tif", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["objects"] == 2
    found = read_labels(tmp_path / "objects.ome.tif")
    assert found.geometry.spacing == (0.5, 0.5)
    assert sorted(np.unique(found.labels)) == [0, 1, 2]


def test_objects_never_overwrite_what_they_were_made_from(volume):
    result = run("objects", volume, "-o", volume)
    assert result.exit_code == 2
    assert "another name" in result.stderr
