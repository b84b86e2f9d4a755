"""Find the plane to check next: the one where subsets of the examples disagree the most.

Where two halves of the examples lead to different answers, the examples do not settle the matter,
and one more example painted there says most (query by committee; Seung, Opper and Sompolinsky,
"Query by Committee", COLT 1992).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.class_examples import ClassExamples
from napari_medseg.engine.by_example.held_out import spread
from napari_medseg.engine.by_example.looks import ClassTask, Subject, look
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.prepare import PreparedSupport, prepare
from napari_medseg.engine.by_example.support import SupportError, SupportSet
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.results import Progress, told
from napari_medseg.engine.scaling import ValueRange

COARSE = 12
"""Planes that are looked at first, evenly spread."""

NEGLIGIBLE = 0.01
"""Part of what is found that may differ between halves that agree."""

MOST_IN_A_HALF = 8
"""Examples of each half that are asked at most."""


@dataclass(frozen=True)
class PlaneToCheck:
    """The plane where the examples disagree the most.

    Parameters
    ----------
    index : int
        Which plane.
    disagreement : float
        Pixels that only one half of the examples would label, as a part of those that both or
        either would, between 0 and 1.
    looked_at : int
        How many planes were compared.
    """

    index: int
    disagreement: float
    looked_at: int


def plane_to_check(
    image: Any,
    support: SupportSet,
    options: ByExampleOptions | None = None,
    *,
    leave_out: Collection[int] = (),
    rgb: bool | None = None,
    value_range: ValueRange | None = None,
) -> Generator[Progress, None, PlaneToCheck | None]:
    """Look for the plane where predictions from subsets of the examples disagree the most.

    A dozen planes spread over the volume come first, then the planes around the worst of them.
    Nothing needs to have been predicted before.

    Parameters
    ----------
    image : array-like, shape (Z, H, W) or (Z, H, W, 3|4)
        The volume.
    support : SupportSet
        At least one class must be shown by two examples.
    options : ByExampleOptions, optional
        As for the prediction; the same preparation is used.
    leave_out : collection of int
        Planes that need no check, such as examples and approved ones.
    rgb, value_range
        As for `Planes`.

    Yields
    ------
    Progress
        At least once per pass of the net; `done` counts planes.

    Returns
    -------
    PlaneToCheck or None
        None where the halves agree on every plane that was looked at.

    Raises
    ------
    SupportError
        If no class is shown by two examples.
    ValueError
        If no plane is left to look at.
    """
    options = options or ByExampleOptions()
    volume = Planes(image, rgb, value_range)
    open_planes = [index for index in range(len(volume)) if index not in set(leave_out)]
    if not open_planes:
        raise ValueError("All planes are examples or approved: nothing is left to check.")
    total = min(len(open_planes), 2 * COARSE)
    prepared = yield from prepare(support, options, volume.is_rgb, total)
    search = _Search(volume, prepared, open_planes, total)
    yield from search.compare([open_planes[at] for at in spread(len(open_planes), COARSE)])
    while (closer := search.next_planes()) and len(search.differing) < total:
        yield from search.compare(closer)
    return search.worst()


class _Search:
    """The planes compared so far, and where to look on."""

    def __init__(
        self, volume: Planes, prepared: PreparedSupport, planes: Sequence[int], total: int
    ) -> None:
        self.volume, self.prepared, self.planes, self.total = volume, prepared, planes, total
        self.halves = [half for item in prepared.gathered if (half := _halves(item, prepared))]
        if not self.halves:
            raise SupportError(
                "To tell where the examples disagree, two of them must show the same class: add "
                "another example."
            )
        self.differing: dict[int, float] = {}
        self.ratio: dict[int, float] = {}

    def compare(self, indices: Sequence[int]) -> Generator[Progress, None, None]:
        """Predict planes from each half of the examples and count where they differ."""
        for index in indices:
            if len(self.differing) >= self.total:
                return
            plane, finite = self.volume.scaled(index)
            subjects = [Subject(plane, task) for half in self.halves for task in half]
            words = f"Comparing plane {index}: {len(self.differing) + 1} of {self.total}"
            passes = look(self.prepared.predictor, subjects, self.prepared.averaging)
            looks = yield from told(passes, Progress(len(self.differing), self.total, words))
            found = [(seen.last >= 0.5) & finite for seen in looks]
            pairs = list(zip(found[::2], found[1::2], strict=True))
            self.differing[index], self.ratio[index] = _differences(pairs)
            yield Progress(len(self.differing), self.total, words)

    def next_planes(self) -> list[int]:
        """Give the planes halfway between the worst one and its neighbours that were compared."""
        worst = self.worst()
        if worst is None:
            return []
        compared = sorted(self.differing)
        at = compared.index(worst.index)
        around = [compared[i] for i in (at - 1, at + 1) if 0 <= i < len(compared)]
        wanted = []
        for other in around:
            low, high = sorted((worst.index, other))
            between = [index for index in self.planes if low < index < high]
            wanted += between[len(between) // 2 : len(between) // 2 + 1]
        return wanted

    def worst(self) -> PlaneToCheck | None:
        """Give the plane on which most pixels differ; the lower index at a tie."""
        index = max(sorted(self.differing), key=lambda plane: self.differing[plane])
        if self.ratio[index] <= NEGLIGIBLE:
            return None
        return PlaneToCheck(index, self.ratio[index], len(self.differing))


def _halves(item: ClassExamples, prepared: PreparedSupport) -> tuple[ClassTask, ClassTask] | None:
    """Give a class as either half of its examples shows it; None where only one shows it."""
    if len(item) < 2:
        return None
    way = prepared.ways[item.index]
    halves = [list(range(start, len(item), 2)) for start in (0, 1)]
    chosen = [[half[at] for at in spread(len(half), MOST_IN_A_HALF)] for half in halves]
    first, second = (item.task(way.learned, way.twice, half) for half in chosen)
    return first, second


def _differences(
    pairs: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
) -> tuple[float, float]:
    """Count the pixels on which two answers differ, over all classes, and their part of all."""
    differing = float(sum((one ^ other).sum() for one, other in pairs))
    either = float(sum((one | other).sum() for one, other in pairs))
    return differing, differing / max(either, 1.0)
