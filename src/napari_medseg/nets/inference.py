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


def _fold_children(module: nn.Module) -> None:
    children = list(module.named_children())
    for (name, conv), (norm_name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
