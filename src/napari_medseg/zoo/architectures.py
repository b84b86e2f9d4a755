"""The nets that a model card can name; each is imported when it is first built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
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

ENTRY_POINTS = "napari_medseg.nets"
"""Group of entry points by which installed packages add nets of their own, each under its name."""


def known_nets() -> tuple[str, ...]:
    """Give the names of all nets: those of this package, then those of others."""
    others = {point.name for point in entry_points(group=ENTRY_POINTS)} - NETS.keys()
    return (*NETS, *sorted(others))


def build_net(net: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a net with fresh weights.

    Parameters
    ----------
    net : str
        One of `known_nets`.
    options : mapping, optional
        Arguments of its constructor, as the card gives them.

    Raises
    ------
    CardError
        If the net is unknown, or does not take these options.
    """
    if net not in known_nets():
        raise CardError(
            f"This version knows no net named {net!r}; it knows {', '.join(known_nets())}."
        )
    try:
        return _constructor(net)(**dict(options or {}))
    except CardError:
        raise
    except Exception as error:  # a net of another package may raise anything
        raise CardError(f"The net {net} cannot be built: {reason_of(error)}.") from error


def reason_of(error: Exception) -> str:
    """Give the words of an error without their full stop, with its kind where they need it."""
    words = str(error).rstrip(".")
    plain = isinstance(error, (ImportError, AttributeError, TypeError, ValueError))
    return words if plain and words else f"it raised {type(error).__name__}: {words}"


def size_multiple(net: str, options: Mapping[str, Any]) -> int:
    """Give what the sides of a pretrained net's input are multiples of; 0 if it takes one size.

    Parameters
    ----------
    net : str
        Its name; a net of another package is taken for one that halves its input five times.
    options : mapping
        Arguments of its constructor.
    """
    if net == "SwinUNet":
        return 0
    is_deep = options.get("backbone") == "pvt_v2_b2" or net not in NETS
    return 32 if is_deep else 16


def _constructor(net: str) -> Any:
    if net in NETS:
        return getattr(import_module(NETS[net]), net)
    (point,) = entry_points(group=ENTRY_POINTS, name=net)
    try:
        return point.load()
    except Exception as error:
        raise CardError(
            f"The net {net} of another package cannot be imported: {reason_of(error)}."
        ) from error
