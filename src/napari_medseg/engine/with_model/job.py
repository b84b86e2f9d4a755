"""Segment with a pretrained model: nothing to paint, the model card says what it finds on what."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.canvas import Canvas
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.resample import Window, enlarge_rows, resize
from napari_medseg.engine.results import Job, Progress, Segmentation, finished, made_from
from napari_medseg.engine.scaling import ValueRange
from napari_medseg.engine.with_model.model_input import (
    STRIP_PIXELS,
    input_planes,
    is_blank,
    prepare,
    shrink_plane,
    strips_of,
)
from napari_medseg.engine.with_model.net_runner import NetRunner, SmallerTiles
from napari_medseg.engine.with_model.options import SegmentOptions, check_options
from napari_medseg.engine.with_model.tiles import RowBlender
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.specs import InputSpec

Steps = Generator[Progress, None, None]


def segment_job(
    image: Any,
    options: SegmentOptions,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    value_range: ValueRange | None = None,
    previews: bool = False,
    stop: threading.Event | None = None,
    runner: NetRunner | None = None,
) -> Job:
    """Segment an image or a volume with a pretrained model, yielding progress.

    Parameters
    ----------
    image : array-like, shape (H, W), (H, W, 3|4), (Z, H, W) or (Z, H, W, 3|4)
        Any bool, integer or float type; NumPy, memory-mapped, dask or zarr: large planes are read
        in strips. NaN and infinite pixels are background; so is a plane of equal pixels.
    options : SegmentOptions
        See there.
    axis, rgb
        As for `Planes`.
    planes : sequence of int, optional
        Planes to segment, in this order, counted along `axis`; by default all. Others stay 0.
    value_range : tuple of float, optional
        Raw values that become 0 and 1, instead of what the model card says.
    previews : bool
        Whether planes are shown as they are finished, although probabilities are not kept.
    stop : threading.Event, optional
        Set by another thread to end the job in the middle of a step, with `Stopped`.
    runner : NetRunner, optional
        Of `runner_for` the same options: many images need one reading of the weights.

    Yields
    ------
    Progress
        After every batch; `done` counts planes or tiles. `preview` of a finished plane is its
        `PlanePreview`, or `PlaneLabels` if its probabilities are too large; None if unwanted.

    Returns
    -------
    Segmentation
        At the image's resolution and in its order of axes.

    Raises
    ------
    ValueError
        With one sentence, where the image, the model or an option cannot be used.
    MemoryError
        Where the model does not fit into memory in any way.
    """
    card = check_options(options)
    spec = InputSpec.of(card)
    volume = input_planes(image, spec, axis=axis, rgb=rgb, value_range=value_range)
    order = volume.checked_order(planes)
    runner = runner or NetRunner(card, options, stop)
    run = _Run(volume, runner, options, order, previews)
    yield from run.tiled() if spec.fit == "tile" else run.resized()
    return run.segmentation(card)


def runner_for(options: SegmentOptions) -> NetRunner:
    """Load the model of some options, to segment many images with it; see `segment_job`.

    Raises
    ------
    ValueError
        With one sentence, where the model or an option cannot be used.
    """
    return NetRunner(check_options(options), options)


def segment(
    image: Any,
    model: str | ModelCard,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    value_range: ValueRange | None = None,
    **options: Any,
) -> Segmentation:
    """Segment an image or a volume with a pretrained model; see `segment_job`.

    Parameters
    ----------
    image, axis, rgb, planes, value_range
        As for `segment_job`.
    model : str or ModelCard
        A pretrained model of the zoo.
    **options
        Fields of `SegmentOptions`.

    Returns
    -------
    Segmentation
        At the image's resolution.
    """
    chosen = SegmentOptions(model, **options)
    job = segment_job(image, chosen, axis=axis, rgb=rgb, planes=planes, value_range=value_range)
    return finished(job)


class _Run:
    """The planes of an image on their way through the net onto the canvas."""

    def __init__(
        self,
        volume: Planes,
        runner: NetRunner,
        options: SegmentOptions,
        order: Sequence[int],
        previews: bool,
    ) -> None:
        self.volume, self.runner, self.options, self.order = volume, runner, options, order
        self.canvas = Canvas(
            volume, runner.output, options.threshold, options.keep_probabilities, previews
        )

    def resized(self) -> Steps:
        """Ask about whole planes at the net's size, several at once where they fit."""
        done = 0
        while done < len(self.order):
            chunk = self.order[done : done + self.runner.batch]
            seen = [index for index in chunk if not is_blank(self.volume, index)]
            shrunk = [shrink_plane(self.volume, index, self.runner.tile) for index in seen]
            patches = [prepare(plane, self.runner.input) for plane in shrunk]
            answers = iter(self.runner.probabilities(np.stack(patches)) if seen else ())
            for index in chunk:
                if index in seen:
                    self._enlarge(index, next(answers))
                else:
                    self.canvas.put_blank(index)
                done += 1
                yield self._told(done, len(self.order), index)

    def tiled(self) -> Steps:
        """Ask about tiles at the image's resolution, one row of tiles after the other."""
        for number, index in enumerate(self.order):
            while True:
                try:
                    yield from self._tile_plane(number, index)
                    break
                except SmallerTiles:
                    continue

    def segmentation(self, card: ModelCard) -> Segmentation:
        """Give the labels, with all that they depend on: also what the runner chose by itself."""
        tile = list(self.runner.tile) if self.runner.input.fit == "tile" else None
        found = {"device": str(self.runner.device), "tile": tile}
        parameters = self.options.as_dict() | found
        made = made_from(self.volume, self.order, "segment", card.name, parameters, card.sha256)
        names = ("background", *card.classes)
        return self.canvas.segmentation(names, self.options.post, made)

    def _tile_plane(self, number: int, index: int) -> Steps:
        shape = self.volume.plane_shape
        tile, overlap = self.runner.tile, self.runner.input.overlap
        padded = max(shape[0], tile[0]), max(shape[1], tile[1])
        blender = RowBlender(padded, tile, overlap, self.runner.output.channels)
        per_plane = len(blender.tops) * len(blender.lefts)
        total = per_plane * len(self.order)
        done = per_plane * number
        if is_blank(self.volume, index):
            self.canvas.put_blank(index)
            yield self._told(done + per_plane, total, index)
            return
        for row, top in enumerate(blender.tops):
            raw = self.volume.raw(index, Window(top, 0, min(top + tile[0], shape[0]), shape[1]))
            for lefts in _chunks(blender.lefts, self.runner.batch):
                patches = np.stack([self._patch(raw, left) for left in lefts])
                for left, answer in zip(lefts, self.runner.probabilities(patches), strict=True):
                    blender.add(left, answer)
                done += len(lefts)
                if done < per_plane * (number + 1):
                    yield self._told(done, total)
            answer = blender.finish_row(row)[:, : shape[0] - top, : shape[1]]
            self.canvas.put(index, top, answer, self.volume.finite(raw[: answer.shape[1]]))
        yield self._told(done, total, index)

    def _patch(self, raw: NDArray[Any], left: int) -> NDArray[np.float32]:
        """Give a tile of a strip, as the net takes it; past the image its edge is repeated."""
        rows, columns = self.runner.tile
        scaled, _ = self.volume.scale(raw[:, left : left + columns])
        missing = rows - scaled.shape[0], columns - scaled.shape[1]
        if any(missing):
            beyond = [(0, missing[0]), (0, missing[1]), (0, 0)][: scaled.ndim]
            scaled = np.pad(scaled, beyond, mode="edge")
        return prepare(scaled, self.runner.input)

    def _enlarge(self, index: int, answer: NDArray[np.float32]) -> None:
        """Bring the answer for a whole plane to the plane's resolution, onto the canvas."""
        height, width = self.volume.plane_shape
        if height * width <= STRIP_PIXELS:
            whole = np.moveaxis(resize(np.moveaxis(answer, 0, -1), (height, width)), -1, 0)
            self.canvas.put(index, 0, whole, self.volume.finite(self.volume.raw(index)))
            return
        for strip in strips_of((height, width), max(1, STRIP_PIXELS // (8 * width))):
            rows = enlarge_rows(answer, (height, width), strip.top, strip.bottom)
            finite = self.volume.finite(self.volume.raw(index, strip))
            self.canvas.put(index, strip.top, rows, finite)

    def _told(self, done: int, total: int, plane: int | None = None) -> Progress:
        """Say how far it is; with the plane that is finished, if one is."""
        unit = "tiles" if self.runner.input.fit == "tile" else "planes"
        said = (f"{done} of {total} {unit} done", self.runner.notice, self.canvas.notice)
        preview = self.canvas.preview(plane) if plane is not None else None
        return Progress(done, total, ". ".join(text for text in said if text), preview)


def _chunks(values: Sequence[int], size: int) -> list[Sequence[int]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
