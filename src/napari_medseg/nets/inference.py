"""A trained net in inference: its logits alone, and the same output sooner."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Net = TypeVar("Net", bound=nn.Module)


def inference_copy(net: Net) -> Net:
    """Copy a net for evaluation with BatchNorm folded into convolutions, channels last.

    A BatchNorm in evaluation is a fixed scale and shift, which the convolution before it can do;
    with channels last in memory a CPU convolves without reordering. Outputs agree with those of
    `net.eval()` up to rounding. The copy cannot be trained, and its state dict is not the net's.

    Parameters
    ----------
    net
        A net in which every BatchNorm2d that is registered right after a Conv2d is also applied
        right after it, as in ConDSeg, its backbones and UNet. It is not changed.
    """
    prepared = copy.deepcopy(net).eval().requires_grad_(False)
    for module in list(prepared.modules()):
        _fold_children(module)
    return prepared.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def logits_of(net: nn.Module, x: Tensor) -> Tensor:
    """Give the logits (B, K, H, W) of a net that segments by itself.

    A net whose `forward` also gives what only a training needs says them alone in ``mask_logits``.
    """
    logits: Tensor = getattr(net, "mask_logits", net)(x)
    return logits


def checked_logits(net: nn.Module, x: Tensor, maps: int) -> Tensor:
    """Give the logits (B, maps, H, W) of a net, which may be of another package.

    Raises
    ------
    NetFault
        With one sentence, where a net of another package fails, or the answer has another shape.
    """
    try:
        logits = logits_of(net, x)
    except Exception as error:
        if _is_ours(net) or _is_ours(error) or is_lack_of_memory(error):
            raise
        raise NetFault(
            f"{_named(net)} cannot be used: it raised {type(error).__name__}: {error}."
        ) from error
    expected = (len(x), maps, *x.shape[-2:])
    found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != expected:
        raise NetFault(
            f"{_named(net)} cannot be used: it gives {found} instead of {expected} (images, maps, "
            "height, width)."
        )
    return logits


class NetFault(ValueError):
    """A net does not answer as it must; the message says which, and what it did."""


def is_lack_of_memory(error: Exception) -> bool:
    """Say whether torch failed for want of memory, which each device words differently."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _is_ours(thing: object) -> bool:
    """Say whether a net or an error is of this package."""
    return _package(thing) == _package(logits_of)


def _package(thing: object) -> str:
    return getattr(thing, "__module__", "").partition(".")[0]


def _named(net: nn.Module) -> str:
    origin = "" if _is_ours(net) else f" of the package {_package(net)}"
    return f"The net {type(net).__name__}{origin}"


def _fold_children(module: nn.Module) -> None:
    children = list(module.named_children())
    for (name, conv), (norm_name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
