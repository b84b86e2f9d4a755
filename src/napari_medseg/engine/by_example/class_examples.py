"""The examples of one class at the size of the net, whole and close up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.learned_colour import learn_projection
from napari_medseg.engine.by_example.looks import ClassTask
from napari_medseg.engine.by_example.passes import Plane, View
from napari_medseg.engine.by_example.refine import Zoom, example_window, window_around
from napari_medseg.engine.by_example.support import SupportExample
from napari_medseg.engine.colour import GREY, Projection
from napari_medseg.engine.resample import Window, resize, shrink_mask
from napari_medseg.engine.scaling import scale_to_unit

DETAIL = 1.25
"""How many times more pixels than the net sees a plane must have to be worth tiles."""


@dataclass(frozen=True)
class Glimpse:
    """An example at the net's size: image (n, n) or (n, n, 3), mask of one class (n, n)."""

    image: Plane
    mask: Plane


@dataclass(frozen=True)
class ClassExamples:
    """All examples that show one class.

    Parameters
    ----------
    index : int
        The class.
    examples : tuple of SupportExample
        As they were added.
    whole, close : tuple of Glimpse
        The whole planes, and the same as they are shown for the second look.
    zoom : {"none", "crop", "tiles"}
        The kind of second look that suits the class: a crop where it is small in most planes, tiles
        where it fills them and the net sees less than is there, else none.
    colours : bool
        Whether the glimpses have colours.
    """

    index: int
    examples: tuple[SupportExample, ...]
    whole: tuple[Glimpse, ...]
    close: tuple[Glimpse, ...]
    zoom: Zoom
    colours: bool

    def __len__(self) -> int:
        return len(self.examples)

    def learned(self, chosen: Sequence[int] | None = None) -> Projection:
        """Give the projection of colours learned from some of the examples, all by default."""
        glimpses = [self.whole[i] for i in self._chosen(chosen)]
        return learn_projection([seen.image for seen in glimpses], [seen.mask for seen in glimpses])

    def task(self, learned: bool, twice: bool, chosen: Sequence[int] | None = None) -> ClassTask:
        """Give what the net is told, from some of the examples, all by default."""
        indices = self._chosen(chosen)
        projection = self.learned(indices) if learned else GREY
        return ClassTask(
            self.index,
            projection,
            _view([self.whole[i] for i in indices], projection),
            self.zoom if twice else "none",
            _view([self.close[i] for i in indices], projection),
        )

    def plane(self, position: int) -> Plane:
        """Give one example's plane at its own resolution, scaled to [0, 1]."""
        return scale_example(self.examples[position], self.colours)

    def _chosen(self, chosen: Sequence[int] | None) -> Sequence[int]:
        return range(len(self)) if chosen is None else chosen


def scale_example(example: SupportExample, colours: bool) -> Plane:
    """Scale an example to [0, 1]; without `colours`, a colour image becomes grey."""
    pixels = example.image[..., :3] if example.is_rgb else example.image
    plane = scale_to_unit(pixels, example.value_range)
    return plane if colours else GREY(plane)


def gather(examples: Sequence[SupportExample], size: int, colours: bool) -> list[ClassExamples]:
    """Gather the examples of every class, at the net's size.

    Parameters
    ----------
    examples : sequence of SupportExample
        Of all classes.
    size : int
        Side of the net's input.
    colours : bool
        Whether colours are kept.

    Returns
    -------
    list of ClassExamples
        For every class that an example shows, in order of their numbers.
    """
    gathered = []
    planes = [resize(scale_example(example, colours), (size, size)) for example in examples]
    for index in sorted({value for example in examples for value in example.classes}):
        shown = [i for i, example in enumerate(examples) if index in example.classes]
        masks = [examples[i].mask == index for i in shown]
        zoom = _suitable_zoom(masks, size)
        windows = [None if zoom == "none" else example_window(zoom, mask) for mask in masks]
        whole = [
            Glimpse(planes[i], shrink_mask(mask, (size, size)))
            for i, mask in zip(shown, masks, strict=True)
        ]
        close = [
            seen if window is None else _closer(examples[i], mask, window, size, colours)
            for i, mask, window, seen in zip(shown, masks, windows, whole, strict=True)
        ]
        of_class = tuple(examples[i] for i in shown)
        gathered.append(ClassExamples(index, of_class, tuple(whole), tuple(close), zoom, colours))
    return gathered


def _suitable_zoom(masks: Sequence[NDArray[np.bool_]], size: int) -> Zoom:
    small = [window_around(mask) is not None for mask in masks]
    if sum(small) * 2 >= len(small):
        return "crop"
    detailed = [min(mask.shape) >= DETAIL * size for mask in masks]
    return "tiles" if all(detailed) else "none"


def _closer(
    example: SupportExample, mask: NDArray[np.bool_], window: Window, size: int, colours: bool
) -> Glimpse:
    image = resize(scale_example(example, colours)[window.slices], (size, size))
    return Glimpse(image, shrink_mask(mask[window.slices], (size, size)))


def _view(glimpses: Sequence[Glimpse], projection: Projection) -> View:
    return View(
        np.stack([projection(seen.image) for seen in glimpses]),
        np.stack([seen.mask for seen in glimpses]),
    )
