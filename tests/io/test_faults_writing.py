"""Full disks, killed programs, cancelled exports: the old file or the new one, never half."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer

import numpy as np
import pytest
import zarr
from napari.layers import Labels, Layer

from napari_medseg.io.atomic import SaveError
from napari_medseg.io.formats.dicom.seg_reading import read_segmentation
from napari_medseg.io.formats.dicom.seg_writing import SegOptions, dicom_seg_steps
from napari_medseg.io.formats.nnunet import NnunetCase, cases_of, nnunet_steps
from napari_medseg.io.formats.zarr_labels import read_zarr_labels, zarr_label_steps
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import read_image
from napari_medseg.io.label_formats import FORMATS
from napari_medseg.io.labels import label_steps, read_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.io.leftovers import sweep_stale
from napari_medseg.io.steps import Steps, finish, in_background
from napari_medseg.session.export.jobs import export_job, export_of
from tests.disks import nearly_full

from .dicom_phantoms import SHAPE, Phantom, write_series

GEOMETRY = Geometry((2.5, 0.7, 0.8), units="mm")
RNG = np.random.default_rng(3)
OLD, NEW = (RNG.integers(0, 3, SHAPE, dtype=np.uint8) for _ in range(2))
KINDS = ("png", "nifti", "ome-tiff", "ome-zarr", "dicom-seg")
pytestmark = pytest.mark.filterwarnings("ignore:This process .*fork:DeprecationWarning")


@dataclass(frozen=True)
class Writer:
    """A kind of file: where it goes, how it is written in steps, and how it is read."""

    path: Path
    write: Callable[[np.ndarray], Steps]
    read: Callable[[], np.ndarray]


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Phantom:
    return write_series(tmp_path_factory.mktemp("series"))


def writer(kind: str, folder: Path, series: Phantom) -> Writer:
    path = folder / f"labels{FORMATS[kind].suffixes[0]}"
    if kind == "dicom-seg":

        def write(labels):
            return dicom_seg_steps(path, labels, None, series.files)

        return Writer(path, write, lambda: read_segmentation(path).labels)
    if kind == "ome-zarr":
        return Writer(
            path,
            lambda labels: zarr_label_steps(path, labels, GEOMETRY),
            lambda: read_zarr_labels(path).labels,
        )
    plane = kind == "png"
    return Writer(
        path,
        lambda labels: label_steps(
            path, labels[0] if plane else labels, None if plane else GEOMETRY
        ),
        lambda: read_labels(path).labels,
    )


def expected(kind: str, labels: np.ndarray) -> np.ndarray:
    return labels[0] if kind == "png" else labels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [0, 60])
def test_without_room_the_old_file_stays_and_no_other(tmp_path, series, kind, room):
    made = writer(kind, tmp_path, series)
    finish(made.write(OLD))
    with pytest.raises(SaveError, match="was not saved"), nearly_full(room):
        finish(made.write(NEW))
    np.testing.assert_array_equal(made.read(), expected(kind, OLD))
    assert list(tmp_path.iterdir()) == [made.path]


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    done = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False)
    if not done or done.returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_named_and_the_old_file_stays(small_disk, series, kind):
    made = writer(kind, small_disk, series)
    finish(made.write(OLD))
    room = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(bytes(room))
    with pytest.raises(SaveError, match="disk is full"):
        finish(made.write(NEW))
    np.testing.assert_array_equal(made.read(), expected(kind, OLD))
    assert {path.name for path in small_disk.iterdir()} == {made.path.name, "ballast"}


def killed(steps: Steps, at: int | str) -> None:
    """Run a writer in a child that is killed (-9) at a step, or just before or after the swap."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if isinstance(at, str):
        swap = os.replace, Path.rename

        def die(swapped: Callable) -> Callable:
            def replacement(*arguments):
                if at == "after":
                    swapped(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)

            return replacement

        os.replace, Path.rename = die(swap[0]), die(swap[1])
    for number, _ in enumerate(steps):
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, 1, 2, 4, 7, "before", "after"])
def test_killed_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path, series, kind, at):
    made = writer(kind, tmp_path, series)
    finish(made.write(OLD))
    killed(made.write(NEW), at)
    sweep_stale(tmp_path, older_than=-1.0)
    found = made.read()
    assert any(np.array_equal(found, expected(kind, labels)) for labels in (OLD, NEW))
    assert list(tmp_path.iterdir()) == [made.path]


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_at_any_step_leaves_the_old_file(tmp_path, series, kind, monkeypatch):
    monkeypatch.setattr("napari_medseg.io.steps._LOOK_EVERY", 60.0)  # as many steps every time
    made = writer(kind, tmp_path, series)
    finish(made.write(OLD))
    count = sum(1 for _ in made.write(OLD))
    for stop in range(1, count + 1):
        steps = made.write(NEW)
        for _ in range(stop):
            next(steps)
        steps.close()
        np.testing.assert_array_equal(made.read(), expected(kind, OLD))
        assert list(tmp_path.iterdir()) == [made.path]


