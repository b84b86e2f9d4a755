"""What a pretrained model suggests: cut and cleaned up anew whenever the user changes her mind.

The net has run once. Threshold, largest piece, holes and crumbs are worked out from what is kept of
its answer, with the functions that the command line uses, so that both give the same labels.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.postprocess import PostProcess, postprocess
from napari_medseg.engine.results import Progress
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.proposal import (
    LOWEST_THRESHOLD,
    Cuts,
    PlaneProposal,
    Proposal,
    box_around,
)

Labels = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Cut:
    """How labels are made of probabilities.

    Parameters
    ----------
    threshold : float, optional
        Probability from which a pixel belongs to its likeliest class; None leaves it to the model:
        0.5, or, where it weighs the classes against the background, the most probable of all.
    post : PostProcess
        How the labels are cleaned up.
    """

    threshold: float | None = None
    post: PostProcess = field(default_factory=PostProcess)


@dataclass(frozen=True)
class ModelPlane(PlaneProposal):
    """What a model says about a plane: `values` are the numbers of its classes.

    Parameters
    ----------
    chosen : ndarray of bool
        Where in the box the model itself decides for a class.
    graded : bool
        Whether `confidence` is known; if not, the labels are those the model decided for.
    """

    chosen: NDArray[np.bool_]
    graded: bool = True

    @classmethod
    def graded_of(
        cls, position: int, probabilities: NDArray[np.float32], labels: Labels
    ) -> ModelPlane:
        """Boil down (C, H, W) probabilities, and the (H, W) labels the model made of them."""
        confidence = probabilities.max(axis=0)
        box = box_around((confidence >= LOWEST_THRESHOLD) | (labels > 0))
        numbers = 1 + probabilities[(slice(None), *box)].argmax(axis=0)
        return cls(
            position,
            (labels.shape[0], labels.shape[1]),
            box,
            numbers.astype(labels.dtype),
            confidence[box].astype(np.float32),
            labels[box] > 0,
        )

    @classmethod
    def decided(cls, position: int, labels: Labels) -> ModelPlane:
        """Take the labels of a plane that is too large to keep its probabilities; no copy."""
        box = box_around(labels > 0)
        values = labels[box]
        certain = np.broadcast_to(np.float32(1), values.shape)
        everywhere = np.broadcast_to(np.True_, values.shape)
        shape = (labels.shape[0], labels.shape[1])
        return cls(position, shape, box, values, certain, everywhere, graded=False)

    def numbers(self, threshold: float | None) -> Labels:
        """Give (H, W) class numbers, as `Cut` says it; they may be the plane's own, not a copy."""
        if not self.graded and self.values.shape == self.shape:
            return self.values
        labels = np.zeros(self.shape, self.values.dtype)
        if not self.graded:
            labels[self.box] = self.values
            return labels
        inside = self.chosen if threshold is None else self.confidence >= threshold
        labels[self.box] = np.where(inside, self.values, 0)
        return labels

    def finds(self, threshold: float | None) -> bool:
        """Say whether there is anything at all."""
        if not self.graded:
            return bool(self.values.any())
        inside = self.chosen if threshold is None else self.confidence >= threshold
        return bool(inside.any())


@dataclass(frozen=True)
class Cleaned:
    """Planes cut and cleaned up together, by position."""

    cut: Cut
    planes: Mapping[int, Labels]


