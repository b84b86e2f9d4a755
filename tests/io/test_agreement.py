"""SimpleITK, which shares no code with what we read and write with, finds voxels where we do.

It is an optional extra for tests; they skip where it is not installed. It is trusted here only with
files that are whole: it reads cut ones without a word.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_medseg.io.formats.dicom.seg_writing import write_dicom_seg
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import write_labels
from tests.io.dicom_phantoms import SHAPE, rotated, write_series

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of SWIG, which it is made with
    sitk = pytest.importorskip("SimpleITK")

MARKED = (4, 9, 2)
MM = 1e-3


@pytest.fixture(params=[False, True], ids=["upright", "oblique"])
def series(request, tmp_path):
    return write_series(tmp_path / "series", **({"directions": rotated()} if request.param else {}))


def place(image, index: tuple[int, ...]) -> NDArray[np.float64]:
    """Give where SimpleITK puts a voxel (slice, row, column): mm to the left, back and up."""
    return np.array(image.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]]))


def test_a_dicom_series_lies_where_simpleitk_has_it(series):
    theirs = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series.folder)))
    ours = read_image(series.folder)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs), ours.data)
    for index in ((0, 0, 0), MARKED, tuple(n - 1 for n in SHAPE)):
        up, front, right = (ours.geometry.affine @ [*index, 1.0])[:3]
        np.testing.assert_allclose(place(theirs, index), (-right, -front, up), atol=MM)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
@pytest.mark.parametrize("oblique", [False, True])
def test_nifti_labels_lie_where_simpleitk_has_them(tmp_path, flips, oblique):
    turn = np.eye(4)
    if oblique:
        across, down = np.array(rotated())
        turn[:3, :3] = np.stack([np.cross(across, down), down, across], axis=1)
    affine = turn @ np.diag([*(np.array(flips) * (2.5, 0.7, 0.8)), 1.0])
    affine[:3, 3] = 12.5, -30.0, 40.0
    labels = np.zeros(SHAPE, np.uint8)
    labels[MARKED] = 3
    path = write_labels(tmp_path / "l.nii.gz", labels, Geometry.from_affine(affine))
    theirs = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs), labels)
    up, front, right = (affine @ [*MARKED, 1.0])[:3]
    np.testing.assert_allclose(place(theirs, MARKED), (-right, -front, up), atol=MM)


def test_a_label_map_segmentation_lies_where_simpleitk_has_it(series, tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 1:3, 1:3], labels[MARKED] = 1, 1
    path = write_dicom_seg(tmp_path / "s.dcm", labels, None, series.files)
    theirs = sitk.ReadImage(str(path))
    found = sitk.GetArrayFromImage(theirs)
    places = {tuple(np.round(place(theirs, tuple(i)), 2)) for i in np.argwhere(found)}
    assert places == {tuple(np.round(series.position(i), 2)) for i in np.argwhere(labels)}