def test_what_a_library_does_in_one_go_can_be_cancelled():
    begun, let_go = Event(), Event()

    def work(check: Callable[[], None]) -> str:
        begun.set()
        let_go.wait(60.0)
        check()
        raise AssertionError("nobody wants it any more")

    steps = in_background(work, "Writing", 2, 3)
    assert next(steps) == (2, 3, "Writing") and begun.is_set()
    Timer(0.05, let_go.set).start()
    steps.close()
    assert finish(in_background(lambda _: "done", "Writing")) == "done"
    with pytest.raises(ZeroDivisionError):
        finish(in_background(lambda _: 1 / 0, "Writing"))


@pytest.mark.parametrize("at", [2, 6, 8, 13, "before", "after"])
def test_a_case_that_is_replaced_is_the_old_one_or_the_new_one(tmp_path, at):
    dataset = tmp_path / "Dataset001_X"

    def put(labels: np.ndarray) -> Steps:
        return nnunet_steps(dataset, NnunetCase("a", labels * 10.0, False, labels, GEOMETRY))

    finish(put(OLD))
    killed(put(NEW), at)
    for _ in range(2):
        entry = json.loads((dataset / "dataset.json").read_text())["dataset"]["a"]
        found = read_labels(dataset / entry["label"]).labels
        assert any(np.array_equal(found, labels) for labels in (OLD, NEW))
        (image,) = entry["images"]
        np.testing.assert_array_equal(read_image(dataset / image).data, found * 10.0)
        finish(put(NEW))
    assert cases_of(dataset) == ["a"]


@pytest.mark.parametrize("at", [0, 3, 6, 8, 13, "before", "after"])
def test_a_case_is_in_the_nnunet_dataset_whole_or_not_at_all(tmp_path, at):
    dataset = tmp_path / "Dataset001_X"

    def add(name: str) -> Steps:
        case = NnunetCase(name, OLD.astype(np.float32), False, NEW, GEOMETRY)
        return nnunet_steps(dataset, case)

    finish(add("a"))
    killed(add("b"), at)
    assert cases_of(dataset) in (["a"], ["a", "b"])
    described = json.loads((dataset / "dataset.json").read_text())
    assert described["numTraining"] == len(described["dataset"])
    for entry in described["dataset"].values():
        assert all((dataset / file).is_file() for file in entry["images"])
        np.testing.assert_array_equal(read_labels(dataset / entry["label"]).labels, NEW)


@pytest.mark.parametrize("labels", [OLD.astype(np.int64), OLD > 1, OLD.astype(np.uint32)])
def test_types_that_libraries_refuse_are_stored_exactly(tmp_path, series, labels):
    for kind in ("nifti", "ome-tiff", "ome-zarr", "dicom-seg"):
        made = writer(kind, tmp_path, series)
        finish(made.write(labels))
        np.testing.assert_array_equal(made.read(), labels)


