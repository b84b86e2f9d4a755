"""DICOM: series as volumes where the patient lies, pictures as they look, segmentations on both."""

from __future__ import annotations

from itertools import permutations, product

import highdicom
import numpy as np
import pydicom
import pytest
from napari.layers import Image, Labels, Layer
from pydicom.pixels import convert_color_space
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom import volume as dicom_volume
from napari_medseg.io.formats.dicom.seg_reading import read_segmentation
from napari_medseg.io.formats.dicom.seg_writing import write_dicom_seg
from napari_medseg.io.formats.dicom.series import list_series
from napari_medseg.io.images import read_image
from napari_medseg.io.layers import get_reader, read_layers
from napari_medseg.io.volume import read_volume
from tests.io.dicom_phantoms import (
    COMPRESSIONS,
    SAGITTAL,
    SHAPE,
    Phantom,
    block,
    changed,
    rotated,
    write_enhanced,
    write_photo,
    write_series,
)

MARKED = (4, 7, 3)
COLOURS = np.random.default_rng(0).integers(0, 255, (40, 36, 3)).astype(np.uint8)


def in_dicom_axes(position) -> np.ndarray:
    up, front, right = position[:3]
    return np.array([-right, -front, up])


def misplaced(image, phantom: Phantom, index=MARKED) -> float:
    """Distance between where the image puts a voxel and where the standard's formula does."""
    assert image.data[index] == phantom.values[index]
    found = in_dicom_axes(image.geometry.affine @ [*index, 1.0])
    return float(np.abs(found - phantom.position(index)).max())


@pytest.mark.parametrize("oblique", [(0.0, 0.0, 0.0), (20.0, -15.0, 30.0)])
def test_a_voxel_lies_where_the_standard_puts_it_in_all_orientations(tmp_path, oblique):
    turned = np.stack([*rotated(oblique), np.cross(*rotated(oblique))], axis=1)
    for n, (order, signs) in enumerate(product(permutations(range(3)), product((1, -1), repeat=2))):
        across, down = turned[:, order[0]] * signs[0], turned[:, order[1]] * signs[1]
        small = block((3, 9, 5))
        phantom = write_series(tmp_path / str(n), directions=(across, down), stored=small)
        image = read_volume(phantom.folder)
        assert misplaced(image, phantom, (2, 7, 3)) < 1e-3
        np.testing.assert_allclose(image.geometry.spacing, (2.5, 0.7, 0.8), atol=1e-6)


@pytest.mark.parametrize("how", [{"shuffled": True}, {"reversed_numbers": True}])
def test_neither_names_nor_numbers_order_the_planes(tmp_path, how):
    phantom = write_series(tmp_path / "a", **how)
    image = read_image(phantom.folder)
    np.testing.assert_array_equal(image.data, phantom.values)
    assert image.data.dtype == np.int16
    assert misplaced(image, phantom) < 1e-3
    assert [name for name, _ in image.source["planes"]] == [str(file) for file in phantom.files]


def test_each_plane_is_rescaled_by_its_own_slope(tmp_path):
    for name, slopes, dtype in (("a", (1.0, 2.0, 3.0), np.int16), ("b", (1.0, 0.37), np.float32)):
        phantom = write_series(tmp_path / name, slopes=slopes, intercepts=(-1024.0, 5.0))
        image = read_volume(phantom.folder)
        assert image.data.dtype == dtype and image.value_unit == "HU"
        np.testing.assert_allclose(image.data, phantom.values, rtol=1e-6)


def test_unsigned_values_reach_below_zero(tmp_path):
    stored = np.full(SHAPE, 40_000, np.uint16)
    phantom = write_series(tmp_path / "a", stored=stored, intercepts=(-50_000.0,))
    np.testing.assert_array_equal(read_image(phantom.folder).data, -10_000)
    phantom = write_series(tmp_path / "b", stored=stored * np.uint16(0) + 65_535)
    np.testing.assert_array_equal(read_image(phantom.folder).data, 64_511)


def test_enhanced_multi_frame_equals_its_single_frames(tmp_path):
    phantom = write_series(tmp_path / "a", directions=rotated(), slopes=(1.0, 2.0))
    image = read_volume(write_enhanced(tmp_path / "e.dcm", phantom))
    np.testing.assert_array_equal(image.data, phantom.values)
    assert misplaced(image, phantom) < 1e-3
    assert image.window == (-160.0, 240.0)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_series_equal_plain_ones(tmp_path, name):
    stored = block((2, 36, 40))
    phantom = write_series(tmp_path / "a", stored=stored, compression=COMPRESSIONS[name])
    np.testing.assert_array_equal(read_image(phantom.folder).data, phantom.values)


