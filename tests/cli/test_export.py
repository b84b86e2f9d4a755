"""``napari-medseg export`` writes what the dock writes, for every format."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from napari_medseg.cli import app
from napari_medseg.io.formats.dicom.seg_reading import read_segmentation
from napari_medseg.io.formats.zarr_labels import read_zarr_labels
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels, write_labels
from tests.io.dicom_phantoms import SHAPE, rotated, write_series

LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1, 2, 3], LABELS[3:5, 4:8, 2:6] = 1, 2
NAMES = ("background", "left kidney", "thing")


def run(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a DICOM series and labels on it as NIfTI."""
    monkeypatch.setenv("NAPARI_MEDSEG_DATA", str(tmp_path / "data"))
    write_series(tmp_path / "series", directions=rotated())
    geometry = read_image(tmp_path / "series").geometry
    write_labels(tmp_path / "l.nii.gz", LABELS, geometry, None, NAMES)
    return tmp_path


def test_nifti_becomes_dicom_seg_and_comes_back(work):
    like = ("--like", work / "series")
    term = ("--term", "thing=Cyst")
    done = run(work / "l.nii.gz", *like, "--to", "dicom-seg", "-o", work / "out", *term, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["classes"], report["voxels"]) == (2, 33)
    assert "saved and read back: 2 classes, 33 voxels, geometry equal" in done.stderr
    seg = work / "out" / "l.dcm"
    _, cyst = pydicom.dcmread(seg).SegmentSequence
    assert cyst.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Cyst"
    found = read_segmentation(seg, read_image(work / "series"))
    np.testing.assert_array_equal(found.labels, LABELS)
    assert run(seg, *like, "--to", "nifti", "-o", work / "back.nii.gz").exit_code == 0
    back = read_labels(work / "back.nii.gz")
    np.testing.assert_array_equal(back.labels, LABELS)
    np.testing.assert_allclose(
        back.geometry.affine, read_labels(work / "l.nii.gz").geometry.affine, atol=1e-4
    )


def test_labels_of_one_patient_are_not_written_for_another(work):
    like, target = ("--like", work / "series", "--to", "dicom-seg", "-o"), work / "seg.dcm"
    write_series(work / "other", directions=rotated(), PatientID="ROE-2")
    assert run(work / "l.nii.gz", *like, target).exit_code == 0
    for to, name in (("dicom-seg", "x.dcm"), ("nifti", "x.nii.gz")):
        refused = run(target, "--like", work / "other", "--to", to, "-o", work / name)
        assert refused.exit_code == 2
        assert "seg.dcm and other are of different patients" in refused.stderr
        assert not (work / name).exists()
    assert run(work / "l.nii.gz", *like, work / "anonymous.dcm", "--deidentify").exit_code == 0
    assert run(work / "anonymous.dcm", *like, work / "named.dcm").exit_code == 0


def test_a_dicom_seg_is_measured_and_compared(work):
    out = work / "seg.dcm"
    series = work / "series"
    assert run(work / "l.nii.gz", "--like", series, "--to", "dicom-seg", "-o", out).exit_code == 0
    for image in ([], ["--image", series]):
        done = CliRunner().invoke(app, ["measure", str(out), *map(str, image), "--json"])
        assert done.exit_code == 0, done.output
        kidney, thing = json.loads(done.stdout)["rows"]
        assert (kidney["name"], thing["name"]) == NAMES[1:]
        assert thing["volume_ml"] == pytest.approx(32 * kidney["volume_ml"])
    for pair in ((out, work / "l.nii.gz"), (work / "l.nii.gz", out)):
        done = CliRunner().invoke(app, ["compare", *map(str, pair), "--json"])
        assert done.exit_code == 0, done.output
        assert {row["dice"] for row in json.loads(done.stdout)["rows"]} == {1.0}


def test_labelmap_without_the_patient(work):
    choices = ("--labelmap", "--deidentify", "--to", "dicom-seg", "-o", work / "s.dcm")
    assert run(work / "l.nii.gz", "--like", work / "series", *choices).exit_code == 0
    found = pydicom.dcmread(work / "s.dcm")
    assert found.SegmentationType == "LABELMAP" and found.PatientIdentityRemoved == "YES"
    assert b"PLANTED" not in (work / "s.dcm").read_bytes()


def test_ome_zarr_and_back(work):
    assert run(work / "l.nii.gz", "--to", "ome-zarr", "-o", work / "l.ome.zarr").exit_code == 0
    found = read_zarr_labels(work / "l.ome.zarr")
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.class_names == NAMES
    again = run(work / "l.ome.zarr", "--to", "nifti", "-o", work / "again.nii.gz")
    assert again.exit_code == 0, again.output
    assert read_labels(work / "again.nii.gz").geometry.matrix


