"""The examples of one class at the size of the net, whole and close up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.colour import GREY, Projection, learn_projection
from napari_medseg.engine.looks import ClassTask, Plane
from napari_medseg.engine.passes import View
from napari_medseg.engine.refine import window_around
from napari_medseg.engine.resample import Window, resize, shrink_mask
from napari_medseg.engine.scaling import scale_to_unit
from napari_medseg.engine.support import SupportExample


@dataclass(frozen=True)
class ScaledExample:
    """An example scaled to [0, 1], (H, W) or (H, W, 3), and its mask (H, W)."""

    plane: Plane
    mask: NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class ClassExamples:
    """All examples that show one class.

    Parameters
    ----------
    index : int
        The class.
    planes : tuple of ScaledExample
        At their own resolution.
    whole, close : tuple of (image, mask)
        At the net's size, (n, n) or (n, n, 3) beside (n, n).
    has_close : bool
        Whether any example gains pixels when it is cropped.
    """

    index: int
    planes: tuple[ScaledExample, ...]
    whole: tuple[tuple[Plane, Plane], ...]
    close: tuple[tuple[Plane, Plane], ...]
    has_close: bool

    def __len__(self) -> int:
        return len(self.planes)

    def learned(self, chosen: Sequence[int] | None = None) -> Projection:
        """Give the projection of colours learned from some of the examples, all by default."""
        pairs = [self.whole[i] for i in self._chosen(chosen)]
        return learn_projection([image for image, _ in pairs], [mask for _, mask in pairs])

    def task(
        self, projection: Projection, close: bool, chosen: Sequence[int] | None = None
    ) -> ClassTask:
        """Give what the net is told, from some of the examples, all by default."""
        indices = self._chosen(chosen)
        return ClassTask(
            self.index,
            projection,
            _view([self.whole[i] for i in indices], projection),
            _view([self.close[i] for i in indices], projection) if close else None,
        )

    def _chosen(self, chosen: Sequence[int] | None) -> Sequence[int]:
        return range(len(self)) if chosen is None else chosen


def scale_example(example: SupportExample, colours: bool) -> ScaledExample:
    """Scale an example to [0, 1]; without `colours`, a colour image becomes grey."""
    pixels = example.image[..., :3] if example.is_rgb else example.image
    plane = scale_to_unit(pixels, example.value_range)
    return ScaledExample(plane if colours else GREY(plane), example.mask)


def gather_class(index: int, examples: Sequence[ScaledExample], size: int) -> ClassExamples:
    """Gather the examples that show a class, at the net's size."""
    showing = tuple(example for example in examples if (example.mask == index).any())
    windows = [window_around(example.mask == index) for example in showing]
    full = [Window(0, 0, *example.mask.shape) for example in showing]
    close = [window or whole for window, whole in zip(windows, full, strict=True)]
    return ClassExamples(
        index,
        showing,
        tuple(
            _seen(example, index, window, size)
            for example, window in zip(showing, full, strict=True)
        ),
        tuple(
            _seen(example, index, window, size)
            for example, window in zip(showing, close, strict=True)
        ),
        any(window is not None for window in windows),
    )


def _seen(example: ScaledExample, index: int, window: Window, size: int) -> tuple[Plane, Plane]:
    image = resize(example.plane[window.slices], (size, size))
    return image, shrink_mask(example.mask[window.slices] == index, (size, size))


def _view(pairs: Sequence[tuple[Plane, Plane]], projection: Projection) -> View:
    return View(
        np.stack([projection(image) for image, _ in pairs]),
        np.stack([mask for _, mask in pairs]),
    )
