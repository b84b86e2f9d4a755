"""Large images: tiles cover everything, memory stays bounded, lazy arrays stay lazy."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medseg.engine import canvas
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.resample import enlarge_rows, resize
from napari_medseg.engine.with_model import job as segment
from napari_medseg.engine.with_model import model_input
from napari_medseg.engine.with_model.job import segment_job
from napari_medseg.engine.with_model.model_input import is_blank, shrink_plane
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.engine.with_model.tiles import RowBlender, gaussian_weights, tile_starts
from napari_medseg.zoo import architectures
from tests.engine.pretrained import BrightNet, MeanNet, write_pretrained


@pytest.fixture(autouse=True)
def nets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BrightNet", "MeanNet"):
        monkeypatch.setitem(architectures.NETS, name, "tests.engine.pretrained")


@given(st.integers(1, 300), st.integers(1, 64), st.floats(0, 0.95))
def test_tiles_cover_an_axis_without_leaving_it(length: int, tile: int, overlap: float) -> None:
    starts = tile_starts(length, tile, overlap)
    covered = np.zeros(max(length, tile), bool)
    for start in starts:
        covered[start : start + tile] = True
    assert covered.all()
    assert starts == sorted(set(starts))
    assert starts[-1] + tile == max(length, tile)


@given(st.integers(16, 60), st.integers(16, 60), st.sampled_from([0.0, 0.25, 0.5, 0.8]))
def test_blending_gives_back_what_every_tile_agrees_on(
    height: int, width: int, overlap: float
) -> None:
    expected = np.random.default_rng(height).random((2, height, width)).astype(np.float32)
    blender = RowBlender((height, width), (16, 12), overlap, 2)
    rows = []
    for number, top in enumerate(blender.tops):
        for left in blender.lefts:
            blender.add(left, expected[:, top : top + 16, left : left + 12])
        rows.append(blender.finish_row(number))
    np.testing.assert_allclose(np.concatenate(rows, axis=1), expected, rtol=1e-5)


def test_the_middle_of_a_tile_weighs_most_and_every_pixel_something() -> None:
    weights = gaussian_weights((33, 65))
    assert weights[16, 32] == weights.max() == 1
    assert weights.min() > 0


def lazy_model(root: Path, **fields: Any) -> SegmentOptions:
    net = fields.pop("net", BrightNet())
    stated = {"size": [256, 256], "scaling": {"kind": "divide", "by": 255}} | fields
    return SegmentOptions(write_pretrained(root, "lazy", net, input=stated))


def run(job: Any) -> Any:
    while True:
        try:
            next(job)
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("fit", ["tile", "resize"])
def test_a_large_lazy_image_is_never_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: str
) -> None:
    """4 megapixels as RGB stand for 100: memory must stay far below one float image."""
    largest = []

    def pattern(block_info: Any = None) -> np.ndarray:
        (top, bottom), (left, right), _ = block_info[None]["array-location"]
        largest.append((bottom - top) * (right - left))
        rows, columns = np.ogrid[top:bottom, left:right]
        block = np.where((rows // 500 + columns // 500) % 2 == 0, 200, 40)
        return np.repeat(block[..., None], 3, axis=-1).astype(np.uint8)

    shape = (2000, 2000, 3)
    image = da.map_blocks(pattern, chunks=((250,) * 8, (250,) * 8, (3,)), dtype=np.uint8)
    assert image.shape == shape
    monkeypatch.setattr(model_input, "STRIP_PIXELS", 2**18)
    monkeypatch.setattr(segment, "STRIP_PIXELS", 2**18)
    monkeypatch.setattr(canvas, "PREVIEW_PIXELS", 2**18)
    options = lazy_model(tmp_path, fit=fit)
    options = SegmentOptions(options.model, keep_probabilities=False)
    run(segment_job(image[:300, :300], options))
    tracemalloc.start()
    found = run(segment_job(image, options))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.probabilities is None
    rows, columns = np.ogrid[:2000, :2000]
    expected = (rows // 500 + columns // 500) % 2 == 0
    assert (found.labels != expected).mean() < (1e-9 if fit == "tile" else 0.03)
    assert peak < 2000 * 2000 * 3 * 4


def test_memory_mapped_and_turned_volumes_stay_on_disk(tmp_path: Path) -> None:
    volume = np.memmap(tmp_path / "v", np.uint8, "w+", shape=(40, 50, 6))
    volume[...] = np.random.default_rng(0).integers(0, 256, volume.shape)
    options = lazy_model(tmp_path, fit="tile")
    for image in (volume, da.from_array(np.asarray(volume), chunks=10)):
        found = run(segment_job(image, options, axis=2, rgb=False))
        np.testing.assert_array_equal(found.labels, volume > 127)


def test_an_array_that_cannot_be_turned_is_turned_for_it(tmp_path: Path) -> None:
    import zarr

    data = np.random.default_rng(0).integers(0, 256, (6, 30, 20), np.uint8)
    stored = zarr.create_array(tmp_path / "z", shape=data.shape, chunks=(2, 10, 10), dtype="u1")
    stored[...] = data
    for axis in (0, 1):
        found = run(segment_job(stored, lazy_model(tmp_path, fit="tile"), axis=axis))
        np.testing.assert_array_equal(found.labels, data > 127)


def test_labels_too_large_for_memory_lie_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "fits", lambda _: False)
    image = np.random.default_rng(0).integers(0, 256, (60, 50), np.uint8)
    job = segment_job(image, lazy_model(tmp_path, fit="tile"))
    message = next(job).message
    found = run(segment_job(image, lazy_model(tmp_path, fit="tile")))
    assert isinstance(found.labels, np.memmap)
    assert found.probabilities is None
    assert "not kept" in message
    np.testing.assert_array_equal(found.labels, image > 127)


def test_strips_enlarge_as_the_whole_does() -> None:
    small = np.random.default_rng(0).random((2, 7, 9)).astype(np.float32)
    whole = np.moveaxis(resize(np.moveaxis(small, 0, -1), (40, 31)), -1, 0)
    strips = [enlarge_rows(small, (40, 31), top, min(top + 11, 40)) for top in range(0, 40, 11)]
    np.testing.assert_allclose(np.concatenate(strips, axis=1), whole, atol=1e-6)


def test_strips_shrink_nearly_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = np.mgrid[:311, :407]
    image = (100 + 50 * np.sin(rows / 40) + 50 * np.cos(columns / 30)).astype(np.uint8)
    planes = Planes(image, value_range=(0, 255))
    whole = shrink_plane(planes, 0, (32, 32))
    monkeypatch.setattr(model_input, "STRIP_PIXELS", 2**13)
    in_strips = shrink_plane(planes, 0, (32, 32))
    assert in_strips.shape == whole.shape
    assert np.abs(in_strips - whole).max() < 0.02


def test_a_blank_plane_is_recognised_whatever_its_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_input, "STRIP_PIXELS", 2**8)
    image = np.full((50, 20), 3.0)
    image[10] = np.nan
    assert is_blank(Planes(image, value_range=(0, 10)), 0)
    image[49, 19] = 4
    assert not is_blank(Planes(image, value_range=(0, 10)), 0)


def test_where_tiles_disagree_the_answer_changes_gradually(tmp_path: Path) -> None:
    image = np.zeros((64, 160), np.uint8)
    image[:, 80:] = 255
    options = lazy_model(tmp_path, net=MeanNet(), fit="tile", size=[64, 64], overlap=0.5)
    probabilities = run(segment_job(image, options)).probabilities
    assert np.abs(np.diff(probabilities[0, 30])).max() < 0.15
