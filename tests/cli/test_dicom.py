"""The command on DICOM: folders, several series, and what was found about them."""

from __future__ import annotations

import numpy as np
import pytest

import napari_medseg as medseg
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.zoo import architectures
from tests.cli.test_commands import run
from tests.engine.conftest import make_plane, write_model
from tests.engine.intensity_net import IntensityNet
from tests.io.dicom_phantoms import write_series


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """A folder with examples, beside a model that finds what is as bright as they are."""
    (tmp_path / "models").mkdir()
    write_model(tmp_path / "models", "intensity", IntensityNet(), input={"size": [64, 64]})
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "IntensityNet", "tests.engine.intensity_net")
    support = medseg.SupportSet(class_names=("background", "disc"))
    for seed in range(3):
        support.add(*make_plane(seed))
    support.save(tmp_path / "examples")
    return tmp_path / "examples"


def stored(*seeds: int) -> np.ndarray:
    return np.stack([make_plane(seed)[0] for seed in seeds]).astype(np.int16)


def by_example(examples, folder, *options):
    out = examples.parent / "out"
    common = ("--support", examples, "-o", out, "-m", "intensity")
    return run("by-example", folder, *common, *options), out


def test_labels_of_a_folder_lie_on_the_patient(examples, tmp_path):
    phantom = write_series(tmp_path / "scan", stored=stored(7, 8), intercepts=(0.0,), tilt=20.0)
    done, out = by_example(examples, phantom.folder)
    assert done.exit_code == 0, done.output
    image, labels = read_image(phantom.folder), read_labels(out / "scan.nii.gz")
    assert labels.labels.any() and labels.labels.shape == image.data.shape
    np.testing.assert_allclose(labels.geometry.affine, image.geometry.affine, atol=1e-3)
    assert "gantry tilt" in done.stderr


def test_several_series_are_listed_and_one_is_chosen(examples, tmp_path):
    write_series(tmp_path / "scan" / "a", stored=stored(7, 8), intercepts=(0.0,), number=1)
    write_series(tmp_path / "scan" / "b", stored=stored(9), intercepts=(0.0,), number=2)
    done, _ = by_example(examples, tmp_path / "scan")
    assert done.exit_code == 2
    assert "--series" in done.stderr and "2: CT HEAD series 2, 1 plane" in done.stderr
    done, out = by_example(examples, tmp_path / "scan", "--series", "2")
    assert done.exit_code == 0, done.output
    assert len(read_labels(out / "scan.nii.gz").labels) == 1


def test_a_series_with_a_missing_slice_is_refused(examples, tmp_path):
    phantom = write_series(tmp_path / "scan", stored=stored(7, 8, 9, 10), intercepts=(0.0,))
    phantom.files[1].unlink()
    done, out = by_example(examples, phantom.folder)
    assert done.exit_code == 1 and "unevenly spaced" in done.stderr
    assert not out.exists()
