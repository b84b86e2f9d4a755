"""``segment`` does what the Python call does; ``models`` brings models in, on and out."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

import napari_medseg as medseg
from napari_medseg.cli import app
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from tests.engine.conftest import disc
from tests.zoo.nets import small_net

INPUT = {"fit": "tile", "size": [32, 32], "scaling": {"kind": "divide", "by": 255}}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint, a plane, a photo and a volume; no models yet."""
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    torch.save({"model": small_net().state_dict()}, tmp_path / "net.pth")
    plane = np.where(disc((50, 70), (20, 40), 12), 220, 30).astype(np.uint8)
    Image.fromarray(plane).save(tmp_path / "plane.png")
    Image.fromarray(np.dstack([plane] * 3)).save(tmp_path / "photo.png")
    volume = np.stack([plane, plane[::-1], plane[:, ::-1]])
    nibabel.save(nibabel.Nifti1Image(volume.T, np.diag([0.5, 0.5, 3, 1])), tmp_path / "scan.nii.gz")
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def model(work: Path) -> str:
    done = run(
        "models", "import", work / "net.pth", "--name", "mine", "--classes", "left, right",
        "--input", json.dumps(INPUT), "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    card = json.loads(done.stdout)
    assert (card["net"], card["classes"], card["state"]) == ("UNet", ["left", "right"], "present")
    return "mine"


def test_the_command_gives_what_the_call_gives(work: Path, model: str) -> None:
    paths = [work / name for name in ("plane.png", "photo.png", "scan.nii.gz")]
    done = run("segment", *paths, "-m", model, "-o", work / "out", "--probabilities", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["command"], report["failed"]) == ("segment", [])
    for path, entry in zip(paths, report["results"], strict=True):
        image = read_image(path)
        expected = medseg.segment(image.data, model, rgb=image.rgb)
        written = read_labels(Path(entry["output"]))
        np.testing.assert_array_equal(written.labels, expected.labels)
        np.testing.assert_array_equal(
            tifffile.imread(entry["probabilities"]), expected.probabilities
        )
        assert written.class_names == ("background", "left", "right")
        assert entry["provenance"]["method"] == "segment"
    assert Path(report["results"][0]["output"]).name == "plane.png"
    assert Path(report["results"][2]["output"]).name == "scan.nii.gz"
    placed = nibabel.load(work / "out" / "scan.nii.gz")
    np.testing.assert_allclose(placed.affine, np.diag([0.5, 0.5, 3, 1]))


def test_objects_are_written_beside_the_classes(work: Path, model: str) -> None:
    paths = [work / name for name in ("plane.png", "scan.nii.gz")]
    wanted = ("--objects", "--values", "7,3", "--json")
    done = run("segment", *paths, "-m", model, "-o", work / "out", *wanted)
    assert done.exit_code == 0, done.output
    for path, entry in zip(paths, json.loads(done.stdout)["results"], strict=True):
        image = read_image(path)
        found = medseg.segment(image.data, model)
        expected = medseg.split_objects(found, image.geometry.spacing)
        written = read_labels(Path(entry["objects"]))
        np.testing.assert_array_equal(written.labels, expected)
        assert entry["n_objects"] == expected.max() > 0
        assert written.geometry.spacing == image.geometry.spacing
        assert "probabilities" not in entry
        classes = read_labels(Path(entry["output"])).labels
        np.testing.assert_array_equal(classes, np.array([0, 7, 3])[found.labels])
    assert Path(entry["objects"]).name == "scan_objects.nii.gz"


def test_options_reach_the_engine(work: Path, model: str) -> None:
    options = ("--axis", 2, "--tile", 48, "--flips", "--largest", "--fill-holes", "--min-size", 4)
    options += ("--threshold", 0.4, "--bfloat16", "--device", "cpu", "--to", "ome-tiff")
    done = run("segment", work / "scan.nii.gz", "-m", model, "-o", work / "out", *options, "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)["results"][0]["provenance"]["parameters"]
    assert (made["axis"], made["tile"], made["flips"]) == (2, [48, 48], True)
    assert made["post"] == {"min_size": 4, "largest": True, "fill_holes": True}
    assert (made["threshold"], made["precision"], made["device"]) == (0.4, "bfloat16", "cpu")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "none"), "no model named"),
        (("-m", "universeg-open"), "needs examples"),
        (("-m", "mine", "--tile", 50), "multiple of 16"),
        (("-m", "mine", "--device", "cuda"), "no usable device"),
        (("-m", "mine", "--runtime", "onnx", "--bfloat16"), "onnx"),
        (("-m", "mine", "--values", "3,0"), "label value 0"),
        (("-m", "mine", "--values", "1,5000000"), "label value 5000000"),
        (("-m", "mine", "--values", "1,²"), "not 2 whole numbers"),
        (("-m", "mine", "--values", "4,4"), "4 is there twice"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a computer without a GPU")
def test_wrong_requests_start_nothing(work: Path, model: str, arguments: tuple, words: str) -> None:
    done = run("segment", work / "plane.png", "-o", work / "out", *arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert not (work / "out" / "plane.png").exists()


def test_label_values_name_and_count_the_classes_that_have_them(work: Path, model: str) -> None:
    options = ("--values", "7,3", "--probabilities", "--json")
    done = run("segment", work / "plane.png", "-m", model, "-o", work / "out", *options)
    assert done.exit_code == 0, done.output
    (entry,) = json.loads(done.stdout)["results"]
    assert list(entry["pixels"]) == ["background", "left", "right"]
    expected = medseg.segment(read_image(work / "plane.png").data, model).labels
    written = read_labels(Path(entry["output"]))
    np.testing.assert_array_equal(written.labels, np.array([0, 7, 3])[expected])
    assert written.class_names == ("background", "", "", "right", "", "", "", "left")
    measured = medseg.measure(written.labels, class_names=written.class_names)
    assert measured["name"].tolist() == ["right", "left"], "no class is made up"
    with tifffile.TiffFile(entry["probabilities"]) as file:
        assert file.ome_metadata.index('Name="left"') < file.ome_metadata.index('Name="right"')
    with pytest.raises(ValueError, match="label value 0"):
        medseg.segment(read_image(work / "plane.png").data, model).renumbered([0, 1])


def test_a_model_without_weights_is_told(work: Path, model: str) -> None:
    (work / "models" / "mine" / "model.safetensors").unlink()
    done = run("segment", work / "plane.png", "-m", "mine", "-o", work / "out")
    assert done.exit_code == 2, "no image can be segmented with it"
    assert "install the model again" in done.output
    assert not (work / "out").exists()


def test_what_fails_leaves_no_empty_folder(work: Path, model: str) -> None:
    (work / "note.docx").write_bytes(b"PK words")
    done = run("segment", work / "note.docx", "-m", "mine", "-o", work / "out")
    assert done.exit_code == 1
    assert not (work / "out").exists()
    (work / "out").mkdir()
    run("segment", work / "note.docx", "-m", "mine", "-o", work / "out")
    assert (work / "out").is_dir(), "one that was there stays"


def test_models_are_listed_with_their_state_handed_on_and_removed(work: Path, model: str) -> None:
    lines = run("models", "list").stdout.splitlines()
    assert any("mine" in line and "present" in line for line in lines)
    assert any("universeg-v1" in line and "to download" in line for line in lines)
    assert "left, right" in run("models", "info", "mine").stdout
    assert run("models", "export", "mine", "-o", work / "stick").exit_code == 0
    assert run("models", "remove", "mine").exit_code == 0
    assert "mine" not in run("models", "list").stdout
    assert run("models", "remove", "mine").exit_code == 2
    assert run("models", "remove", "universeg-open").exit_code == 2
    assert run("models", "import", work / "stick" / "mine").exit_code == 0
    assert run("models", "import", work / "stick" / "mine", "--name", "again").exit_code == 0
    assert "again" in run("models", "list").stdout


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--net", "NoSuchNet"), 2, "NoSuchNet"),
        (("--net", "UniverSeg"), 1, "another architecture"),
        (("--classes", "one"), 2, "2 classes must be named"),
        (("--input", "{"), 2, "no JSON"),
        (("--input", "[]"), 2, "JSON object"),
        (("--input", '{"sise": [64, 64]}'), 2, "knows no 'sise' among size, fit"),
        (("--input", '{"scaling": {"kind": "divide", "low": 1}}'), 2, "'by'"),
        (("--input", '{"channels": 3}'), 2, "takes 1 channel, its card says 3"),
        (("--name", "a/b"), 2, "no name for a model"),
    ],
)
def test_what_cannot_be_imported_is_told(work: Path, options: tuple, code: int, words: str) -> None:
    done = run("models", "import", work / "net.pth", *options)
    assert done.exit_code == code, done.output
    assert words in done.output
    assert "net" not in [line.split()[0] for line in run("models", "list").stdout.splitlines()]


def test_the_terms_are_shown_before_anything_is_downloaded(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = CliRunner().invoke(app, ["models", "download", "universeg-v1"], input="n\n")
    assert refused.exit_code == 2
    assert "OpenRAIL++-M" in refused.output
    assert "Nothing was downloaded" in refused.output
    from napari_medseg.zoo import published

    offline = {**published.SOURCES["universeg-v1"], "url": "http://127.0.0.1:1/weights.pt"}
    monkeypatch.setitem(published.SOURCES, "universeg-v1", offline)
    failed = run("models", "download", "universeg-v1", "--accept")
    assert failed.exit_code == 1
    assert "models import weights.pt --name universeg-v1" in failed.output
    assert run("models", "download", "universeg-open", "--accept").exit_code == 2
