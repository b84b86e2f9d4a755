"""Support sets: painted examples that define what shall be segmented."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.engine.scaling import ValueRange, check_range, check_real

if TYPE_CHECKING:
    from napari_medseg.engine.by_example.adapt.adaptation import Adaptation

MAX_CLASSES = 255


class SupportError(ValueError):
    """An example or a support set cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class SupportExample:
    """A painted plane.

    Parameters
    ----------
    image : ndarray of bool, integer or float, shape (H, W) or (H, W, 3 or 4)
        Raw values as they were given; the fourth channel of a colour image is transparency, which
        methods ignore.
    mask : ndarray of uint8, shape (H, W)
        Class index per pixel; 0 is background.
    name : str
        What the user calls it. Never written to disk, as it may hold a patient's name.
    value_range : tuple of float, optional
        Raw values that become 0 and 1: the range of the whole volume for a plane cut from it.
        By default the robust range of the plane itself.
    """

    image: NDArray[Any]
    mask: NDArray[np.unsignedinteger[Any]]
    name: str = ""
    value_range: ValueRange | None = None

    @property
    def is_rgb(self) -> bool:
        """Whether the image has colours."""
        return self.image.ndim == 3

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """Class indices in the mask, without the background."""
        return tuple(int(value) for value in np.unique(self.mask) if value)

    @cached_property
    def content_hash(self) -> str:
        """Hash (sha256) of everything that decides a prediction: pixels, mask and value range."""
        digest = hashlib.sha256()
        for array in (self.image, self.mask):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(repr(self.value_range).encode())
        return digest.hexdigest()


