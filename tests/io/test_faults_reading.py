"""Files as they go wrong in hospitals: each is refused in a sentence, or shown with what is odd."""

from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
import pydicom
import pytest

from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import FindingWarning
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.io.volume import read_volume
from tests.io.dicom_phantoms import (
    COMPRESSIONS,
    SAGITTAL,
    SHAPE,
    SPACING,
    block,
    changed,
    write_photo,
    write_series,
)

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def codes(path, **options) -> list[str]:
    return [finding.code for finding in read_volume(path, **options).findings]


def test_12_half_a_nifti_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.tile(VOXELS, (9, 9, 9)), np.eye(4)), tmp_path / "a.nii.gz")
    whole = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match=r"a\.nii\.gz"):
        read_volume(tmp_path / "a.nii.gz")


def test_15_nan_and_infinity_are_told(tmp_path):
    data = VOXELS.astype(np.float32)
    data[0, 0, 0], data[1, 1, 1] = np.nan, np.inf
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    image = read_volume(tmp_path / "a.nii")
    (finding,) = image.findings
    assert finding.code == "not finite" and finding.sentence.startswith("2 values")


def test_15_an_image_of_nothing_but_nan_is_told(tmp_path):
    nibabel.save(nibabel.Nifti1Image(VOXELS * np.float32(np.nan), np.eye(4)), tmp_path / "a.nii")
    (finding,) = read_volume(tmp_path / "a.nii").findings
    assert finding.warning and "holds nothing but values that are not a number" in finding.sentence


