"""Whether a file holds what was to be saved, and where that lies, before it gets its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import same_place
from napari_medseg.io.steps import Steps, in_background

Read = Callable[[Path], tuple[NDArray[Any], Geometry]]


def compare_steps(
    path: Path, read: Read, data: NDArray[Any], geometry: Geometry, what: str = "labels"
) -> Steps[None]:
    """Read a file back and compare it.

    Parameters
    ----------
    path : Path
        The file.
    read : callable
        Gives the values in a file and where they lie; a plane may come back as a volume of one.
    data, geometry : ndarray, Geometry
        What was to be saved.
    what : str
        What it is called, in the plural.

    Raises
    ------
    ValueError
        With what differs.
    """
    message = "Reading back and comparing"
    yield from in_background(lambda _: compare(*read(path), data, geometry, what), message, 1, 1)


def compare(
    found: NDArray[Any], where: Geometry, data: NDArray[Any], geometry: Geometry, what: str
) -> None:
    """Raise where values differ from those that were to be saved, or do not lie in their place."""
    n = data.ndim
    if found.shape[-n:] != data.shape or not np.array_equal(found.reshape(data.shape), data):
        raise ValueError(f"the {what} in the file differ from those that were to be saved.")
    spacing = where.spacing[-n:]
    if not np.allclose(spacing, geometry.spacing, rtol=1e-6, atol=0.0):
        raise ValueError(f"the spacing in the file is {spacing}, not {geometry.spacing}.")
    if where.ndim == n and not same_place(data.shape, geometry, where):
        raise ValueError(f"the {what} in the file lie elsewhere than those that were to be saved.")
