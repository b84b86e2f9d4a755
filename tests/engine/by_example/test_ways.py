"""How a class is looked at, where the examples are too few to choose by leaving one out."""

from __future__ import annotations

import pytest

from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.prepare import prepare
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.results import finished
from tests.engine.conftest import make_colour_plane


def ways(count: int, **options: object) -> tuple[bool, bool, dict[str, float]]:
    support = SupportSet()
    for seed in range(count):
        support.add(*make_colour_plane(seed))
    chosen = ByExampleOptions(model="intensity", device="cpu", **options)  # type: ignore[arg-type]
    way = finished(prepare(support, chosen, True)).ways[1]
    return way.learned, way.twice, dict(way.scores)


@pytest.mark.parametrize("count", [1, 2])
def test_few_examples_are_looked_at_the_plain_way(count: int) -> None:
    assert ways(count) == (False, False, {})


def test_what_the_user_decides_is_done_with_one_example_too() -> None:
    assert ways(1, colour="learned", refine=True)[:2] == (True, True)


def test_from_three_examples_on_it_is_chosen_by_leaving_one_out() -> None:
    learned, _, scores = ways(3)
    assert learned, "the discs differ from their surroundings in colour alone"
    assert scores["learned, once"] > scores["grey, once"] + 0.3
