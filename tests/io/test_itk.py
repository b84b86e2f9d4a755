"""NRRD and MetaImage, as 3D Slicer, ITK and challenge platforms write them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from napari_medseg.io.errors import ReadError
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.io.volume import read_volume
from tests.io.dicom_phantoms import rotated

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of SWIG, which it is made with
    sitk = pytest.importorskip("SimpleITK")

VOXELS = np.random.default_rng(0).integers(-1000, 3000, (4, 6, 5)).astype(np.int16)
MARKED = (3, 1, 2)


def write(path, voxels, *, vector=False, fields=(), **options):
    across, down = np.array(rotated())
    image = sitk.GetImageFromArray(voxels, isVector=vector)
    if image.GetDimension() == 3:
        image.SetDirection(np.stack([across, down, np.cross(across, down)], axis=1).ravel())
        image.SetOrigin((12.5, -30.0, 40.0))
    image.SetSpacing((0.7, 0.8, 2.5, 1.0)[: image.GetDimension()])
    for key, value in dict(fields).items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path), **options)
    return image


def by_hand(path, *lines):
    """Write a NRRD whose header SimpleITK would not write."""
    header = ["NRRD0004", "type: short", "encoding: raw", "endian: little", *lines]
    path.write_bytes("\n".join([*header, "", ""]).encode() + VOXELS.tobytes())
    return path


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
def test_voxels_are_where_itk_has_them(tmp_path, name, compressed):
    theirs = write(tmp_path / name, VOXELS, useCompression=compressed)
    ours = read_image(tmp_path / name)
    np.testing.assert_array_equal(ours.data, VOXELS)
    assert ours.data.dtype == np.int16
    assert ours.geometry.units == "mm"
    assert ours.geometry.spacing == pytest.approx((2.5, 0.8, 0.7))
    up, front, right = (ours.geometry.affine @ [*MARKED, 1.0])[:3]
    placed = theirs.TransformIndexToPhysicalPoint([int(n) for n in MARKED[::-1]])
    np.testing.assert_allclose(placed, (-right, -front, up), atol=1e-4)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_cut_file_is_refused(tmp_path, name, compressed, kept):
    write(tmp_path / name, VOXELS, useCompression=compressed)
    (file,) = [f for f in tmp_path.iterdir() if f.suffix != ".mhd"]
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ReadError, match="damaged or not what its name says; get it again"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd", "a.nhdr"])
def test_a_flipped_bit_in_compressed_voxels_is_refused(tmp_path, name):
    write(tmp_path / name, VOXELS, useCompression=True)
    (file,) = [f for f in tmp_path.iterdir() if f.suffix not in (".mhd", ".nhdr")]
    whole = file.read_bytes()
    for at in (len(whole) - 60, len(whole) - 6, len(whole) - 2):  # the last in its checksum
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(ReadError, match=f"{file.name} cannot be read, it is damaged"):
            read_image(tmp_path / name)


def test_complex_numbers_are_refused(tmp_path):
    write(tmp_path / "a.nrrd", VOXELS.astype(np.complex64))
    with pytest.raises(ReadError, match=r"a.nrrd holds complex numbers; save their magnitude"):
        read_image(tmp_path / "a.nrrd")


def test_colours_are_colours_and_other_vectors_are_refused(tmp_path):
    photo = np.random.default_rng(1).integers(0, 255, (6, 5, 3)).astype(np.uint8)
    write(tmp_path / "photo.mha", photo, vector=True)
    image = read_image(tmp_path / "photo.mha")
    assert image.rgb
    assert image.geometry.spacing == (0.8, 0.7)
    np.testing.assert_array_equal(image.data, photo)
    write(tmp_path / "field.mha", photo.astype(np.float32), vector=True)
    with pytest.raises(ReadError, match=r"field.mha has 3 values in every voxel"):
        read_image(tmp_path / "field.mha")


def test_time_is_an_axis_of_its_own(tmp_path):
    write(tmp_path / "beating.mha", np.stack([VOXELS, VOXELS + 1]))
    ((data, attributes, kind),) = read_layers(str(tmp_path / "beating.mha"))
    assert (kind, data.shape) == ("image", (2, 4, 6, 5))
    assert attributes["axis_labels"] == ("t", "z", "y", "x")
    assert attributes["scale"] == pytest.approx((1.0, 2.5, 0.8, 0.7))


def test_the_interval_has_the_unit_of_the_file(tmp_path):
    lines = ["dimension: 4", "sizes: 5 6 2 2", "spacings: 0.7 0.8 2.5 40"]
    image = read_volume(by_hand(tmp_path / "a.nrrd", *lines, 'units: "mm" "mm" "mm" "ms"'))
    assert (image.geometry.spacing, image.step) == ((2.5, 0.8, 0.7), (0.04, "s"))
    assert read_volume(by_hand(tmp_path / "b.nrrd", *lines)).step == (1.0, "pixel")


def test_a_metaimage_without_a_place_claims_no_direction(tmp_path):
    header = "NDims = 3\nDimSize = 5 6 4\nElementType = MET_SHORT\nElementSpacing = 0.7 0.8 2.5\n"
    path, data = tmp_path / "a.mha", b"ElementDataFile = LOCAL\n" + VOXELS.tobytes()
    path.write_bytes(header.encode() + data)
    image = read_image(path)
    assert [finding.code for finding in image.findings] == ["orientation unknown"]
    assert (image.geometry.spacing, image.geometry.matrix) == ((2.5, 0.8, 0.7), ())
    path.write_bytes(header.encode() + b"Offset = 1 2 3\n" + data)
    assert not read_image(path).findings


def test_a_space_that_is_not_the_patients_claims_no_direction(tmp_path):
    lines = ["dimension: 3", "sizes: 5 6 4"]
    placed = ["space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)", "space origin: (1,2,3)"]
    for space in (["space: scanner-xyz", *placed], ["spacings: 0.7 0.8 2.5"]):
        image = read_image(by_hand(tmp_path / "a.nrrd", *lines, *space))
        assert [finding.code for finding in image.findings] == ["orientation unknown"]
        assert not image.geometry.matrix
        assert image.geometry.spacing == pytest.approx((2.5, 0.8, 0.7))


@pytest.mark.parametrize(("unit", "expected"), [("cm", "mm"), ("mm", "mm"), ("um", "um")])
def test_lengths_have_the_unit_of_the_file(tmp_path, unit, expected):
    path = by_hand(
        tmp_path / "a.nrrd",
        *("dimension: 3", "sizes: 5 6 4", "space: right-anterior-superior"),
        "space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)",
        f'space units: "{unit}" "{unit}" "{unit}"',
        "space origin: (1,2,3)",
    )
    geometry = read_image(path).geometry
    factor = 10.0 if unit == "cm" else 1.0
    assert geometry.units == expected
    assert geometry.spacing == pytest.approx((2.5 * factor, 0.8 * factor, 0.7 * factor))
    assert geometry.affine[:3, 3] == pytest.approx((3 * factor, 2 * factor, 1 * factor))


def test_units_that_are_no_length_do_not_count_and_two_lengths_are_refused(tmp_path):
    lines = ["dimension: 3", "sizes: 5 6 4", "spacings: 0.7 0.8 2.5"]
    odd = read_image(by_hand(tmp_path / "a.nrrd", *lines, 'units: "um" "um" "s"'))
    assert (odd.geometry.units, odd.geometry.spacing) == ("um", (2.5, 0.8, 0.7))
    by_hand(tmp_path / "b.nrrd", *lines, 'units: "um" "um" "mm"')
    with pytest.raises(ReadError, match=r"b.nrrd measures its axes in different units"):
        read_image(tmp_path / "b.nrrd")


def segment(at: int, name: str, value: int, layer: int) -> dict[str, str]:
    entries = {"Name": name, "LabelValue": str(value), "Layer": str(layer)}
    return {f"Segment{at}_{key}": entry for key, entry in entries.items()}


def test_a_slicer_segmentation_opens_as_labels_with_its_names(tmp_path):
    masks = np.zeros((4, 6, 5), np.uint8)
    masks[1], masks[2] = 1, 3
    fields = segment(0, "liver", 1, 0) | segment(1, "tumour", 3, 0)
    write(tmp_path / "case.seg.nrrd", masks, fields=fields)
    ((labels, attributes, kind),) = read_layers(str(tmp_path / "case.seg.nrrd"))
    assert (kind, attributes["name"]) == ("labels", "case")
    np.testing.assert_array_equal(labels, masks)
    names = attributes["metadata"]["medseg"]["class_names"]
    assert names == ["background", "liver", "class 2", "tumour"]


def test_segments_in_several_layers_become_one_label_map(tmp_path):
    masks = np.zeros((4, 6, 5, 2), np.uint8)
    masks[1, ..., 0] = masks[2, ..., 1] = 1
    masks[1, 0, 0, 1] = 1
    fields = segment(0, "liver", 1, 0) | segment(1, "tumour", 1, 1)
    write(tmp_path / "case.seg.nrrd", masks, vector=True, fields=fields)
    found = read_labels(tmp_path / "case.seg.nrrd")
    expected = np.zeros((4, 6, 5), np.uint8)
    expected[1], expected[2], expected[1, 0, 0] = 1, 2, 2
    np.testing.assert_array_equal(found.labels, expected)
    assert found.class_names == ("background", "liver", "tumour")
    (overlap,) = found.findings
    assert "1 voxel of “liver” went to “tumour”" in overlap.sentence


@pytest.mark.parametrize("layers", [(0, 0), (0, -1)])
def test_segments_that_cannot_be_are_refused(tmp_path, layers):
    fields = segment(0, "liver", 1, layers[0]) | segment(1, "tumour", 1, layers[1])
    write(tmp_path / "a.seg.nrrd", np.zeros((4, 6, 5, 2), np.uint8), vector=True, fields=fields)
    with pytest.raises(ReadError, match=r"a.seg.nrrd cannot be read, it is damaged"):
        read_labels(tmp_path / "a.seg.nrrd")
