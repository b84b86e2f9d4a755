from __future__ import annotations

import numpy as np
import pytest

import napari_medseg as medseg
from napari_medseg.engine.by_example.support import SupportError, SupportSet

IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)
MASK = (IMAGE > 6).astype(np.uint8)


def test_an_example_is_a_copy() -> None:
    image, mask = IMAGE.copy(), MASK.copy()
    support = SupportSet().add(image, mask)
    image[:], mask[:] = 0, 0
    np.testing.assert_array_equal(support.examples[0].image, IMAGE)
    np.testing.assert_array_equal(support.examples[0].mask, MASK)
    with pytest.raises(ValueError, match="read-only"):
        support.examples[0].mask[0, 0] = 1


def test_classes_name_themselves() -> None:
    support = SupportSet(class_names=("background", "lesion")).add(IMAGE, MASK * 2)
    assert support.class_names == ("background", "lesion", "class 2")
    assert support.examples[0].classes == (2,)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float32])
def test_masks_of_any_type_hold_class_numbers(dtype: type) -> None:
    assert SupportSet().add(IMAGE, MASK.astype(dtype)).examples[0].mask.dtype == np.uint8


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        (IMAGE, np.zeros_like(MASK), "Nothing is painted"),
        (IMAGE, MASK[:, :3], "3 × 3 but its image 3 × 4"),
        (IMAGE, MASK.astype(int) - 1, "Class numbers go from 0 to 255"),
        (IMAGE, MASK.astype(int) * 256, "Class numbers go from 0 to 255"),
        (IMAGE, MASK * 0.5, "class numbers 0, 1, 2"),
        (IMAGE, np.full(MASK.shape, np.nan), "class numbers 0, 1, 2"),
        (IMAGE[0], MASK[0], "one plane"),
        (np.zeros((3, 4, 5)), MASK, "one plane"),
        (IMAGE.astype(complex), MASK, "cannot be segmented"),
    ],
)
def test_an_example_that_cannot_be_used_changes_nothing(
    image: np.ndarray, mask: np.ndarray, words: str
) -> None:
    support = SupportSet().add(IMAGE, MASK)
    with pytest.raises(SupportError, match=words):
        support.add(image, mask)
    assert len(support) == 1
    assert support.class_names == ("background", "class 1")


def test_a_reversed_value_range_is_refused() -> None:
    with pytest.raises(SupportError, match="value range"):
        SupportSet().add(IMAGE, MASK, value_range=(5, 1))


def test_a_snapshot_does_not_follow_later_changes() -> None:
    support = SupportSet().add(IMAGE, MASK).add(IMAGE, MASK * 2)
    snapshot = support.snapshot()
    support.remove(0)
    support.add(IMAGE, MASK * 3)
    assert len(snapshot) == 2
    assert snapshot.class_names == ("background", "class 1", "class 2")


def test_the_content_hash_is_of_what_decides_and_nothing_else() -> None:
    first = SupportSet().add(IMAGE, MASK, name="a").add(IMAGE + 1, MASK)
    turned = SupportSet().add(IMAGE + 1, MASK, name="b").add(IMAGE, MASK)
    ranged = SupportSet().add(IMAGE, MASK, value_range=(0, 9)).add(IMAGE + 1, MASK)
    assert first.content_hash == turned.content_hash
    assert first.content_hash != ranged.content_hash
    assert first.content_hash != SupportSet(first, ("background", "x")).content_hash


def test_what_is_no_support_set_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(SupportError, match=r"SupportSet.load reads a folder"):
        medseg.segment_by_example(IMAGE, str(tmp_path))
    with pytest.raises(SupportError, match="Class names are a list of names"):
        SupportSet(class_names="lesion")


def test_floats_of_more_than_eight_bytes_can_be_saved(tmp_path):
    support = SupportSet()
    support.add(IMAGE.astype(np.longdouble), MASK)
    support.save(tmp_path / "set")
    assert SupportSet.load(tmp_path / "set").examples[0].image.dtype == np.float64
