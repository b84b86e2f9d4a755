"""Ask the in-context net: batches that fit, groups of examples, flips, too little memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.devices import inference, mirrors
from napari_medseg.engine.memory import MAX_SUPPORT_PER_PASS, queries_per_pass

if TYPE_CHECKING:
    import torch
    from torch import nn

Plane = NDArray[np.float32]
Passes = Generator[None, None, list[Plane]]
"""Yields after every pass of the net; returns a probability plane per question."""


@dataclass(frozen=True)
class View:
    """Examples as the net sees them: images and 0/1 masks, float32, both (S, n, n)."""

    images: NDArray[np.float32]
    labels: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> View:
        """Give some of the examples, in order."""
        if len(indices) == len(self):
            return self
        chosen = np.asarray(indices, dtype=np.intp)
        return View(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Question:
    """A query plane (n, n) and the examples to answer it by."""

    query: Plane
    view: View


@dataclass(frozen=True)
class Averaging:
    """How many answers are averaged for one question.

    Parameters
    ----------
    ensemble : int
        Number of random subsets of the examples (seeded), 1 for all examples at once; larger sets
        than a pass can hold are always split into groups.
    flips : bool
        Whether mirrored copies of query and examples are asked as well.
    seed : int
        Of the random subsets.
    """

    ensemble: int = 1
    flips: bool = False
    seed: int = 0

    def groups(self, n_support: int) -> list[NDArray[np.intp]]:
        """Give the indices of the examples for every answer."""
        if self.ensemble > 1 and n_support > 1:
            rng = np.random.default_rng(self.seed)
            size = min(MAX_SUPPORT_PER_PASS, -(-3 * n_support // 4))
            draws = (rng.permutation(n_support)[:size] for _ in range(self.ensemble))
            return [np.sort(draw) for draw in draws]
        n_groups = -(-n_support // MAX_SUPPORT_PER_PASS)
        return [np.arange(start, n_support, n_groups) for start in range(n_groups)]


@dataclass(frozen=True)
class _Ask:
    """One query and one group of examples, possibly mirrored: what the net is asked in one go."""

    index: int
    query: Plane
    view: View
    mirror: tuple[int, ...]


class Predictor:
    """A net on a device, asked in batches that fit.

    Parameters
    ----------
    net : nn.Module
        ``net(target (B,1,n,n), support images (B,S,1,n,n), support labels) -> logits (B,1,n,n)``.
    device : torch.device
        Where it runs. A GPU without enough memory is answered by halving the batch, then by the
        CPU.
    dtype : torch.dtype
        float32, or bfloat16 for mixed precision.
    """

    def __init__(self, net: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self.net = net.to(device)
        self.device = device
        self.dtype = dtype
        self.notice = ""
        """What the user should know about how it runs, such as a move to the CPU."""
        self._limit = 32

    def answer(self, questions: Sequence[Question], averaging: Averaging) -> Passes:
        """Answer questions, yielding after every pass of the net."""
        sums: list[Plane] = [np.zeros(question.query.shape, np.float32) for question in questions]
        counts = [0] * len(questions)
        asks = _expand(questions, averaging)
        while asks:
            batch = self._next_batch(asks)
            try:
                planes = self._run(batch)
            except MemoryError:
                self._make_room(len(batch))
                continue
            for ask, plane in zip(batch, planes, strict=True):
                sums[ask.index] += np.flip(plane, ask.mirror)
                counts[ask.index] += 1
            del asks[: len(batch)]
            yield
        return [total / np.float32(count) for total, count in zip(sums, counts, strict=True)]

    def _next_batch(self, asks: list[_Ask]) -> list[_Ask]:
        first = asks[0]
        size = first.query.shape[-1]
        room = min(self._limit, queries_per_pass(len(first.view), self.device, size))
        alike = [
            len(ask.view) == len(first.view) and ask.query.shape == first.query.shape
            for ask in asks[:room]
        ]
        return asks[: [*alike, False].index(False)]

    def _run(self, batch: list[_Ask]) -> NDArray[np.float32]:
        query = np.stack([np.flip(ask.query, ask.mirror) for ask in batch])
        images = np.stack([np.flip(ask.view.images, ask.mirror) for ask in batch])
        labels = np.stack([np.flip(ask.view.labels, ask.mirror) for ask in batch])
        with inference(self.device, self.dtype):
            logits = self.net(*(self._tensor(planes) for planes in (query, images, labels)))
            planes: NDArray[np.float32] = logits.float().sigmoid()[:, 0].cpu().numpy()
        return planes

    def _tensor(self, planes: NDArray[np.float32]) -> torch.Tensor:
        """Put planes (..., n, n) on the device with the axis of one channel, (..., 1, n, n)."""
        import torch

        return torch.from_numpy(planes).to(self.device).unsqueeze(-3)

    def _make_room(self, tried: int) -> None:
        """Ask less at once from now on; on the CPU there is nothing left to try."""
        import torch

        if self.device.type == "cpu":
            raise MemoryError(
                "There is not enough memory for these examples: close other programs or use fewer."
            )
        if tried > 1:
            self._limit = tried // 2
        else:
            self.device = torch.device("cpu")
            self.net = self.net.to(self.device)
            self.notice = "The GPU has not enough memory; going on with the CPU."
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _expand(questions: Sequence[Question], averaging: Averaging) -> list[_Ask]:
    asks = []
    for index, question in enumerate(questions):
        for group in averaging.groups(len(question.view)):
            view = question.view.take(group)
            asks += [_Ask(index, question.query, view, axes) for axes in mirrors(averaging.flips)]
    return sorted(asks, key=lambda ask: len(ask.view))
