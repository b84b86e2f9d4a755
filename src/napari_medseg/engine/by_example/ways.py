"""Choose by leave-one-out how a class is looked at: grey or in learned colours, once or twice.

For either kind of colours, a crop is taken unless it loses Dice on the held-out examples, tiles
only where their gain is more than chance; of the two kinds, the one with the higher mean Dice wins.
That costs up to 12 passes of the net by 8 examples for a grey crop (about 2 s on one core), 60 for
colours and tiles, once for a support set.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.class_examples import ClassExamples
from napari_medseg.engine.by_example.held_out import dice, spread
from napari_medseg.engine.by_example.looks import Look, Subject, look
from napari_medseg.engine.by_example.passes import Averaging, Predictor
from napari_medseg.engine.by_example.refine import Zoom

FEWEST_EXAMPLES = 3
"""With fewer examples leave-one-out is a coin toss, and what is left open is grey and looked at
once. With a single example a crop lost as often as it won (mean Dice on 15 open tasks 0.28 with and
0.30 without, from 0.15 less to 0.24 more), and learned colours won on stained tissue (0.31) what
they lost on skin (0.30)."""

HELD_OUT = 6
OTHERS = 8
"""How many examples are held out, and by how many others each is predicted: the choice costs at
most `HELD_OUT` passes for every kind of look, whatever the size of the support set."""

WORTH = 0.01
"""Gain of Dice from which tiles are taken, if it exceeds its standard error, too."""


@dataclass(frozen=True)
class Way:
    """How a class is looked at.

    Parameters
    ----------
    learned : bool
        Whether colours are projected as learned from the examples, or to grey.
    twice : bool
        Whether the region found is looked at again, close up.
    scores : mapping of str to float
        Mean leave-one-out Dice of what was tried, such as ``{"grey, once": 0.71}``.
    """

    learned: bool
    twice: bool
    scores: dict[str, float] = field(default_factory=dict)


def choose_way(
    predictor: Predictor,
    examples: ClassExamples,
    learned: bool | None,
    twice: bool | None,
) -> Generator[None, None, Way]:
    """Choose what is left open, yielding after every pass of the net.

    Parameters
    ----------
    predictor : Predictor
        The net.
    examples : ClassExamples
        Of one class.
    learned, twice : bool or None
        What the user decided; None is left open.

    Returns
    -------
    Way
        With the scores where leave-one-out was needed.
    """
    colours = [learned] if learned is not None else [False, True]
    if not examples.colours:
        colours = [False]
    if examples.zoom == "none":
        twice = False
    looks = [twice] if twice is not None else [False, True]
    if len(colours) * len(looks) == 1:
        return Way(colours[0], looks[0])
    if len(examples) < FEWEST_EXAMPLES:
        return Way(colours[0], looks[0])
    chosen: dict[tuple[bool, bool], float] = {}
    scores: dict[str, float] = {}
    for colour in colours:
        tried = yield from _leave_one_out(predictor, examples, colour, looks)
        again = looks[0] if len(looks) == 1 else _is_worth_it(examples.zoom, tried)
        chosen[colour, again] = float(tried[again].mean())
        scores |= {
            _words(colour, look_again): round(float(d.mean()), 4) for look_again, d in tried.items()
        }
    return Way(*max(chosen, key=lambda way: (chosen[way], way)), scores=scores)


def _leave_one_out(
    predictor: Predictor, examples: ClassExamples, learned: bool, looks: list[bool]
) -> Generator[None, None, dict[bool, NDArray[np.float64]]]:
    """Dice of every held-out example after the first look (False), after the second (True)."""
    held_out = spread(len(examples), HELD_OUT)
    subjects = []
    for index in held_out:
        rest = [other for other in range(len(examples)) if other != index]
        others = [rest[position] for position in spread(len(rest), OTHERS)]
        subjects.append(Subject(examples.plane(index), examples.task(learned, looks[-1], others)))
    seen: list[Look] = yield from look(predictor, subjects, Averaging())
    truths = [examples.examples[index].mask == examples.index for index in held_out]
    pairs = list(zip(seen, truths, strict=True))
    scores = {
        False: np.array([dice(one.first >= 0.5, truth) for one, truth in pairs]),
        True: np.array([dice(one.last >= 0.5, truth) for one, truth in pairs]),
    }
    return {twice: scores[twice] for twice in looks}


def _is_worth_it(zoom: Zoom, tried: dict[bool, NDArray[np.float64]]) -> bool:
    """Say whether the second look is, by what it gained on every held-out example.

    A crop gains for most tasks, so it need only do no harm; tiles harm most tasks, as the net loses
    sight of the whole, so they must gain more than chance would.
    """
    gains = tried[True] - tried[False]
    if zoom == "crop":
        return bool(gains.mean() >= 0)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return bool(gains.mean() > max(WORTH, error))


def _words(learned: bool, twice: bool) -> str:
    return f"{'learned' if learned else 'grey'}, {'twice' if twice else 'once'}"
