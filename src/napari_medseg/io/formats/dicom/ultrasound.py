"""How large the pixels of an ultrasound picture are: its calibrated regions (PS3.3 C.8.5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.io.findings import Finding
from napari_medseg.io.formats.dicom.entries import numbers

if TYPE_CHECKING:
    from pydicom import Dataset

_TISSUE, _NO_IMAGE = 1, {2, 3, 4}  # region spatial format: M-mode, spectral and wave form are none
_CENTIMETRES, _MM = 3, 10.0

OTHER_REGIONS = Finding(
    "regions",
    "Parts of this picture show a course over time (Doppler, M-mode or a curve); measure in the "
    "image of the tissue alone, whose pixel size is taken.",
)


def pixel_size(header: Dataset) -> tuple[float, float] | None:
    """Give the distance of rows and of columns in mm.

    None where there is no region that shows tissue, one of them is not in centimetres, or they
    differ: one picture has one pixel size here.

    Raises
    ------
    ReadError
        Where a size is no finite number.
    """
    sizes = [_size_of(region) for region in _regions(header) if _format_of(region) == _TISSUE]
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes):
        return None
    return known[0] if np.allclose(known, known[0], rtol=1e-3, atol=0.0) else None


def shows_other_than_tissue(header: Dataset) -> bool:
    """Tell whether parts of a picture are no image, such as the spectrum of a Doppler."""
    return any(_format_of(region) in _NO_IMAGE for region in _regions(header))


def _regions(header: Dataset) -> list[Dataset]:
    return list(header.get("SequenceOfUltrasoundRegions") or [])


def _format_of(region: Dataset) -> int:
    return int(region.get("RegionSpatialFormat") or 0)


def _size_of(region: Dataset) -> tuple[float, float] | None:
    """Give the distances of a region in mm, without the signs that tell the way they run."""
    units = [int(region.get(f"PhysicalUnits{axis}Direction") or 0) for axis in "YX"]
    sizes = [numbers(region, f"PhysicalDelta{axis}", 1) for axis in "YX"]
    rows, columns = (abs(size[0]) * _MM if size else 0.0 for size in sizes)
    known = units == [_CENTIMETRES, _CENTIMETRES] and rows > 0 and columns > 0
    return (rows, columns) if known else None
