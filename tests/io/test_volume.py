"""One way in: every file is opened or refused in a sentence, and what matters is told."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Layer
from npe2 import PluginManifest

from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import FindingWarning
from napari_medseg.io.images import read_image
from napari_medseg.io.layers import get_reader, read_layers
from napari_medseg.io.volume import read_volume
from tests.io.dicom_phantoms import PATIENT_ID, PATIENT_NAME, SHAPE, write_photo, write_series

VOXELS = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
NO_DATA = (".py", ".pyc", ".json", ".md", ".txt", ".csv")


def opened_or_refused(folder: Path) -> tuple[int, int]:
    """Try every file of a folder; count what opens and what is refused in one sentence."""
    opened = refused = 0
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix in NO_DATA:
            continue
        try:
            image = read_volume(file)
        except ReadError as error:
            sentence = str(error)
            assert "\n" not in sentence and sentence.endswith("."), sentence
            refused += 1
        else:
            assert image.data.size
            opened += 1
    return opened, refused


def test_every_file_of_pydicom_opens_or_is_refused_in_a_sentence():
    opened, refused = opened_or_refused(Path(pydicom.__file__).parent / "data")
    assert opened > 80 and refused > 10


def test_every_file_of_nibabel_opens_or_is_refused_in_a_sentence():
    opened, refused = opened_or_refused(Path(nibabel.__file__).parent)
    assert opened > 10 and refused > 10


def write_zarr(path: Path, data, axes: str, version: str, **extra) -> Path:
    """Write an OME-Zarr of two levels by its specification."""
    units = {"z": "micrometer", "y": "millimeter", "x": "millimeter", "t": "second"}
    kinds = {"c": "channel", "t": "time"}
    named = [
        {"name": axis, "type": kinds.get(axis, "space")}
        | ({"unit": units[axis]} if axis in units else {})
        for axis in axes
    ]
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for level in range(2):
        step = tuple(slice(None, None, 2**level if axis in "yx" else 1) for axis in axes)
        coarse = data[step]
        chunks = tuple(min(n, 4) for n in coarse.shape)
        array = group.create_array(f"s{level}", shape=coarse.shape, dtype=data.dtype, chunks=chunks)
        array[...] = coarse
        sizes = {"z": 2500.0, "y": 0.5 * 2**level, "x": 0.25 * 2**level, "t": 1.5}
        scale = [sizes.get(axis, 1.0) for axis in axes]
        transforms = [{"type": "scale", "scale": scale}]
        datasets.append({"path": f"s{level}", "coordinateTransformations": transforms})
    multiscales = [{"axes": named, "datasets": datasets, **extra}]
    if version == "0.4":
        group.attrs["multiscales"] = [multiscales[0] | {"version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    return path


def test_axes_whose_unit_is_null_are_in_pixels(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", np.zeros((3, 8, 8), np.uint8), "zyx", "0.5")
    notes = json.loads((path / "zarr.json").read_text())
    for axis in notes["attributes"]["ome"]["multiscales"][0]["axes"]:
        axis["unit"] = None
    (path / "zarr.json").write_text(json.dumps(notes))
    assert read_volume(path).geometry.units == "pixel"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_opens_lazily_with_its_levels(tmp_path, version):
    path = write_zarr(tmp_path / "scan.ome.zarr", VOXELS, "zyx", version)
    ((levels, attributes, kind),) = get_reader(str(path))(str(path))
    layer = Layer.create(levels, attributes, kind)
    assert layer.multiscale and len(levels) == 2 and not isinstance(levels[0], np.ndarray)
    np.testing.assert_allclose(layer.scale, (2.5, 0.5, 0.25))
    assert [f"{unit:~}" for unit in layer.units] == ["mm"] * 3
    assert layer.name == "scan"
    np.testing.assert_array_equal(read_image(path).data, VOXELS)


def test_ome_zarr_of_numbers_in_the_order_of_other_computers_opens_in_ours(tmp_path):
    data = read_image(write_zarr(tmp_path / "a.zarr", VOXELS.astype(">u2"), "zyx", "0.4")).data
    assert data.dtype.isnative and (data == VOXELS).all()


def test_ome_zarr_with_time_channels_and_colour(tmp_path):
    movie = np.stack([VOXELS, VOXELS + 1])[:, None]
    image = read_volume(write_zarr(tmp_path / "movie.zarr", movie, "tczyx", "0.5"))
    assert image.axes == ("t", "z", "y", "x") and image.step == (1.5, "s")
    np.testing.assert_array_equal(image.data.compute(), movie[:, 0])
    colour = np.arange(3 * 6 * 8, dtype=np.uint8).reshape(3, 6, 8)
    image = read_image(write_zarr(tmp_path / "photo.zarr", colour, "cyx", "0.4"))
    assert image.rgb
    np.testing.assert_array_equal(image.data, np.moveaxis(colour, 0, -1))


def test_transform_of_the_whole_image_is_applied(tmp_path):
    twice = [{"type": "scale", "scale": [2.0, 2.0, 2.0]}]
    path = write_zarr(tmp_path / "a.zarr", VOXELS, "zyx", "0.5", coordinateTransformations=twice)
    assert read_image(path).geometry.spacing == (5.0, 1.0, 0.5)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_chunks_of_zarr_that_are_not_there_are_told_without_a_warning(tmp_path, version):
    path = write_zarr(tmp_path / "a.zarr", VOXELS + 1, "zyx", version)
    assert read_volume(path).findings == ()
    chunks = [f for f in (path / "s0").rglob("*") if f.is_file() and f.name[-1].isdecimal()]
    chunks[0].unlink()
    (finding,) = read_volume(path).findings
    assert not finding.warning
    told = f"1 of {len(chunks)} chunks are not there, they are shown as 0."
    assert finding.sentence == told
    assert (read_image(path).data == 0).any()


def test_negative_scale_of_zarr_is_a_direction(tmp_path):
    turned = [{"type": "scale", "scale": [1.0, 1.0, -1.0]}]
    path = write_zarr(tmp_path / "a.zarr", VOXELS, "zyx", "0.5", coordinateTransformations=turned)
    found = read_image(path).geometry
    assert found.spacing == (2.5, 0.5, 0.25)
    np.testing.assert_array_equal(found.direction, np.diag([1.0, 1.0, -1.0]))


def test_zarr_without_an_image_is_refused(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(ReadError, match="no OME-Zarr image"):
        read_volume(tmp_path / "a.zarr")
    zarr.create_group(tmp_path / "b.zarr")
    with pytest.raises(ReadError, match="no multiscale image"):
        read_volume(tmp_path / "b.zarr")


def test_findings_are_told_as_warnings_every_time(tmp_path):
    phantom = write_series(tmp_path / "a", tilt=15.0)
    for _ in range(2):
        with pytest.warns(FindingWarning, match=r"15\.0° .*gantry tilt"):
            ((_, attributes, _),) = read_layers(str(phantom.folder))
    (sentence,) = attributes["metadata"]["medseg"]["findings"]
    assert "gantry tilt" in sentence


@pytest.mark.filterwarnings("ignore::napari_medseg.io.findings.FindingWarning")
def test_the_patient_is_named_nowhere(tmp_path, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    phantom = write_series(tmp_path / "a", tilt=15.0)
    file = write_photo(tmp_path / "b.dcm", VOXELS[0], "MONOCHROME2")
    file.write_bytes(file.read_bytes().replace(b"19700101", b"PLANTED!"))  # a bad date is quoted
    ((_, series, _),) = read_layers(str(phantom.folder))
    ((_, photo, _),) = read_layers(str(file))
    assert series["name"] == "CT HEAD series 3"
    said = f"{series} {photo} {caplog.text} {capsys.readouterr()}".lower()
    for secret in (PATIENT_NAME.split("^")[0], PATIENT_ID):
        assert secret.lower() not in said


def test_napari_opens_a_folder_through_the_manifest(tmp_path, npe2pm):
    npe2pm.register(PluginManifest.from_distribution("napari-medseg"))
    phantom = write_series(tmp_path / "a")
    (layer,) = ViewerModel().open(phantom.folder, plugin="napari-medseg")
    assert layer.data.shape == SHAPE and layer.name == "CT HEAD series 3"


def test_without_the_extra_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    phantom = write_series(tmp_path / "a")
    path = write_zarr(tmp_path / "b.zarr", VOXELS, "zyx", "0.5")
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(ReadError, match=r"pydicom.*napari-medseg\[medical\]"):
        read_volume(phantom.folder)
    with pytest.raises(ReadError, match=r"zarr.*napari-medseg\[ngff\]"):
        read_volume(path)