def test_large_series_are_decoded_plane_by_plane(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_volume, "LAZY_ABOVE", 100)
    phantom = write_series(tmp_path / "a", slopes=(1.0, 2.0))
    image = read_volume(phantom.folder)
    assert not isinstance(image.data, np.ndarray)
    assert image.data.chunks[0] == (1,) * SHAPE[0]
    np.testing.assert_array_equal(image.data.compute(), phantom.values)
    assert isinstance(read_image(phantom.folder).data, np.ndarray)


def test_a_single_slice_keeps_its_place(tmp_path):
    phantom = write_series(tmp_path / "a", directions=SAGITTAL)
    image = read_volume(phantom.files[4])
    assert image.data.shape == (1, *SHAPE[1:])
    found = in_dicom_axes(image.geometry.affine @ [0, 7, 3, 1])
    np.testing.assert_allclose(found, phantom.position((4, 7, 3)), atol=1e-3)
    assert image.geometry.spacing == pytest.approx((2.5, 0.7, 0.8))


def test_several_times_at_each_place_become_an_axis(tmp_path):
    first = write_series(tmp_path / "a")
    shown = pydicom.dcmread(first.files[0])
    tags = {tag: shown[tag].value for tag in ("SeriesInstanceUID", "FrameOfReferenceUID")}
    later = write_series(tmp_path / "a" / "b", stored=block() + 7, **tags)
    for n, file in enumerate(later.files):
        changed(file, InstanceNumber=n + 100)
    image = read_volume(tmp_path / "a")
    assert image.axes == ("t", "z", "y", "x")
    np.testing.assert_array_equal(image.data, [first.values, later.values])


def test_a_plane_that_is_the_same_at_each_time_is_no_copy(tmp_path):
    stored = block()
    stored[0] = 0
    first = write_series(tmp_path / "a", stored=stored)
    shown = pydicom.dcmread(first.files[0])
    tags = {tag: shown[tag].value for tag in ("SeriesInstanceUID", "FrameOfReferenceUID")}
    stored[1:] += 7
    later = write_series(tmp_path / "a" / "b", stored=stored, **tags)
    for n, file in enumerate(later.files):
        changed(file, InstanceNumber=n + 100)
    image = read_volume(tmp_path / "a")
    assert [finding.code for finding in image.findings] == ["time"]
    np.testing.assert_array_equal(image.data, [first.values, later.values])


def test_a_copied_series_of_which_one_plane_differs_is_no_time(tmp_path):
    stored = block()
    first = write_series(tmp_path / "a", stored=stored)
    shown = pydicom.dcmread(first.files[0])
    tags = {tag: shown[tag].value for tag in ("SeriesInstanceUID", "FrameOfReferenceUID")}
    stored[2] += 7
    write_series(tmp_path / "a" / "b", stored=stored, **tags)
    with pytest.raises(ReadError, match="show the same place differently"):
        read_volume(tmp_path / "a")


def test_planes_of_two_spaces_are_two_series_that_the_list_tells_apart(tmp_path):
    phantom = write_series(tmp_path / "a")
    for file in phantom.files[3:]:
        changed(file, FrameOfReferenceUID="1.2.3.4")
    first, second = list_series(phantom.folder)
    assert first.summary.endswith("3 planes of 10 × 12, frame of reference 1 of 2")
    assert second.summary.endswith("3 planes of 10 × 12, frame of reference 2 of 2")
    with pytest.raises(ReadError, match="2 series"):
        read_volume(phantom.folder)
    np.testing.assert_array_equal(read_volume(phantom.folder, 2).data, phantom.values[3:])
    labels = np.ones(phantom.values.shape, np.uint8)
    with pytest.raises(ReadError, match="several frames of reference"):
        write_dicom_seg(tmp_path / "seg.dcm", labels, None, [phantom.folder])