def test_nnunet_case(work):
    dataset = work / "Dataset004_Kidney"
    choices = ("--like", work / "series", "--to", "nnunet", "-o", dataset, "--case", "k1")
    done = run(work / "l.nii.gz", *choices)
    assert done.exit_code == 0, done.output
    described = json.loads((dataset / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "left kidney": 1, "thing": 2}
    assert described["channel_names"] == {"0": "CT"} and list(described["dataset"]) == ["k1"]


def test_what_is_there_goes_only_if_told(work):
    dataset = work / "Dataset004_Kidney"
    case = ("--like", work / "series", "--to", "nnunet", "-o", dataset)
    file = ("--to", "nifti", "-o", work / "copy.nii.gz")
    for call, words in ((case, "has a case “l” already"), (file, "is there already")):
        assert run(work / "l.nii.gz", *call).exit_code == 0
        before = {path: path.read_bytes() for path in work.rglob("*.nii.gz")}
        again = run(work / "l.nii.gz", *call)
        assert again.exit_code == 2 and words in again.output
        assert {path: path.read_bytes() for path in work.rglob("*.nii.gz")} == before
        assert run(work / "l.nii.gz", *call, "--replace").exit_code == 0


def test_an_image_of_the_series_is_never_replaced(work):
    target = sorted((work / "series").iterdir())[0]
    before = target.read_bytes()
    (work / "link").symlink_to(work / "series")
    for like in (work / "series", work / "link"):
        call = ("--to", "dicom-seg", "--like", like, "-o", target, "--replace")
        refused = run(work / "l.nii.gz", *call)
        assert refused.exit_code == 2 and "is the image itself" in refused.output
        assert target.read_bytes() == before


@pytest.mark.parametrize(
    "wrong",
    [
        ("--to", "dicom-seg", "-o", "s.dcm"),
        ("--to", "nnunet", "-o", "somewhere", "--like", "series"),
        ("--to", "dicom-seg", "-o", "s.dcm", "--like", "series", "--term", "liver=Liver"),
        ("--to", "dicom-seg", "-o", "s.dcm", "--like", "series", "--term", "thing=thingummy"),
        ("--to", "nifti", "-o", "s.nii", "--like", "none"),
        ("--to", "ome-zarr", "-o", "s.txt"),
    ],
)
def test_wrong_requests_are_told_apart(work, wrong, monkeypatch):
    monkeypatch.chdir(work)
    before = sorted(work.iterdir())
    done = run("l.nii.gz", *wrong)
    assert done.exit_code == 2, done.output
    assert sorted(work.iterdir()) == before


@pytest.mark.parametrize(
    ("given", "wrong", "reason"),
    [
        (LABELS * 0, ("--to", "dicom-seg", "-o", "s.dcm"), "nothing labelled"),
        (LABELS * 40_000.0, ("--to", "dicom-seg", "-o", "s.dcm"), "up to 65535"),
        (LABELS[1], ("--to", "nifti", "-o", "s.nii"), "has the size"),
        (LABELS, ("--to", "png", "-o", "s.png"), "one plane"),
        (LABELS, ("--to", "nifti", "-o", "s.nii", "--series", "7"), "no series 7"),
        (LABELS, ("--to", "nnunet", "-o", "Dataset001_X", "--case", "a/b"), "cannot name a case"),
    ],
)
def test_what_cannot_be_done_is_a_wrong_request(work, given, wrong, reason, monkeypatch):
    monkeypatch.chdir(work)
    write_labels("given.nii", given.astype(np.uint32))
    before = sorted(path.name for path in work.iterdir())
    done = run("given.nii", "--like", "series", *wrong)
    assert done.exit_code == 2 and reason in done.stderr, done.output
    assert sorted(path.name for path in work.iterdir()) == before


@pytest.mark.parametrize("to", ["nifti", "ome-tiff", "ome-zarr", "nnunet"])
def test_that_nothing_was_found_is_a_result_but_to_dicom(work, to, monkeypatch):
    monkeypatch.chdir(work)
    write_labels("given.nii", (LABELS * 0).astype(np.uint8))
    out = "Dataset001_X" if to == "nnunet" else "out"
    done = run("given.nii", "--like", "series", "--to", to, "-o", out)
    assert done.exit_code == 0, done.output
    assert "0 classes, 0 voxels" in done.stderr


def test_of_an_image_over_time_the_place_is_enough_but_for_nnunet(tmp_path):
    affine = np.diag([0.7, 0.9, 3.3, 1.0])
    nibabel.save(nibabel.Nifti1Image(np.ones((10, 12, 6, 3), np.int16), affine), tmp_path / "t.nii")
    nibabel.save(nibabel.Nifti1Image(LABELS.T, affine), tmp_path / "l.nii")
    choices = (tmp_path / "l.nii", "--like", tmp_path / "t.nii", "--to")
    done = run(*choices, "nifti", "-o", tmp_path / "x.nii")
    assert done.exit_code == 0, done.output
    written = nibabel.load(tmp_path / "x.nii")
    np.testing.assert_array_equal(written.affine, nibabel.load(tmp_path / "t.nii").affine)
    np.testing.assert_array_equal(written.dataobj, LABELS.T)
    refused = run(*choices, "nnunet", "-o", tmp_path / "Dataset001_A")
    assert refused.exit_code == 1 and "save one time point" in refused.stderr


def test_two_series_need_a_choice(work):
    write_series(work / "both" / "a")
    write_series(work / "both" / "b")
    done = run(work / "l.nii.gz", "--like", work / "both", "--to", "nifti", "-o", work / "x.nii")
    assert done.exit_code == 2 and "--series" in done.stderr


@pytest.mark.parametrize("broken", ["l.nii.gz", "series/000.dcm"])
def test_files_that_cannot_be_read_are_a_failure(work, broken):
    whole = (work / broken).read_bytes()
    (work / broken).write_bytes(whole[: len(whole) // 2])
    choices = ("--like", work / "series", "--to", "nifti", "-o", work / "x.nii")
    done = run(work / "l.nii.gz", *choices)
    assert done.exit_code == 1 and broken.rpartition("/")[2] in done.stderr, done.output


def test_labels_of_another_place_are_refused(work):
    geometry = read_image(work / "series").geometry
    moved = type(geometry).from_affine(geometry.affine + np.eye(4)[:, [3, 3, 3, 0]].T * 0.3)
    write_labels(work / "moved.nii.gz", LABELS, moved)
    choices = ("--like", work / "series", "--to", "nifti", "-o", work / "x.nii")
    done = run(work / "moved.nii.gz", *choices)
    assert done.exit_code == 2 and "do not lie on the voxels" in done.stderr
