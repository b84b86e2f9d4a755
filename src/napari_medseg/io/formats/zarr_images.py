"""OME-Zarr images (NGFF 0.4 and 0.5): lazy, with all their levels."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from napari_medseg.io.errors import ReadError
from napari_medseg.io.extras import import_extra
from napari_medseg.io.findings import Finding
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import ImageFile
from napari_medseg.io.units import PIXEL, common_unit, in_seconds


def read_zarr(folder: Path) -> ImageFile:
    """Give the first multiscale image of an OME-Zarr, lazily.

    Axes come in the order that the file has them; a channel axis of three or four samples of
    8 bits becomes colour, one of a single sample goes, and any other stays the leading axis. A
    negative scale is kept as the direction of its axis. Chunks that are not there are told, without
    a warning: the specification has writers leave out those of nothing but the fill value.

    Raises
    ------
    ReadError
        With one sentence, where it is no OME-Zarr image.
    """
    zarr = zarr_package()
    import dask.array as da

    try:
        group = zarr.open_group(folder, mode="r")
        attributes = dict(group.attrs)
    except Exception as error:
        raise ReadError(
            f"{folder.name} is no OME-Zarr image (there is no Zarr group in it)."
        ) from error
    described = attributes.get("ome", attributes)
    if not described.get("multiscales"):
        raise ReadError(f"{folder.name} holds no multiscale image; open the image in it.")
    scales = described["multiscales"][0]
    axes = [_axis(axis) for axis in scales["axes"]]
    arrays = [group[entry["path"]] for entry in scales["datasets"]]
    levels = [da.from_zarr(array) for array in arrays]
    levels = [level.astype(level.dtype.newbyteorder("=")) for level in levels]
    if any(level.ndim != len(axes) for level in levels):
        raise ReadError(f"{folder.name} names {len(axes)} axes and has {levels[0].ndim}.")
    scale, shift = _transform(scales, len(axes))
    name = folder.name[: -len(".zarr")].removesuffix(".ome")
    image = _arranged(name, levels, axes, scale, shift)
    return replace(image, findings=_missing(arrays[0], folder / scales["datasets"][0]["path"]))


def _missing(array: Any, folder: Path) -> tuple[Finding, ...]:
    """Tell how many chunks of an array have no file; zarr counts them too, in quadratic time."""
    stored = array.shards or array.chunks
    total = math.prod(-(-n // size) for n, size in zip(array.shape, stored, strict=True))
    there = sum(
        not name.startswith(".") and name != "zarr.json"
        for _, _, names in os.walk(folder)
        for name in names
    )
    if there >= total:
        return ()
    sentence = f"{total - there} of {total} chunks are not there, they are shown as "
    return (Finding("missing chunks", f"{sentence}{array.fill_value or 0:g}.", warning=False),)


def _axis(axis: Any) -> dict[str, str]:
    return dict(axis) if isinstance(axis, Mapping) else {"name": str(axis)}


def _transform(scales: Mapping[str, Any], ndim: int) -> tuple[list[float], list[float]]:
    """Give the scale of the finest level and its shift, with those of the whole image applied."""
    scale, shift = np.ones(ndim), np.zeros(ndim)
    own = scales["datasets"][0].get("coordinateTransformations", [])
    for step in (*own, *scales.get("coordinateTransformations", [])):
        if step.get("type") == "scale":
            scale, shift = scale * step["scale"], shift * step["scale"]
        elif step.get("type") == "translation":
            shift = shift + step["translation"]
    return scale.tolist(), shift.tolist()


def _arranged(
    name: str,
    levels: Sequence[Any],
    axes: Sequence[Mapping[str, str]],
    scale: Sequence[float],
    shift: Sequence[float],
) -> ImageFile:
    names = [axis["name"] for axis in axes]
    spatial = [n for n, axis in enumerate(axes) if axis["name"] in ("z", "y", "x")]
    if [names[n] for n in spatial] not in (["y", "x"], ["z", "y", "x"]):
        raise ReadError(f"{name} has the axes {', '.join(names)}; y and x must be there, in order.")
    finest = levels[0]
    rgb, drop = False, []
    if "c" in names:
        channel = names.index("c")
        rgb = finest.shape[channel] in (3, 4) and finest.dtype == np.uint8
        drop = [channel] if rgb or finest.shape[channel] == 1 else []
        levels = [_channel_moved(level, channel, rgb) if drop else level for level in levels]
    for n, axis in enumerate(names):
        if axis not in ("z", "y", "x", "c") and finest.shape[n] == 1:
            levels = [level.squeeze(n - sum(d < n for d in drop)) for level in levels]
            drop = [*drop, n]
    left = tuple(axis for n, axis in enumerate(names) if n not in drop)
    named = [axes[n].get("unit") or "" for n in spatial]
    units, factor = common_unit(named) or (PIXEL, (1.0,) * len(named))
    geometry = Geometry(
        tuple(abs(scale[n]) * factor[k] for k, n in enumerate(spatial)),
        tuple(shift[n] * factor[k] for k, n in enumerate(spatial)),
        tuple(tuple(row) for row in np.diag(np.where(np.take(scale, spatial) < 0, -1.0, 1.0))),
        units=units,
    )
    return ImageFile(
        levels[0],
        geometry,
        rgb,
        name,
        axes=left,
        step=_step(names, axes, scale),
        levels=tuple(levels[1:]),
        source={"kind": "ome-zarr"},
    )


def _channel_moved(level: Any, channel: int, rgb: bool) -> Any:
    if not rgb:
        return level.squeeze(channel)
    order = [n for n in range(level.ndim) if n != channel]
    return level.transpose([*order, channel])


def _step(
    names: Sequence[str], axes: Sequence[Mapping[str, str]], scale: Sequence[float]
) -> tuple[float, str]:
    if "t" not in names:
        return 1.0, "pixel"
    n = names.index("t")
    factor = in_seconds(axes[n].get("unit", ""))
    return (1.0, "pixel") if factor is None else (scale[n] * factor, "s")


def zarr_package(error: type[Exception] = ReadError) -> ModuleType:
    """Give the package zarr; without it, `error` says how to install it."""
    return import_extra("zarr", "ngff", "OME-Zarr needs", error)
