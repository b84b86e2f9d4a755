"""Read weights, and only after they have proved to be what their card says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medseg.zoo.architectures import build_net
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import card_of

if TYPE_CHECKING:
    import torch
    from torch import nn


class WeightsError(ValueError):
    """Weights cannot be used; the message says why and what to do, in one sentence."""


def load_net(model: ModelCard | str) -> nn.Module:
    """Build the net of a model and give it its weights, in float32, ready for use.

    Parameters
    ----------
    model : ModelCard or str
        A card, or the name of an installed model.

    Returns
    -------
    torch.nn.Module
        On the CPU, in evaluation mode, without gradients.

    Raises
    ------
    CardError
        If there is no such model or its net is unknown.
    WeightsError
        If the file is missing, is not the one of the card (sha256), is no safetensors file, does
        not fit the net, or holds values that are not finite. There is no fallback.
    """
    card = card_of(model)
    read_verified(card)
    state = read_safetensors(card.weights_path, card.name)
    net = build_net(card.net, card.net_options)
    check_state(net, state, card.name)
    net.load_state_dict(state, strict=True)
    return net.eval().requires_grad_(False)


def read_verified(card: ModelCard) -> bytes:
    """Give the bytes of a model's weights file, proved by their hash to be the card's.

    Raises
    ------
    WeightsError
        If the file is missing or differs from the card.
    """
    check_present(card)
    if not card.file.endswith(".safetensors"):
        raise WeightsError(
            f"Model {card.name!r} points to {card.file!r}, which is no safetensors file; "
            "files that could run code are never opened: import the checkpoint instead."
        )
    try:
        content = card.weights_path.read_bytes()
    except OSError as error:
        raise _missing(card) from error
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise WeightsError(
            f"The weights of model {card.name!r} are damaged or were changed (their sha256 differs "
            "from the card): install the model again."
        )
    return content


def check_present(card: ModelCard) -> None:
    """Make sure that a model's weights are on this computer, without reading them.

    Raises
    ------
    WeightsError
        Where they are not; the message says how they get there.
    """
    if card.state == "to download":
        raise WeightsError(
            f"The weights of model {card.name!r} are not on this computer yet: download them with "
            f"napari-medseg models download {card.name}."
        )
    if card.state == "missing":
        raise _missing(card)


def _missing(card: ModelCard) -> WeightsError:
    return WeightsError(
        f"The weights {card.file!r} of model {card.name!r} are missing: install the model again."
    )


def read_safetensors(path: Path, name: str) -> dict[str, torch.Tensor]:
    """Give the tensors of a safetensors file; floating-point ones as float32.

    They are read one by one: to copy all at once out of bytes, the library holds Python's lock,
    and a window would stand still for as long.

    Raises
    ------
    WeightsError
        If it is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {key: _as_float32(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, KeyError) as error:
        raise _no_safetensors(name, error) from error


def parse_safetensors(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """Give the tensors in the content of a safetensors file, as `read_safetensors` does."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return {key: _as_float32(value) for key, value in load(content).items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise _no_safetensors(name, error) from error


def _no_safetensors(name: str, error: Exception) -> WeightsError:
    return WeightsError(f"The weights of model {name!r} are no safetensors file ({error}).")


def _as_float32(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value


@dataclass(frozen=True)
class KeyReport:
    """How the entries of a state dict compare with those of a net.

    Parameters
    ----------
    fitting : int
        How many have their place in the net.
    missing, unexpected : tuple of str
        Names that only the net has, and that only the state dict has.
    misshapen : tuple of str
        Entries of another shape than the net's, with both shapes.
    """

    fitting: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every entry has its place."""
        return not (self.missing or self.unexpected or self.misshapen)

    def listing(self, limit: int = 3) -> str:
        """List what does not fit, so many names of each kind."""
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "of another shape": self.misshapen,
        }
        return "; ".join(
            f"{len(names)} {what} ({_shortened(names, limit)})"
            for what, names in kinds.items()
            if names
        )


def compare_state(net: nn.Module, state: Mapping[str, torch.Tensor]) -> KeyReport:
    """Compare names and shapes of a state dict with those of a net."""
    expected = net.state_dict()
    common = sorted(expected.keys() & state.keys())
    wrong = [key for key in common if state[key].shape != expected[key].shape]
    return KeyReport(
        len(common) - len(wrong),
        tuple(sorted(expected.keys() - state.keys())),
        tuple(sorted(state.keys() - expected.keys())),
        tuple(
            f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in wrong
        ),
    )


def check_state(net: nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Make sure that every tensor fits its place in the net and is finite.

    Raises
    ------
    WeightsError
        Listing the missing, unexpected and mis-shaped entries.
    """
    import torch

    report = compare_state(net, state)
    if not report.fits:
        raise WeightsError(
            f"The weights of {name!r} belong to another architecture than "
            f"{type(net).__name__}: {report.listing()}."
        )
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise WeightsError(
            f"The weights of {name!r} hold values that are not finite ({_shortened(broken)}): "
            "the training that made them failed."
        )


def _shortened(keys: Sequence[str], limit: int = 3) -> str:
    more = f", and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more
