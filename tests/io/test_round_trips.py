"""Labels go out and come back to the same place in the patient, in every orientation and format."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Layer

from napari_medseg.io.formats.dicom.seg_reading import read_segmentation
from napari_medseg.io.formats.dicom.seg_writing import write_dicom_seg
from napari_medseg.io.formats.nnunet import NnunetCase, cases_of, nnunet_steps, why_no_case_name
from napari_medseg.io.formats.zarr_labels import read_zarr_labels, zarr_label_steps
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import GridError, on_grid
from napari_medseg.io.images import read_image
from napari_medseg.io.label_file import LabelFile
from napari_medseg.io.label_formats import FORMATS, suited, why_not
from napari_medseg.io.labels import label_steps, read_labels, write_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.io.steps import finish
from napari_medseg.io.volume import read_volume

from .dicom_phantoms import SHAPE, rotated, write_series

ORIENTATIONS = [
    np.array([[sign if row == axis else 0.0 for row in range(3)] for axis, sign in chosen]).T
    for order in permutations(range(3))
    for chosen in [tuple(zip(order, signs, strict=True)) for signs in product((1, -1), repeat=3)]
]
OBLIQUE = np.column_stack([*rotated(), np.cross(*rotated())])
SPACING = np.array([2.5, 0.7, 0.8])
MARK = (1, 2, 3)
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[MARK] = 2
LABELS[4, 7:9, 5] = 1
LEFT_MOST = (3, 6, SHAPE[2] - 1)
NAMES = ("background", "left kidney", "lesion")


def scan(orientation, shear: float = 0.0) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = OBLIQUE @ orientation * SPACING
    affine[:3, 0] += shear * affine[:3, 1]
    affine[:3, 3] = (-123.456, 41.7, 1 / 3)
    return Geometry.from_affine(affine)


def written(folder: Path, kind: str, geometry: Geometry) -> LabelFile:
    """Write the labels and read them back with the reader of the app."""
    path = folder / f"labels{FORMATS[kind].suffixes[0]}"
    if kind == "ome-zarr":
        return read_zarr_labels(finish(zarr_label_steps(path, LABELS, geometry, None, NAMES)))
    return read_labels(write_labels(path, LABELS, geometry, None, NAMES))


def place(geometry: Geometry, index) -> np.ndarray:
    return (geometry.affine @ [*index, 1.0])[:3]


@pytest.mark.parametrize("kind", ["nifti", "ome-tiff", "ome-zarr"])
@pytest.mark.parametrize("shear", [0.0, 0.2], ids=["orthogonal", "sheared"])
def test_a_marked_voxel_stays_in_its_place_in_all_orientations(tmp_path, kind, shear):
    for orientation in ORIENTATIONS:
        geometry = scan(orientation, shear)
        found = written(tmp_path, kind, geometry)
        (index,) = np.argwhere(found.labels == 2)
        assert np.abs(place(found.geometry, index) - place(geometry, MARK)).max() < 1e-3
        np.testing.assert_array_equal(found.labels, LABELS)


def test_nibabel_finds_a_marked_voxel_in_its_place_in_all_orientations(tmp_path):
    for orientation in ORIENTATIONS:
        geometry = scan(orientation)
        image = nibabel.load(write_labels(tmp_path / "a.nii.gz", LABELS, geometry))
        (index,) = np.argwhere(np.asarray(image.dataobj) == 2)
        up, front, right = place(geometry, MARK)
        for affine in (image.affine, image.get_qform(), image.get_sform()):
            found = nibabel.affines.apply_affine(affine, index)
            assert np.abs(found - (right, front, up)).max() < 1e-3


def test_a_segmentation_of_a_series_stays_in_its_place_in_all_orientations(tmp_path):
    """The series lies in 24 ways; the labels are stored in its order or in the opposite one."""
    for number, orientation in enumerate(ORIENTATIONS):
        axes = OBLIQUE @ orientation
        down, across = axes[:, 1], axes[:, 2]
        folder = tmp_path / f"series {number}"
        series = write_series(folder, directions=(across, down), spacing=SPACING)
        image = read_image(folder)
        geometry, stored = image.geometry, LABELS
        if np.linalg.det(axes) < 0:
            back = np.diag([-1.0, 1.0, 1.0, 1.0])
            back[0, 3] = SHAPE[0] - 1
            geometry, stored = Geometry.from_affine(geometry.affine @ back), LABELS[::-1]
        path = write_dicom_seg(folder / "seg.dcm", stored, geometry, series.files)
        found = read_segmentation(path, image)
        np.testing.assert_array_equal(found.labels, LABELS)
        left, back_, up = series.position(MARK)
        assert np.abs(place(found.geometry, MARK) - (up, -back_, -left)).max() < 1e-3


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """An axial series, and labels that mark the voxel furthest to the patient's left."""
    series = write_series(tmp_path_factory.mktemp("head"))
    labels = np.zeros(SHAPE, np.uint8)
    labels[LEFT_MOST] = 1
    assert series.position(LEFT_MOST)[0] > series.position((3, 6, 0))[0]  # DICOM counts to left
    return series, labels, read_volume(series.folder)


