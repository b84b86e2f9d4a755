"""A label map that was said to be saved is on the disk, voxel by voxel, where the image is."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_medseg.engine.results import Provenance
from napari_medseg.io import labels as labels_module
from napari_medseg.io.atomic import SaveError
from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.zarr_labels import zarr_label_steps
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import read_image
from napari_medseg.io.label_file import LabelFile, exact_labels
from napari_medseg.io.labels import read_labels, with_axes_of, write_labels
from napari_medseg.io.steps import finish
from napari_medseg.session.layers.colours import colour_of

RNG = np.random.default_rng(1)
PLANE = RNG.integers(0, 4, (9, 13), dtype=np.uint8)
VOLUME = RNG.integers(0, 4, (5, 9, 13), dtype=np.uint8)
MM = Geometry(spacing=(8.0, 1.4, 1.3), origin=(1.0, 2.0, 3.0), units="mm")
NAMES = ("background", "Läsion", "rim", "hair")
MADE_BY = Provenance(method="by-example", model="m", parameters={"threshold": 0.5})


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".ome.tif", ".nii", ".nii.gz"])
def test_volume_comes_back_with_place_names_and_provenance(tmp_path, suffix):
    path = write_labels(tmp_path / f"a{suffix}", VOLUME, MM, MADE_BY, NAMES)
    found = read_labels(path)
    np.testing.assert_array_equal(found.labels, VOLUME)
    np.testing.assert_allclose(found.geometry.spacing, MM.spacing, rtol=1e-6)
    np.testing.assert_allclose(found.geometry.origin, MM.origin, rtol=1e-6)
    assert found.geometry.units == "mm"
    assert found.class_names == NAMES
    assert found.provenance == MADE_BY.as_dict()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ome.tif"])
def test_plane_comes_back(tmp_path, suffix):
    geometry = Geometry(spacing=(0.25, 0.5), units="um")
    found = read_labels(write_labels(tmp_path / f"a{suffix}", PLANE, geometry, MADE_BY, NAMES))
    np.testing.assert_array_equal(found.labels, PLANE)
    assert found.geometry == geometry and found.class_names == NAMES


@pytest.mark.parametrize("units", ["mm", "um", "pixel"])
def test_plane_as_nifti_is_a_volume_of_one_plane_to_others_and_a_plane_to_us(tmp_path, units):
    geometry = Geometry(spacing=(0.5, 0.25), units=units)
    path = write_labels(tmp_path / "a.nii.gz", PLANE, geometry)
    image = nibabel.load(path)
    assert image.shape == (*PLANE.shape[::-1], 1)
    found = read_labels(path)
    np.testing.assert_array_equal(found.labels, PLANE)
    assert found.geometry == geometry and found.findings == ()
    other = nibabel.Nifti1Image(image.dataobj, None, image.header)
    other.header.set_zooms((0.3, 0.6, 1.0))
    other.header.set_xyzt_units("mm")
    nibabel.save(other, tmp_path / "b.nii")
    found = read_labels(tmp_path / "b.nii").geometry
    np.testing.assert_allclose(found.spacing, (0.6, 0.3), rtol=1e-6)
    assert found.units == "mm", "the size that another program gave it since counts"


def test_a_plane_and_a_volume_of_one_plane_are_brought_together():
    plane = LabelFile(PLANE, Geometry((0.5, 0.25), units="mm"))
    thick = Geometry((4.0, 0.5, 0.25), units="mm")
    volume = with_axes_of(plane, (1, *PLANE.shape), thick)
    assert volume.labels.shape == (1, *PLANE.shape) and volume.geometry == thick
    again = with_axes_of(volume, PLANE.shape, plane.geometry)
    assert again.labels.shape == PLANE.shape and again.geometry == plane.geometry
    assert with_axes_of(plane, (2, *PLANE.shape), thick) is plane
    assert with_axes_of(volume, PLANE.shape[::-1], plane.geometry) is volume


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".tif"])
@pytest.mark.parametrize("origin", [(), (1.0, 2.0, 3.0)])
def test_pixels_stay_pixels(tmp_path, suffix, origin):
    geometry = Geometry((3.0, 0.3, 0.2), origin)
    found = read_labels(write_labels(tmp_path / f"v{suffix}", VOLUME, geometry)).geometry
    assert found.units == "pixel"
    np.testing.assert_allclose(found.spacing, geometry.spacing, rtol=1e-6)
    plane = write_labels(tmp_path / f"p{suffix}", PLANE, Geometry((1.0, 1.0)))
    assert read_labels(plane).geometry.units == read_image(plane).geometry.units == "pixel"


@pytest.mark.parametrize("change", ["set_zooms", "set_xyzt_units"])
def test_a_size_that_another_program_gave_pixels_since_counts(tmp_path, change):
    write_labels(tmp_path / "a.nii", VOLUME, Geometry((1.0, 1.0, 1.0)), None, NAMES)
    image = nibabel.load(tmp_path / "a.nii")
    getattr(image.header, change)((2.0, 2.0, 2.0) if change == "set_zooms" else "mm")
    nibabel.save(nibabel.Nifti1Image(image.dataobj, None, image.header), tmp_path / "b.nii")
    found = read_labels(tmp_path / "b.nii")
    assert found.class_names == NAMES and found.geometry.units == "mm"


def test_volume_of_one_plane_stays_a_volume_in_tiff(tmp_path):
    found = read_labels(write_labels(tmp_path / "a.ome.tif", VOLUME[:1], MM))
    assert found.labels.shape == (1, 9, 13)


def test_other_programs_find_the_spacing_in_the_tiff(tmp_path):
    path = write_labels(tmp_path / "a.ome.tif", VOLUME, MM)
    with tifffile.TiffFile(path) as tiff:
        assert 'PhysicalSizeZ="8.0" PhysicalSizeZUnit="mm"' in tiff.ome_metadata
        numerator, denominator = tiff.pages.first.tags["XResolution"].value
        assert numerator / denominator == pytest.approx(10 / 1.3, rel=1e-6)
        assert tiff.series[0].axes == "ZYX"


def test_png_is_indexed_with_a_colour_for_each_class(tmp_path):
    path = write_labels(tmp_path / "a.png", PLANE)
    with Image.open(path) as image:
        assert image.mode == "P"
        palette = np.reshape(image.getpalette(), (-1, 3))
    assert len(np.unique(palette[:20], axis=0)) == 20
    assert tuple(palette[0]) == (0, 0, 0)


def test_nifti_labels_carry_the_matrix_of_their_image_to_the_bit(tmp_path):
    affine = np.array(
        [[-0.7, 0.1, 0.2, 5], [0.1, 0.8, -0.3, 6], [0.3, 0.2, 2.9, 1 / 3], [0, 0, 0, 1]]
    )
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, affine), tmp_path / "scan.nii.gz")
    geometry = read_image(tmp_path / "scan.nii.gz").geometry
    write_labels(tmp_path / "labels.nii.gz", VOLUME, geometry)
    scan, labels = (nibabel.load(tmp_path / f"{n}.nii.gz") for n in ("scan", "labels"))
    np.testing.assert_array_equal(labels.affine, scan.affine)
    np.testing.assert_array_equal(np.asarray(labels.dataobj), VOLUME.T)


@pytest.mark.parametrize(
    ("given_dtype", "highest", "stored"),
    [
        (bool, 1, np.uint8),
        (np.int64, 255, np.uint8),
        (np.int32, 256, np.uint16),
        (np.uint64, 65536, np.uint32),
        (np.float32, 7, np.uint8),
    ],
)
@pytest.mark.parametrize("suffix", [".ome.tif", ".nii"])
def test_labels_are_stored_small_and_exact(tmp_path, given_dtype, highest, stored, suffix):
    labels = np.zeros((3, 4, 5), given_dtype)
    labels[1, 2, 3] = highest
    found = read_labels(write_labels(tmp_path / f"a{suffix}", labels)).labels
    assert found.dtype == stored and found[1, 2, 3] == highest and found.sum() == highest


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.integers(0, 70_000), min_size=1, max_size=24),
    planes=st.integers(1, 3),
    spacing=st.tuples(*[st.floats(1e-3, 1e3)] * 3),
    suffix=st.sampled_from([".ome.tif", ".nii.gz"]),
)
def test_any_labels_at_any_spacing_come_back(tmp_path_factory, values, planes, spacing, suffix):
    labels = np.array([values] * planes)[:, None, :]
    geometry = Geometry(spacing=spacing, units="mm")
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    found = read_labels(write_labels(path, labels, geometry))
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.geometry.spacing, spacing, rtol=1e-6)


@pytest.mark.parametrize("bad", [[[-1, 0]], [[0.5, 1.0]], [[np.nan, 1.0]], [["a", "b"]]])
def test_what_is_no_label_is_refused(bad):
    with pytest.raises(ValueError, match="must"):
        exact_labels(np.array(bad))


def test_png_refuses_what_it_cannot_hold_and_says_what_can(tmp_path):
    with pytest.raises(ValueError, match="NIfTI or OME-TIFF"):
        write_labels(tmp_path / "a.png", VOLUME)
    with pytest.raises(ValueError, match="up to 256"):
        write_labels(tmp_path / "a.png", PLANE + np.uint16(253) + (PLANE == 0))
    with pytest.raises(ValueError, match="end the name with"):
        write_labels(tmp_path / "a.jpg", PLANE)
    with pytest.raises(ValueError, match="3 axes"):
        write_labels(tmp_path / "a.png", PLANE, MM)
    assert list(tmp_path.iterdir()) == []


def test_file_that_reads_back_differently_is_not_kept(tmp_path, monkeypatch):
    path = write_labels(tmp_path / "a.png", PLANE)
    before = path.read_bytes()

    def lossy(path, labels, note):
        Image.fromarray(labels // 2).save(path)

    monkeypatch.setattr("napari_medseg.io.formats.photos.write_indexed_png", lossy)
    with pytest.raises(SaveError, match="labels in the file differ"):
        write_labels(path, PLANE)
    assert path.read_bytes() == before
    assert labels_module.read_labels(path).labels.max() == 3


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_black_and_white_mask_is_one_class(tmp_path, suffix):
    mask = (PLANE > 1).astype(np.uint8) * 255
    Image.fromarray(mask).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_labels(tmp_path / f"a{suffix}").labels, PLANE > 1)


def test_one_bit_and_grey_stored_as_colour_are_masks(tmp_path):
    Image.fromarray(PLANE > 1).save(tmp_path / "bit.png")
    Image.fromarray(np.dstack([PLANE] * 3)).save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "bit.png").labels, PLANE > 1)
    np.testing.assert_array_equal(read_labels(tmp_path / "rgb.png").labels, PLANE)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_cannot_be_seen_of_a_mask_is_background(tmp_path, mode):
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5, 3:6] = 255
    hidden = Image.fromarray(np.full_like(mask, 255)).convert(mode)
    hidden.putalpha(Image.fromarray(mask))
    hidden.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png").labels, mask // 255)


@pytest.mark.parametrize("colours", [[200] * 3 + [90] * 3, [200, 0, 0, 90, 90, 90]])
@pytest.mark.parametrize("kind", [".png", ".bmp", ".tif", "lzw.tif"])
def test_class_numbers_are_the_places_in_a_palette_whatever_it_shows(tmp_path, kind, colours):
    image = Image.fromarray(PLANE % 3)
    image.putpalette([0, 0, 0, *colours])
    options = {"compression": "tiff_lzw"} if kind.startswith("lzw") else {}
    image.save(tmp_path / f"a{kind}", **options)
    np.testing.assert_array_equal(read_labels(tmp_path / f"a{kind}").labels, PLANE % 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_class_numbers_are_those_stored_where_grey_counts_from_white(tmp_path, dtype, compression):
    given = PLANE.astype(dtype)
    if dtype == np.uint8:
        given = np.invert(given)  # Pillow turns them round once more
    Image.fromarray(given).save(tmp_path / "a.tif", compression=compression, tiffinfo={262: 0})
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").labels, PLANE)


def test_class_numbers_of_four_bits_are_read_from_a_tiff(tmp_path):
    numbers = np.arange(8 * 6, dtype=np.uint8).reshape(6, 8) % 5
    tifffile.imwrite(tmp_path / "a.tif", numbers[:, ::2] << 4 | numbers[:, 1::2])
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages.first.tags["ImageWidth"].overwrite(8)
        tiff.pages.first.tags["BitsPerSample"].overwrite(4)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").labels, numbers)


def test_pictures_are_no_masks(tmp_path):
    Image.fromarray(RNG.integers(0, 9, (9, 9, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ReadError, match="colour picture"):
        read_labels(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.full((9, 9), 0.5, np.float32))
    with pytest.raises(ReadError, match="no label map"):
        read_labels(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".ome.zarr"])
def test_files_show_classes_in_the_colours_of_the_docks(tmp_path, suffix):
    path, labels = tmp_path / f"labels{suffix}", np.arange(12, dtype=np.uint8).reshape(3, 4)
    if suffix == ".png":
        write_labels(path, labels)
        palette = Image.open(path).getpalette()
        found = [palette[3 * value : 3 * value + 3] for value in range(12)]
    else:
        finish(zarr_label_steps(path, labels, Geometry((1.0, 1.0))))
        notes = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["image-label"]
        found = [[0, 0, 0], *(colour["rgba"][:3] for colour in notes["colors"])]
    assert found[1:] == [list(bytes.fromhex(colour_of(value)[1:])) for value in range(1, 12)]
    assert len({tuple(colour) for colour in found}) == 12
