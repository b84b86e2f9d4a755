"""Ultrasound pictures have the pixel size of their calibrated regions, where that is one."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from napari_medseg.io.volume import read_volume

from .dicom_phantoms import write_photo

PIXELS = np.zeros((12, 10), np.uint8)
TISSUE, SPECTRUM = 1, 3
CENTIMETRES, SECONDS = 3, 4


def region(dx: float = -0.02, dy: float = 0.03, *, kind: int = TISSUE, unit: int = CENTIMETRES):
    entry = Dataset()
    entry.RegionSpatialFormat, entry.RegionDataType, entry.RegionFlags = kind, 1, 0
    entry.RegionLocationMinX0 = entry.RegionLocationMinY0 = 0
    entry.RegionLocationMaxX1, entry.RegionLocationMaxY1 = 9, 11
    entry.PhysicalUnitsXDirection, entry.PhysicalUnitsYDirection = unit, CENTIMETRES
    entry.PhysicalDeltaX, entry.PhysicalDeltaY = dx, dy
    return entry


def read(path, *regions, **tags):
    tags |= {"SequenceOfUltrasoundRegions": list(regions) or None}
    return read_volume(write_photo(path / "us.dcm", PIXELS, "MONOCHROME2", **tags))


@pytest.mark.parametrize("count", [1, 2])
def test_regions_that_agree_give_the_pixel_size(tmp_path, count):
    image = read(tmp_path, *[region() for _ in range(count)])
    assert image.geometry.units == "mm"
    np.testing.assert_allclose(image.geometry.spacing, (0.3, 0.2))
    assert image.findings == ()


@pytest.mark.parametrize(
    "regions",
    [
        (region(), region(dx=0.05)),
        (region(unit=SECONDS),),
        (region(), region(unit=SECONDS)),
        (region(dx=0.0),),
        (region(kind=SPECTRUM),),
        (),
    ],
)
def test_else_the_picture_stays_in_pixels(tmp_path, regions):
    geometry = read(tmp_path, *regions).geometry
    assert (geometry.units, geometry.spacing) == ("pixel", (1.0, 1.0))


def test_a_spectrum_beside_the_tissue_is_told(tmp_path):
    image = read(tmp_path, region(), region(0.5, 0.5, kind=SPECTRUM, unit=SECONDS))
    np.testing.assert_allclose(image.geometry.spacing, (0.3, 0.2))
    assert [finding.code for finding in image.findings] == ["regions"]


def test_a_pixel_spacing_counts_first(tmp_path):
    image = read(tmp_path, region(), PixelSpacing=[0.1, 0.4])
    assert image.geometry.spacing == (0.1, 0.4)