class ModelProposal(Proposal):
    """Suggested labels of a model, with everything about them that can still be changed.

    Parameters
    ----------
    stack : Stack
        The planes that it is about.
    values : sequence of int
        Label value of each class of the model.
    cut : Cut
        How labels are made of it at first.
    class_names : sequence of str
        Names of the classes, without the background.
    """

    def __init__(
        self, stack: Stack, values: Sequence[int], cut: Cut, class_names: Sequence[str] = ()
    ) -> None:
        super().__init__(stack, values, 0.5 if cut.threshold is None else cut.threshold)
        self.class_names = tuple(class_names)
        self.cut = cut
        self._all: dict[int, ModelPlane] = {}
        self._taken: dict[int, NDArray[np.bool_]] = {}
        self._cleaned: Cleaned | None = None

    @property
    def version(self) -> object:
        """Changes whenever the labels may have."""
        return self.cut, self.is_settled, self.values

    @property
    def decisions(self) -> dict[str, Any]:
        """What the user decided, as values JSON can hold."""
        return {
            "threshold": self.cut.threshold,
            "post": asdict(self.cut.post),
            "values": list(self.values),
        }

    @property
    def is_graded(self) -> bool:
        """Whether the threshold can be moved."""
        return all(plane.graded for plane in self._all.values())

    @property
    def is_settled(self) -> bool:
        """Whether the labels are what `cut` asks for, cleaned up and all."""
        if not self.cut.post:
            return True
        done = self._cleaned
        return done is not None and done.cut == self.cut and done.planes.keys() == self._all.keys()

    def put(self, plane: PlaneProposal) -> None:
        """Take what the model says about a plane."""
        assert isinstance(plane, ModelPlane)
        super().put(plane)
        self._all[plane.position] = plane
        self._taken.pop(plane.position, None)
        self._cleaned = None

    def set_cut(self, cut: Cut) -> None:
        """Make labels in another way from now on."""
        self.cut = cut
        if cut.threshold is not None:
            self.threshold = cut.threshold

    def set_values(self, values: Sequence[int]) -> None:
        """Give the classes other label values."""
        self.values = tuple(values)

    def clean_job(self) -> Generator[Progress, None, Cleaned]:
        """Cut and clean up all planes together, the accepted ones included; see `clean_planes`."""
        return clean_planes(dict(self._all), self.stack.n_planes, self.cut)

    def take_cleaned(self, cleaned: Cleaned) -> None:
        """Take the outcome of `clean_job`."""
        self._cleaned = cleaned

    def labels(self, position: int) -> Labels:
        """Give (H, W) label values of an open plane, 0 is background."""
        cleaned = self._cleaned
        if cleaned is not None and self.is_settled and self.cut.post:
            numbers = cleaned.planes[position]
        else:
            numbers = self._all[position].numbers(self.cut.threshold)
        if position in self._taken:
            numbers = np.where(self._taken[position], numbers.dtype.type(0), numbers)
        if self.values == tuple(range(1, len(self.values) + 1)):
            return numbers
        return np.array([0, *self.values], self.dtype)[numbers]

    def cuts(self, positions: Iterable[int] | None = None) -> Mapping[int, Labels]:
        """Give open planes as they are now, each made when it is asked for."""
        wanted = self.positions if positions is None else positions
        frozen = copy.copy(self)
        frozen._taken = dict(self._taken)
        frozen._all = dict(self._all)
        return Cuts(frozen, [position for position in wanted if position in self._planes])

    def discard(self, position: int, mask: NDArray[np.bool_] | None = None) -> None:
        """Close a plane, or take the part of it under `mask` out.

        What was cleaned up stays as it is: the largest piece of a volume is the largest, also when
        one of its planes has been accepted.
        """
        if mask is None:
            self._planes.pop(position, None)
        elif position in self._planes:
            before = self._taken.get(position)
            self._taken[position] = mask if before is None else before | mask

    def kept(self, position: int) -> Any:
        """Give what `bring_back` needs to make a plane what it is now."""
        return self._planes.get(position), self._taken.get(position)

    def bring_back(self, position: int, kept: Any) -> None:
        """Make a plane what it was when it was `kept`."""
        plane, taken = kept
        self._planes.pop(position, None)
        self._taken.pop(position, None)
        if plane is not None:
            self._planes[position] = plane
        if taken is not None:
            self._taken[position] = taken

    @property
    def finds_anything(self) -> bool:
        """Whether there is anything on any plane, before cleaning up."""
        threshold = self.cut.threshold
        return any(plane.finds(threshold) for plane in self._all.values())


def clean_planes(
    planes: Mapping[int, ModelPlane], n_planes: int, cut: Cut
) -> Generator[Progress, None, Cleaned]:
    """Cut planes and clean them up together, in three dimensions where there are several.

    Parameters
    ----------
    planes : mapping of int to ModelPlane
        By position along the stack.
    n_planes : int
        How long the stack is.
    cut : Cut
        How.

    Returns
    -------
    Cleaned
        Class numbers of the same planes.
    """
    total = len(planes) + 3
    if len(planes) == 1:
        ((position, plane),) = planes.items()
        yield Progress(0, total, "Cleaning up")
        return Cleaned(cut, {position: postprocess(plane.numbers(cut.threshold), cut.post)})
    first = next(iter(planes.values()))
    volume: Labels = np.zeros((n_planes, *first.shape), first.values.dtype)
    for done, (position, plane) in enumerate(planes.items()):
        yield Progress(done, total, "Cutting at the threshold")
        volume[position] = plane.numbers(cut.threshold)
    # One after the other, in the order of `postprocess`, so that Cancel comes in between.
    for done, step in enumerate(_steps(cut.post)):
        yield Progress(len(planes) + done, total, "Cleaning up")
        volume = postprocess(volume, step)
    return Cleaned(cut, {position: volume[position] for position in planes})


def _steps(post: PostProcess) -> list[PostProcess]:
    return [
        PostProcess(min_size=post.min_size),
        PostProcess(largest=post.largest),
        PostProcess(fill_holes=post.fill_holes),
    ]
