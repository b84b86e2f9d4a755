"""Segmentation by example: a few painted planes say what is wanted, nothing is trained.

The in-context net UniverSeg (Butoi, Gonzalez Ortiz et al., ICCV 2023) is asked once per class, one
against the rest; classes are combined by their highest probability.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.cut import labels_from_probabilities
from napari_medseg.engine.looks import Look, Looks, Subject, look
from napari_medseg.engine.memory import fits, queries_per_pass
from napari_medseg.engine.options import DEFAULT_MODEL, ByExampleOptions
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.prepare import PreparedSupport, prepare
from napari_medseg.engine.results import (
    Job,
    PlanePreview,
    Progress,
    Provenance,
    Segmentation,
    finished,
)
from napari_medseg.engine.scaling import ValueRange
from napari_medseg.engine.support import SupportSet
from napari_medseg.zoo.cards import ModelCard

__all__ = ["DEFAULT_MODEL", "ByExampleOptions", "by_example_job", "segment_by_example"]


def by_example_job(
    image: Any,
    support: SupportSet,
    options: ByExampleOptions | None = None,
    *,
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    value_range: ValueRange | None = None,
) -> Job:
    """Segment an image or a volume as the examples show, yielding progress.

    Parameters
    ----------
    image : array-like, shape (H, W), (H, W, 3|4), (Z, H, W) or (Z, H, W, 3|4)
        Any bool, integer or float type. NaN and infinite pixels are background; so is a plane whose
        pixels are all equal.
    support : SupportSet
        At least one example; a `SupportSet.snapshot` where others may change it meanwhile.
    options : ByExampleOptions, optional
        See there.
    rgb : bool, optional
        Whether the last axis holds colours; by default as in `Planes`.
    planes : sequence of int, optional
        Planes of a volume to fill, in this order; by default all. The others stay 0.
    value_range : tuple of float, optional
        Raw values that become 0 and 1; by default the robust range of the whole image.

    Yields
    ------
    Progress
        At least once per pass of the net; `done` counts planes. When a plane is finished, `preview`
        is its `PlanePreview`.

    Returns
    -------
    Segmentation
        At the image's resolution.

    Raises
    ------
    ValueError
        With one sentence, where the image, the examples, the model or an option cannot be used.
    MemoryError
        Where even a single pass does not fit.
    """
    options = options or ByExampleOptions()
    volume = Planes(image, rgb, value_range)
    order = volume.checked_order(planes)
    prepared = yield from prepare(support, options, volume.is_rgb, len(order))
    result = _Result(volume, prepared, options)
    for chunk in _chunks(order, prepared):
        yield from _fill(chunk, volume, prepared, result, len(order))
    return result.segmentation(order)


def segment_by_example(
    image: Any,
    support: SupportSet,
    *,
    model: str | ModelCard = DEFAULT_MODEL,
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    value_range: ValueRange | None = None,
    **options: Any,
) -> Segmentation:
    """Segment an image or a volume as the examples show; see `by_example_job`.

    Parameters
    ----------
    image, support, rgb, planes, value_range
        As for `by_example_job`.
    model : str or ModelCard
        An in-context model of the zoo.
    **options
        Fields of `ByExampleOptions`.

    Returns
    -------
    Segmentation
        At the image's resolution.
    """
    chosen = ByExampleOptions(model=model, **options)
    job = by_example_job(image, support, chosen, rgb=rgb, planes=planes, value_range=value_range)
    return finished(job)


class _Result:
    """The labels and probabilities that fill up plane by plane."""

    def __init__(
        self, volume: Planes, prepared: PreparedSupport, options: ByExampleOptions
    ) -> None:
        self.volume, self.prepared, self.options = volume, prepared, options
        n_classes = len(prepared.class_names) - 1
        self.done = 0
        self.labels = np.zeros(volume.shape, np.uint8)
        shape = (n_classes, *volume.shape)
        wanted = options.keep_probabilities and fits(4 * int(np.prod(shape)))
        self.probabilities = np.zeros(shape, np.float32) if wanted else None
        self.notice = (
            "The probabilities of the whole volume do not fit into memory and are not kept."
            if options.keep_probabilities and not wanted
            else ""
        )

    def blank(self) -> NDArray[np.float32]:
        """Give the probabilities of a plane on which nothing is found."""
        return np.zeros((len(self.prepared.class_names) - 1, *self.volume.plane_shape), np.float32)

    def put(self, index: int, plane: NDArray[np.float32]) -> None:
        """Take a finished plane, (C, H, W)."""
        at: Any = index if self.volume.is_volume else slice(None)
        self.labels[at] = labels_from_probabilities(plane, self.options.threshold)
        if self.probabilities is not None:
            self.probabilities[:, at] = plane
        self.done += 1

    def segmentation(self, order: Sequence[int]) -> Segmentation:
        """Give the result with all that it depends on."""
        from napari_medseg import __version__

        card, ways = self.prepared.card, self.prepared.ways
        parameters = {
            **self.options.as_dict(),
            "device": str(self.prepared.predictor.device),
            "value_range": list(self.volume.value_range),
            "planes": list(order) if self.volume.is_volume else None,
            "support_sha256": self.prepared.support_hash,
            "looks": {
                self.prepared.class_names[index]: {
                    "colour": "learned" if way.learned else "grey",
                    "twice": way.twice,
                    "leave_one_out": way.scores,
                }
                for index, way in ways.items()
            },
        }
        provenance = Provenance(
            "by-example", card.name, card.sha256, parameters, f"napari-medseg {__version__}"
        )
        return Segmentation(self.labels, self.probabilities, self.prepared.class_names, provenance)


def _chunks(order: list[int], prepared: PreparedSupport) -> list[list[int]]:
    largest = max(len(task.whole) for task in prepared.tasks)
    size = prepared.tasks[0].whole.images.shape[-1]
    room = queries_per_pass(largest, prepared.predictor.device, size)
    step = max(1, room // len(prepared.tasks))
    return [order[start : start + step] for start in range(0, len(order), step)]


def _fill(
    chunk: list[int], volume: Planes, prepared: PreparedSupport, result: _Result, total: int
) -> Generator[Progress, None, None]:
    """Segment some planes together and report each as it is finished."""
    scaled = {index: volume.scaled(index) for index in chunk}
    seen = [index for index in chunk if np.ptp(scaled[index][0]) > 0]
    subjects = [Subject(scaled[index][0], task) for index in seen for task in prepared.tasks]
    passes = look(prepared.predictor, subjects, prepared.averaging)
    where = f"Plane {chunk[0]}" if volume.is_volume else "Looking"
    looks = iter((yield from _told(passes, result, where, total)))
    for index in chunk:
        plane = result.blank()
        if index in seen:
            for task in prepared.tasks:
                plane[task.index - 1] = next(looks).last
        plane[:, ~scaled[index][1]] = 0.0
        result.put(index, plane)
        message = f"{result.done} of {total} planes done" if volume.is_volume else "Done"
        yield Progress(result.done, total, message, PlanePreview(index, plane))


def _told(
    passes: Looks, result: _Result, where: str, total: int
) -> Generator[Progress, None, list[Look]]:
    while True:
        try:
            next(passes)
        except StopIteration as stop:
            looks: list[Look] = stop.value
            return looks
        notices = (where, result.notice, result.prepared.predictor.notice)
        yield Progress(result.done, total, ". ".join(text for text in notices if text))