@pytest.mark.parametrize("zoom", [0.0, np.nan, np.inf])
def test_17_voxels_without_a_size_are_refused(tmp_path, zoom):
    image = nibabel.Nifti1Image(VOXELS, np.eye(4))
    image.header["srow_x"] = (zoom, 0, 0, 0)
    nibabel.save(image, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[280:284] = struct.pack("<f", zoom)  # the first entry of the sform
    (tmp_path / "a.nii").write_bytes(raw)
    with pytest.raises(ReadError, match="voxel size"):
        read_volume(tmp_path / "a.nii")


@pytest.mark.parametrize("zoom", [0.0, np.nan, np.inf])
@pytest.mark.parametrize(("suffix", "code"), [(".nii", 0), (".nii.gz", 1)])
def test_17_a_size_of_zero_is_refused_and_not_made_one(tmp_path, zoom, suffix, code, capfd):
    image = nibabel.Nifti1Image(VOXELS, None)
    image.header["pixdim"][2], image.header["qform_code"] = zoom, code
    path = tmp_path / f"a{suffix}"
    with gzip.open(path, "wb") if suffix.endswith("gz") else path.open("wb") as stream:
        image.header["vox_offset"], image.header["magic"] = 352, b"n+1"
        stream.write(image.header.binaryblock + b"\0" * 4 + VOXELS.tobytes("F"))
    for read in (read_volume, read_labels):
        with pytest.raises(ReadError, match="voxel size"):
            read(path)
    assert capfd.readouterr().err == ""


def test_17_a_single_plane_needs_no_distance_to_the_next(tmp_path):
    image = nibabel.Nifti1Image(VOXELS[..., :1], None)
    image.header.set_zooms((2.0, 3.0, 1.0))
    nibabel.save(image, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[88:92] = struct.pack("<f", 0.0)
    (tmp_path / "a.nii").write_bytes(raw)
    assert read_volume(tmp_path / "a.nii").geometry.spacing == (1.0, 3.0, 2.0)


def test_17_mirrored_axes_keep_the_mirror(tmp_path):
    nibabel.save(nibabel.Nifti1Image(VOXELS, np.diag([-2.0, 3.0, 4.0, 1.0])), tmp_path / "a.nii")
    geometry = read_volume(tmp_path / "a.nii").geometry
    assert geometry.spacing == (4.0, 3.0, 2.0)
    assert geometry.affine[2, 2] == -2.0


def test_17_very_long_voxels_are_told(tmp_path):
    nibabel.save(nibabel.Nifti1Image(VOXELS, np.diag([0.3, 0.3, 9.0, 1.0])), tmp_path / "a.nii")
    assert codes(tmp_path / "a.nii") == ["anisotropic"]


@pytest.mark.parametrize("spacing", [[0.0, 0.7], [-0.7, 0.7]])
def test_17_pixels_without_a_size_are_refused_in_dicom(tmp_path, spacing):
    phantom = write_series(tmp_path / "a", PixelSpacing=spacing)
    with pytest.raises(ReadError, match="PixelSpacing"):
        read_volume(phantom.folder)


def test_18_unknown_orientation_is_told_and_not_guessed(tmp_path):
    image = nibabel.Nifti1Image(VOXELS, None)
    image.header.set_zooms((2.0, 3.0, 4.0))
    nibabel.save(image, tmp_path / "a.nii")
    found = read_volume(tmp_path / "a.nii")
    assert codes(tmp_path / "a.nii") == ["orientation unknown"]
    assert found.geometry.spacing == (4.0, 3.0, 2.0) and not found.geometry.matrix


def test_19_sform_counts_where_it_differs_from_the_qform(tmp_path):
    image = nibabel.Nifti1Image(VOXELS, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.set_sform(np.diag([2.0, 2.0, 2.0, 1.0]), code=1)
    image.set_qform(np.diag([3.0, 3.0, 3.0, 1.0]), code=1)
    nibabel.save(image, tmp_path / "a.nii")
    assert read_volume(tmp_path / "a.nii").geometry.spacing == (2.0, 2.0, 2.0)
    assert codes(tmp_path / "a.nii") == ["sform"]


def test_20_sheared_grid_is_told(tmp_path):
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 2] = 0.5
    nibabel.save(nibabel.Nifti1Image(VOXELS, affine), tmp_path / "a.nii")
    assert codes(tmp_path / "a.nii") == ["sheared"]


def test_26_shapes_of_dicom(tmp_path):
    write_photo(tmp_path / "p.dcm", np.zeros((1, 1), np.uint8), "MONOCHROME2")
    assert read_image(tmp_path / "p.dcm").data.shape == (1, 1)
    phantom = write_series(tmp_path / "a", stored=np.ones((4, 1, 9), np.int16))
    assert read_image(phantom.folder).data.shape == (4, 1, 9)


@pytest.mark.parametrize("missing", [1, 3, 4])
def test_30_missing_slice_is_no_volume_but_planes_with_positions(tmp_path, missing):
    phantom = write_series(tmp_path / "a")
    phantom.files[missing].unlink()
    with pytest.raises(ReadError, match=r"5\.00 mm between planes .* else mostly 2\.50 mm"):
        read_volume(phantom.folder)
    with pytest.warns(UserWarning, match="shown as single planes"):
        ((data, attributes, _),) = read_layers(str(phantom.folder))
    kept = np.delete(np.arange(SHAPE[0]), missing)
    np.testing.assert_array_equal(data, phantom.values[kept])
    assert attributes["units"] == ("pixel",) * 3
    heights = [corner[0] for corner in attributes["metadata"]["medseg"]["source"]["corners"]]
    np.testing.assert_allclose(heights, 12.5 + 2.5 * kept)


@pytest.mark.parametrize("planes", [3, 5])
def test_30_distances_that_are_told_occur(tmp_path, planes):
    phantom = write_series(tmp_path / "a", stored=block((planes + 1, 4, 4)))
    phantom.files[-2].unlink()
    with pytest.raises(ReadError, match=r"\(5\.00 mm between planes .* else mostly 2\.50 mm"):
        read_volume(phantom.folder)


def test_30_planes_without_distances_are_measured_in_pixels_and_one_alone_in_mm(tmp_path):
    phantom = write_series(tmp_path / "a", ImagePositionPatient=None)
    image = read_volume(phantom.folder)
    assert image.geometry.units == "pixel"
    (finding,) = image.findings
    assert finding.code == "position unknown"
    assert "in pixels, also within a plane; a file of it opened alone" in finding.sentence
    alone = read_volume(phantom.files[0]).geometry
    assert (alone.units, alone.spacing) == ("mm", SPACING[1:])


@pytest.mark.parametrize("tilt", [15.0, -18.5])
def test_31_gantry_tilt_is_told_and_kept_in_the_matrix(tmp_path, tilt):
    phantom = write_series(tmp_path / "a", tilt=tilt)
    image = read_volume(phantom.folder)
    (finding,) = image.findings
    assert finding.code == "tilt" and f"{abs(tilt):.1f}°" in finding.sentence
    for index in ((0, 0, 0), (5, 11, 9), (3, 4, 5)):
        up, front, right = (image.geometry.affine @ [*index, 1.0])[:3]
        np.testing.assert_allclose((-right, -front, up), phantom.position(index), atol=1e-3)
    assert image.geometry.spacing == pytest.approx((2.5, 0.7, 0.8))  # planes apart, not slanted


def test_31_tilted_head_is_recognised(shared):
    folder = shared / "data" / "native" / "dicom_ct_head_gantrytilt"
    image = read_volume(folder, planes_if_uneven=True)
    assert {finding.code for finding in image.findings} == {"uneven", "tilt"}
    assert any("18.5°" in finding.sentence for finding in image.findings)


def test_32_exact_copy_is_dropped_with_a_notice(tmp_path):
    phantom = write_series(tmp_path / "a")
    (tmp_path / "a" / "copy.dcm").write_bytes(phantom.files[2].read_bytes())
    image = read_volume(phantom.folder)
    np.testing.assert_array_equal(image.data, phantom.values)
    (finding,) = image.findings
    assert finding.code == "duplicate" and not finding.warning


@pytest.mark.parametrize("uid", [None, "1.2.3.4"], ids=["same UID", "other UID"])
def test_32_different_images_at_one_place_are_refused(tmp_path, uid):
    phantom = write_series(tmp_path / "a")
    (tmp_path / "a" / "other.dcm").write_bytes(phantom.files[2].read_bytes())
    other = {"SOPInstanceUID": uid} if uid else {}
    changed(tmp_path / "a" / "other.dcm", PixelData=b"\x05\0" * 120, **other)
    with pytest.raises(ReadError, match=r"002\.dcm and other\.dcm .* remove the one"):
        read_volume(phantom.folder)


@pytest.mark.parametrize("which", [0, 2, 5])
@pytest.mark.parametrize("kept", [0, 300, 900, -20])
def test_33_cut_slice_is_refused_by_name(tmp_path, which, kept):
    phantom = write_series(tmp_path / "a")
    whole = phantom.files[which].read_bytes()
    phantom.files[which].write_bytes(whole[:kept])
    with pytest.raises(ReadError, match=phantom.files[which].name):
        read_volume(phantom.folder)


@pytest.mark.parametrize("compression", [None, *COMPRESSIONS])
@pytest.mark.parametrize("which, is_volume", [(5, True), (2, False)])
def test_33_the_window_shows_the_rest_and_names_what_is_missing(
    tmp_path, which, is_volume, compression
):
    stored = block((6, 36, 40))
    phantom = write_series(tmp_path / "a", stored=stored, compression=COMPRESSIONS.get(compression))
    cut = phantom.files[which]
    cut.write_bytes(cut.read_bytes()[:-60])
    with pytest.warns(FindingWarning) as said:
        ((data, attributes, _),) = read_layers(str(phantom.folder))
    (sentence,) = [str(w.message) for w in said if "missing in what is shown" in str(w.message)]
    assert cut.name in sentence
    np.testing.assert_array_equal(data, np.delete(phantom.values, which, axis=0))
    assert attributes["units"] == (("mm",) if is_volume else ("pixel",)) * 3


def test_33_a_damaged_file_of_another_series_keeps_none_from_opening(tmp_path):
    phantom = write_series(tmp_path / "a")
    other = write_series(tmp_path / "b", number=9, stored=block()[:3])
    other.files[0].write_bytes(other.files[0].read_bytes()[:-20])
    image = read_volume(tmp_path, series=1)
    np.testing.assert_array_equal(image.data, phantom.values)
    (finding,) = image.findings
    assert finding.code == "damaged" and other.files[0].name in finding.sentence
    with pytest.raises(ReadError, match=other.files[0].name):
        read_volume(tmp_path, series=2)


def test_34_localizer_of_three_directions_is_several_series(tmp_path):
    first = write_series(tmp_path / "a")
    uid = pydicom.dcmread(first.files[0]).SeriesInstanceUID
    few = block()[:2]
    write_series(tmp_path / "a" / "b", directions=SAGITTAL, stored=few, SeriesInstanceUID=uid)
    with pytest.raises(ReadError, match="2 series"):
        read_volume(tmp_path / "a")
    with pytest.warns(UserWarning, match="largest of 2 series"):
        ((data, _, _),) = read_layers(str(tmp_path / "a"))
    np.testing.assert_array_equal(data, first.values)


def test_35_unknown_compression_is_told(tmp_path):
    file = write_photo(tmp_path / "a.dcm", np.zeros((8, 8), np.uint8), "MONOCHROME2")
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    with pytest.raises(ReadError, match=r"a\.dcm"):
        read_volume(file)


def test_36_decimal_comma_is_refused_and_the_tag_named(tmp_path):
    phantom = write_series(tmp_path / "a")
    raw = phantom.files[0].read_bytes()
    phantom.files[0].write_bytes(raw.replace(b"0.7\\0.8", b"0,7\\0,8"))
    with pytest.raises(ReadError, match=r"000\.dcm: PixelSpacing is no number"):
        read_volume(phantom.folder)


def test_36_file_without_preamble_is_refused(tmp_path):
    phantom = write_series(tmp_path / "a")
    phantom.files[0].write_bytes(phantom.files[0].read_bytes()[132:])
    with pytest.raises(ReadError, match=r"000\.dcm is no whole DICOM file .*preamble"):
        read_volume(phantom.folder)
    with pytest.raises(ReadError, match=r"000\.dcm is no whole DICOM file"):
        read_volume(phantom.files[0])


def test_36_text_named_as_dicom_is_refused(tmp_path):
    (tmp_path / "a.dcm").write_text("a letter")
    with pytest.raises(ReadError, match=r"a\.dcm is no whole DICOM file"):
        read_volume(tmp_path / "a.dcm")


def test_37_rows_of_differing_pixel_size_are_refused(tmp_path):
    phantom = write_series(tmp_path / "a")
    changed(phantom.files[3], PixelSpacing=[0.7, 0.9])
    with pytest.raises(ReadError, match="different sizes"):
        read_volume(phantom.folder)
