"""Pretrained models whose answers are known: they read the answer off the image."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_medseg.zoo.cards import ModelCard


class BrightNet(nn.Module):
    """Finds what is bright: its logits are those of the mean of the channels, point by point.

    Parameters
    ----------
    n_classes : int
        1: a sigmoid's logit. 3: background, bright and dark, for a softmax.
    in_channels : int
        Of the image; the weights say which channel counts how much.
    """

    def __init__(self, n_classes: int = 1, in_channels: int = 1) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.weight = nn.Parameter(torch.full((in_channels,), 1.0 / in_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Give 20 (value - 0.5) per pixel, and for three classes its opposite too."""
        value = 20 * (torch.einsum("bchw,c->bhw", x, self.weight) - 0.5)[:, None]
        if self.n_classes == 1:
            return value
        return torch.cat([torch.full_like(value, 5.0), value, -value], 1)


class MeanNet(BrightNet):
    """Gives everywhere the answer for the mean of what it sees: a net with a view."""

    def forward(self, x: Tensor) -> Tensor:
        """Answer as `BrightNet` for the mean over the whole input."""
        return super().forward(x.mean((-2, -1), keepdim=True).expand_as(x))


def write_pretrained(root: Path, name: str, net: nn.Module, **fields: Any) -> ModelCard:
    """Write a net as a model folder; the card says what is given."""
    from safetensors.torch import save

    content = save({key: value.contiguous() for key, value in net.state_dict().items()})
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(content)
    fields = {"classes": ("bright",), "output": {"activation": "sigmoid"}} | fields
    card = ModelCard(
        name=name,
        title=name,
        kind="pretrained",
        net=type(net).__name__,
        file="model.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        **fields,
    )
    (folder / "model.json").write_text(card.to_json(), encoding="utf-8")
    return replace(card, folder=folder)
