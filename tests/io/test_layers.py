"""Files come into napari with their spacing, and labels leave it with theirs."""

from __future__ import annotations

from itertools import permutations

import nibabel
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from npe2 import PluginManifest

from napari_medseg.io.findings import FindingWarning
from napari_medseg.io.formats.dicom.seg_writing import write_dicom_seg
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.labels import read_labels, write_labels
from napari_medseg.io.layer_writer import write_layer
from napari_medseg.io.layers import get_reader, read_layers

from .dicom_phantoms import write_series

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
LABELS = (VOLUME % 3).astype(np.uint8)
MM = Geometry(spacing=(3.0, 0.8, 0.7), units="mm")


@pytest.fixture
def scan(tmp_path):
    sizes = {"PhysicalSizeX": 0.7, "PhysicalSizeY": 0.8, "PhysicalSizeZ": 3.0}
    units = {f"PhysicalSize{axis}Unit": "mm" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "scan.ome.tif", VOLUME, metadata={"axes": "ZYX"} | sizes | units)
    return tmp_path / "scan.ome.tif"


def opened(path) -> Layer:
    (data,) = get_reader(str(path))(str(path))
    return Layer.create(*data)


def test_volume_opens_with_spacing_units_and_axes(scan):
    layer = opened(scan)
    np.testing.assert_allclose(layer.scale, (3.0, 0.8, 0.7))
    assert [f"{unit:~}" for unit in layer.units] == ["mm"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.metadata["medseg"]["geometry"]["spacing"] == (3.0, 0.8, 0.7)
    assert layer.name == "scan"


def test_label_map_of_ours_opens_as_labels(tmp_path):
    path = write_labels(tmp_path / "a.ome.tif", LABELS, MM, class_names=("background", "a", "b"))
    layer = opened(path)
    assert isinstance(layer, Labels)
    assert layer.metadata["medseg"]["class_names"] == ["background", "a", "b"]


def test_several_planes_are_stacked_and_volumes_are_not(scan, tmp_path):
    paths = [str(tmp_path / f"{n}.ome.tif") for n in range(3)]
    for path, plane in zip(paths, VOLUME, strict=False):
        tifffile.imwrite(path, plane, metadata={"axes": "YX"})
    (stack,) = (Layer.create(*data) for data in get_reader(paths)(paths))
    np.testing.assert_array_equal(stack.data, VOLUME[:3])
    assert len(read_layers([str(scan), str(scan)])) == 2


def test_the_distance_of_stacked_planes_is_told_to_be_unknown(tmp_path):
    paths = [str(tmp_path / f"{n}.ome.tif") for n in range(3)]
    for path, plane in zip(paths, VOLUME, strict=False):
        tifffile.imwrite(path, plane, metadata={"axes": "YX", "PhysicalSizeX": 0.7})
    with pytest.warns(FindingWarning, match="how far apart"):
        ((_, attributes, _),) = read_layers(paths)
    assert attributes["scale"] == (0.7, 0.7, 0.7) and attributes["metadata"]["medseg"]["findings"]


def test_of_files_and_folders_opened_together_none_is_left_out(scan, tmp_path):
    one, other = (
        write_series(tmp_path / str(planes), stored=np.zeros((planes, 4, 5), np.int16))
        for planes in (2, 3)
    )
    for paths in permutations([one.folder, other.folder, scan]):
        found = read_layers([str(path) for path in paths])
        assert sorted(len(data) for data, _, _ in found) == [2, 3, 4]
    files = [scan, *other.files]
    assert sorted(len(data) for data, _, _ in read_layers([str(file) for file in files])) == [3, 4]


def test_a_segmentation_opened_with_the_folder_of_its_image_lies_on_that(tmp_path):
    series = write_series(tmp_path / "series", stored=np.zeros((6, 8, 9), np.int16))
    labels = np.zeros((6, 8, 9), np.uint8)
    labels[[0, 5], 2:4, 3:6] = 1
    (tmp_path / "segs").mkdir()
    seg = write_dicom_seg(tmp_path / "segs" / "seg.dcm", labels, None, [series.folder])
    for paths in permutations([series.folder, seg]):
        image, found = read_layers([str(path) for path in paths])
        assert (image[2], found[2]) == ("image", "labels")
        np.testing.assert_array_equal(found[0], labels)


@pytest.mark.parametrize("name", ["a.gif", "none.nii.gz", "folder.nii"])
def test_reader_leaves_other_files_to_others(tmp_path, name):
    (tmp_path / "a.gif").write_bytes(b"x")
    (tmp_path / "folder.nii").mkdir()
    assert get_reader(str(tmp_path / name)) is None


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_patients_are_shown_front_up_and_right_side_left(tmp_path, signs):
    affine = np.diag([*(np.array(signs) * (0.7, 0.8, 3.0)), 1.0])
    nibabel.save(nibabel.Nifti1Image(VOLUME.T, affine), tmp_path / "a.nii.gz")
    layer = opened(tmp_path / "a.nii.gz")
    front_right_up = np.array(signs) > 0
    corner = [VOLUME.shape[2 - axis] - 1 if front_right_up[axis] else 0 for axis in range(3)]
    shown = layer.data_to_world(corner[::-1])
    other = layer.data_to_world(
        [n - 1 - c for n, c in zip(VOLUME.shape, corner[::-1], strict=True)]
    )
    above, higher, further_left = shown[0] > other[0], shown[1] < other[1], shown[2] < other[2]
    assert (above, higher, further_left) == (True, True, True)


def test_layer_is_saved_where_it_lies(scan, tmp_path):
    image = opened(scan)
    layer = Labels(LABELS, scale=image.scale, units=image.units, metadata={"medseg": {}})
    data, attributes, _ = layer.as_layer_data_tuple()
    assert write_layer(str(tmp_path / "l.nii.gz"), data, attributes) == [str(tmp_path / "l.nii.gz")]
    found = read_labels(tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_allclose(found.geometry.spacing, (3.0, 0.8, 0.7), rtol=1e-6)


def test_rescaled_layer_is_saved_with_its_new_scale(tmp_path):
    path = write_labels(tmp_path / "a.ome.tif", LABELS, MM, class_names=("background", "a"))
    layer = opened(path)
    layer.scale = (6.0, 0.8, 0.7)
    data, attributes, _ = layer.as_layer_data_tuple()
    write_layer(str(tmp_path / "b.ome.tif"), data, attributes)
    found = read_labels(tmp_path / "b.ome.tif")
    assert found.geometry.spacing == (6.0, 0.8, 0.7) and found.geometry.units == "mm"
    assert found.class_names == ("background", "a")


def test_napari_opens_and_saves_through_the_manifest(scan, tmp_path, npe2pm):
    npe2pm.register(PluginManifest.from_distribution("napari-medseg"))
    viewer = ViewerModel()
    (image,) = viewer.open(scan, plugin="napari-medseg")
    np.testing.assert_allclose(image.scale, (3.0, 0.8, 0.7))
    layer = viewer.add_labels(LABELS, scale=image.scale, units=image.units)
    (saved,) = layer.save(str(tmp_path / "l.ome.tif"), plugin="napari-medseg")
    assert read_labels(saved).geometry.units == "mm"
