"""TIFF files over time and with channels open whole, as napari shows them: one slider per axis."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_medseg.io.errors import ReadError
from napari_medseg.io.labels import read_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.io.volume import read_volume

SIZES = {"T": 2, "C": 3, "Z": 5, "Q": 4, "Y": 17, "X": 19, "S": 3}
UM = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5} | {
    "PhysicalSizeYUnit": "µm",
    "PhysicalSizeZ": 2.0,
    "PhysicalSizeZUnit": "µm",
}


def values(axes: str) -> np.ndarray:
    shape = tuple(SIZES[axis] for axis in axes)
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


IN_ORDER = {"ZCYX": "czyx", "TZCYX": "tczyx"}


@pytest.mark.parametrize("stored", ["TZYX", "CYX", "CZYX", "TCYX", "TCZYX", *IN_ORDER])
def test_ome_axes_are_kept_in_one_order(tmp_path, stored):
    data, given = values(stored), IN_ORDER.get(stored, stored.lower())
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, data, photometric="minisblack", metadata={"axes": stored} | UM)
    image = read_volume(path)
    assert image.axes == tuple(given)
    order = [stored.index(axis.upper()) for axis in given]
    np.testing.assert_array_equal(image.data, data.transpose(order))
    assert image.geometry.spacing == ((2.0, 0.5, 0.5) if "z" in given else (0.5, 0.5))


def test_a_hyperstack_of_imagej_knows_its_time_step(tmp_path):
    data = values("TZCYX")
    options = {"imagej": True, "resolution": (4.0, 4.0)}
    metadata = {"axes": "TZCYX", "unit": "um", "spacing": 1.5, "finterval": 0.25}
    tifffile.imwrite(tmp_path / "a.tif", data, metadata=metadata, **options)
    (layer,) = read_layers(str(tmp_path / "a.tif"))
    pixels, attributes, kind = layer
    assert kind == "image" and pixels.shape == (2, 3, 5, 17, 19)
    assert attributes["axis_labels"] == ("t", "c", "z", "y", "x")
    assert attributes["scale"] == (0.25, 1.0, 1.5, 0.25, 0.25)
    assert attributes["units"][0] == "s"


@pytest.mark.parametrize(
    ("interval", "unit", "step"),
    [(40.0, "ms", 0.04), (40.0, "µs", 4e-5), (2, "min", 120.0), ("often", "s", 1.0)],
)
def test_an_interval_is_told_in_seconds(tmp_path, interval, unit, step):
    time = {"TimeIncrement": interval, "TimeIncrementUnit": unit}
    metadata = {"axes": "TZYX"} | UM | time
    tifffile.imwrite(tmp_path / "a.ome.tif", values("TZYX"), metadata=metadata)
    found, of = read_volume(tmp_path / "a.ome.tif").step
    assert (found, of) == (pytest.approx(step), "pixel" if interval == "often" else "s")


def test_the_interval_of_imagej_has_a_unit(tmp_path):
    metadata = {"axes": "TZYX", "finterval": 5, "tunit": "min"}
    tifffile.imwrite(tmp_path / "a.tif", values("TZYX"), imagej=True, metadata=metadata)
    assert read_volume(tmp_path / "a.tif").step == (300.0, "s")


def test_colour_over_time_and_through_a_stack(tmp_path):
    data = values("TZYXS").astype(np.uint8)
    metadata = {"axes": "TZYXS"}
    tifffile.imwrite(tmp_path / "a.ome.tif", data, photometric="rgb", metadata=metadata)
    image = read_volume(tmp_path / "a.ome.tif")
    assert image.rgb and image.axes == ("t", "z", "y", "x")
    np.testing.assert_array_equal(image.data, data)


def test_of_axes_without_a_name_the_last_is_the_stack(tmp_path):
    data = np.zeros((2, 5, 17, 19), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data)
    assert read_volume(tmp_path / "a.tif").axes == ("q", "z", "y", "x")


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_more_samples_than_colours_are_channels(tmp_path, planar):
    data = values("CYX").repeat(2, 0)
    stored = np.moveaxis(data, 0, -1) if planar == "contig" else data
    options = {"planarconfig": planar, "extrasamples": ["unspecified"] * 5}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", metadata=None, **options)
    image = read_volume(tmp_path / "a.tif")
    assert image.axes == ("c", "y", "x")
    np.testing.assert_array_equal(image.data, data)


def test_label_maps_are_one_plane_or_stack(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values("TZYX"), metadata={"axes": "TZYX"})
    with pytest.raises(ReadError, match=r"4 axes \(t, z, y, x\).*save one stack"):
        read_labels(path)
    tifffile.imwrite(path, values("CYX"), photometric="minisblack", metadata={"axes": "CYX"})
    assert [kind for _, _, kind in read_layers(str(path))] == ["image"]
