"""Each sample opens, can be started with at once, and is what its script draws."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from npe2 import PluginManifest

import medseg_samples
from medseg_samples import make_samples
from medseg_samples.phantoms import abdomen, cells, heart, skin
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels

SPACING = {"cardiac_mr": (8.0, 1.4, 1.4), "abdomen_ct": (6.0, 1.9, 1.9)}


def layers(key: str) -> list[Layer]:
    return [Layer.create(*data) for data in getattr(medseg_samples, key)()]


@pytest.mark.parametrize("key", medseg_samples.SETS)
def test_sample_opens_with_one_plane_painted_and_the_answer_hidden(key):
    image, answer, started = layers(key)
    assert isinstance(answer, Labels) and not answer.visible
    assert isinstance(started, Labels) and started.visible and started.editable
    assert image.data.shape[:3] == answer.data.shape == started.data.shape
    painted = np.flatnonzero(started.data.any(axis=(1, 2)))
    assert painted.tolist() == [(len(started.data) - 1) // 2]  # where napari starts
    np.testing.assert_array_equal(started.data[painted], answer.data[painted])
    names = answer.metadata["medseg"]["class_names"]
    assert set(np.unique(started.data[painted])) == set(range(len(names)))
    np.testing.assert_array_equal(image.scale, SPACING.get(key, (1.0, 1.0, 1.0)))


@pytest.mark.parametrize("key", medseg_samples.SETS)
def test_examples_show_every_class_and_are_not_among_the_images(key):
    folder = medseg_samples.FOLDER / key
    support = SupportSet.load(folder / "examples")
    assert len(support) >= 4 and len(support.class_names) >= 2
    assert {index for e in support for index in e.classes} == set(
        range(1, len(support.class_names))
    )
    for file in sorted((folder / "images").iterdir()):
        image = read_image(file).data
        planes = [image] if file.suffix == ".png" else list(image)
        assert not any(np.array_equal(plane, e.image) for plane in planes for e in support)
        assert (
            read_labels(folder / "masks" / file.name).labels.shape == image.shape[:2]
            or len(planes) > 1
        )


def test_files_are_what_the_script_draws():
    root = medseg_samples.FOLDER
    for key, draw, seed in (
        ("skin_lesions", skin.skin_lesion, make_samples.SKIN_SEEDS[5]),
        ("stained_cells", cells.stained_cells, make_samples.CELL_SEEDS[5]),
    ):
        image, mask = draw(seed)
        drawn = read_image(root / key / "images" / "06.png").data.astype(int)
        assert np.abs(drawn - image).max() <= 1  # libraries may round the last digit otherwise
        np.testing.assert_array_equal(read_labels(root / key / "masks" / "06.png").labels, mask)
    volume, labels = heart.cardiac_mr(make_samples.HEART_SEEDS[1])
    drawn = read_image(root / "cardiac_mr" / "images" / "patient_2.ome.tif").data.astype(int)
    assert np.abs(drawn - volume).max() <= 1
    stored = read_labels(root / "cardiac_mr" / "masks" / "patient_2.ome.tif").labels
    np.testing.assert_array_equal(stored, labels)


def test_tissues_of_the_ct_have_the_values_they_should():
    folder = medseg_samples.FOLDER / "abdomen_ct"
    volume = read_image(folder / "images" / "patient_2.ome.tif").data
    labels = read_labels(folder / "masks" / "patient_2.ome.tif").labels
    for index, low, high in ((abdomen.LIVER, 95, 135), (abdomen.SPLEEN, 100, 140)):
        assert low < np.median(volume[labels == index]) < high
    assert volume.min() >= -1024 and np.median(volume[:, 0, :]) < -950


def test_all_samples_together_stay_small():
    files = [file for file in medseg_samples.FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 6e6


def test_manifest_offers_every_sample():
    manifest = medseg_samples.FOLDER.parents[1] / "napari.yaml"
    offered = yaml.safe_load(manifest.read_text())["contributions"]["sample_data"]
    assert {entry["key"] for entry in offered} == set(medseg_samples.SETS)


@pytest.mark.parametrize("key", medseg_samples.SETS)
def test_napari_opens_every_sample_through_the_manifest(key, npe2pm):
    npe2pm.register(PluginManifest.from_distribution("napari-medseg"))
    viewer = ViewerModel()
    viewer.open_sample("napari-medseg", key)
    started = viewer.layers[-1]
    assert started.data[viewer.dims.current_step[0]].any()
    assert viewer.layers.selection.active is started
