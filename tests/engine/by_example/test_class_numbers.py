"""Examples whose numbers or colours are hardly what was meant are told."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medseg.engine.by_example.support import SupportError, SupportSet, why_doubtful

GREY, COLOUR = np.ones((6, 6), np.uint8), np.ones((6, 6, 3), np.uint8)
MASK = np.eye(6, dtype=np.uint8)


def test_a_class_number_that_skips_others_is_refused() -> None:
    support = SupportSet()
    with pytest.raises(SupportError, match="class 7 but nothing is known of class 1"):
        support.add(GREY, MASK * 7)
    assert len(support) == 0
    assert support.class_names == ("background",)
    assert support.add(GREY, MASK).add(GREY, MASK * 2).class_names[1:] == ("class 1", "class 2")


def test_named_classes_may_come_in_any_order() -> None:
    named = SupportSet(class_names=("background", "a", "b", "c"))
    assert named.add(GREY, MASK * 3).class_names == ("background", "a", "b", "c")


@pytest.mark.parametrize(
    ("images", "rgb", "words"),
    [
        ([GREY], True, "examples are grey"),
        ([COLOUR], False, "image is grey"),
        ([GREY, COLOUR], True, "Some examples"),
        ([GREY], False, ""),
        ([COLOUR], True, ""),
    ],
)
def test_examples_of_another_kind_are_told(images, rgb: bool, words: str) -> None:
    support = SupportSet()
    for image in images:
        support.add(image, MASK)
    assert words in why_doubtful(support, rgb)
    assert bool(why_doubtful(support, rgb)) == bool(words)