def test_frames_of_reference_of_one_image_each_are_not_believed(tmp_path):
    phantom = write_series(tmp_path / "ct")
    for number, file in enumerate(sorted(phantom.folder.iterdir())):
        changed(file, FrameOfReferenceUID=f"1.2.3.{number}")
    image = read_volume(phantom.folder)
    assert image.data.shape == SHAPE
    assert image.geometry.units == "mm"


def test_planes_that_name_no_frame_of_reference_lie_in_that_of_their_series(tmp_path):
    phantom = write_series(tmp_path / "ct")
    for file in phantom.files[:3]:
        changed(file, FrameOfReferenceUID="")
    image = read_volume(phantom.folder)
    np.testing.assert_array_equal(image.data, phantom.values)
    assert image.source["frame_of_reference"]


@pytest.mark.parametrize("left", [b"", b"\0" * 100])
@pytest.mark.parametrize("name", ["IM0007", "1.2.840.7"])
def test_what_is_left_of_a_file_without_a_suffix_is_named(tmp_path, name, left):
    phantom = write_series(tmp_path / "a")
    (phantom.folder / "about").write_bytes(b"a few words")
    for marker in ("VERSION", "a.txt", "done", "_SUCCESS"):
        (phantom.folder / marker).write_bytes(b"")
    (tmp_path / "done").write_bytes(b"")
    np.testing.assert_array_equal(read_volume(tmp_path).data, phantom.values)
    (phantom.folder / name).write_bytes(left)
    with pytest.raises(ReadError, match=f"{name} is no whole DICOM file"):
        read_volume(tmp_path)


def test_two_planes_of_one_name_are_refused(tmp_path):
    phantom = write_series(tmp_path / "a")
    uid = pydicom.dcmread(phantom.files[1]).SOPInstanceUID
    changed(phantom.files[4], SOPInstanceUID=uid)
    with pytest.raises(ReadError, match=r"001\.dcm and 004\.dcm say that they are the same image"):
        read_volume(phantom.folder)


@pytest.mark.parametrize("compression", [None, COMPRESSIONS["RLE"]])
def test_pictures_in_colour(tmp_path, compression):
    path = write_photo(tmp_path / "a.dcm", COLOURS, compression=compression)
    image = read_image(path)
    assert image.rgb and image.geometry.units == "pixel"
    np.testing.assert_array_equal(image.data, COLOURS)


def test_ybr_becomes_rgb(tmp_path):
    stored = convert_color_space(COLOURS, "RGB", "YBR_FULL")
    image = read_image(write_photo(tmp_path / "a.dcm", stored, "YBR_FULL"))
    assert np.abs(image.data.astype(int) - COLOURS).max() <= 3


def test_monochrome1_is_turned_round_with_its_window(tmp_path):
    path = write_photo(
        tmp_path / "a.dcm", COLOURS[..., 0], "MONOCHROME1", WindowCenter=50, WindowWidth=20
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.data, 255 - COLOURS[..., 0])
    assert image.window == (195.0, 215.0)
    assert [finding.code for finding in image.findings] == ["inverted"]


def test_measured_negative_keeps_its_values_and_is_shown_inverted(tmp_path):
    phantom = write_series(tmp_path / "a", PhotometricInterpretation="MONOCHROME1")
    ((data, attributes, _),) = read_layers(str(phantom.folder))
    np.testing.assert_array_equal(data, phantom.values)
    assert attributes["colormap"] == "gray_r"


def test_pixel_size_of_a_radiograph_is_taken(tmp_path):
    path = write_photo(tmp_path / "a.dcm", COLOURS[..., 0], "MONOCHROME2", PixelSpacing=[0.2, 0.3])
    image = read_image(path)
    assert image.geometry.spacing == (0.2, 0.3) and image.geometry.units == "mm"


def test_series_of_a_folder_are_listed_and_chosen(tmp_path):
    write_series(tmp_path / "a", modality="MR", number=7)
    short = write_series(tmp_path / "b", stored=block()[:4], modality="CT", number=2)
    found = list_series(tmp_path)
    assert [series.summary for series in found] == [
        "MR HEAD series 7, 6 planes of 10 × 12",
        "CT HEAD series 2, 4 planes of 10 × 12",
    ]
    assert all(series.thumbnail().shape == (12, 10) for series in found)
    with pytest.raises(ReadError, match=r"2 series; choose .* 1: MR HEAD series 7.*2: CT HEAD"):
        read_image(tmp_path)
    for wanted in (2, "2", found[1].uid):
        np.testing.assert_array_equal(read_image(tmp_path, wanted).data, short.values)
    with pytest.raises(ReadError, match="no series 3"):
        read_image(tmp_path, 3)


