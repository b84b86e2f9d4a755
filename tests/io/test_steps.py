"""Writers stop soon when told to: whatever may take long is done in steps or in a thread."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from napari_medseg.io import read_back
from napari_medseg.io.atomic import SaveError
from napari_medseg.io.formats import nnunet, zarr_labels
from napari_medseg.io.formats.dicom import seg_check as dicom_seg_check
from napari_medseg.io.formats.dicom.seg_writing import dicom_seg_steps
from napari_medseg.io.formats.zarr_labels import zarr_label_steps
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.labels import label_steps
from napari_medseg.io.steps import Step, Steps, as_part, finish

from .dicom_phantoms import SHAPE, write_series

GEOMETRY = Geometry((2.5, 0.7, 0.8), units="mm")
LABELS = np.random.default_rng(0).integers(0, 3, SHAPE, dtype=np.uint8)
KINDS = ("nifti", "ome-tiff", "ome-zarr", "dicom-seg", "nnunet")


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("series"))


def steps_of(kind: str, folder: Path, series) -> Steps:
    if kind == "dicom-seg":
        return dicom_seg_steps(folder / "a.dcm", LABELS, None, series.files)
    if kind == "ome-zarr":
        return zarr_label_steps(folder / "a.ome.zarr", LABELS, GEOMETRY)
    if kind == "nnunet":
        case = nnunet.NnunetCase("a", LABELS * 10.0, False, LABELS, GEOMETRY)
        return nnunet.nnunet_steps(folder / "Dataset001_X", case)
    return label_steps(
        folder / {"nifti": "a.nii.gz", "ome-tiff": "a.ome.tif"}[kind], LABELS, GEOMETRY
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_disk_is_waited_for_in_a_thread(tmp_path, series, kind, monkeypatch):
    first: dict[int, threading.Thread] = {}
    sizes: dict[int, int] = {}
    real = os.fsync

    def fsync(handle: int) -> None:
        about = os.fstat(handle)
        first.setdefault(about.st_ino, threading.current_thread())
        sizes[about.st_ino] = about.st_size
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    finish(steps_of(kind, tmp_path, series))
    here = {threading.main_thread()}
    written = {p.stat().st_ino for p in tmp_path.rglob("*") if p.is_file()}
    small = {p.stat().st_ino for p in tmp_path.rglob("dataset.json")}
    assert written and not here & {first[inode] for inode in written - small}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_read_back_in_a_thread(tmp_path, series, kind, monkeypatch):
    is_seg = kind == "dicom-seg"
    module, name = (dicom_seg_check, "_described") if is_seg else (read_back, "compare")
    real, seen = getattr(module, name), []

    def compare(*arguments):
        seen.append(threading.current_thread())
        return real(*arguments)

    monkeypatch.setattr(module, name, compare)
    finish(steps_of(kind, tmp_path, series))
    assert seen and threading.main_thread() not in seen


@pytest.mark.parametrize("kind", ["nifti", "ome-tiff", "ome-zarr", "nnunet"])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Geometry((2.5, 0.7, 0.9), units="mm"), "the spacing in the file is"),
        (Geometry(GEOMETRY.spacing, (0.0, 0.0, 5.0), units="mm"), "lie elsewhere"),
    ],
)
def test_a_file_that_says_other_places_than_meant_is_not_kept(
    tmp_path, series, kind, wrong, told, monkeypatch
):
    def misplaced(found, where, *meant):
        return compare(found, wrong, *meant)

    compare = read_back.compare
    monkeypatch.setattr(read_back, "compare", misplaced)
    with pytest.raises(SaveError, match=told):
        finish(steps_of(kind, tmp_path, series))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["nifti", "ome-zarr", "dicom-seg", "nnunet"])
def test_there_is_a_step_for_every_few_planes(tmp_path, series, kind, monkeypatch):
    monkeypatch.setattr(zarr_labels, "_DEEPEST", 2)
    monkeypatch.setattr(zarr_labels, "_SMALLEST", 3)  # so that there are three levels
    steps = Counter(step.message.split()[0] for step in steps_of(kind, tmp_path, series))
    planes = len(LABELS)
    if kind == "dicom-seg":
        assert (
            steps["Reading"] >= planes + 2 * planes
        )  # headers of the images, frames of two classes
    else:
        assert steps["Writing"] >= {"ome-zarr": 2 * planes // 2, "nnunet": 2 * planes}.get(
            kind, planes
        )


def test_chunks_of_large_planes_hold_fewer_of_them():
    assert zarr_labels._depth(np.broadcast_to(np.uint8(0), (300, 512, 512))) == 32
    assert zarr_labels._depth(np.broadcast_to(np.uint8(0), (300, 4096, 4096))) == 2
    assert zarr_labels._depth(np.broadcast_to(np.uint8(0), (300, 30_000, 30_000))) == 1


def test_parts_count_on():
    def two():
        yield Step(0, 2, "a")
        yield Step(1, 2, "b")
        return "done"

    parts = as_part(two(), 1, 3, "all")
    assert [next(parts), next(parts)] == [(2, 6, "all"), (3, 6, "all")]
    assert finish(as_part(two(), 0, 1, "")) == "done"
