"""The command does what the Python call does, and says by its exit status how it went."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from napari.components import ViewerModel
from napari.errors import MultipleReaderError
from npe2 import PluginManifest
from PIL import Image
from typer.testing import CliRunner

import medseg_samples
import napari_medseg as medseg
from napari_medseg.cli import app
from napari_medseg.cli.outputs import check_names
from napari_medseg.cli.report import about
from napari_medseg.cli.window import PATTERNS, prefer_own_reader
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels, write_labels
from napari_medseg.nets.universeg import UniverSeg
from napari_medseg.session.settings import change_settings
from napari_medseg.zoo import architectures
from tests.engine.conftest import make_plane, write_model
from tests.engine.intensity_net import IntensityNet
from tests.io.dicom_phantoms import write_series


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    options = {"encoder_blocks": [4, 4]}
    write_model(root, "random", UniverSeg((4, 4)), net_options=options, input={"size": [32, 32]})
    write_model(root, "intensity", IntensityNet(), input={"size": [64, 64]})
    return root


@pytest.fixture(autouse=True)
def models_folder(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(models))
    monkeypatch.setitem(architectures.NETS, "IntensityNet", "tests.engine.intensity_net")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a support set and a plane, a colour plane and volumes to segment."""
    support = medseg.SupportSet(class_names=("background", "disc"))
    for seed in range(3):
        support.add(*make_plane(seed))
    support.save(tmp_path / "examples")
    image, _ = make_plane(7)
    Image.fromarray(image).save(tmp_path / "plane.png")
    Image.fromarray(np.dstack([image] * 3)).save(tmp_path / "colour.png")
    volume = np.stack([make_plane(seed)[0] for seed in (8, 9)])
    affine = np.array([[0.7, 0.1, 0, 1], [0, 0.8, 0.2, 2], [0, 0, 3.0, 3], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(volume.T, affine), tmp_path / "scan.nii.gz")
    sizes = {"PhysicalSizeX": 0.7, "PhysicalSizeY": 0.8, "PhysicalSizeZ": 3.0}
    units = {f"PhysicalSize{axis}Unit": "mm" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "stack.ome.tif", volume, metadata={"axes": "ZYX"} | sizes | units)
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def by_example(work: Path, *inputs: str, model: str = "intensity", out: str = "out", options=()):
    paths = [work / name for name in inputs]
    examples = ("--support", work / "examples", "-o", work / out, "-m", model)
    return run("by-example", *paths, *examples, *options)


@pytest.mark.parametrize("model", ["random", "intensity"])
@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("plane.png", "plane.png"),
        ("colour.png", "colour.png"),
        ("scan.nii.gz", "scan.nii.gz"),
        ("stack.ome.tif", "stack.nii.gz"),
    ],
)
def test_command_gives_the_labels_of_the_python_call(work, name, result, model):
    done = by_example(work, name, model=model)
    assert done.exit_code == 0, done.output
    image = read_image(work / name)
    support = medseg.SupportSet.load(work / "examples")
    expected = medseg.segment_by_example(image.data, support, model=model)
    found = read_labels(work / "out" / result)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.class_names == expected.class_names
    np.testing.assert_allclose(found.geometry.spacing, image.geometry.spacing, rtol=1e-6)
    weights = found.provenance["weights_sha256"]
    assert weights == expected.provenance.weights_sha256
    assert done.stdout == ""


def test_threshold_counts(work):
    low = by_example(work, "plane.png", out="low", options=("--threshold", "0"))
    high = by_example(work, "plane.png", out="high", options=("--threshold", "1"))
    assert low.exit_code == high.exit_code == 0
    pixels = [np.count_nonzero(read_labels(work / d / "plane.png").labels) for d in ("low", "high")]
    assert pixels[0] > pixels[1]


def test_volume_lies_where_the_scan_lies_to_the_bit(work):
    assert by_example(work, "scan.nii.gz").exit_code == 0
    scan, labels = nibabel.load(work / "scan.nii.gz"), nibabel.load(work / "out" / "scan.nii.gz")
    np.testing.assert_array_equal(labels.affine, scan.affine)
    assert labels.shape == scan.shape


def test_report_is_one_json_document(work):
    done = by_example(work, "plane.png", "stack.ome.tif", options=("--json", "--to", "ome-tiff"))
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["failed"] == []
    plane, stack = report["results"]
    assert stack["spacing"] == [3.0, 0.8, 0.7] and stack["units"] == "mm"
    labels = read_labels(plane["output"]).labels
    assert plane["pixels"]["disc"] == np.count_nonzero(labels)
    assert sum(plane["pixels"].values()) == labels.size
    assert plane["provenance"]["model"] == "intensity"


