from __future__ import annotations

import math

import numpy as np
import pytest

from napari_medseg.engine.by_example.leave_one_out import leave_one_out
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.support import SupportError, SupportSet
from tests.engine.conftest import make_plane

OPTIONS = ByExampleOptions(model="intensity", device="cpu")


def scores_of(support: SupportSet) -> list[float]:
    job = leave_one_out(support, OPTIONS)
    while True:
        try:
            step = next(job)
            assert 0 <= step.done <= step.total == len(support)
        except StopIteration as stop:
            return stop.value


def test_a_harmful_example_stands_out(support: SupportSet) -> None:
    image, mask = make_plane(30)
    support.add(image, 1 - mask)
    scores = scores_of(support)
    assert len(scores) == 5
    assert min(scores[:4]) > 0.7
    assert scores[4] < 0.3


def test_a_single_example_cannot_be_judged() -> None:
    assert math.isnan(scores_of(SupportSet().add(*make_plane(0)))[0])


def test_a_class_shown_once_is_left_out_of_the_score(support: SupportSet) -> None:
    image, mask = make_plane(30)
    both = mask.copy()
    both[:4, :4] = 2
    scores = scores_of(support.add(image, both).add(image, np.where(both == 2, 3, 0)))
    assert scores[4] > 0.7
    assert math.isnan(scores[5])


def test_an_example_taken_out_and_added_again_does_not_predict_itself(support: SupportSet) -> None:
    image, mask = make_plane(30)
    support.add(image, 1 - mask)
    before = scores_of(support)
    again = support.examples.pop(4)
    scores = scores_of(support.add(again.image, again.mask))
    assert scores == before


def test_without_examples_there_is_one_sentence() -> None:
    with pytest.raises(SupportError, match="no example yet"):
        scores_of(SupportSet())
