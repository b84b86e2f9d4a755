"""Layers of files are measured and compared as the files are: where they lie in the patient."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from typer.testing import CliRunner

from napari_medseg.cli import app
from napari_medseg.engine.results import finished
from napari_medseg.io.formats.nifti import reversed_axes
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.labels import write_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.session.export.moment import in_space
from napari_medseg.session.layers.region import placed_on
from napari_medseg.session.layers.stack import stack_on_display
from napari_medseg.session.layers.subject import NO_UNIT, Subject, spacing_of, why_not_together
from napari_medseg.session.measurement import Compared, compare_layers_job, measure_layer_job

AFFINE = np.diag([3.0, 0.8, 0.7, 1.0])
NAMES = ("background", "liver")
LABELS = np.zeros((5, 10, 12), np.uint8)
LABELS[1:3, 2:5, 1:3] = 1
VALUES = np.broadcast_to(np.arange(12, dtype=np.float32), LABELS.shape)


def mirrored() -> np.ndarray:
    affine = AFFINE.copy()
    affine[2, 2], affine[2, 3] = -0.7, 11 * 0.7
    return affine


def begun_at(*index: int) -> np.ndarray:
    affine = AFFINE.copy()
    affine[:3, 3] = AFFINE[:3, :3] @ index
    return affine


STORED = {
    "plain": (LABELS, AFFINE),
    "mirrored": (LABELS[..., ::-1], mirrored()),
    "part": (LABELS[1:4, 2:6, 1:5], begun_at(1, 2, 1)),
    "turned": (LABELS.transpose(2, 0, 1), AFFINE[:, [2, 0, 1, 3]]),
    "beyond": (np.pad(LABELS, ((2, 0), (0, 1), (3, 0))), begun_at(-2, 0, -3)),
}


def file_of(folder: Path, name: str) -> Path:
    labels, affine = STORED[name]
    return write_labels(
        folder / f"{name}.nii.gz", labels, Geometry.from_affine(affine), class_names=NAMES
    )


def opened(viewer: ViewerModel, file: Path) -> Layer:
    ((data, attributes, kind),) = read_layers(str(file))
    return viewer.add_layer((Labels if kind == "labels" else Image)(data, **attributes))


def compared(viewer: ViewerModel, prediction: Labels, reference: Labels) -> Compared:
    stack = stack_on_display(reference, viewer.dims)
    return finished(compare_layers_job(*Subject.pair(prediction, reference, stack)))


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.mark.parametrize("name", STORED)
def test_the_scores_of_layers_are_those_of_the_command(viewer, tmp_path, name):
    files = file_of(tmp_path, name), file_of(tmp_path, "plain")
    found = compared(viewer, *(opened(viewer, file) for file in files))
    done = CliRunner().invoke(app, ["compare", *map(str, files), "--json"])
    assert json.loads(done.stdout)["rows"] == found.table.to_dict("records")
    assert found.table.dice.to_list() == [1.0]
    assert not found.wrong.any()


def test_the_picture_of_what_differs_lies_on_the_reference(viewer, tmp_path):
    wrong = np.pad(LABELS, ((2, 0), (0, 1), (3, 0)))
    wrong[0, 0, 0] = 1  # where the reference has no voxel
    geometry = Geometry.from_affine(begun_at(-2, 0, -3))
    file = write_labels(tmp_path / "wrong.nii.gz", wrong, geometry, class_names=NAMES)
    reference = opened(viewer, file_of(tmp_path, "mirrored"))
    found = compared(viewer, opened(viewer, file), reference)
    picture = Labels(found.wrong, **placed_on(reference, found.start))
    ((at),) = np.argwhere(found.wrong == 1)
    np.testing.assert_allclose(
        reference.world_to_data(picture.data_to_world(at)), (-2, 0, 14), atol=1e-6
    )


@pytest.mark.parametrize("name", ["plain", "mirrored", "part", "turned"])
@pytest.mark.parametrize("each_plane", [False, True])
def test_an_image_is_measured_where_the_labels_lie(viewer, tmp_path, name, each_plane):
    nibabel.save(
        nibabel.Nifti1Image(VALUES.T.copy(), reversed_axes(AFFINE)), tmp_path / "scan.nii.gz"
    )
    image = opened(viewer, tmp_path / "scan.nii.gz")
    labels = opened(viewer, file_of(tmp_path, name))
    assert why_not_together(labels, image) == ""
    subject = Subject.of(labels, stack_on_display(labels, viewer.dims))
    table = finished(measure_layer_job(subject, image, each_plane)).table
    weights = table["pixels"] / table["pixels"].sum()
    assert (table["intensity_mean"] * weights).sum() == pytest.approx(1.5)


@pytest.mark.parametrize("moved", [(500.0, 500.0, 500.0), (0.5, 0.0, 0.0)])
def test_layers_of_another_place_are_refused_in_a_sentence(viewer, tmp_path, moved):
    affine = AFFINE.copy()
    affine[:3, 3] = moved
    far = write_labels(
        tmp_path / "far.nii.gz", LABELS, Geometry.from_affine(affine), class_names=NAMES
    )
    labels, reference = opened(viewer, far), opened(viewer, file_of(tmp_path, "plain"))
    with pytest.raises(ValueError, match="do not lie on the same voxels"):
        compared(viewer, labels, reference)
    image = Image(VALUES, metadata=reference.metadata)
    assert "choose the image" in why_not_together(labels, image)
    subject = Subject.of(labels, stack_on_display(labels, viewer.dims))
    with pytest.raises(ValueError, match="choose the image"):
        finished(measure_layer_job(subject, image))


def test_layers_that_do_not_both_know_the_patient_go_by_their_size(viewer, tmp_path):
    reference = opened(viewer, file_of(tmp_path, "plain"))
    painted = viewer.add_labels(LABELS.copy(), translate=(9, 9, 9))
    assert compared(viewer, painted, reference).table.dice.to_list() == [1.0]
    cut = viewer.add_labels(LABELS[1:].copy(), metadata=reference.metadata, translate=(3, 0, 0))
    with pytest.raises(ValueError, match="different sizes"):
        compared(viewer, cut, reference)


def test_the_spacing_is_that_of_the_layer_that_has_one(viewer):
    spaced = viewer.add_labels(LABELS, scale=(3, 1, 1), units=("mm",) * 3)
    plain = viewer.add_labels(LABELS.copy())
    stack = stack_on_display(plain, viewer.dims)
    for subject in Subject.pair(spaced, plain, stack):
        assert (subject.spacing, subject.units) == ((3.0, 1.0, 1.0), "mm")


def test_channels_are_no_volume(viewer):
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[1, 2:4, 2:6] = labels[2, 0, 0] = 1
    placed = {"axis_labels": ("c", "y", "x"), "scale": (1, 0.5, 0.5)}
    layer = viewer.add_labels(labels, units=("pixel", "um", "um"), **placed)
    viewer.dims.set_current_step(0, 1)
    stack = in_space(layer, stack_on_display(layer, viewer.dims))
    table = finished(measure_layer_job(Subject.of(layer, stack), None, False)).table
    assert (table["pixels"].tolist(), table["area_um2"].tolist()) == ([8], [2.0])
    volume = viewer.add_labels(labels)
    whole = stack_on_display(volume, viewer.dims)
    assert in_space(volume, whole) == whole


def test_a_scale_without_a_unit_is_not_called_pixels(viewer):
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[1, 2:4, 2:6] = 1
    plain, scaled = viewer.add_labels(labels), viewer.add_labels(labels, scale=(3, 0.5, 0.7))
    assert spacing_of(plain) == ((1.0, 1.0, 1.0), "px")
    assert spacing_of(scaled) == ((3.0, 0.5, 0.7), NO_UNIT)
    subject = Subject.of(scaled, stack_on_display(scaled, viewer.dims))
    table = finished(measure_layer_job(subject, None, False)).table
    assert table["pixels"].tolist() == [8]
    assert table["volume_unit3"].tolist() == pytest.approx([8 * 3 * 0.5 * 0.7])
    known = viewer.add_labels(labels, scale=(2, 1, 1), units=("mm",) * 3)
    both = Subject.pair(known, scaled, stack_on_display(scaled, viewer.dims))
    assert [subject.units for subject in both] == ["mm", "mm"]


def test_classes_are_matched_by_name_and_so_is_the_picture(viewer):
    def notes(*names):
        return {"medseg": {"class_names": ["background", *names]}}

    labels = LABELS.copy()
    labels[4] = 2
    swapped = (3 - labels) * (labels > 0)
    reference = viewer.add_labels(labels, metadata=notes("liver", "tumour"))
    same = viewer.add_labels(swapped, metadata=notes("tumour", "liver"))
    found = compared(viewer, same, reference)
    assert found.table.dice.to_list() == [1.0, 1.0]
    assert (found.wrong.any(), found.notice) == (False, "")
    other = viewer.add_labels(swapped, metadata=notes("tumour", "vessel"))
    found = compared(viewer, other, reference)
    assert found.table.dice.to_list() == [0.0, 0.0]
    assert "compared by number" in found.notice