def test_image_and_labels_of_a_case_of_one_plane_come_back_as_planes(tmp_path):
    dataset = tmp_path / "Dataset001_Plane"
    where = Geometry((0.5, 0.25), units="mm")
    finish(nnunet_steps(dataset, NnunetCase("c", LABELS[2] * 3.0, False, LABELS[2], where)))
    image = read_volume(dataset / "imagesTr" / "c_0000.nii.gz")
    found = read_labels(dataset / "labelsTr" / "c.nii.gz")
    assert image.data.shape == found.labels.shape == LABELS[2].shape
    assert image.geometry == found.geometry == where


@pytest.mark.parametrize("kind", ["nifti", "ome-tiff", "ome-zarr", "dicom-seg", "nnunet"])
def test_left_stays_left_in_every_format(tmp_path, head, kind):
    series, labels, image = head
    if kind == "dicom-seg":
        path = write_dicom_seg(tmp_path / "s.dcm", labels, image.geometry, series.files)
        found = read_segmentation(path)
    elif kind == "nnunet":
        dataset = tmp_path / "Dataset001_Head"
        case = NnunetCase("c", image.data, False, labels, image.geometry)
        finish(nnunet_steps(dataset, case))
        found = read_labels(dataset / "labelsTr" / "c.nii.gz")
    elif kind == "ome-zarr":
        path = finish(zarr_label_steps(tmp_path / "s.ome.zarr", labels, image.geometry))
        found = read_zarr_labels(path)
    else:
        path = tmp_path / f"s{FORMATS[kind].suffixes[0]}"
        found = read_labels(write_labels(path, labels, image.geometry))
    (index,) = np.argwhere(found.labels)
    right = place(found.geometry, index)[2]
    assert right == pytest.approx(-series.position(LEFT_MOST)[0], abs=1e-3)


@pytest.mark.parametrize("suffix", [".nii.gz", ".ome.tif", ".ome.zarr"])
def test_reopened_labels_lie_on_their_image_on_the_screen(tmp_path, head, suffix):
    series, labels, image = head
    path = tmp_path / f"labels{suffix}"
    if suffix == ".ome.zarr":
        finish(zarr_label_steps(path, labels, image.geometry, None, NAMES))
    else:
        write_labels(path, labels, image.geometry, None, NAMES)
    shown = Layer.create(*read_layers(str(series.folder))[0])
    reopened = Layer.create(*read_layers(str(path))[0])
    assert reopened._type_string == "labels"
    for corner in ([0, 0, 0], [3, 6, 9], [5, 11, 0]):
        np.testing.assert_allclose(
            reopened.data_to_world(corner), shown.data_to_world(corner), atol=1e-3
        )


