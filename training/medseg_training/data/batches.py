"""Batches of planes, each a pure function of the seed and the step, made ahead in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_training.data.augment import augment
from medseg_training.data.augment_options import AugmentOptions
from medseg_training.data.dataset import DatasetError
from medseg_training.data.planes import Plane

_ORDER, _CROP, _CHANGE = 0, 1, 2
_FOREGROUND = 1 / 3


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step trains on.

    Parameters
    ----------
    images : Tensor of float32, shape (B, C, H, W)
        In [0, 1], or with the mean and standard deviation applied, where these were given.
    labels : Tensor of int64, shape (B, H, W)
        Class index per pixel.
    names : tuple of str
        Of the planes.
    """

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]


class PlaneBatches:
    """Endless batches of planes.

    In each epoch every plane comes once, in an order drawn for that epoch; the last batch is filled
    up from the beginning of the order, so that all batches have one size. Order, crops and changes
    depend on seed, step and place in the batch alone: a training that resumes at a step goes on as
    if it had never stopped, and the ranks of a distributed training share out the batch that one
    process would have had.

    Parameters
    ----------
    planes : sequence of Plane
        What there is.
    size : tuple of int
        Height and width of the batches. Larger planes are cropped at random, a third of them around
        a pixel of the foreground; smaller ones are continued by their edge, as in the app.
    batch_size : int
        For each rank.
    seed : int
        Decides everything.
    augmentation : AugmentOptions, optional
        Changes; none by default.
    device : torch.device or str
        Where batches are made and augmented.
    rank, world : int
        Which of how many processes this is.
    """

    def __init__(
        self,
        planes: Sequence[Plane],
        size: tuple[int, int],
        batch_size: int,
        seed: int,
        augmentation: AugmentOptions | None = None,
        *,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not planes:
            raise DatasetError("There is no plane to train on; the cases are empty or blank.")
        self.planes, self.size = planes, size
        self.batch_size, self.seed = batch_size, seed
        self.augmentation = augmentation or AugmentOptions()
        self.device = torch.device(device)
        self.rank, self.world = rank, world
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: dict[int, Future[Batch]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps after which every plane has come at least once."""
        return -(-len(self.planes) // (self.batch_size * self.world))

    def batch(self, step: int) -> Batch:
        """Give the batch of a step, and begin to make the next one.

        Raises
        ------
        RuntimeError
            After `close`.
        """
        made = self._ahead.pop(step, None) or self._maker.submit(self._make, step)
        for unwanted in self._ahead.values():
            unwanted.cancel()
        self._ahead = {step + 1: self._maker.submit(self._make, step + 1)}
        return made.result()

    def close(self) -> None:
        """Stop making batches ahead."""
        self._maker.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> PlaneBatches:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self, step: int) -> Batch:
        epoch, within = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(len(self.planes))
        first = (within * self.world + self.rank) * self.batch_size
        places = range(first, first + self.batch_size)
        chosen = [self.planes[order[place % len(order)]] for place in places]
        seeds = [(self.seed, _CHANGE, epoch, place) for place in places]
        crops = [(self.seed, _CROP, epoch, place) for place in places]
        cut = [_cropped(plane, self.size, s) for plane, s in zip(chosen, crops, strict=True)]
        images = torch.from_numpy(np.stack([image for image, _ in cut]))
        labels = torch.from_numpy(np.stack([mask for _, mask in cut]))
        images, labels = images.to(self.device), labels.to(self.device)
        images, labels = augment(images, labels, seeds, self.augmentation)
        return Batch(images, labels.long(), tuple(plane.name for plane in chosen))


def _cropped(
    plane: Plane, size: tuple[int, int], seed: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a window out of a plane, or continue its edge where it is smaller."""
    image, labels = plane.image, plane.labels
    if labels.shape == size:
        return image, labels
    rng = np.random.default_rng(seed)
    missing = [max(0, wanted - has) for wanted, has in zip(size, labels.shape, strict=True)]
    if any(missing):
        beyond = [(0, n) for n in missing]
        image = np.pad(image, [(0, 0), *beyond], mode="edge")
        labels = np.pad(labels, beyond, mode="edge")
    room = [has - wanted for wanted, has in zip(size, labels.shape, strict=True)]
    start = [int(rng.integers(n + 1)) for n in room]
    inside = np.argwhere(labels) if rng.random() < _FOREGROUND else np.empty((0, 2))
    if len(inside):
        centre = inside[rng.integers(len(inside))]
        start = [
            int(np.clip(c - wanted // 2, 0, n))
            for c, wanted, n in zip(centre, size, room, strict=True)
        ]
    window = tuple(slice(s, s + wanted) for s, wanted in zip(start, size, strict=True))
    return image[(slice(None), *window)], labels[window]
