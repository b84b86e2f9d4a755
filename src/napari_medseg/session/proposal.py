"""What a method suggests, before the user has accepted it.

The probabilities stay, so the threshold can be moved without running the net again. Nothing here
touches the user's labels; `napari_medseg.session.edits` does that when the user accepts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_medseg.engine.cluster.pick import pick_cluster
from napari_medseg.engine.results import Progress, Provenance
from napari_medseg.session.layers.stack import Stack

if TYPE_CHECKING:
    from napari_medseg.engine.by_example.support import SupportSet

LOWEST_THRESHOLD = 0.05
"""Voxels less probable than this are forgotten; the threshold cannot go below."""


@dataclass(frozen=True)
class PlaneProposal:
    """The likeliest class of each pixel and its probability, inside the box that matters.

    Parameters
    ----------
    position : int
        Which plane of the stack.
    shape : tuple of int
        Height and width of the plane.
    box : tuple of slice
        The part of the plane with any probability worth keeping.
    values, confidence : ndarray
        Label value and probability of the likeliest class, in the box.
    """

    position: int
    shape: tuple[int, int]
    box: tuple[slice, slice]
    values: NDArray[np.unsignedinteger]
    confidence: NDArray[np.float32]

    @classmethod
    def of(
        cls, position: int, probabilities: NDArray[np.float32], values: Sequence[int]
    ) -> PlaneProposal:
        """Boil down the (C, H, W) probabilities of classes with these label values."""
        if len(probabilities) != len(values):
            raise ValueError(f"The prediction has {len(probabilities)} classes, not {len(values)}.")
        best = probabilities.argmax(axis=0)
        confidence = probabilities.max(axis=0)
        box = box_around(confidence >= LOWEST_THRESHOLD)
        labels = np.array(values, np.min_scalar_type(max(values, default=0)))
        shape = (probabilities.shape[1], probabilities.shape[2])
        return cls(position, shape, box, labels[best[box]], confidence[box].astype(np.float32))

    def cut(self, threshold: float) -> NDArray[np.unsignedinteger]:
        """Give (H, W) label values, 0 where no class is probable enough."""
        labels = np.zeros(self.shape, self.values.dtype)
        labels[self.box] = np.where(self.confidence >= threshold, self.values, 0)
        return labels


class Cuts(Mapping[int, NDArray[np.unsignedinteger]]):
    """Planes of a proposal that are cut when they are asked for."""

    def __init__(self, proposal: Proposal, positions: Sequence[int]) -> None:
        self._proposal, self._positions = proposal, positions

    def __getitem__(self, position: int) -> NDArray[np.unsignedinteger]:
        return self._proposal.labels(position)

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)


class Proposal:
    """Suggested labels for the planes of a stack.

    Parameters
    ----------
    stack : Stack
        The planes that it is about.
    values : sequence of int
        Label value of each class, in the order of the probabilities' first axis.
    threshold : float
        A pixel gets its likeliest class where that class is at least this probable.
    """

    def __init__(self, stack: Stack, values: Sequence[int], threshold: float = 0.5) -> None:
        self.stack = stack
        self.values = tuple(int(value) for value in values)
        self.provenance: Provenance | None = None
        self.support: SupportSet | None = None
        self._threshold = 0.0
        self._planes: dict[int, PlaneProposal] = {}
        self.threshold = threshold

    @property
    def threshold(self) -> float:
        """How probable a class must be to be proposed, between `LOWEST_THRESHOLD` and 1."""
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        self._threshold = float(min(max(threshold, LOWEST_THRESHOLD), 1.0))

    @property
    def version(self) -> object:
        """Changes whenever the labels of planes may have changed, other than by `put`."""
        return self._threshold

    @property
    def decisions(self) -> dict[str, Any]:
        """What the user decided, as values JSON can hold."""
        return {"threshold": self._threshold}

    @property
    def positions(self) -> list[int]:
        """The planes that have been predicted, in order."""
        return sorted(self._planes)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """The smallest type that holds all its labels."""
        return np.min_scalar_type(max(self.values, default=0))

    def put(self, plane: PlaneProposal) -> None:
        """Take the prediction of one plane; an earlier one of the same plane is replaced."""
        self._planes[plane.position] = plane

    def labels(self, position: int) -> NDArray[np.unsignedinteger]:
        """Cut one predicted plane at the threshold; (H, W) label values, 0 is background."""
        return self._planes[position].cut(self.threshold)

    def cuts(
        self, positions: Iterable[int] | None = None
    ) -> Mapping[int, NDArray[np.unsignedinteger]]:
        """Give several planes, by default all, by position; each is cut when it is asked for."""
        wanted = self.positions if positions is None else positions
        return Cuts(self, [position for position in wanted if position in self._planes])

    def component(self, position: int, row: int, column: int) -> NDArray[np.bool_] | None:
        """Find the connected piece of one class under a pixel; None where nothing is proposed."""
        if position not in self._planes:
            return None
        piece = pick_cluster(self.labels(position), row, column, piece=True)
        return piece if piece.any() else None

    def discard(self, position: int, mask: NDArray[np.bool_] | None = None) -> None:
        """Forget a predicted plane, or the part of it under `mask`."""
        if position not in self._planes:
            return
        if mask is None:
            del self._planes[position]
            return
        plane = self._planes[position]
        confidence = np.where(mask[plane.box], np.float32(0), plane.confidence)
        self._planes[position] = replace(plane, confidence=confidence)

    def kept(self, position: int) -> Any:
        """Give what `bring_back` needs to make a plane what it is now."""
        return self._planes.get(position)

    def bring_back(self, position: int, kept: Any) -> None:
        """Make a plane what it was when it was `kept`."""
        if kept is None:
            self._planes.pop(position, None)
        else:
            self._planes[position] = kept


def box_around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Give the smallest box with all of a mask; an empty one where there is nothing."""
    found = ndimage.find_objects(mask.view(np.uint8))
    return found[0] if found else (slice(0, 0), slice(0, 0))


def require_something(
    planes: Mapping[int, NDArray[np.unsignedinteger]],
) -> Generator[Progress, None, None]:
    """Look through proposed planes, one per step, until one shows something.

    Raises
    ------
    ValueError
        With one sentence, if all are empty.
    """
    for done, plane in enumerate(planes.values()):
        if plane.any():
            return
        yield Progress(done, len(planes), "Looking for what is proposed")
    raise ValueError(
        "The proposal is empty, so no labels were made: lower the threshold, or reject it."
    )
