"""Look at planes with the eyes of the examples: once whole, and once more close up."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from napari_medseg.engine.by_example.passes import Averaging, Plane, Predictor, Question, View
from napari_medseg.engine.by_example.refine import Zoom, blend_back, closer_windows
from napari_medseg.engine.colour import Projection
from napari_medseg.engine.resample import Window, resize


@dataclass(frozen=True)
class ClassTask:
    """What the net is told about one class.

    Parameters
    ----------
    index : int
        The class.
    projection : Projection
        Of colours, for examples and query alike.
    whole : View
        The examples' whole planes.
    zoom : {"none", "crop", "tiles"}
        How to look again.
    close : View
        The examples as they are shown then.
    """

    index: int
    projection: Projection
    whole: View
    zoom: Zoom
    close: View


@dataclass(frozen=True)
class Subject:
    """A plane scaled to [0, 1], (H, W) or (H, W, 3), and the class looked for."""

    plane: Plane
    task: ClassTask


@dataclass(frozen=True)
class Look:
    """Probabilities (H, W) after the first look, and after the last."""

    first: Plane
    last: Plane


Looks = Generator[None, None, list[Look]]


def look(predictor: Predictor, subjects: Sequence[Subject], averaging: Averaging) -> Looks:
    """Find a class on every subject, yielding after every pass of the net.

    Returns
    -------
    list of Look
        In the order of the subjects, at the resolution of their planes.
    """
    questions = [_question(subject, _whole(subject), subject.task.whole) for subject in subjects]
    answers = yield from predictor.answer(questions, averaging)
    firsts = [
        resize(answer, subject.plane.shape[:2])
        for answer, subject in zip(answers, subjects, strict=True)
    ]
    windows = [
        closer_windows(subject.task.zoom, first)
        for first, subject in zip(firsts, subjects, strict=True)
    ]
    closer = [
        _question(subject, window, subject.task.close)
        for subject, found in zip(subjects, windows, strict=True)
        for window in found
    ]
    fine = iter((yield from predictor.answer(closer, averaging)))
    return [
        Look(first, blend_back(first, [next(fine) for _ in found], found) if found else first)
        for first, found in zip(firsts, windows, strict=True)
    ]


def _whole(subject: Subject) -> Window:
    return Window(0, 0, *subject.plane.shape[:2])


def _question(subject: Subject, window: Window, view: View) -> Question:
    size = view.images.shape[-1]
    seen = resize(subject.plane[window.slices], (size, size))
    return Question(subject.task.projection(seen), view)