def header_fields(path) -> dict[str, bytes]:
    names = ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "pixdim")
    names += ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    header = nibabel.load(path).header
    return {name: np.asarray(header[name]).tobytes() for name in names}


@pytest.mark.parametrize("kind", ["sform", "qform", "both", "neither"])
def test_nifti_labels_have_the_placement_of_their_nifti_image_to_the_bit(tmp_path, kind):
    affine = scan(ORIENTATIONS[7]).affine[np.ix_([2, 1, 0, 3], [2, 1, 0, 3])]
    image = nibabel.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1 if kind in ("sform", "both") else 0)
    image.set_qform(affine, 3 if kind in ("qform", "both") else 0)
    nibabel.save(image, tmp_path / "scan.nii.gz")
    geometry = read_volume(tmp_path / "scan.nii.gz").geometry
    path = tmp_path / "labels.nii.gz"
    finish(label_steps(path, LABELS, geometry, like=tmp_path / "scan.nii.gz"))
    assert header_fields(path) == header_fields(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(np.asarray(nibabel.load(path).dataobj).T, LABELS)


def test_labels_of_a_nifti_2_image_are_nifti_2_on_its_grid_and_nnunet_gets_nifti_1(
    tmp_path, caplog
):
    affine = scan(ORIENTATIONS[7]).affine[np.ix_([2, 1, 0, 3], [2, 1, 0, 3])]
    affine[0, 3] = 1 / 3  # no number of 32 bits
    image = nibabel.Nifti2Image(np.zeros(SHAPE[::-1], np.int16), affine)
    image.header["qform_code"] = 0
    nibabel.save(image, tmp_path / "scan.nii")
    raw = bytearray((tmp_path / "scan.nii").read_bytes())
    raw[104:112] = b"\0" * 8  # pixdim[0], of which nibabel remarks that it must be 1 or -1
    (tmp_path / "scan.nii").write_bytes(raw)
    found = read_volume(tmp_path / "scan.nii")
    path = tmp_path / "labels.nii.gz"
    finish(label_steps(path, LABELS, found.geometry, like=tmp_path / "scan.nii"))
    assert not caplog.records
    labels = nibabel.load(path)
    assert isinstance(labels, nibabel.Nifti2Image)
    np.testing.assert_array_equal(labels.affine, affine)
    np.testing.assert_array_equal(np.asarray(labels.dataobj).T, LABELS)
    case = NnunetCase("a", found.data, False, LABELS, found.geometry, like=tmp_path / "scan.nii")
    dataset = finish(nnunet_steps(tmp_path / "Dataset001_A", case))
    for part in ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"):
        assert not isinstance(nibabel.load(dataset / part), nibabel.Nifti2Image)


def test_labels_of_an_image_that_knows_no_patient_claim_none(tmp_path):
    geometry = Geometry((3.0, 0.5, 0.25), units="mm")
    path = write_labels(tmp_path / "a.nii.gz", LABELS, geometry)
    header = nibabel.load(path).header
    assert int(header["sform_code"]) == int(header["qform_code"]) == 0
    assert read_labels(path).geometry == geometry


def test_ome_zarr_is_as_the_specification_says(tmp_path):
    labels = np.zeros((2, 600, 500), np.uint16)
    labels[1, 100:300, 200:400] = 300
    geometry = Geometry((3.0, 0.5, 0.25), (1.0, 2.0, 3.0), units="um")
    path = finish(zarr_label_steps(tmp_path / "a.ome.zarr", labels, geometry, None, NAMES))
    group = zarr.open_group(path, mode="r")
    described = group.attrs["ome"]
    scales = described["multiscales"][0]
    assert described["version"] == "0.5" and len(scales["datasets"]) == 3
    assert scales["axes"][0] == {"name": "z", "type": "space", "unit": "micrometer"}
    first, second = (entry["coordinateTransformations"] for entry in scales["datasets"][:2])
    assert first[0]["scale"] == [3.0, 0.5, 0.25] and second[0]["scale"] == [3.0, 1.0, 0.5]
    assert first[1]["translation"] == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(group["1"][...], labels[:, ::2, ::2])
    assert group["0"].metadata.dimension_names == ("z", "y", "x")
    assert described["image-label"]["properties"] == [{"label-value": 300, "class": "class 300"}]


def test_nnunet_dataset_grows_case_by_case(tmp_path):
    dataset = tmp_path / "Dataset001_Kidney"
    geometry = scan(ORIENTATIONS[5])
    image = np.arange(LABELS.size, dtype=">i2").reshape(SHAPE)
    for name in ("case_001", "case_002", "case_001"):
        finish(nnunet_steps(dataset, NnunetCase(name, image, False, LABELS, geometry, NAMES, "CT")))
    described = json.loads((dataset / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "left kidney": 1, "lesion": 2}
    assert described["channel_names"] == {"0": "CT"} and described["numTraining"] == 2
    assert described["file_ending"] == ".nii.gz"
    assert cases_of(dataset) == ["case_001", "case_002"]
    for entry in described["dataset"].values():
        (file,) = entry["images"]
        found, labels = nibabel.load(dataset / file), nibabel.load(dataset / entry["label"])
        np.testing.assert_array_equal(np.asarray(found.dataobj).T, image)
        np.testing.assert_array_equal(np.asarray(labels.dataobj).T, LABELS)
        np.testing.assert_array_equal(found.affine, labels.affine)


@pytest.mark.parametrize("names", [("p", "p-v2", "p"), ("p", "p", "p-v2"), ("p", "P", "p-V2", "p")])
def test_a_case_never_takes_the_files_of_another(tmp_path, names):
    dataset = tmp_path / "Dataset001_Kidney"
    stray = dataset / "labelsTr" / "p.nii.gz"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"of another program")
    geometry = Geometry((1.0, 1.0, 1.0), units="mm")
    for number, name in enumerate(names):
        image = np.full(SHAPE, number, np.int16)
        finish(nnunet_steps(dataset, NnunetCase(name, image, False, LABELS, geometry)))
    cases = json.loads((dataset / "dataset.json").read_text())["dataset"]
    for name, number in {name: number for number, name in enumerate(names)}.items():
        (file,) = cases[name]["images"]
        assert (read_image(dataset / file).data == number).all()
    files = [entry["images"][0].casefold() for entry in cases.values()]
    assert len(set(files)) == len(cases)
    assert stray.read_bytes() == b"of another program"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", ".a", "Möller", "a\n"])
def test_names_that_no_case_can_have_are_told(name):
    assert why_no_case_name(name).endswith(".")
    assert not why_no_case_name("0.-_A")


def test_colour_picture_becomes_three_channels(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (7, 9, 4), dtype=np.uint8)
    labels = (picture[..., 0] > 99).astype(np.uint8)
    case = NnunetCase("p", picture, True, labels, Geometry((1.0, 1.0)))
    dataset = finish(nnunet_steps(tmp_path / "Dataset002_Skin", case))
    described = json.loads((dataset / "dataset.json").read_text())
    assert described["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    for number, file in enumerate(described["dataset"]["p"]["images"]):
        found = np.asarray(nibabel.load(dataset / file).dataobj).T[0]
        np.testing.assert_array_equal(found, picture[..., number])
        assert read_image(dataset / file).geometry.units == "pixel"


def test_nnunet_refuses_what_does_not_fit_the_dataset(tmp_path):
    dataset = tmp_path / "Dataset003_X"
    image, geometry = np.zeros(SHAPE, np.float32), Geometry((1.0, 1.0, 1.0))
    finish(nnunet_steps(dataset, NnunetCase("a", image, False, LABELS, geometry, NAMES)))
    before = (dataset / "dataset.json").read_bytes()
    for case, reason in (
        (NnunetCase("b", image, False, LABELS, geometry, ("background", "spleen")), "is called"),
        (NnunetCase("b", np.zeros((*SHAPE, 3)), True, LABELS, geometry, NAMES), "other channels"),
        (NnunetCase("b", image[1:], False, LABELS, geometry, NAMES), "size"),
        (NnunetCase("b", image * np.nan, False, LABELS, geometry, NAMES), "NaN"),
        (NnunetCase("b/c", image, False, LABELS, geometry, NAMES), "cannot name a case"),
        (NnunetCase("b", image, False, LABELS * np.uint16(300), geometry), "without a gap"),
        (
            NnunetCase("b", image, False, LABELS, geometry, (*NAMES, NAMES[1])),
            "Two classes are called",
        ),
    ):
        with pytest.raises(ValueError, match=reason):
            finish(nnunet_steps(dataset, case))
    assert (dataset / "dataset.json").read_bytes() == before
    assert len(list((dataset / "imagesTr").iterdir())) == 1


def test_formats_that_suit_the_image_come_first():
    assert [f.key for f in suited(3, "dicom")][:2] == ["dicom-seg", "nifti"]
    assert suited(2, "")[0].key == "png"
    assert suited(3, "ome-zarr")[0].key == "ome-zarr"
    assert {f.key for f in suited(3, "")} == set(FORMATS)
    assert why_not(FORMATS["png"], 3, True, True)
    assert why_not(FORMATS["dicom-seg"], 3, False, True)
    assert not why_not(FORMATS["nifti"], 3, False, False)


@settings(max_examples=40, deadline=None)
@given(
    number=st.integers(0, 47),
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    corner=st.tuples(*[st.floats(-1e3, 1e3)] * 3),
    spacing=st.tuples(*[st.floats(0.05, 20.0)] * 3),
    values=st.integers(0, 2**32 - 1),
)
def test_turning_labels_onto_a_grid_keeps_every_voxel_in_its_place(
    number, shape, corner, spacing, values
):
    onto = np.eye(4)
    onto[:3, :3] = OBLIQUE * spacing
    onto[:3, 3] = corner
    labels = np.random.default_rng(values).integers(0, 9, shape)
    turn = np.eye(4)
    turn[:3, :3] = ORIENTATIONS[number]
    other_shape = tuple((np.abs(ORIENTATIONS[number]) @ shape).astype(int))
    turn[:3, 3] = (turn[:3, :3].sum(axis=1) < 0) * (np.array(other_shape) - 1)
    found = on_grid(labels, onto @ turn, other_shape, onto)
    for index in np.argwhere(labels):
        there = np.rint(turn @ [*index, 1.0])[:3].astype(int)
        assert found[tuple(there)] == labels[tuple(index)]
    with pytest.raises(GridError):
        on_grid(labels, onto @ turn @ np.diag([1.0, 1.0, 1.3, 1.0]), other_shape, onto)


@settings(max_examples=25, deadline=None)
@given(
    dtype=st.sampled_from([np.uint8, np.int16, np.uint16, np.int64, ">u2", ">i4", bool]),
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    number=st.integers(0, 47),
    seed=st.integers(0, 99),
    kind=st.sampled_from(["nifti", "ome-tiff", "ome-zarr"]),
)
def test_any_labels_of_any_type_come_back(tmp_path_factory, dtype, shape, number, seed, kind):
    labels = np.random.default_rng(seed).integers(0, 2 if dtype is bool else 300, shape)
    labels = (labels % 128 if dtype is np.uint8 else labels).astype(dtype)
    geometry = scan(ORIENTATIONS[number])
    path = tmp_path_factory.mktemp("any") / f"a{FORMATS[kind].suffixes[0]}"
    if kind == "ome-zarr":
        found = read_zarr_labels(finish(zarr_label_steps(path, labels, geometry)))
    else:
        found = read_labels(write_labels(path, labels, geometry))
    np.testing.assert_array_equal(found.labels, labels)
    last = [n - 1 for n in shape]
    assert np.abs(place(found.geometry, last) - place(geometry, last)).max() < 1e-3