def test_folder_opens_as_a_layer_with_all_it_knows(tmp_path):
    phantom = write_series(tmp_path / "a")
    (tmp_path / "a" / "readme.txt").write_text("no image")
    ((data, attributes, kind),) = get_reader(str(phantom.folder))(str(phantom.folder))
    layer = Layer.create(data, attributes, kind)
    np.testing.assert_allclose(layer.scale, (2.5, 0.7, 0.8))
    assert layer.contrast_limits == [-160.0, 240.0]
    assert [f"{unit:~}" for unit in layer.units] == ["mm"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.metadata["medseg"]["value_unit"] == "HU"
    assert layer.metadata["medseg"]["geometry"]["matrix"]


def test_files_of_a_series_given_together_become_one_volume(tmp_path):
    phantom = write_series(tmp_path / "a", shuffled=True)
    ((data, _, _),) = read_layers([str(file) for file in sorted(phantom.files)])
    np.testing.assert_array_equal(data, phantom.values)


def test_reader_leaves_folders_without_dicom_to_others(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    assert get_reader(str(tmp_path)) is None


@pytest.fixture(params=["straight", "tilted and turned"])
def painted(request, tmp_path):
    """A series and the labels of two voxels in it."""
    how = {} if request.param == "straight" else {"directions": rotated(), "tilt": 10.0}
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2, 3], labels[MARKED] = 1, 2
    return write_series(tmp_path / "a", **how), labels


def write_segmentation(phantom: Phantom, labels, kind: str):
    described = [
        highdicom.seg.SegmentDescription(
            number,
            label,
            codes.SCT.Organ,
            codes.SCT.Liver,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in ((1, "liver"), (2, "spleen"))
    ]
    source = [pydicom.dcmread(file) for file in phantom.files]
    made = highdicom.seg.Segmentation(
        source,
        labels.astype(np.float32) if kind == "FRACTIONAL" else labels,
        highdicom.seg.SegmentationTypeValues[kind],
        described[:1] if kind == "FRACTIONAL" else described,
        *(generate_uid(), 1, generate_uid(), 1, "M", "m", "1", "x"),
    )
    made.save_as(phantom.folder / "segmentation.dcm")
    return phantom.folder / "segmentation.dcm"


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segmentation_lies_on_its_image(painted, kind):
    phantom, labels = painted
    file = write_segmentation(phantom, labels, kind)
    found = read_segmentation(file, read_volume(phantom.folder))
    np.testing.assert_array_equal(found.labels, labels)
    assert found.class_names == ("background", "liver", "spleen")
    alone = read_segmentation(file)
    (index,) = np.argwhere(alone.labels == 2)
    position = in_dicom_axes(alone.geometry.affine @ [*index, 1.0])
    np.testing.assert_allclose(position, phantom.position(MARKED), atol=1e-3)


def test_fractional_segmentation_counts_from_one_half(painted):
    phantom, labels = painted
    file = write_segmentation(phantom, labels * 0.26, "FRACTIONAL")
    found = read_segmentation(file, read_volume(phantom.folder)).labels
    np.testing.assert_array_equal(found, labels == 2)


@pytest.mark.filterwarnings("ignore::napari_medseg.io.findings.FindingWarning")
def test_folder_gives_image_and_segmentation_as_layers(painted):
    phantom, labels = painted
    file = write_segmentation(phantom, labels, "BINARY")
    image, segments = (Layer.create(*data) for data in read_layers(str(phantom.folder)))
    assert isinstance(image, Image) and isinstance(segments, Labels)
    np.testing.assert_array_equal(segments.data_to_world(MARKED), image.data_to_world(MARKED))
    (alone,) = read_layers(str(file))
    np.testing.assert_array_equal(alone[0], labels)


def test_segmentation_of_another_image_is_refused(painted, tmp_path):
    phantom, labels = painted
    file = write_segmentation(phantom, labels, "BINARY")
    other = write_series(tmp_path / "b", corner=(0.0, 0.0, 99.0))
    with pytest.raises(ReadError, match="another grid"):
        read_segmentation(file, read_volume(other.folder))
    with pytest.raises(ReadError, match="is a segmentation"):
        read_volume(file)
