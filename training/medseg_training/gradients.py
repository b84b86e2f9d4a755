"""One step's gradients: in one piece, in parts one after the other, or in threads beside another.

Losses are formed in float32 outside of autocast by the methods; here only the net's arithmetic
is cheaper. float16 needs its gradients scaled, bfloat16 does not.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from medseg_training.distributed import Processes
from medseg_training.methods.method import Method

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Terms = dict[str, Tensor]


def chosen_precision(name: Precision, device: torch.device) -> torch.dtype:
    """Give the type a net computes in: auto is the GPU's half type, and float32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


class Loss(nn.Module):
    """A method's loss as a module, so that DistributedDataParallel can stand around it."""

    def __init__(self, method: Method, dtype: torch.dtype) -> None:
        super().__init__()
        self.net = method.net
        self._method = method
        self._device = next(method.net.parameters()).device.type
        self._dtype = dtype

    def forward(self, batch: Any) -> Terms:
        """Give the terms of the loss of one part of a batch."""
        mixed = self._dtype != torch.float32
        # Threads share no cache of converted weights.
        with torch.autocast(
            self._device, self._dtype, enabled=mixed, cache_enabled=not self._method.threaded
        ):
            return self._method.terms(batch)


class Gradients:
    """Computes a step's gradients into ``parameter.grad``.

    Parameters
    ----------
    method
        What is trained.
    parameters
        Those that are changed.
    dtype
        The type that the net computes in.
    processes
        Those that share the batch.
    """

    def __init__(
        self,
        method: Method,
        parameters: list[nn.Parameter],
        dtype: torch.dtype,
        processes: Processes,
    ) -> None:
        self.method, self.parameters = method, parameters
        self.waited = 0.0
        """Seconds spent on waiting for batches."""
        self.scaler = torch.amp.GradScaler(
            parameters[0].device.type, enabled=dtype == torch.float16
        )
        self._loss: nn.Module = processes.wrapped(Loss(method, dtype))
        self._threads = ThreadPoolExecutor(method.parts) if method.threaded else None

    def __call__(self, step: int) -> Terms:
        """Compute the gradients of a step; give the terms of its loss, mean over its parts."""
        self.method.start_step(step)
        results = self._threaded(step) if self._threads else self._in_turn(step)
        parts = len(results)
        return {name: sum(terms[name] for terms in results) / parts for name in results[0]}  # type: ignore[misc]

    def _in_turn(self, step: int) -> list[Terms]:
        parts = self.method.parts
        results = []
        for part in range(parts):
            begun = time.perf_counter()
            batch = self.method.batch(step, part)
            self.waited += time.perf_counter() - begun
            with self._unsynchronised() if part < parts - 1 else nullcontext():
                terms = self._loss(batch)
                self.scaler.scale(_total(terms) / parts).backward()
            results.append({name: term.detach() for name, term in terms.items()})
        return results

    def _unsynchronised(self) -> AbstractContextManager[None]:
        """Leave the exchange between processes to the last part."""
        no_sync = getattr(self._loss, "no_sync", nullcontext)
        context: AbstractContextManager[None] = no_sync()
        return context

    def _threaded(self, step: int) -> list[Terms]:
        assert self._threads is not None

        def one(part: int) -> tuple[Terms, tuple[Tensor, ...]]:
            terms = self._loss(self.method.batch(step, part))
            gradients = torch.autograd.grad(_total(terms), self.parameters)
            return {name: term.detach() for name, term in terms.items()}, gradients

        results = list(self._threads.map(one, range(self.method.parts)))
        for i, parameter in enumerate(self.parameters):
            # The order of the sum is fixed, whichever part was finished first.
            total = sum((gradients[i] for _, gradients in results[1:]), results[0][1][i])
            parameter.grad = total / self.method.parts
        return [terms for terms, _ in results]


def _total(terms: Terms) -> Tensor:
    return torch.stack([term.float() for term in terms.values()]).sum()
