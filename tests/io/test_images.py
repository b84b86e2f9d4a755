"""Whatever a clinic stores as an image opens as it is, or says in one sentence why not."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medseg.io.errors import ReadError
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.image_files import write_image
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (9, 13), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
STACK = RNG.integers(0, 4000, (5, 9, 13), dtype=np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".ome.tif"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_pictures_keep_every_pixel(tmp_path, suffix, pixels):
    path = tmp_path / f"a.b{suffix}"
    if "tif" in suffix:
        tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    else:
        Image.fromarray(pixels).save(path)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, pixels)
    assert image.rgb == (pixels.ndim == 3)
    assert image.name == "a.b"
    assert image.geometry.spacing == (1.0, 1.0) and image.geometry.units == "pixel"


def test_jpeg_opens_near_its_pixels(tmp_path):
    smooth = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[:, None], 24, axis=1)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.data.shape == (24, 24) and not image.rgb
    assert np.abs(image.data.astype(int) - smooth).max() < 12


def test_sixteen_bits_stay(tmp_path):
    Image.fromarray(STACK[0]).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.data.dtype == np.uint16
    np.testing.assert_array_equal(image.data, STACK[0])


def test_transparency_stays_with_colour_and_goes_with_grey(tmp_path):
    alpha = np.dstack([COLOUR, GREY])
    Image.fromarray(alpha).save(tmp_path / "rgba.png")
    Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(GREY))).save(tmp_path / "la.png")
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png").data, alpha)
    np.testing.assert_array_equal(read_image(tmp_path / "la.png").data, GREY)


def test_palette_and_one_bit_become_what_they_show(tmp_path):
    indexed = Image.fromarray(GREY % 2)
    indexed.putpalette([10, 20, 30, 200, 100, 0])
    indexed.save(tmp_path / "p.png")
    image = read_image(tmp_path / "p.png")
    assert image.rgb
    np.testing.assert_array_equal(image.data[GREY % 2 == 1], [[200, 100, 0]] * (GREY % 2).sum())
    Image.fromarray(GREY > 127).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bit.png").data, (GREY > 127) * 255)


def test_grey_palette_is_grey(tmp_path):
    indexed = Image.fromarray(GREY)
    indexed.putpalette([level for level in range(256) for _ in range(3)])
    indexed.save(tmp_path / "p.png")
    image = read_image(tmp_path / "p.png")
    assert not image.rgb
    np.testing.assert_array_equal(image.data, GREY)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_rgb(tmp_path, suffix):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / f"a{suffix}")
    image = read_image(tmp_path / f"a{suffix}")
    assert image.rgb and image.data.shape == (8, 8, 3)
    assert image.data[4, 4, 0] > 240 and image.data[4, 4, 1:].max() < 60


def test_phone_photo_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").data.shape == GREY.shape[::-1]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_stack_opens_with_all_planes(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression=compression, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, STACK)
    assert image.geometry.ndim == 3


def test_colour_stack_and_planar_colour(tmp_path):
    stack = np.stack([COLOUR] * 4)
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="rgb")
    planar = np.moveaxis(COLOUR, -1, 0)
    tifffile.imwrite(tmp_path / "p.tif", planar, photometric="rgb", planarconfig="separate")
    assert read_image(tmp_path / "s.tif").data.shape == (4, 9, 13, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif").data, COLOUR)


@pytest.mark.parametrize("compression", ["tiff_lzw", "group4", "tiff_jpeg"])
def test_common_compressions_open(tmp_path, compression):
    picture = Image.fromarray(GREY > 127 if compression == "group4" else GREY)
    picture.save(tmp_path / "a.tif", compression=compression)
    assert read_image(tmp_path / "a.tif").data.shape == GREY.shape


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("shown", [GREY, STACK, GREY > 127], ids=["8 bit", "16 bit", "1 bit"])
def test_inverted_grey_shows_as_meant(tmp_path, shown, compression):
    stored = np.invert(shown)
    options = {"compression": compression} if shown.dtype != bool else {}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", **options)
    expected = shown * 255 if shown.dtype == bool else shown
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, expected)


def test_inverted_grey_of_sixteen_bits_shows_as_meant_however_it_is_packed(tmp_path):
    Image.fromarray(np.invert(STACK[0])).save(
        tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={262: 0}
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, STACK[0])


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_palette_of_a_tiff_becomes_what_it_shows(tmp_path, compression):
    indexed = Image.fromarray(GREY % 2)
    indexed.putpalette([10, 20, 30, 200, 100, 0])
    indexed.save(tmp_path / "p.tif", compression=compression)
    image = read_image(tmp_path / "p.tif")
    assert image.rgb
    np.testing.assert_array_equal(image.data[GREY % 2 == 1], [[200, 100, 0]] * (GREY % 2).sum())


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_transparency_of_a_grey_tiff_goes_and_more_samples_are_refused(tmp_path, planar):
    def write(samples):
        data = np.stack([GREY] * samples, axis=-1 if planar == "contig" else 0)
        path = tmp_path / f"{samples}.tif"
        options = {"planarconfig": planar, "extrasamples": ["unassalpha"] * (samples - 1)}
        tifffile.imwrite(path, data, photometric="minisblack", metadata=None, **options)
        return path

    np.testing.assert_array_equal(read_image(write(2)).data, GREY)
    with pytest.raises(ReadError, match="one channel"):
        read_image(write(5))


def test_big_endian_and_half_floats_become_native(tmp_path):
    tifffile.imwrite(tmp_path / "b.tif", STACK, byteorder=">", photometric="minisblack")
    tifffile.imwrite(tmp_path / "h.tif", STACK.astype(np.float16), photometric="minisblack")
    assert read_image(tmp_path / "b.tif").data.dtype.isnative
    assert read_image(tmp_path / "h.tif").data.dtype == np.float32


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4", "bool"])
def test_an_image_of_ours_is_written_whatever_the_order_of_its_bytes(tmp_path, dtype):
    geometry = Geometry((3.0, 1.0, 0.5), units="mm")
    data = (STACK % 2000).astype(dtype)
    image = read_image(write_image(tmp_path / "a.ome.tif", data, geometry))
    np.testing.assert_array_equal(image.data, data)
    assert image.data.dtype.isnative and image.geometry == geometry


def test_spacing_of_ome(tmp_path):
    sizes = {"PhysicalSizeX": 500.0, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 0.4}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "mm", "PhysicalSizeZUnit": "cm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "ZYX"} | sizes | units)
    geometry = read_image(tmp_path / "a.ome.tif").geometry
    assert geometry.units == "um"
    np.testing.assert_allclose(geometry.spacing, (4000.0, 500.0, 500.0))


@pytest.mark.parametrize("distance", [3.0, -3.0])
def test_spacing_of_imagej(tmp_path, distance):
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK,
        imagej=True,
        resolution=(1 / 0.7, 1 / 0.8),
        metadata={"axes": "ZYX", "spacing": distance, "unit": "mm"},
    )
    geometry = read_image(tmp_path / "a.tif").geometry
    assert geometry.units == "mm"
    np.testing.assert_allclose(geometry.spacing, (3.0, 0.8, 0.7), rtol=1e-6)


@pytest.mark.parametrize(
    ("axes", "sizes", "spacing", "found"),
    [
        ("ZYX", {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.3}, (0.3, 0.3, 0.2), "distance unknown"),
        ("TYX", {"PhysicalSizeX": 0.2}, (0.2, 0.2, 0.2), "time"),
        ("TYX", {"PhysicalSizeX": 0.2, "PhysicalSizeZ": 3.0}, (3.0, 0.2, 0.2), "time"),
        ("ZYX", {}, (1.0, 1.0, 1.0), None),
        ("ZYX", {"PhysicalSizeX": 0.2, "PhysicalSizeZ": 3.0}, (3.0, 0.2, 0.2), None),
    ],
)
def test_planes_at_distances_that_nothing_says_are_told(tmp_path, axes, sizes, spacing, found):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK.astype(np.uint8), ome=True, metadata={"axes": axes} | sizes)
    for read in (read_image, read_labels):
        file = read(path)
        assert file.geometry.spacing == pytest.approx(spacing)
        codes = {finding.code for finding in file.findings}
        assert codes & {"distance unknown", "time"} == ({found} if found else set())


@pytest.mark.parametrize(
    ("unit", "per_unit", "spacing", "units"),
    [
        ("CENTIMETER", 20.0, 0.5, "mm"),
        ("INCH", 50.8, 0.5, "mm"),
        ("INCH", 300.0, 1.0, "pixel"),
        ("NONE", 20.0, 1.0, "pixel"),
        ("CENTIMETER", 0.0, 1.0, "pixel"),
    ],
)
def test_spacing_of_resolution_tags(tmp_path, unit, per_unit, spacing, units):
    tifffile.imwrite(
        tmp_path / "a.tif",
        GREY,
        resolution=(per_unit, per_unit),
        resolutionunit=unit,
        metadata=None,
    )
    geometry = read_image(tmp_path / "a.tif").geometry
    np.testing.assert_allclose(geometry.spacing, (spacing, spacing))
    assert geometry.units == units


def test_channels_and_hyperstacks_are_refused_with_advice(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "CYX"})
    with pytest.raises(ReadError, match="one channel"):
        read_image(tmp_path / "a.ome.tif")
    tifffile.imwrite(tmp_path / "b.ome.tif", np.stack([STACK] * 2), metadata={"axes": "TZYX"})
    with pytest.raises(ReadError, match=r"4 axes \(t, z, y, x\) of sizes 2 × 5 × 9 × 13"):
        read_image(tmp_path / "b.ome.tif")
    tifffile.imwrite(tmp_path / "six.tif", np.zeros((2, 3, 4, 2, 16, 16), np.uint8))
    with pytest.raises(ReadError, match=r"has 6 axes \w{6} of sizes \(2, 3, 4, 2, 16, 16\)"):
        read_image(tmp_path / "six.tif")


def oblique_affine() -> np.ndarray:
    angle = 0.3
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.7, 0.8, 3.0])
    affine[:3, 3] = (10.5, -20.25, 7.0)
    return affine


def test_nifti_comes_as_planes_and_every_voxel_keeps_its_place(tmp_path):
    volume = STACK.T.astype(np.int16)
    affine = oblique_affine()
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    assert image.name == "a" and image.data.dtype == np.int16
    np.testing.assert_array_equal(image.data, STACK)
    np.testing.assert_allclose(image.geometry.spacing, (3.0, 0.8, 0.7), rtol=1e-6)
    z, y, x = 3, 5, 7
    expected = affine @ (x, y, z, 1)
    found = image.geometry.affine @ (z, y, x, 1)
    np.testing.assert_allclose(found[[2, 1, 0]], expected[:3], atol=1e-5)


def test_scaled_nifti_gives_the_values_meant(tmp_path):
    image = nibabel.Nifti1Image(STACK.T.astype(np.int16), np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    nibabel.save(image, tmp_path / "a.nii")
    data = read_image(tmp_path / "a.nii").data
    assert data.dtype == np.float32
    raw = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    np.testing.assert_allclose(data, raw.T)


def test_series_over_time_is_refused_and_one_time_point_is_not(tmp_path):
    volume = np.zeros((4, 5, 6, 2), np.uint8)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ReadError, match="one time point"):
        read_image(tmp_path / "a.nii")
    nibabel.save(nibabel.Nifti1Image(volume[..., :1], np.eye(4)), tmp_path / "b.nii")
    assert read_image(tmp_path / "b.nii").data.shape == (6, 5, 4)


def test_nifti_without_nibabel_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.nii").write_bytes(b"x" * 400)
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(ReadError, match=r"napari-medseg\[medical\]"):
        read_image(tmp_path / "a.nii")


def write_some(path) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, STACK, compression="zlib", photometric="minisblack")
    elif path.name.endswith(".nii.gz"):
        nibabel.save(nibabel.Nifti1Image(STACK.T.astype(np.int16), np.eye(4)), path)
    else:
        Image.fromarray(np.tile(COLOUR, (20, 20, 1))).save(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "a.nii.gz"])
def test_damaged_files_are_refused_in_one_sentence(tmp_path, name):
    path = tmp_path / name
    write_some(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no image at all" * 9):
        path.write_bytes(content)
        with pytest.raises(ReadError, match=r"cannot be read|is cut off") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(ReadError, match="0 bytes"):
        read_image(path)


@pytest.mark.parametrize("kept", [0.35, 0.7, 0.95])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_stack_with_its_last_planes_cut_off_is_refused(tmp_path, name, kept):
    planes = RNG.integers(0, 4000, (6, 64, 64), dtype=np.uint16)
    tifffile.imwrite(tmp_path / name, planes, compression="zlib", metadata={"axes": "ZYX"})
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ReadError):
        read_image(tmp_path / name)


def test_stack_of_which_only_entries_are_cut_off_is_refused(tmp_path):
    planes = RNG.integers(0, 4000, (4, 20, 24), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", planes, bigtiff=True, photometric="minisblack")
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[:-500])  # behind the pixels
    with pytest.raises(ReadError, match="is cut off"):
        read_image(tmp_path / "a.tif")


def test_folder_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(ReadError, match="is a folder without DICOM images"):
        read_image(tmp_path)
    with pytest.raises(ReadError, match="does not exist"):
        read_image(tmp_path / "a.png")
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(ReadError, match=r"readable are \.png, .*, DICOM and OME-Zarr\."):
        read_image(tmp_path / "a.docx")


def test_one_pixel_opens(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY[:1, :1])
    assert read_image(tmp_path / "a.tif").data.shape == (1, 1)


def test_picture_that_claims_to_be_huge_is_refused_without_filling_memory(tmp_path, monkeypatch):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(ReadError, match="save it as TIFF"):
        read_image(tmp_path / "a.png")
