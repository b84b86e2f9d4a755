"""The plane to check next is where the examples do not settle what is right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medseg.engine.by_example.disagreement import PlaneToCheck, plane_to_check
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.support import SupportError, SupportSet
from napari_medseg.engine.results import Progress, finished
from tests.engine.conftest import disc

FINDS = ByExampleOptions(model="intensity", device="cpu", refine=False)
DEPTH = 60
ODD = 37
SHAPE = (32, 32)


def doubtful_volume() -> np.ndarray:
    """Discs that are bright, but for one plane, where the disc is neither bright nor dark."""
    volume = np.full((DEPTH, *SHAPE), 60, np.uint8)
    volume[:, disc(SHAPE, (16, 16), 8)] = 200
    for plane in range(ODD - 3, ODD + 4):
        volume[plane, disc(SHAPE, (16, 16), 8 - abs(plane - ODD))] = 120
    return volume


@pytest.fixture
def examples() -> SupportSet:
    """Two examples that differ in what is bright enough."""
    mask = disc(SHAPE, (16, 16), 8).astype(np.uint8)
    support = SupportSet(class_names=("background", "disc"))
    for bright in (200, 140):
        image = np.where(mask > 0, bright, 60).astype(np.uint8)
        support.add(image, mask, value_range=(0.0, 255.0))
    return support


def test_it_is_found_between_the_planes_looked_at_first(examples: SupportSet) -> None:
    job = plane_to_check(doubtful_volume(), examples, FINDS, value_range=(0.0, 255.0))
    told: list[Progress] = []
    while True:
        try:
            told.append(next(job))
        except StopIteration as end:
            worst = end.value
            break
    assert isinstance(worst, PlaneToCheck)
    assert worst.index == ODD
    assert worst.disagreement > 0.5
    assert worst.looked_at < DEPTH / 2
    assert all(0 <= progress.done <= progress.total for progress in told)


def test_planes_that_need_no_check_are_left_out(examples: SupportSet) -> None:
    planes = [plane for plane in range(DEPTH) if plane not in (3, 50)]
    worst = finished(
        plane_to_check(
            doubtful_volume(), examples, FINDS, leave_out=[*planes, 3], value_range=(0.0, 255.0)
        )
    )
    assert worst is None or worst.index == 50
    with pytest.raises(ValueError, match="nothing is left to check"):
        finished(plane_to_check(doubtful_volume(), examples, FINDS, leave_out=range(DEPTH)))


def test_examples_that_agree_everywhere_leave_nothing_to_check(examples: SupportSet) -> None:
    same = SupportSet(class_names=examples.class_names)
    for _ in range(2):
        example = examples.examples[0]
        same.add(example.image, example.mask, value_range=example.value_range)
    assert finished(plane_to_check(doubtful_volume(), same, FINDS)) is None


def test_one_example_cannot_disagree(examples: SupportSet) -> None:
    with pytest.raises(SupportError, match="add another example"):
        finished(plane_to_check(doubtful_volume(), examples.without(0), FINDS))
