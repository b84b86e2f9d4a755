"""How well the examples of a support set predict each other."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from napari_medseg.engine.by_example.class_examples import ClassExamples, scale_example
from napari_medseg.engine.by_example.held_out import dice, spread
from napari_medseg.engine.by_example.looks import ClassTask, Subject, look
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.passes import Plane
from napari_medseg.engine.by_example.prepare import PreparedSupport, prepare
from napari_medseg.engine.by_example.support import SupportExample, SupportSet
from napari_medseg.engine.cut import labels_from_probabilities
from napari_medseg.engine.results import Progress, told

OTHERS = 16
"""By how many others an example is predicted at most, so that large sets stay bearable."""


def leave_one_out(
    support: SupportSet, options: ByExampleOptions | None = None
) -> Generator[Progress, None, list[float]]:
    """Predict every example from the others and compare with what was painted.

    A low value marks an example that is unlike the others: a slip of the brush, or a rare case that
    needs more examples of its kind.

    Parameters
    ----------
    support : SupportSet
        At least one example; a `SupportSet.snapshot` where others may change it meanwhile.
    options : ByExampleOptions, optional
        As for the prediction; the same preparation is used.

    Yields
    ------
    Progress
        At least once per pass of the net; `done` counts examples, `preview` is the list so far.

    Returns
    -------
    list of float
        Dice per example, mean over the classes painted on it; NaN where no other example shows any
        of its classes.
    """
    options = options or ByExampleOptions()
    total = len(support)
    examples = list(support)
    colours = all(example.is_rgb for example in examples)
    prepared = yield from prepare(support, options, colours, total)
    scores: list[float] = []
    for example in examples:
        begun = Progress(len(scores), total, f"Example {len(scores) + 1} of {total}")
        scores.append((yield from told(_score(example, prepared, options.threshold), begun)))
        yield Progress(len(scores), total, f"{len(scores)} of {total} examples", list(scores))
    return scores


def _score(
    example: SupportExample, prepared: PreparedSupport, threshold: float
) -> Generator[None, None, float]:
    probabilities = yield from answer_without(example, prepared)
    shown = [index for index in example.classes if index in probabilities]
    if not shown:
        return float("nan")
    maps = np.zeros((len(prepared.class_names) - 1, *example.mask.shape), np.float32)
    for index, plane in probabilities.items():
        maps[index - 1] = plane
    labels = labels_from_probabilities(maps, threshold)
    scores = [dice(labels == index, example.mask == index) for index in shown]
    return float(np.mean(scores))


def answer_without(
    example: SupportExample, prepared: PreparedSupport
) -> Generator[None, None, dict[int, Plane]]:
    """Predict an example from the others, yielding after every pass of the net.

    Returns
    -------
    dict of int to ndarray of float32, shape (H, W)
        Probabilities of every class that another example shows; none where no other example shows
        any class of this one.
    """
    tasks = [task for item in prepared.gathered if (task := _task_without(item, example, prepared))]
    if not {task.index for task in tasks} & set(example.classes):
        return {}
    plane = scale_example(example, prepared.gathered[0].colours)
    looks = yield from look(
        prepared.predictor, [Subject(plane, task) for task in tasks], prepared.averaging
    )
    return {task.index: seen.last for task, seen in zip(tasks, looks, strict=True)}


def _task_without(
    item: ClassExamples, example: SupportExample, prepared: PreparedSupport
) -> ClassTask | None:
    taken = example.content_hash  # not the object: what was prepared may be of an equal set
    rest = [i for i, other in enumerate(item.examples) if other.content_hash != taken]
    if not rest:
        return None
    others = [rest[position] for position in spread(len(rest), OTHERS)]
    way = prepared.ways[item.index]
    return item.task(way.learned, way.twice, others)
