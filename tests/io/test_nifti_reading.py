"""NIfTI files: voxels where the file puts them, and what it leaves open told."""

from __future__ import annotations

import gzip
from itertools import permutations, product

import nibabel
import numpy as np
import pytest

from napari_medseg.io.errors import ReadError
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.io.volume import read_volume

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)  # in the file's order, x first
MARKED = (1, 2, 3)
SIZES = (0.7, 0.9, 3.3)
ORIENTATIONS = [
    (order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]


def codes(path) -> list[str]:
    return [finding.code for finding in read_volume(path).findings]


def affine_of(order, signs, oblique: float = 0.0) -> np.ndarray:
    turn = np.eye(3)[:, list(order)] * signs
    cos, sin = np.cos(oblique), np.sin(oblique)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ turn * np.array(SIZES)
    affine[:3, 3] = (-90.5, 40.25, 12.0)
    return affine


def saved(path, affine, data=VOXELS, **header):
    image = nibabel.Nifti1Image(data, affine)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("oblique", [0.0, 0.4], ids=["straight", "oblique"])
def test_a_marked_voxel_lies_where_nibabel_puts_it_in_48_orientations(tmp_path, oblique):
    for order, signs in ORIENTATIONS:
        path = saved(tmp_path / "a.nii", affine_of(order, signs, oblique))
        image = read_volume(path)
        (index,) = np.argwhere(image.data == VOXELS[MARKED])
        up, front, right = (image.geometry.affine @ [*index, 1.0])[:3]
        expected = nibabel.affines.apply_affine(nibabel.load(path).affine, MARKED)
        np.testing.assert_allclose((right, front, up), expected, atol=1e-3)
        assert image.findings == ()


def test_left_stays_left_on_the_screen(tmp_path):
    for signs in product((1, -1), repeat=3):
        path = saved(tmp_path / "a.nii", affine_of((0, 1, 2), signs))
        ((data, attributes, _),) = read_layers(str(path))
        left, right = (0, -1) if signs[0] > 0 else (-1, 0)  # along the file's first axis
        columns = np.arange(data.shape[-1])[[left, right]]
        shown = columns * attributes["affine"][2, 2]
        assert shown[0] > shown[1]  # the patient's left is on the right


def test_sheared_volume_keeps_its_matrix_and_the_volume_of_a_voxel(tmp_path):
    affine = affine_of((0, 1, 2), (1, 1, 1))
    affine[0, 2] += 1.1
    path = saved(tmp_path / "a.nii", affine)
    image = read_volume(path)
    assert codes(path) == ["sheared"]
    stored = nibabel.load(path).affine
    np.testing.assert_array_equal(image.geometry.affine[:3, :3], stored[:3, :3][::-1, ::-1])
    assert np.prod(image.geometry.spacing) == pytest.approx(abs(np.linalg.det(stored)))


def test_time_is_an_axis_with_its_own_step(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6, 3), np.int16), np.diag([2, 2, 3, 1]))
    image.header.set_zooms((2.0, 2.0, 3.0, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "a.nii.gz")
    ((data, attributes, _),) = read_layers(str(tmp_path / "a.nii.gz"))
    assert data.shape == (3, 6, 5, 4)
    assert attributes["scale"] == (1.5, 3.0, 2.0, 2.0)
    assert attributes["axis_labels"] == ("t", "z", "y", "x")
    assert attributes["units"] == ("s", "mm", "mm", "mm")
    assert attributes["affine"].shape == (5, 5)
    with pytest.raises(ReadError, match="4 axes"):
        read_image(tmp_path / "a.nii.gz")


def test_an_open_image_stays_as_it_is_when_its_file_changes(tmp_path):
    file = saved(tmp_path / "a.nii", np.eye(4))
    image = read_image(file)
    content = file.read_bytes()
    with file.open("r+b") as stream:
        stream.write(content[: -VOXELS.nbytes] + bytes(VOXELS.nbytes))
    np.testing.assert_array_equal(image.data, VOXELS.T)


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize("cut", [0, 1, 4, 8], ids=["flipped", "cut 1", "cut 4", "cut 8"])
def test_a_compressed_file_is_checked_to_its_end(tmp_path, read, cut):
    large = saved(tmp_path / "a.nii", np.eye(4), np.tile(VOXELS, (9, 9, 9)))
    whole = gzip.compress(large.read_bytes(), 0)  # stored as they are
    path = tmp_path / "a.nii.gz"
    path.write_bytes(whole)
    read(path)
    bits = bytearray(whole[: len(whole) - cut])
    bits[-40] ^= 0 if cut else 1
    path.write_bytes(bits)
    with pytest.raises(ReadError, match=r"a\.nii\.gz cannot be read, it is damaged"):
        read(path)


def test_five_axes_are_refused(tmp_path):
    path = saved(tmp_path / "a.nii", np.eye(4), np.zeros((3, 3, 3, 2, 2), np.int16))
    with pytest.raises(ReadError, match="5 axes"):
        read_volume(path)


def test_complex_numbers_are_refused(tmp_path):
    saved(tmp_path / "a.nii.gz", np.eye(4), VOXELS.astype(np.complex64))
    with pytest.raises(ReadError, match="holds complex numbers; save their magnitude"):
        read_volume(tmp_path / "a.nii.gz")


def test_flat_and_tiny_volumes_stay_volumes(tmp_path):
    for n, shape in enumerate([(7, 5), (7, 1, 5), (1, 1, 1)]):
        path = saved(tmp_path / f"{n}.nii", np.eye(4), np.ones(shape, np.int16))
        padded = shape + (1,) * (3 - len(shape))
        assert read_image(path).data.shape == padded[::-1]
