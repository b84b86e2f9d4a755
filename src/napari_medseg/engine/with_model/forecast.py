"""Forecast the memory that a net needs for an input, without computing anything."""

from __future__ import annotations

import copy
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Callable

WORKSPACE = 1.3
"""Convolutions need room beside the tensors that they read and write."""


def forecast_forward(
    forward: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
    net: torch.nn.Module,
    shape: tuple[int, ...],
) -> int:
    """Give the bytes that a forward pass takes at its peak, without the weights.

    The net runs on tensors without content ("meta") while the sizes of all tensors alive are added
    up, so this takes milliseconds and holds for any net.

    Parameters
    ----------
    forward : callable
        Runs the net: ``forward(net, x)``.
    net : torch.nn.Module
        Not changed.
    shape : tuple of int
        Of the input, batch first.
    """
    hollow = copy.deepcopy(net).to("meta")
    with torch.inference_mode(), _LiveBytes() as live:
        forward(hollow, torch.empty(shape, device="meta"))
    return int(WORKSPACE * live.peak)


class _LiveBytes(TorchDispatchMode):
    """Adds up the storages of the tensors alive, and keeps the peak."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = 0
        self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._seen:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self.alive -= size
