"""Choose by leave-one-out how a class is looked at: grey or in learned colours, once or twice."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.class_examples import ClassExamples
from napari_medseg.engine.looks import Look, Subject, look
from napari_medseg.engine.passes import Averaging, Predictor

FEWEST_EXAMPLES = 3
"""With fewer examples leave-one-out is a coin toss, and the defaults are taken."""

HELD_OUT = 4
OTHERS = 8
"""How many examples are held out, and by how many others each is predicted: the choice costs at
most `HELD_OUT` passes for every kind of look, whatever the size of the support set."""

WORTH = 0.01
"""Gain of Dice from which the dearer way is taken."""


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
        return Way(colours[0], looks[-1])
    scores: dict[tuple[bool, bool], float] = {}
    for colour in colours:
        found = yield from _leave_one_out(predictor, examples, colour, looks[-1])
        for again, score in zip((False, True), found, strict=True):
            scores[colour, again] = score
    ways = sorted(product(colours, looks))
    best = ways[0]
    for way in ways[1:]:
        if scores[way] > scores[best] + WORTH:
            best = way
    return Way(*best, scores={_words(*way): round(scores[way], 4) for way in ways})


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Give the Dice overlap of two masks; 1 where both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * int((found & truth).sum()) / total if total else 1.0


def _leave_one_out(
    predictor: Predictor, examples: ClassExamples, learned: bool, twice: bool
) -> Generator[None, None, tuple[float, float]]:
    """Mean Dice after the first look and after the last."""
    held_out = spread(len(examples), HELD_OUT)
    subjects = []
    for index in held_out:
        rest = [other for other in range(len(examples)) if other != index]
        others = [rest[position] for position in spread(len(rest), OTHERS)]
        subjects.append(Subject(examples.plane(index), examples.task(learned, twice, others)))
    looks: list[Look] = yield from look(predictor, subjects, Averaging())
    truths = [examples.examples[index].mask == examples.index for index in held_out]
    firsts = [dice(seen.first >= 0.5, truth) for seen, truth in zip(looks, truths, strict=True)]
    lasts = [dice(seen.last >= 0.5, truth) for seen, truth in zip(looks, truths, strict=True)]
    return float(np.mean(firsts)), float(np.mean(lasts))


def spread(length: int, most: int) -> list[int]:
    """Give at most so many indices, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, length - 1, min(length, most)).round())]


def _words(learned: bool, twice: bool) -> str:
    return f"{'learned' if learned else 'grey'}, {'twice' if twice else 'once'}"
