"""Fit small U-Nets on the examples, each without a part of them that it is then measured on.

A net sees large planes in two ways: shrunk, as a whole, which tells where things are, and window by
window at their own pixels, which shows what is thin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.adapt.views import VIEW, Strengths, draw_views

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

WIDTH = 16
BATCH = 4
RATE, MOMENTUM = 8e-3, 0.9
"""Of Muon."""
WHOLE = 0.5
"""Part of the steps that show large planes as a whole."""

UNAIDED = 0.5
"""Part of the views without hints, so that a net learns to do without them as well."""

WARM_UP = 10
"""Steps over which the learning rate rises; it falls to a twentieth until the last step."""


class Member:
    """A U-Net that is fitted on some of the examples.

    Parameters
    ----------
    inputs : Tensor, shape (S, K, n, n)
        Of all examples.
    masks : Tensor, shape (S, C, n, n)
        Of all examples.
    held_out : ndarray of int
        Examples that it never sees.
    colours : int
        How many channels of the inputs are image.
    seed : int
        Decides its first weights and its views.
    dtype : torch.dtype
        bfloat16 for mixed precision, else float32.
    """

    def __init__(
        self,
        inputs: Tensor,
        masks: Tensor,
        held_out: NDArray[np.intp],
        colours: int,
        seed: int,
        dtype: torch.dtype,
    ) -> None:
        import torch

        from napari_medseg.engine.muon import Muon

        self.inputs, self.held_out = inputs, held_out
        self.sights = sights_of(inputs, masks)
        self.shown = np.setdiff1d(np.arange(len(inputs)), held_out)
        self.colours, self.dtype = colours, dtype
        self.rng = np.random.default_rng(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = new_net(inputs.shape[1], masks.shape[1])
        self.net.to(inputs.device)
        self.optimiser = Muon(self.net.parameters(), RATE, MOMENTUM, dtype=dtype)

    def step(self, part: float, number: int) -> None:
        """Fit on one batch; `part` of all steps and this `number` of them are done."""
        import torch

        for group in self.optimiser.param_groups:
            group["lr"] = RATE * pace(part, number)
        inputs, masks = self.sights[0 if self.rng.random() < WHOLE else -1]
        chosen = torch.from_numpy(self.rng.choice(self.shown, BATCH))
        seen, wanted = draw_views(
            self.rng, inputs[chosen], masks[chosen], self.colours, Strengths()
        )
        seen[torch.from_numpy(self.rng.random(BATCH) < UNAIDED), self.colours :] = 0.0
        self.net.train()
        with torch.enable_grad():
            loss = fitting_loss(forward(self.net, seen, self.dtype), wanted)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()

    def answers(self) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
        """Predict the held-out examples: each with its `probabilities`, with hints and without."""
        for index in self.held_out:
            plane = self.inputs[int(index)]
            aided, unaided = probabilities([self.net], plane, self.colours, self.dtype)
            yield int(index), aided, unaided

    def state(self) -> dict[str, Tensor]:
        """Copy the weights, rounded as a file keeps them (float16)."""
        state = self.net.state_dict()
        return {key: _rounded(value.detach().cpu()) for key, value in state.items()}


def sights_of(inputs: Tensor, masks: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Give inputs (S, K, n, n) with their masks (S, C, n, n), once for each of `looks_at`."""
    return [(sight, _shrunk(masks, sight.shape[-1])) for sight in looks_at(inputs)]


def pace(part: float, number: int) -> float:
    """Give the learning rate as a part of the largest, when `part` of all steps are done."""
    return (1 - 0.95 * part) * min(1.0, (number + 1) / WARM_UP)


def _rounded(values: Tensor) -> Tensor:
    """Give values as a file in float16 keeps them."""
    return values.half().float() if values.is_floating_point() else values.clone()


def new_net(channels: int, n_classes: int) -> nn.Module:
    """Build the U-Net that is fitted, with fresh weights."""
    from napari_medseg.engine.by_example.adapt.small_net import HalfGridUNet

    return HalfGridUNet(channels, n_classes, WIDTH)


def forward(net: nn.Module, planes: Tensor, dtype: torch.dtype) -> Tensor:
    """Give logits in float32, (B, C, n, n)."""
    import torch

    planes = planes.contiguous(memory_format=torch.channels_last)
    with torch.autocast(planes.device.type, dtype, dtype != torch.float32):
        logits: Tensor = net(planes)
    return logits.float()


def probabilities(
    nets: Sequence[nn.Module], plane: Tensor, colours: int, dtype: torch.dtype
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the mean probabilities (L, C, n, n) of several nets, with hints and without.

    Parameters
    ----------
    nets : sequence of nn.Module
        At least one.
    plane : Tensor, shape (K, n, n)
        What they see.
    colours : int
        How many channels are image; the others are hints.
    dtype : torch.dtype
        bfloat16 for mixed precision, else float32.
    """
    import torch
    import torch.nn.functional as F

    bare = plane.clone()
    bare[colours:] = 0.0
    found = []
    with torch.inference_mode():
        for sight in looks_at(torch.stack([plane, bare])):
            answers = [forward(net.eval(), sight, dtype).sigmoid() for net in nets]
            mean = torch.stack(answers).mean(0)
            if mean.shape[-1] != plane.shape[-1]:
                mean = F.interpolate(mean, size=plane.shape[-2:], mode="bilinear")
            found.append(mean)
        aided, unaided = torch.stack(found, 1).cpu().numpy()
    return aided, unaided


def looks_at(planes: Tensor) -> list[Tensor]:
    """Give planes (B, K, n, n) as a whole at `VIEW` pixels and, where they have more, as they are.

    The looks are L in the shapes of answers.
    """
    whole = _shrunk(planes, min(VIEW, planes.shape[-1]))
    return [whole] if whole is planes else [whole, planes]


def _shrunk(planes: Tensor, side: int) -> Tensor:
    """Give planes (B, K, n, n) with a side of so many pixels."""
    import torch.nn.functional as F

    if planes.shape[-1] == side:
        return planes
    return F.interpolate(planes, size=(side, side), mode="bilinear", antialias=True)


def fitting_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Dice, soft and per plane and class, and cross-entropy in equal parts."""
    import torch.nn.functional as F

    found = logits.sigmoid()
    overlap = (found * wanted).sum((2, 3))
    total = (found + wanted).sum((2, 3))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return dice.mean() + F.binary_cross_entropy_with_logits(logits, wanted)
