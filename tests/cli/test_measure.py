"""``napari-medseg measure`` and ``compare`` give what the Python calls give."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_medseg.cli import app
from napari_medseg.engine.measure.compare import compare
from napari_medseg.engine.measure.regions import measure
from napari_medseg.io.formats.nifti import reversed_axes
from napari_medseg.io.formats.zarr_labels import zarr_label_steps
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.labels import read_labels, write_labels
from napari_medseg.io.steps import finish
from napari_medseg.io.tables import as_text

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


AFFINE = np.diag([3.0, 0.8, 0.7, 1.0])


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A volume whose values are its columns."""
    values = np.broadcast_to(np.arange(12, dtype=np.float32), (5, 10, 12))
    nibabel.save(
        nibabel.Nifti1Image(values.T.copy(), reversed_axes(AFFINE)),
        tmp_path / "scan.nii.gz",
    )
    return tmp_path / "scan.nii.gz"


def placed(path: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    return write_labels(path, labels, Geometry.from_affine(affine))


def small() -> np.ndarray:
    labels = np.zeros((5, 10, 12), np.uint8)
    labels[1:3, 2:5, 1:3] = 1
    return labels


def test_an_image_is_measured_where_the_labels_lie_in_the_patient(scan, tmp_path):
    mirrored, part = AFFINE.copy(), AFFINE.copy()
    mirrored[2, 2], mirrored[2, 3] = -0.7, 11 * 0.7
    part[:3, 3] = AFFINE[:3, :3] @ (1, 2, 1)
    for name, labels, affine in (
        ("plain", small(), AFFINE),
        ("mirrored", small()[..., ::-1], mirrored),
        ("part", small()[1:4, 2:6, 1:5], part),
        ("turned", small().transpose(2, 0, 1), AFFINE[:, [2, 0, 1, 3]]),
    ):
        file = placed(tmp_path / f"{name}.nii.gz", labels, affine)
        done = run("measure", file, "--image", scan, "--json")
        assert done.exit_code == 0, (name, done.stderr)
        row = json.loads(done.stdout)["rows"][0]
        assert (row["intensity_mean"], row["intensity_max"]) == (1.5, 2.0), name


@pytest.mark.parametrize("moved", ["far", "outside", "spacing"])
def test_an_image_of_another_place_is_refused(scan, tmp_path, moved):
    affine = AFFINE.copy()
    if moved == "spacing":
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
    else:
        affine[:3, 3] = 500 if moved == "far" else (3.0, 0.0, 0.0)
    file = placed(tmp_path / "moved.nii.gz", small(), affine)
    done = run("measure", file, "--image", scan)
    assert done.exit_code == 2
    assert "choose the image" in done.stderr
    assert done.stdout == ""


def test_classes_are_compared_by_name_where_both_files_name_them(tmp_path):
    swapped = np.where(truth() == 1, np.uint8(2), truth())
    swapped[0, 0, 0] = 1
    reference = truth()
    reference[0, 0, 0] = 2
    one = write_labels(tmp_path / "a.ome.tif", swapped, class_names=("background", *NAMES[:0:-1]))
    other = write_labels(tmp_path / "b.ome.tif", reference, class_names=NAMES)
    done = run("compare", one, other, "--json")
    rows = json.loads(done.stdout)["rows"]
    assert [(row["name"], row["dice"]) for row in rows] == [("kidney", 1.0), ("tumour", 1.0)]
    assert done.stderr == ""
    third = write_labels(tmp_path / "c.ome.tif", reference, class_names=("background", "lung"))
    done = run("compare", third, other)
    assert done.exit_code == 0
    assert "Class 1 is “lung” in the prediction, “kidney” in the reference" in done.stderr


def test_of_empty_labels_a_sentence_says_so(tmp_path):
    empty = write_labels(tmp_path / "empty.png", np.zeros((5, 6), np.uint8))
    done = run("measure", empty)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "empty.png is empty: there is nothing to measure." in done.stderr
    assert json.loads(run("measure", empty, "--json").stdout)["rows"] == []
    done = run("compare", empty, empty)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing to compare" in done.stderr
    assert as_text(measure(np.zeros((2, 2), int))).startswith("label name pixels")


def test_ome_zarr_folders_are_read_and_other_folders_refused(volume, tmp_path):
    folder = tmp_path / "truth.ome.zarr"
    finish(zarr_label_steps(folder, truth(), Geometry(SPACING, units="mm"), None, NAMES))
    done = run("measure", folder, "--json")
    assert done.exit_code == 0, done.stderr
    assert (
        json.loads(done.stdout)["rows"]
        == json.loads(run("measure", volume, "--json").stdout)["rows"]
    )
    done = run("compare", folder, volume, "--json")
    assert json.loads(done.stdout)["rows"][0]["dice"] == 1.0
    assert run("objects", folder, "-o", tmp_path / "objects.ome.tif").exit_code == 0
    done = run("measure", tmp_path)
    assert done.exit_code == 2
    assert "is a folder; give the files in it" in done.stderr


def test_what_is_odd_about_a_label_file_is_told(tmp_path):
    image = nibabel.Nifti1Image(truth().T.copy(), None)
    file, long = tmp_path / "nowhere.nii.gz", Geometry((30.0, 1.0, 1.0), units="mm")
    nibabel.save(image, file)
    coarse = write_labels(tmp_path / "coarse.ome.tif", truth(), long)
    for command in (("measure", file), ("objects", file, "-o", tmp_path / "objects.ome.tif")):
        done = run(*command)
        assert done.exit_code == 0
        assert f"{file}: This file does not say how it lies in the patient" in done.stderr
    assert f"{coarse}: The voxels are 30 times as long" in run("compare", coarse, file).stderr
    done = run("export", coarse, "--to", "ome-tiff", "-o", tmp_path / "copy.ome.tif")
    assert "The voxels are 30 times as long" in done.stderr


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


@pytest.mark.parametrize("foreign", [False, True])
def test_a_plane_goes_with_a_nifti_of_one_slice(tmp_path, foreign):
    labels = truth()[1]
    write_labels(tmp_path / "a.png", labels, class_names=NAMES)
    file = write_labels(tmp_path / "a.nii.gz", labels, class_names=NAMES)
    if foreign:  # without our note
        nibabel.save(nibabel.Nifti1Image(labels.T[..., None], np.diag([0.5, 0.5, 3, 1])), file)
    Image.fromarray(labels * 90).save(tmp_path / "image.png")
    for pair in ((tmp_path / "a.png", file), (file, tmp_path / "a.png")):
        done = run("compare", *pair, "--json")
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["rows"][0]["dice"] == 1.0
    done = run("measure", file, "--image", tmp_path / "image.png", "--json")
    row = json.loads(done.stdout)["rows"][0]
    assert row["intensity_mean"] == 90.0
    assert row["area_mm2" if foreign else "area_px2"] == (25.0 if foreign else 100.0)


def test_a_map_of_a_part_is_compared_and_that_is_told(tmp_path):
    whole = placed(tmp_path / "whole.nii.gz", small(), AFFINE)
    part = placed(tmp_path / "part.nii.gz", small()[:, :6], AFFINE)
    done = run("compare", part, whole, "--json")
    assert done.exit_code == 0
    assert f"{part} covers only a part of the other" in done.stderr
    assert json.loads(done.stdout)["rows"][0]["dice"] == 1.0


@pytest.mark.parametrize("command", ["measure", "compare"])
def test_a_file_that_is_damaged_is_told_in_json_too(volume, tmp_path, command):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    files = [tmp_path / "bad.png", *([volume] if command == "compare" else [])]
    done = run(command, *files, "--json")
    assert done.exit_code == 1
    assert "bad.png cannot be read" in json.loads(done.stdout)["error"]
