"""Labels are handed on where their files say that they lie, not where they are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from napari.layers._source import layer_source

from napari_medseg.engine.results import finished
from napari_medseg.io.label_formats import FORMATS
from napari_medseg.io.layers import read_layers
from napari_medseg.session.export.jobs import export_job, export_of
from napari_medseg.session.export.source import Source
from napari_medseg.session.layers.geometry_of import geometry_of

SHAPE = (30, 24, 10)
"""In the order of the files, x first."""


def affine() -> np.ndarray:
    """A tilted patient, voxels of 0.8 x 0.8 x 2.5 mm."""
    angle = np.radians(12)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([0.8, 0.8, 2.5])
    matrix[:3, 3] = (-69.2, 12.0, 30.0)
    return matrix


def mask() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:9, 5:20, 2:6] = 1
    labels[20:24, 2:5, 7:9] = 2
    return labels


def opened(path: Path, data: np.ndarray, matrix: np.ndarray) -> Layer:
    nibabel.save(nibabel.Nifti1Image(data, matrix), path)
    return Layer.create(*read_layers(str(path))[0])


@pytest.fixture
def image(tmp_path: Path) -> Image:
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    return opened(tmp_path / "scan.nii.gz", data, affine())


def as_labels(layer: Layer) -> Labels:
    """What napari's *Convert to Labels* gives."""
    data = np.asarray(layer.data).astype(np.uint8)
    place = {name: getattr(layer, name) for name in ("scale", "translate", "metadata", "units")}
    return Labels(data, **place)


def written(labels: Labels, image: Image, out: Path) -> nibabel.Nifti1Image:
    finished(export_job(export_of(labels, image), FORMATS["nifti"], out))
    return nibabel.load(out)


def test_labels_stored_in_another_order_are_turned_onto_the_image(
    image: Image, tmp_path: Path
) -> None:
    mirrored = affine() @ np.diag([-1.0, 1, 1, 1])
    mirrored[:3, 3] = (affine() @ [SHAPE[0] - 1, 0, 0, 1])[:3]
    layer = opened(tmp_path / "reference.nii.gz", mask()[::-1].astype(np.float32), mirrored)
    found = written(as_labels(layer), image, tmp_path / "out.nii.gz")
    np.testing.assert_allclose(found.affine, affine(), atol=1e-4)
    np.testing.assert_array_equal(np.asarray(found.dataobj), mask())


def test_labels_of_a_part_fill_the_grid_of_their_image(image: Image, tmp_path: Path) -> None:
    part = affine()
    part[:3, 3] = (affine() @ [2, 1, 1, 1])[:3]
    layer = opened(tmp_path / "part.nii.gz", mask()[2:28, 1:, 1:9].astype(np.float32), part)
    found = written(as_labels(layer), image, tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(found.dataobj), mask())


def test_labels_that_lie_elsewhere_are_refused(image: Image, tmp_path: Path) -> None:
    elsewhere = affine()
    elsewhere[0, 3] -= 50.0
    layer = opened(tmp_path / "far.nii.gz", mask().astype(np.float32), elsewhere)
    with pytest.raises(ValueError, match=r"do not lie on the voxels|reach"):
        export_of(as_labels(layer), image)


def test_labels_alone_may_replace_their_own_file(tmp_path: Path) -> None:
    target = tmp_path / "own.nii.gz"
    stored = opened(target, mask().astype(np.float32), affine())
    with layer_source(path=str(target)):
        layer = as_labels(stored)
    finished(export_job(export_of(layer), FORMATS["nifti"], target))
    np.testing.assert_array_equal(np.asarray(nibabel.load(target).dataobj), mask())


def test_labels_without_a_file_go_by_the_screen(image: Image, tmp_path: Path) -> None:
    painted = Labels((np.asarray(image.data) > 1).astype(np.uint8), **geometry_of(image))
    found = written(painted, image, tmp_path / "out.nii.gz")
    scan = nibabel.load(tmp_path / "scan.nii.gz")
    np.testing.assert_allclose(found.affine, scan.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(found.dataobj), scan.get_fdata() > 1)


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_labels_are_exported_when_the_file_of_their_image_has_gone(
    image: Image, tmp_path: Path, content: bytes | None
) -> None:
    scan = tmp_path / "scan.nii.gz"
    matrix = nibabel.load(scan).affine
    if content is None:
        scan.unlink()
    else:
        scan.write_bytes(content)
    painted = Labels((np.asarray(image.data) > 1).astype(np.uint8), **geometry_of(image))
    export = replace(export_of(painted, image), source=Source("nifti", (scan,)))
    finished(export_job(export, FORMATS["nifti"], tmp_path / "out.nii.gz"))
    found = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(found.affine, matrix)
    np.testing.assert_array_equal(np.asarray(found.dataobj).T, painted.data)
