"""Muon, an optimiser that PyTorch does not have for convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration, as published; they bring singular values near 1, not to 1."""


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are orthogonalised; Adam for vectors.

    After Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the
    scaling of Liu et al., "Muon is scalable for LLM training" (2025): an update has the size of one
    of Adam's, so that Adam's learning rates can be used. A convolution's weight counts as a matrix
    of its outputs by everything else. Every direction of a layer learns at the same pace, which
    matters in a network without normalisation.

    Parameters
    ----------
    parameters
        What to train.
    lr
        Learning rate.
    momentum
        Of the matrices.
    betas
        Of Adam, for biases.
    dtype
        In which matrices are made orthogonal; by default in their own. bfloat16 is enough, and
        faster where the processor has it.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum, "betas": betas})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                change = self._matrix if parameter.ndim > 1 else self._vector
                parameter.sub_(group["lr"] * change(parameter, parameter.grad, group))

    def _matrix(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        moving, beta = state["momentum"], group["momentum"]
        moving.lerp_(gradient, 1 - beta)
        wanted = gradient.lerp(moving, beta).flatten(1)
        update = orthogonalised(wanted.to(self.dtype or wanted.dtype)).to(wanted.dtype)
        return (0.2 * max(update.shape) ** 0.5 * update).view_as(parameter)

    def _vector(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if "count" not in state:
            state["count"] = torch.zeros((), dtype=torch.int64)
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["count"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        count = int(state["count"])
        mean = state["mean"] / (1 - first**count)
        return mean / ((state["square"] / (1 - second**count)).sqrt() + 1e-8)


def orthogonalised(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Bring all singular values of a matrix near 1 by Newton-Schulz iterations."""
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T