@pytest.mark.parametrize("kind", ["nifti", "ome-tiff", "ome-zarr", "dicom-seg"])
def test_what_is_no_label_is_refused_and_nothing_written(tmp_path, series, kind):
    made = writer(kind, tmp_path, series)
    for bad in (OLD.astype(int) - 5, OLD + 0.5):
        with pytest.raises(ValueError, match="must"):
            finish(made.write(bad))
    if kind == "dicom-seg":
        with pytest.raises(ValueError, match="up to 65535"):
            finish(made.write(OLD.astype(np.uint32) * 40_000))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["with space", "umläut", "a" * 200])
def test_any_name_a_file_can_have_will_do(tmp_path, series, name):
    for kind in ("nifti", "ome-zarr", "dicom-seg"):
        path = tmp_path / f"{name}{FORMATS[kind].suffixes[0]}"
        if kind == "dicom-seg":
            finish(dicom_seg_steps(path, OLD, None, series.files))
        elif kind == "ome-zarr":
            finish(zarr_label_steps(path, OLD, GEOMETRY))
        else:
            finish(label_steps(path, OLD, GEOMETRY))
        assert path.exists()


def test_a_folder_that_is_no_zarr_is_never_replaced(tmp_path):
    folder = tmp_path / "papers.zarr"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(SaveError, match="holds other things"):
        finish(zarr_label_steps(folder, OLD, GEOMETRY))
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_only_a_label_map_is_replaced_by_one_and_never_an_image(tmp_path):
    scan = zarr.open_group(tmp_path / "scan.ome.zarr", mode="w", zarr_format=3)
    scan.create_array("0", shape=NEW.shape, dtype="uint16")[...] = 777
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}]
    image = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    scan.attrs["ome"] = image
    with pytest.raises(SaveError, match="holds other things"):
        finish(zarr_label_steps(tmp_path / "scan.ome.zarr", NEW, GEOMETRY))
    assert (read_image(tmp_path / "scan.ome.zarr").data == 777).all()
    for labels in (OLD, NEW):
        finish(zarr_label_steps(tmp_path / "labels.ome.zarr", labels, GEOMETRY))
    np.testing.assert_array_equal(read_zarr_labels(tmp_path / "labels.ome.zarr").labels, NEW)


def texts(folder: Path) -> Iterator[bytes]:
    """Everything that the files in a folder hold, and their names."""
    for file in folder.rglob("*"):
        yield file.name.encode()
        if file.is_file():
            data = file.read_bytes()
            yield gzip.decompress(data) if file.suffix == ".gz" else data


def test_the_patient_is_in_no_file_but_the_dicom_seg_and_in_no_log(
    tmp_path, series, caplog, capfd, monkeypatch
):
    monkeypatch.setenv("NAPARI_MEDSEG_DATA", str(tmp_path / "data"))
    caplog.set_level(logging.DEBUG)
    image = Layer.create(*read_layers(str(series.folder))[0])
    labels = Labels(NEW, scale=image.scale, affine=image.affine, units=image.units)
    export = export_of(labels, image)
    for key, format_ in FORMATS.items():
        if key == "png":
            continue
        folder = tmp_path / key
        folder.mkdir()
        name = f"segmentation{format_.suffixes[0]}" if format_.suffixes else "Dataset001_X"
        job = export_job(
            export, format_, folder / name, seg=SegOptions(deidentify=True), case="case_001"
        )
        finish(job)
        assert not any(b"PLANTED" in text.upper() for text in texts(folder)), key
    plain = tmp_path / "plain.dcm"
    finish(export_job(export, FORMATS["dicom-seg"], plain))
    assert b"PLANTED" in plain.read_bytes()
    out, err = capfd.readouterr()
    assert "PLANTED" not in (caplog.text + out + err).upper()
