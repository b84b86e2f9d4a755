"""The nets that a model card can name; each is imported when it is first built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_medseg.zoo.cards import CardError

if TYPE_CHECKING:
    from torch import nn

NETS: dict[str, str] = {
    "ConDSeg": "napari_medseg.nets.condseg",
    "ConDSegStage1": "napari_medseg.nets.condseg",
    "SwinUNet": "napari_medseg.nets.swin_unet",
    "UNet": "napari_medseg.nets.unet",
    "UniverSeg": "napari_medseg.nets.universeg",
}
"""Module that holds each net, under a class of the same name."""


def build_net(net: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a net with fresh weights.

    Parameters
    ----------
    net : str
        A key of `NETS`.
    options : mapping, optional
        Arguments of its constructor, as the card gives them.

    Raises
    ------
    CardError
        If the net is unknown, or does not take these options.
    """
    if net not in NETS:
        raise CardError(f"This version knows no net named {net!r}; it knows {', '.join(NETS)}.")
    constructor = getattr(import_module(NETS[net]), net)
    try:
        return constructor(**dict(options or {}))
    except (TypeError, ValueError) as error:
        raise CardError(f"The net {net} cannot be built as its card says: {error}.") from error
