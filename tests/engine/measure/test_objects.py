from __future__ import annotations

import numpy as np
import pytest

from napari_medseg.engine.measure.objects import split_objects
from napari_medseg.engine.results import Provenance, Segmentation


def _disc(shape: tuple[int, ...], centre: tuple[float, ...], radius: float, steps=None):
    grid = np.indices(shape, dtype=float)
    steps = steps or (1.0,) * len(shape)
    apart = sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, steps, strict=True))
    return apart <= radius**2


def test_discs_that_overlap_are_parted_in_the_middle():
    left, right = _disc((40, 60), (20, 20), 11), _disc((40, 60), (20, 38), 11)
    objects = split_objects((left | right).astype(np.uint8))
    assert objects.dtype == np.uint32
    assert objects.max() == 2
    assert objects[20, 12] != objects[20, 46]
    assert np.array_equal(objects > 0, left | right)
    sizes = np.bincount(objects.ravel())[1:]
    assert abs(int(sizes[0]) - int(sizes[1])) <= 0.05 * sizes.sum()


def test_a_rough_edge_makes_no_objects():
    rng = np.random.default_rng(0)
    disc = _disc((60, 60), (30, 30), 20)
    rough = disc & ~((rng.random(disc.shape) < 0.3) & ~_disc((60, 60), (30, 30), 18.5))
    assert split_objects(rough.astype(np.uint8)).max() == 1


def test_objects_of_two_classes_keep_apart_and_are_numbered_in_order():
    labels = np.zeros((12, 30), np.uint8)
    labels[2:10, 2:10], labels[2:10, 10:18], labels[2:10, 21:29] = 2, 1, 1
    objects = split_objects(labels)
    assert objects[5, 12] == 1
    assert objects[5, 25] == 2
    assert objects[5, 5] == 3


def test_spacing_decides_what_is_round_in_a_volume():
    steps = (4.0, 1.0, 1.0)
    first = _disc((12, 30, 60), (6, 15, 18), 12, steps)
    second = _disc((12, 30, 60), (6, 15, 38), 12, steps)
    objects = split_objects((first | second).astype(np.uint8), steps)
    assert objects.max() == 2


def test_an_object_at_the_edge_of_the_image_is_whole():
    labels = _disc((40, 40), (0, 20), 12).astype(np.uint8)
    assert split_objects(labels).max() == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("step", [1.0, 5.0])
def test_what_lies_in_one_plane_of_a_volume_is_parted_as_a_plane(axis: int, step: float) -> None:
    plane = (_disc((40, 60), (20, 20), 11) | _disc((40, 60), (20, 38), 11)).astype(np.uint8)
    volume = np.zeros((5, 40, 60), np.uint8)
    volume[2] = plane
    steps = np.insert([1.0, 1.0], axis, step)
    objects = split_objects(np.moveaxis(volume, 0, axis), steps)
    assert np.array_equal(np.moveaxis(objects, axis, 0)[2], split_objects(plane))
    assert objects.max() == 2
    line = np.zeros((1, 30), np.uint8)
    line[0, 3:9] = 1
    assert split_objects(line).max() == split_objects(line[None]).max() == 1


def test_nothing_gives_nothing_and_wrong_sizes_are_refused():
    assert split_objects(np.zeros((5, 6), np.uint8)).max() == 0
    with pytest.raises(ValueError, match="above 0"):
        split_objects(np.ones((5, 6), np.uint8), diameter=0)


def test_a_known_diameter_takes_the_place_of_the_estimate():
    labels = np.zeros((40, 80), np.uint8)
    labels[10:30, 5:75] = 1
    labels[10:14, 38:42] = 0  # a notch that is shallow for large objects, deep for small ones
    assert split_objects(labels, diameter=60).max() == 1
    assert split_objects(labels, diameter=8).max() > 1


def test_no_object_is_lost_however_small_beside_the_others_or_beside_the_diameter() -> None:
    labels = np.zeros((80, 120), np.uint8)
    rows, columns = np.mgrid[:80, :120]
    labels[(rows - 40) ** 2 + (columns - 40) ** 2 < 30**2] = 1
    labels[10, 100] = 1
    for diameter in (None, 500.0):
        objects = split_objects(labels, diameter=diameter)
        np.testing.assert_array_equal(objects > 0, labels > 0)
        assert objects.max() == 2


def test_objects_that_touch_can_stay_together() -> None:
    ring = np.zeros((60, 60), np.uint8)
    rows, columns = np.mgrid[:60, :60]
    distance = np.hypot(rows - 30, columns - 30)
    ring[(distance > 15) & (distance < 25)] = 1
    ring[0, 0] = 1
    assert split_objects(ring, part_touching=False).max() == 2


def test_where_a_net_is_unsure_objects_are_parted_without_a_neck() -> None:
    labels = np.zeros((21, 50), np.uint8)
    labels[5:16, 5:45] = 1
    sure = np.where(labels, np.float32(0.95), np.float32(0))
    sure[:, 23:27] = np.minimum(sure[:, 23:27], 0.6)
    made = Provenance("segment")
    found = Segmentation(labels, sure[None], ("background", "nucleus"), made)
    assert split_objects(labels).max() == 1
    objects = split_objects(found)
    assert objects.max() == 2
    np.testing.assert_array_equal(objects > 0, labels > 0)
    assert set(np.unique(objects[:, 5:23])) == {0, 1} and set(np.unique(objects[:, 27:])) == {0, 2}
    assert split_objects(found, part_touching=False).max() == 1


def test_an_image_without_any_edge_is_one_object() -> None:
    labels = np.ones((24, 40), np.uint8)
    sure = np.random.default_rng(0).uniform(0.5, 1, (1, 24, 40)).astype(np.float32)
    found = Segmentation(labels, sure, ("background", "cell"), Provenance("test"))
    assert split_objects(found).max() == 1
    assert split_objects(labels).max() == 1


def test_a_hole_that_was_filled_parts_nothing() -> None:
    labels = _disc((41, 41), (20, 20), 15).astype(np.uint8)
    sure = np.where(_disc((41, 41), (20, 20), 3), 0, labels * np.float32(0.9))
    made = Provenance("segment")
    found = Segmentation(labels, sure[None].astype(np.float32), ("background", "cell"), made)
    assert split_objects(found).max() == 1