class SupportSet:
    """Examples of one task, and the names of its classes.

    Parameters
    ----------
    examples : iterable of SupportExample
        Validated as by `add`.
    class_names : sequence of str
        Name of every class index; the first is the background.
    """

    def __init__(
        self,
        examples: Iterable[SupportExample] = (),
        class_names: Sequence[str] = ("background",),
    ) -> None:
        if isinstance(class_names, str):
            raise SupportError(f"Class names are a list of names, not the word {class_names!r}.")
        self.examples: list[SupportExample] = []
        self.class_names: tuple[str, ...] = tuple(class_names) or ("background",)
        self.memo: dict[Any, Any] = {}
        """What methods worked out from these examples, kept for the next call under a key that
        names the content; shared by snapshots. Anybody may clear it."""
        self.adaptation: Adaptation | None = None
        """Nets fitted on these examples, if any were kept. Of other examples or another model than
        it was made for it is not used, so it may be left here when examples come or go."""
        self.adaptation_problem = ""
        """Why the nets saved with these examples could not be read, in a sentence; empty if they
        were, or if there were none."""
        for item in examples:
            self.add(item.image, item.mask, name=item.name, value_range=item.value_range)

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[SupportExample]:
        return iter(self.examples)

    def __repr__(self) -> str:
        return (
            f"SupportSet({len(self)} examples, classes {', '.join(self.class_names[1:]) or 'none'})"
        )

    @property
    def content_hash(self) -> str:
        """Hash (sha256) of all examples and class names, whatever their order."""
        parts = sorted(item.content_hash for item in self.examples)
        return hashlib.sha256("\n".join([*parts, *self.class_names]).encode()).hexdigest()

    @property
    def examples_hash(self) -> str:
        """Hash (sha256) of all examples, whatever their order and the names of the classes."""
        parts = sorted(item.content_hash for item in self.examples)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def add(
        self,
        image: ArrayLike,
        mask: ArrayLike,
        *,
        name: str = "",
        value_range: ValueRange | None = None,
    ) -> SupportSet:
        """Append a copy of a painted plane; later edits of the arrays do not reach it.

        The next classes that have no name yet get one ("class 2"). An example without any
        foreground is refused, also in a set of several classes: a class learns from the examples
        that show it.

        Parameters
        ----------
        image : array-like, shape (H, W) or (H, W, 3 or 4)
            Any integer or float type, or bool.
        mask : array-like of bool or integers, shape (H, W)
            Class index per pixel, at most 255.
        name : str
            What the user calls it.
        value_range : tuple of float, optional
            See `SupportExample`.

        Returns
        -------
        SupportSet
            This one.

        Raises
        ------
        SupportError
            If the example cannot be used; the set is then unchanged.
        """
        example = make_example(image, mask, name=name, value_range=value_range)
        missing = range(len(self.class_names), max(example.classes) + 1)
        skipped = [index for index in missing if index not in example.classes]
        if skipped:
            raise SupportError(
                f"The mask holds class {missing[-1]} but nothing is known of class {skipped[0]}: "
                "number the classes 1, 2, 3 … without gaps, or name them all in class_names."
            )
        self.examples.append(example)
        self.class_names += tuple(f"class {index}" for index in missing)
        return self

    def remove(self, index: int) -> None:
        """Take one example out.

        Raises
        ------
        IndexError
            If there is no such example.
        """
        del self.examples[index]

    def snapshot(self) -> SupportSet:
        """Give an independent copy for a job; examples themselves never change and are shared."""
        copy = SupportSet(class_names=self.class_names)
        copy.examples = list(self.examples)
        copy.memo = self.memo
        copy.adaptation = self.adaptation
        return copy

    def without(self, index: int) -> SupportSet:
        """Give a copy that lacks one example."""
        copy = self.snapshot()
        copy.remove(index)
        return copy

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set as a folder; see `napari_medseg.engine.by_example.support_files`."""
        from napari_medseg.engine.by_example.support_files import save_support

        save_support(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SupportSet:
        """Read a set from a folder; see `napari_medseg.engine.by_example.support_files`.

        Warns where nets adapted to the examples are in the folder but cannot be used.
        """
        from napari_medseg.engine.by_example.support_files import load_support

        support = load_support(path)
        if support.adaptation_problem:
            warnings.warn(support.adaptation_problem, stacklevel=2)
        return support


def why_doubtful(support: SupportSet, rgb: bool) -> str:
    """Say in a sentence why examples hardly fit a query; empty if they do.

    Parameters
    ----------
    support : SupportSet
        The examples.
    rgb : bool
        Whether the query has colours.
    """
    coloured = sum(example.is_rgb for example in support)
    if rgb and coloured == 0 and len(support):
        return "The image has colours, the examples are grey: only its brightness is looked at."
    if coloured and not rgb:
        return "The examples have colours, the image is grey: only their brightness is looked at."
    if 0 < coloured < len(support) and rgb:
        return "Some examples are grey: only the brightness of all of them is looked at."
    return ""


def make_example(
    image: ArrayLike,
    mask: ArrayLike,
    *,
    name: str = "",
    value_range: ValueRange | None = None,
) -> SupportExample:
    """Validate a painted plane and give an example that holds read-only copies.

    Raises
    ------
    SupportError
        If the image is no plane, the sizes differ, the mask holds no foreground or no class
        indices.
    """
    try:
        pixels = np.array(image)
        check_real(pixels.dtype)
        limits = None if value_range is None else check_range(value_range)
    except ValueError as error:
        raise SupportError(str(error)) from error
    classes = np.asarray(mask)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise SupportError(
            f"An example must be one plane, grey (H, W) or colour (H, W, 3); "
            f"got shape {pixels.shape}."
        )
    if classes.shape != pixels.shape[:2]:
        raise SupportError(
            f"The mask has size {_size(classes.shape)} but its image {_size(pixels.shape[:2])}: "
            "paint the mask on the image it belongs to."
        )
    labels = _as_class_indices(classes)
    if not labels.any():
        raise SupportError(
            "Nothing is painted on this example: paint at least one pixel of a class."
        )
    # Files keep no yes-or-no images; as 0 and 1 they mean the same. Nor do they keep the order of
    # the bytes of a number, nor floats of more than eight.
    stored = np.dtype(np.uint8) if pixels.dtype == bool else pixels.dtype.newbyteorder("=")
    if stored == np.longdouble:
        stored = np.dtype(np.float64)
    pixels = np.ascontiguousarray(pixels, stored)
    pixels.flags.writeable = False
    labels.flags.writeable = False
    return SupportExample(pixels, labels, name, limits)


def _as_class_indices(mask: NDArray[Any]) -> NDArray[np.uint8]:
    if mask.dtype.kind not in "buif" or (mask.dtype.kind == "f" and not _all_whole(mask)):
        raise SupportError("A mask holds class numbers 0, 1, 2 ...; this one holds other values.")
    if mask.size and (mask.min() < 0 or mask.max() > MAX_CLASSES):
        raise SupportError(
            f"Class numbers go from 0 to {MAX_CLASSES}; this mask holds {mask.min():g} to "
            f"{mask.max():g}."
        )
    return np.array(mask, dtype=np.uint8, order="C")


def _all_whole(mask: NDArray[Any]) -> bool:
    return bool(np.isfinite(mask).all() and (mask == np.floor(mask)).all())


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(length) for length in shape) or "one value"
