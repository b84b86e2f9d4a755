"""Read weights, and only after they have proved to be what their card says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_medseg.zoo.architectures import build_net
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import get_card

if TYPE_CHECKING:
    import torch
    from torch import nn


class WeightsError(ValueError):
    """Weights cannot be used; the message says why and what to do, in one sentence."""


def load_net(model: ModelCard | str, device: str | torch.device = "cpu") -> nn.Module:
    """Build the net of a model and give it its weights, in float32, ready for use.

    Parameters
    ----------
    model : ModelCard or str
        A card, or the name of an installed model.
    device : str or torch.device
        Where the net shall be.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, without gradients.

    Raises
    ------
    CardError
        If there is no such model or its net is unknown.
    WeightsError
        If the file is missing, is not the one of the card (sha256), is no safetensors file, does
        not fit the net, or holds values that are not finite. There is no fallback.
    """
    card = get_card(model) if isinstance(model, str) else model
    state = parse_safetensors(read_verified(card), card.name)
    net = build_net(card.net, card.net_options)
    check_state(net, state, card.name)
    net.load_state_dict(state, strict=True)
    return net.eval().requires_grad_(False).to(device)


def read_verified(card: ModelCard) -> bytes:
    """Give the bytes of a model's weights file, proved by size of hash to be the card's.

    Raises
    ------
    WeightsError
        If the file is missing or differs from the card.
    """
    if card.state == "to download":
        raise WeightsError(
            f"The weights of model {card.name!r} are not on this computer yet: download them with "
            f"napari-medseg models download {card.name}."
        )
    if not card.file.endswith(".safetensors"):
        raise WeightsError(
            f"Model {card.name!r} points to {card.file!r}, which is no safetensors file; "
            "files that could run code are never opened: import the checkpoint instead."
        )
    try:
        content = card.weights_path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The weights {card.file!r} of model {card.name!r} are missing: install the "
            "model again."
        ) from error
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise WeightsError(
            f"The weights of model {card.name!r} are damaged or were changed (their sha256 differs "
            "from the card): install the model again."
        )
    return content


def parse_safetensors(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """Give the tensors of a safetensors file; floating-point ones as float32.

    Raises
    ------
    WeightsError
        If the content is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(
            f"The weights of model {name!r} are no safetensors file ({error})."
        ) from error
    return {
        key: value.float() if value.is_floating_point() else value for key, value in state.items()
    }


def check_state(net: nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Make sure that every tensor fits its place in the net and is finite.

    Raises
    ------
    WeightsError
        Listing the missing, unexpected and mis-shaped entries.
    """
    import torch

    expected = net.state_dict()
    problems = [
        _listing("missing", sorted(expected.keys() - state.keys())),
        _listing("unexpected", sorted(state.keys() - expected.keys())),
        _listing(
            "of another shape",
            [
                f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
                for key in sorted(expected.keys() & state.keys())
                if state[key].shape != expected[key].shape
            ],
        ),
    ]
    found = "; ".join(problem for problem in problems if problem)
    if found:
        raise WeightsError(
            f"The weights of {name!r} belong to another architecture than "
            f"{type(net).__name__}: {found}."
        )
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise WeightsError(
            f"The weights of {name!r} hold values that are not finite ({_shortened(broken)}): "
            "the training that made them failed."
        )


def _listing(what: str, keys: list[str]) -> str:
    return f"{len(keys)} {what} ({_shortened(keys)})" if keys else ""


def _shortened(keys: list[str], limit: int = 3) -> str:
    more = f", and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more
