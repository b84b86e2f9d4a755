"""DICOM-SEG files opened while images are open: on their image, or where they lie."""

from __future__ import annotations

import nibabel
import numpy as np
import pydicom
import pytest

from napari_medseg.io.formats.dicom.seg_writing import write_dicom_seg
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.labels import write_labels
from napari_medseg.io.volume import read_volume
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.stack import stack_on_display
from napari_medseg.session.layers.subject import Subject, why_not_together

from ..io.dicom_phantoms import AXIAL, SHAPE, block, rotated, write_series

pytestmark = pytest.mark.gui

LABELS = np.zeros(SHAPE, np.uint8)
LABELS[2:4, 4:8, 2:6] = 1


@pytest.fixture
def window(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "series", directions=rotated())


@pytest.fixture
def segments(series, tmp_path):
    image = read_volume(series.folder)
    (tmp_path / "segments").mkdir()
    target = tmp_path / "segments" / "labels.dcm"
    return write_dicom_seg(target, LABELS, image.geometry, series.files)


def opened(window, path):
    (layer,) = window.open(str(path), plugin="napari-medseg")
    return layer


def findings(layer) -> str:
    return " ".join(layer.metadata["medseg"]["findings"])


@pytest.mark.parametrize("at_once", [1, 2])
def test_segments_lie_on_the_series_that_is_open(window, series, segments, at_once):
    image = opened(window, series.folder)
    files = [segments, segments.with_name("more.dcm")][:at_once]
    for file in files[1:]:
        file.write_bytes(segments.read_bytes())
    names = [str(file) for file in files]
    labels = window.open(names, stack=at_once > 1, plugin="napari-medseg")
    assert len(labels) == at_once
    for layer in labels:
        np.testing.assert_array_equal(layer.data, LABELS)
        np.testing.assert_allclose(layer.data_to_world((3, 5, 4)), image.data_to_world((3, 5, 4)))
        assert layer.name.startswith(f"Segments of {image.name}")
        assert not findings(layer)


def test_segments_lie_on_a_nifti_of_the_same_voxels(window, series, segments, tmp_path):
    copy = write_labels(tmp_path / "copy.nii.gz", LABELS + 1, read_volume(series.folder).geometry)
    opened(window, copy)
    labels = opened(window, segments)
    np.testing.assert_array_equal(labels.data, LABELS)


@pytest.mark.parametrize("axis", [0, 1, 2, "exchanged"])
def test_segments_lie_on_a_nifti_that_stores_the_voxels_in_another_order(
    window, series, segments, tmp_path, axis
):
    file = write_labels(tmp_path / "x.nii.gz", LABELS + 1, read_volume(series.folder).geometry)
    found = nibabel.load(file)
    turn = np.array([[i, 1] for i in range(3)])
    if axis == "exchanged":
        turn = turn[[1, 2, 0]]
    else:
        turn[axis, 1] = -1
    nibabel.save(found.as_reoriented(turn), file)
    image = opened(window, file)
    labels = opened(window, segments)
    np.testing.assert_array_equal(labels.data, image.data == 2)
    np.testing.assert_allclose(labels.data_to_world((3, 5, 4)), image.data_to_world((3, 5, 4)))
    assert why_not_together(labels, image) == "" and not findings(labels)


def test_segments_of_an_image_of_which_a_part_is_open_are_told(window, series, segments):
    image = opened(window, series.folder)
    data, attributes, _ = image.as_layer_data_tuple()
    for part, start in ((data[2:5], (5.0, 0.0, 0.0)), (data[:3], (0.0, 0.0, 0.0))):
        window.layers.clear()
        window.add_image(part, **{**attributes, "translate": start, "name": "part"})
        labels = opened(window, segments)
        assert labels.data.shape == (2, 12, 10)
        assert "“part” is only a part of an image" in findings(labels)


def test_segments_of_a_series_that_lacks_a_plane_are_told(window, series, segments):
    series.files[2].unlink()
    opened(window, series.folder)
    assert "is only a part of an image" in findings(opened(window, segments))


def test_segments_that_name_no_series_lie_on_the_one_that_fits(window, series, segments, tmp_path):
    other = np.zeros((3, 9, 9), np.uint8)
    opened(window, write_labels(tmp_path / "other.nii.gz", other, Geometry((3.0, 3.0, 3.0))))
    opened(window, series.folder)
    header = pydicom.dcmread(segments)
    del header.ReferencedSeriesSequence
    header.save_as(segments)
    labels = opened(window, segments)
    np.testing.assert_array_equal(labels.data, LABELS)
    assert not findings(labels)


def test_segments_on_other_voxels_are_shown_where_they_lie(window, series, segments, tmp_path):
    frame = {"FrameOfReferenceUID": read_volume(series.folder).source["frame_of_reference"]}
    thick = write_series(
        tmp_path / "thick",
        stored=np.zeros((3, 12, 10), np.int16),
        directions=rotated(),
        spacing=(5.0, 0.7, 0.8),
        **frame,
    )
    image = opened(window, thick.folder)
    labels = opened(window, segments)
    assert labels.data.shape == (2, 12, 10)
    there, here = labels.data_to_world((0, 4, 2)), image.data_to_world((1, 4, 2))
    np.testing.assert_allclose(there, here, atol=1e-3)
    assert "shown where they lie in the patient" in findings(labels)


@pytest.mark.parametrize("directions", [AXIAL, rotated()])
def test_segments_of_a_part_are_measured_on_the_whole(window, tmp_path, directions):
    whole = write_series(tmp_path / "whole", directions=directions)
    part = write_series(
        tmp_path / "part",
        stored=block()[:, 2:10, 1:9].copy(),
        directions=directions,
        corner=whole.position((0, 2, 1)),
        FrameOfReferenceUID=read_volume(whole.folder).source["frame_of_reference"],
    )
    (tmp_path / "segments").mkdir()
    segments = write_dicom_seg(
        tmp_path / "segments" / "labels.dcm",
        LABELS[:, 2:10, 1:9],
        read_volume(part.folder).geometry,
        part.files,
    )
    image = opened(window, whole.folder)
    labels = opened(window, segments)
    assert labels.data.shape == (2, 8, 8)
    np.testing.assert_allclose(labels.data_to_world((0, 0, 0)), image.data_to_world((2, 2, 1)))
    assert why_not_together(labels, image) == ""
    reference = window.add_labels(LABELS, metadata=image.metadata, **geometry_of(image))
    one, other = Subject.pair(labels, reference, stack_on_display(reference, window.dims))
    np.testing.assert_array_equal(one.labels, LABELS)
    np.testing.assert_array_equal(other.labels, LABELS)


def test_segments_of_another_patient_are_told(window, segments, tmp_path):
    opened(window, write_series(tmp_path / "other", directions=rotated()).folder)
    labels = opened(window, segments)
    assert labels.data.shape == (2, 12, 10)
    assert "made on none of the images that are open" in findings(labels)
