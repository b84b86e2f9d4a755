"""The net of a recipe: built for its data, divided into encoder and rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import nn

from medseg_training.schema import NetOptions
from napari_medseg.nets.condseg_encoder import ConDSegEncoder
from napari_medseg.zoo.architectures import build_net, known_nets, reason_of, size_multiple
from napari_medseg.zoo.specs import InputSpec


class NetError(ValueError):
    """The net of a recipe cannot be built or trained; the message says why."""


@dataclass(frozen=True)
class NetFacts:
    """What a training must know about a net.

    Parameters
    ----------
    encoder
        Prefixes of its encoder's parameters.
    multiple
        What the sides of its input are multiples of; 0 where it is built for one size.
    sigmoid
        Whether it gives one map for its one class, instead of one for each class and the
        background.
    """

    encoder: tuple[str, ...]
    multiple: int
    sigmoid: bool


_ENCODERS: Mapping[str, tuple[str, ...]] = {
    "UNet": ("inc.", "down1.", "down2.", "down3.", "down4."),
    "SwinUNet": ("patch_embed.", "layers.", "norm."),
    "ConDSeg": ConDSegEncoder.prefixes,
    "ConDSegStage1": ConDSegEncoder.prefixes,
}


def facts_of(options: NetOptions) -> NetFacts:
    """Give what must be known about a recipe's net."""
    return NetFacts(
        encoder=options.encoder or _ENCODERS.get(options.name, ()),
        multiple=size_multiple(options.name, options.options),
        sigmoid=options.name in ("ConDSeg", "ConDSegStage1"),
    )


def resolved_options(options: NetOptions, spec: InputSpec, n_classes: int) -> dict[str, Any]:
    """Give the arguments of the net's constructor, as its model card will list them.

    Raises
    ------
    NetError
        When the net does not take the data's size or channels.
    """
    from_data = {"$channels": spec.channels, "$classes": n_classes + 1, "$size": spec.size[0]}
    given = {
        key: from_data.get(value, value) if isinstance(value, str) else value
        for key, value in options.options.items()
    }
    if options.name == "UNet":
        return {"in_channels": spec.channels, "n_classes": n_classes + 1, **given}
    if options.name == "SwinUNet":
        if spec.size[0] != spec.size[1]:
            raise NetError(f"SwinUNet takes square planes: set data.size, now {list(spec.size)}.")
        return {"n_classes": n_classes + 1, "image_size": spec.size[0], **given}
    if options.name in ("ConDSeg", "ConDSegStage1") and spec.channels != 3:
        raise NetError("ConDSeg takes three channels: set data.channels=3.")
    return given


def build(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Build a net of the zoo, or of an installed package named as ``module:Class``.

    Raises
    ------
    NetError
        When there is no such net, or it does not take these options.
    """
    if name in known_nets():
        return build_net(name, options)
    module, separator, member = name.partition(":")
    if not separator:
        raise NetError(
            f"There is no net {name!r} (net.name): choose one of {_choice()}, or name a "
            "class of an installed package as module:Class."
        )
    try:
        constructor = getattr(import_module(module), member)
        net = constructor(**options)
    except Exception as error:  # a net of another package may raise anything
        raise NetError(f"The net {name} cannot be built: {reason_of(error)}.") from error
    if not isinstance(net, nn.Module):
        raise NetError(f"{name} is no torch.nn.Module, so it cannot be trained.")
    return net


def divided(
    net: nn.Module, encoder: tuple[str, ...]
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Give the parameters of the encoder and the others."""
    inside: list[nn.Parameter] = []
    outside: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        (inside if encoder and name.startswith(encoder) else outside).append(parameter)
    return inside, outside


def _choice() -> str:
    """Give the nets that segment by themselves; an in-context net has recipes of its own."""
    return ", ".join(name for name in known_nets() if name != "UniverSeg")
