"""Segmentation by example: a few painted planes say what is wanted, nothing is trained.

The in-context net UniverSeg (Butoi, Gonzalez Ortiz et al., ICCV 2023) is asked once per class, one
against the rest; classes are combined by their highest probability.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.adapt.adapter import Adapter, adapter_for
from napari_medseg.engine.by_example.looks import Look, Looks, Subject, look
from napari_medseg.engine.by_example.options import DEFAULT_MODEL, ByExampleOptions
from napari_medseg.engine.by_example.prepare import PreparedSupport, prepare
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.canvas import Canvas
from napari_medseg.engine.memory import queries_per_pass
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.results import (
    Job,
    PlanePreview,
    Progress,
    Segmentation,
    finished,
    made_from,
    retold,
)
from napari_medseg.engine.scaling import ValueRange
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.specs import OutputSpec


def by_example_job(
    image: Any,
    support: SupportSet,
    options: ByExampleOptions | None = None,
    *,
    axis: int = 0,
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
    axis, rgb, value_range
        As for `Planes`.
    planes : sequence of int, optional
        Planes of a volume to fill, in this order; by default all. The others stay 0.

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
    volume = Planes(image, rgb, value_range, axis)
    order = volume.checked_order(planes)
    prepared = yield from prepare(support, options, volume.is_rgb, len(order))
    adapter = yield from adapter_for(support, options, prepared, len(order))
    output = OutputSpec("sigmoid", len(prepared.class_names) - 1)
    canvas = Canvas(volume, output, options.threshold, options.keep_probabilities)
    done = 0
    for chunk in _chunks(order, prepared):
        yield from _fill(chunk, volume, prepared, adapter, canvas, (done, len(order)))
        done += len(chunk)
    card, parameters = prepared.card, options.as_dict() | _found(prepared, adapter)
    made = made_from(volume, order, "by-example", card.name, parameters, card.sha256)
    return canvas.segmentation(prepared.class_names, options.post, made)


def segment_by_example(
    image: Any,
    support: SupportSet,
    *,
    model: str | ModelCard = DEFAULT_MODEL,
    axis: int = 0,
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    value_range: ValueRange | None = None,
    **options: Any,
) -> Segmentation:
    """Segment an image or a volume as the examples show; see `by_example_job`.

    Parameters
    ----------
    image, support, axis, rgb, planes, value_range
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
    return finished(
        by_example_job(
            image, support, chosen, axis=axis, rgb=rgb, planes=planes, value_range=value_range
        )
    )


def _found(prepared: PreparedSupport, adapter: Adapter | None) -> dict[str, Any]:
    """Give what the job found out by itself and the labels depend on."""
    return {
        "device": str(prepared.predictor.device),
        "support_sha256": prepared.support_hash,
        "looks": _ways(prepared),
        "adaptation": None if adapter is None else adapter.adaptation.as_dict(),
    }


def _ways(prepared: PreparedSupport) -> dict[str, Any]:
    """Say how each class was looked at, and by what leave-one-out score that was chosen."""
    return {
        prepared.class_names[index]: {
            "colour": "learned" if way.learned else "grey",
            "twice": way.twice,
            "leave_one_out": way.scores,
        }
        for index, way in prepared.ways.items()
    }


def _chunks(order: list[int], prepared: PreparedSupport) -> list[list[int]]:
    largest = max(len(task.whole) for task in prepared.tasks)
    size = prepared.tasks[0].whole.images.shape[-1]
    room = queries_per_pass(largest, prepared.predictor.device, size)
    step = max(1, room // len(prepared.tasks))
    return [order[start : start + step] for start in range(0, len(order), step)]


def _varies(values: NDArray[np.float32]) -> bool:
    return values.size > 0 and bool(np.ptp(values) > 0)


def _fill(
    chunk: list[int],
    volume: Planes,
    prepared: PreparedSupport,
    adapter: Adapter | None,
    canvas: Canvas,
    position: tuple[int, int],
) -> Generator[Progress, None, None]:
    """Segment some planes together and report each as it is finished, counting from `position`."""
    done, total = position
    scaled = {index: volume.scaled(index) for index in chunk}
    seen = [index for index, (plane, finite) in scaled.items() if _varies(plane[finite])]
    subjects = [Subject(scaled[index][0], task) for index in seen for task in prepared.tasks]
    passes = look(prepared.predictor, subjects, prepared.averaging)
    words = (f"Plane {chunk[0]}" if volume.is_volume else "Looking", canvas.notice)
    looks = iter((yield from _told(passes, prepared, words, position)))
    for index in chunk:
        plane = np.zeros((len(prepared.class_names) - 1, *volume.plane_shape), np.float32)
        if index in seen:
            for task in prepared.tasks:
                plane[task.index - 1] = next(looks).last
            if adapter is not None:
                plane = adapter(scaled[index][0], plane)
        finite = scaled[index][1]
        plane[:, ~finite] = 0.0
        canvas.put(index, 0, plane, finite)
        done += 1
        message = f"{done} of {total} planes done" if volume.is_volume else "Done"
        yield Progress(done, total, message, PlanePreview(index, plane))


def _told(
    passes: Looks, prepared: PreparedSupport, words: tuple[str, str], position: tuple[int, int]
) -> Generator[Progress, None, list[Look]]:
    def tell(_: None) -> Progress:
        said = (*words, prepared.predictor.notice)
        return Progress(*position, ". ".join(text for text in said if text))

    return (yield from retold(passes, tell))