def test_probabilities_are_written_with_their_channels(work):
    done = by_example(work, "stack.ome.tif", options=("--probabilities", "--json"))
    path = json.loads(done.stdout)["results"][0]["probabilities"]
    support = medseg.SupportSet.load(work / "examples")
    data = read_image(work / "stack.ome.tif").data
    expected = medseg.segment_by_example(data, support, model="intensity").probabilities
    with tifffile.TiffFile(path) as tiff:
        np.testing.assert_array_equal(tiff.asarray().reshape(expected.shape), expected)
        assert 'Name="disc"' in tiff.ome_metadata and 'PhysicalSizeZ="3.0"' in tiff.ome_metadata


def test_one_bad_input_does_not_stop_the_others(work):
    (work / "bad.png").write_bytes(b"no image")
    done = by_example(work, "bad.png", "plane.png", options=("--json",))
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert "bad.png cannot be read" in report["failed"][0]["error"]
    assert (work / "out" / "plane.png").exists()
    assert "1 of 2 inputs failed" in done.stderr


@pytest.mark.parametrize(
    ("inputs", "options", "sentence"),
    [
        (["none.png"], {}, "no such file"),
        (["other"], {}, "is a folder; give the files in it"),
        (["none"], {}, "none is a folder with nothing in it"),
        (["plane.png"], {"model": "none"}, "no model named 'none'"),
        (["plane.png"], {"model": "universeg-v1"}, "models download universeg-v1"),
        (["plane.png"], {"out": "plane.png"}, "is a file"),
        (["plane.png"], {"out": "result.png"}, "the name of a file"),
        (["plane.png"], {"out": "."}, "overwrite the input"),
        (["plane.png"], {"out": "examples/masks"}, "examples lie in"),
        (["plane.png"], {"options": ("--threshold", "2")}, "threshold"),
        (["plane.png"], {"options": ("--device", "tpu")}, "device"),
        (["plane.png", "other/plane.png"], {}, "results of the same name"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_done(work, inputs, options, sentence):
    (work / "none").mkdir()
    (work / "other").mkdir()
    (work / "other" / "plane.png").write_bytes((work / "plane.png").read_bytes())
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    done = by_example(work, *inputs, **options)
    assert done.exit_code == 2, done.output
    assert sentence in done.stderr and done.stdout == ""
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


def test_folder_without_examples_is_refused(work):
    (work / "empty").mkdir()
    arguments = ("--support", work / "empty", "-o", work / "out", "-m", "random")
    done = run("by-example", work / "plane.png", *arguments)
    assert done.exit_code == 2 and "images" in done.stderr


def test_nets_that_cannot_be_used_are_not_silently_left_out(work):
    file = work / "examples" / "support.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"adaptation": {"version": 1}}))
    done = by_example(work, "plane.png")
    assert done.exit_code == 2
    assert "another version of this program: adapt again. The option --adapt does." in done.stderr
    assert not (work / "out").exists()


def test_volume_as_png_is_refused_with_the_way_out(work):
    done = by_example(work, "scan.nii.gz", options=("--to", "png"))
    assert done.exit_code == 2 and "nifti or ome-tiff" in done.stderr


@pytest.mark.parametrize("key", medseg_samples.SETS)
def test_samples_can_be_segmented_at_once(tmp_path, key):
    folder = medseg_samples.FOLDER / key
    image = sorted((folder / "images").iterdir())[0]
    arguments = ("--support", folder / "examples", "-o", tmp_path, "-m", "random")
    done = run("by-example", image, *arguments)
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.iterdir())) == 1


def test_models_are_listed_and_explained(work):
    listed = run("models", "list", "--json")
    assert {"random", "intensity"} <= {card["name"] for card in json.loads(listed.stdout)}
    assert "random" in run("models", "list").stdout
    assert json.loads(run("models", "info", "random", "--json").stdout)["net"] == "UniverSeg"
    assert "UniverSeg" in run("models", "info", "random").stdout
    copied = run("models", "export", "random", "-o", work / "copy", "--json")
    assert json.loads(copied.stdout)["name"] == "random"
    assert run("models", "info", "none").exit_code == 2


def test_damaged_checkpoint_is_not_imported(work):
    (work / "a.pt").write_bytes(b"nothing")
    assert run("models", "import", work / "a.pt").exit_code == 1
    assert run("models", "import", work / "a.pt", "--net", "NoSuchNet").exit_code != 0


@pytest.mark.parametrize(("to", "name"), [("nifti", "l.nii.gz"), ("ome-tiff", "l.ome.tif")])
def test_labels_are_exported_to_where_their_image_lies(work, to, name):
    data = read_image(work / "scan.nii.gz").data
    write_labels(work / "l.tif", data > 100, class_names=("background", "disc"))
    like = ("--like", work / "scan.nii.gz")
    done = run("export", work / "l.tif", *like, "--to", to, "-o", work / "out", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["output"] == str(work / "out" / name)
    found = read_labels(work / "out" / name)
    np.testing.assert_array_equal(found.labels, data > 100)
    scan = read_image(work / "scan.nii.gz").geometry
    np.testing.assert_array_equal(found.geometry.affine, scan.affine)
    assert found.class_names == ("background", "disc")


def test_export_refuses_what_does_not_fit(work):
    labels = write_labels(work / "l.png", read_image(work / "plane.png").data[:-1] > 9)
    nifti = ("--to", "nifti", "-o", work / "out")
    assert run("export", labels, "--like", work / "plane.png", *nifti).exit_code == 2
    assert run("export", work / "none.png", *nifti).exit_code == 2
    assert run("export", labels, "--to", "png", "-o", labels).exit_code == 2
    assert run("export", labels, "--to", "png", "-o", work / "a.nii").exit_code == 2
    volume = write_labels(work / "v.nii", np.ones((2, 3, 4), np.uint8), Geometry((1.0, 1.0, 1.0)))
    assert run("export", volume, "--to", "png", "-o", work / "a.png").exit_code == 2
    (work / "bad.png").write_bytes(b"no image")
    assert run("export", work / "bad.png", *nifti).exit_code == 1


def test_help_loads_neither_torch_nor_napari():
    script = (
        "import sys\n"
        "from napari_medseg.cli import app\n"
        "try: app(['by-example', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'napari', 'qtpy', 'skimage', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--support" in done.stdout


def test_unknown_sample_is_refused_without_a_window():
    done = run("--sample", "none")
    assert done.exit_code == 2 and "cardiac_mr" in done.stderr
    assert run("--version").stdout.strip() == medseg.__version__


@pytest.fixture
def fresh_settings(monkeypatch: pytest.MonkeyPatch):
    """Settings of napari that nobody's file is read into or written from."""
    from napari.settings import NapariSettings

    settings = NapariSettings(config_path=None)
    for module in ("napari.settings", "napari.plugins.utils"):
        monkeypatch.setattr(f"{module}.get_settings", lambda: settings)
    return settings


def test_own_reader_is_preferred_only_where_nobody_chose(fresh_settings):
    plugins = fresh_settings.plugins
    plugins.extension2reader = {"*.nii": "other"}
    prefer_own_reader()
    expected = dict.fromkeys(PATTERNS, "napari-medseg") | {"*.nii": "other"}
    assert plugins.extension2reader == expected


@pytest.mark.filterwarnings("ignore::napari_medseg.io.findings.FindingWarning")  # a sheared scan
def test_napari_opens_our_files_without_asking_once_the_command_has_run(
    work, npe2pm, fresh_settings
):
    for name in ("napari", "napari-medseg"):
        npe2pm.register(PluginManifest.from_distribution(name))
    viewer = ViewerModel()
    with pytest.raises(MultipleReaderError):
        viewer.open(work / "stack.ome.tif", plugin=None)
    prefer_own_reader()
    shutil.copy(work / "stack.ome.tif", work / "plain.tif")
    for name in ("stack.ome.tif", "plain.tif", "scan.nii.gz"):
        (layer,) = viewer.open(work / name, plugin=None)
        assert layer.scale[0] == pytest.approx(3.0, rel=0.01)
    classes = np.eye(5, dtype=np.uint8)
    write_labels(work / "mask.png", classes, class_names=("background", "lesion"))
    (layer,) = viewer.open(work / "mask.png", plugin=None)
    assert layer.metadata["medseg"]["class_names"] == ["background", "lesion"]
    series = write_series(work / "dicom")
    (layer,) = viewer.open(series.folder, plugin=None)
    np.testing.assert_array_equal(layer.data, series.values)


def test_without_a_display_one_sentence_stands_for_the_window(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "no display" in done.stderr


def test_part_of_a_volume_is_segmented_and_cleaned_up(work):
    options = ("--planes", "1", "--value-range=-5,300", "--largest", "--min-size", "3", "--json")
    done = by_example(work, "scan.nii.gz", options=options)
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)["results"][0]["provenance"]["parameters"]
    assert made["post"] == {"min_size": 3, "largest": True, "fill_holes": False}
    assert (made["planes"], made["value_range"], made["axis"]) == ([1], [-5.0, 300.0], 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--planes", "7"), "no plane 7"),
        (("--planes", "1-x"), "no list of planes"),
        (("--planes", "²"), "no list of planes"),
        (("--planes", "1-0"), "lower plane first: 0-1"),
        (("--planes", "0-1,1"), "names a plane twice"),
        (("--planes", "0-99999999999"), "beyond the last plane"),
        (("--value-range", "5"), "not two numbers"),
        (("--value-range", "5,1"), "lower value first"),
        (("--value-range", "5,5"), "lower value first"),
        (("--value-range", "inf,inf"), "has no end"),
        (("--value-range", "nan,1"), "has no end"),
    ],
)
def test_what_cannot_be_meant_is_a_wrong_request(work, options, words):
    done = by_example(work, "scan.nii.gz", options=options)
    assert done.exit_code == 2, done.output
    assert words in done.stderr


def test_examples_that_hardly_fit_are_told_once(work):
    done = by_example(work, "colour.png")
    assert done.exit_code == 0
    assert done.stderr.count("The image has colours, the examples are grey") == 1
    assert "brightness" not in by_example(work, "plane.png").stderr


def test_importing_what_is_not_there_is_a_wrong_request(tmp_path):
    done = run("models", "import", tmp_path / "missing.pt")
    assert done.exit_code == 2
    assert "no such file" in done.stderr


def test_commands_run_where_the_settings_say(work, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDSEG_CONFIG", str(tmp_path / "config"))
    change_settings(device="cuda:9")
    assert by_example(work, "plane.png").exit_code == 2
    assert by_example(work, "plane.png", options=("--device", "cpu")).exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("segment plane.png -m chest-lungs -o out --to nope", "'--to': 'nope' is not one of 'png'"),
        ("segment plane.png -m chest-lungs -o out --threshold 3", "'--threshold'"),
        ("segment plane.png -o out", "Missing option"),
        ("segment plane.png -m chest-lungs -o out --foo", "--foo"),
        ("nope", "No such command 'nope'"),
        ("objects plane.png -o x.xyz", "must end with .png"),
        ("objects plane.png -o x.png --diameter nan", "must be a number above 0"),
        ("objects plane.png -o nowhere/x.png", "There is no folder nowhere"),
        ("cluster plane.png -o out --rectangle 0,0,900,900", "does not lie in a plane of"),
        ("train nope", "There is no recipe 'nope'"),
        ("train unet --bogus", "napari-medseg train: unrecognized arguments: --bogus"),
        ("train evaluate", "napari-medseg train evaluate: the following arguments"),
        ("train export nope --to x", "is this a run folder?"),
    ],
)
def test_a_wrong_request_is_answered_in_one_sentence(work, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(work)
    done = run(*words.split())
    assert done.exit_code == 2
    said = [line for line in done.stderr.splitlines() if "inputs failed" not in line]
    assert len(said) == 1, said
    assert sentence in said[0]
    assert "╭" not in done.output


def test_a_file_is_named_once():
    damaged = Path("folder/scan.png")
    assert about(damaged, "scan.png is empty.") == "folder/scan.png is empty."
    assert about(damaged, "folder/scan.png is empty.") == "folder/scan.png is empty."
    assert about(damaged, "It is empty.") == "folder/scan.png: It is empty."


def test_what_a_model_is_can_be_read_by_a_person(work):
    lines = run("models", "info", "chest-lungs").stdout.splitlines()
    assert "input" in lines
    assert any(line.startswith("  size ") and line.endswith("192, 192") for line in lines)
    assert not any("{" in line for line in lines if "selfreg" not in line)


def test_commands_take_as_many_cores_as_the_settings_say(work):
    before = torch.get_num_threads()
    change_settings(threads=2)
    try:
        assert by_example(work, "plane.png").exit_code == 0
        assert torch.get_num_threads() == 2
    finally:
        change_settings(threads=0)
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["plane_objects.tif", "plane_probabilities.ome.tif"])
def test_no_result_may_have_the_name_of_what_goes_with_another(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="would give results of the same name"):
        check_names([tmp_path / "plane.png", tmp_path / name], tmp_path / "out")
    check_names([tmp_path / "plane.png", tmp_path / "plane_2.png"], tmp_path / "out")
