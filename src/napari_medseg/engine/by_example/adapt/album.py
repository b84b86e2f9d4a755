"""Planes as the fitted nets see them: the image, the in-context answer, the masks of look-alikes.

The in-context answer says where things are, the masks of the examples that look most alike are
hard to beat on neighbouring slices of one patient, and the image shows what both overlook.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.adapt.views import VIEW
from napari_medseg.engine.by_example.class_examples import scale_example
from napari_medseg.engine.by_example.passes import Plane
from napari_medseg.engine.by_example.support import SupportExample
from napari_medseg.engine.colour import GREY
from napari_medseg.engine.resample import resize, shrink_mask

SMALL, LARGE = 128, 256
"""Sides of the square that planes are brought to: twice what the in-context net sees, where the
examples have that much to show, so that thin structures are not lost."""

LARGE_FROM = 180
"""Longest side of the largest example from which planes are brought to `LARGE`."""

LIKENESS = 20.0
"""How sharply the examples most alike outweigh the others: weights are the exponential of this
times the correlation of the planes. Chosen on open tasks among 5, 10, 20, 40 and 200."""

_THUMBNAIL = 32


@dataclass(frozen=True)
class Album:
    """The examples at the size of the fitted nets.

    Parameters
    ----------
    examples : tuple of SupportExample
        In a fixed order.
    classes : tuple of int
        The classes that they show.
    colours : bool
        Whether the nets see colours.
    """

    examples: tuple[SupportExample, ...]
    classes: tuple[int, ...]
    colours: bool

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def size(self) -> int:
        """Side of the square planes."""
        longest = max(max(example.mask.shape) for example in self.examples)
        return LARGE if longest >= LARGE_FROM else SMALL

    @property
    def looks(self) -> int:
        """How often the nets look at a plane: as a whole, and where it is larger at its pixels."""
        return 2 if self.size > VIEW else 1

    @property
    def colour_channels(self) -> int:
        """How many of the channels are image; they come first."""
        return 3 if self.colours else 1

    @property
    def channels(self) -> int:
        """Channels of what `inputs` gives."""
        return self.colour_channels + 2 * len(self.classes)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which classes at least two examples show, so that one can be predicted by the other."""
        shown = [value for example in self.examples for value in example.classes]
        counts = [shown.count(value) for value in self.classes]
        return np.asarray(counts) > 1

    @cached_property
    def masks(self) -> NDArray[np.float32]:
        """Masks of every class, (S, C, n, n) of 0 and 1."""
        shape = (self.size, self.size)
        planes = [
            [shrink_mask(example.mask == value, shape) for value in self.classes]
            for example in self.examples
        ]
        return np.asarray(planes, np.float32)

    def plane(self, index: int) -> Plane:
        """Give the plane of an example, scaled to [0, 1]."""
        return scale_example(self.examples[index], self.colours)

    def alike(self, plane: Plane, without: int | None = None) -> NDArray[np.float32]:
        """Give the mean mask of the examples that look like a plane, (C, n, n).

        Parameters
        ----------
        plane : ndarray of float32, shape (H, W) or (H, W, 3)
            Scaled to [0, 1].
        without : int, optional
            An example that shall not count: the one that the plane is of.
        """
        likeness = self._thumbnails @ _thumbnail(plane)
        if without is not None:
            likeness[without] = -np.inf
        weights = np.exp(LIKENESS * (likeness - likeness.max()))
        weights = (weights / weights.sum()).astype(np.float32)
        mean: NDArray[np.float32] = np.tensordot(weights, self.masks, axes=1)
        return mean

    def inputs(
        self, plane: Plane, in_context: NDArray[np.float32], without: int | None = None
    ) -> NDArray[np.float32]:
        """Give what the nets see of a plane.

        Parameters
        ----------
        plane : ndarray of float32, shape (H, W) or (H, W, 3)
            Scaled to [0, 1].
        in_context : ndarray of float32, shape (C, H, W)
            What the in-context net answers for every class of `classes`.
        without : int, optional
            As for `alike`.

        Returns
        -------
        ndarray of float32, shape (channels, n, n)
            Image, in-context answers, look-alikes; the latter two are 0 for a class that a single
            example shows, as nobody can say how far they are to be trusted.
        """
        shape = (self.size, self.size)
        seen = resize(plane if self.colours else GREY(plane), shape)
        image = seen[None] if seen.ndim == 2 else np.moveaxis(seen, -1, 0)
        priors = np.zeros((2, len(self.classes), *shape), np.float32)
        if self.known.any():
            priors[0, self.known] = resize_maps(in_context[self.known], shape)
            priors[1, self.known] = self.alike(plane, without)[self.known]
        return np.concatenate([image, priors.reshape(-1, *shape)]).astype(np.float32)

    @cached_property
    def _thumbnails(self) -> NDArray[np.float32]:
        return np.stack([_thumbnail(self.plane(index)) for index in range(len(self))])


def resize_maps(maps: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize maps (C, H, W) to (C, *shape) bilinearly."""
    return np.stack([resize(np.ascontiguousarray(plane), shape) for plane in maps])


def folds(count: int, most: int) -> list[NDArray[np.intp]]:
    """Divide examples into at most so many parts of nearly equal size, each held out once.

    One example alone cannot be held out: the only part is then empty.
    """
    if count < 2:
        return [np.arange(0)]
    n_parts = min(count, most)
    return [np.arange(start, count, n_parts) for start in range(n_parts)]


def _thumbnail(plane: Plane) -> NDArray[np.float32]:
    """Give a plane as a vector of length 1 whose products with others are correlations."""
    values = resize(GREY(plane), (_THUMBNAIL, _THUMBNAIL)).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    unit: NDArray[np.float32] = (values / max(length, 1e-6)).astype(np.float32)
    return unit
