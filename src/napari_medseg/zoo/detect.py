"""Tell from the names and shapes of a state dict which net it belongs to, and of what size."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]

PREFIXES = ("module.", "swin_unet.", "model.", "net.", "_orig_mod.")
"""What DataParallel, the published SwinUNet, Lightning and torch.compile put before names."""


_UNREADABLE = (KeyError, IndexError, ValueError, ZeroDivisionError)
"""What reading options raises where entries are missing or have other shapes."""


def without_prefixes(state: State) -> dict[str, torch.Tensor]:
    """Take off the known prefixes that all names share, however often."""
    stripped = dict(state)
    while True:
        prefix = next((p for p in PREFIXES if all(key.startswith(p) for key in stripped)), None)
        if prefix is None or not stripped:
            return stripped
        stripped = {key.removeprefix(prefix): value for key, value in stripped.items()}


def detect_net(state: State) -> tuple[str, dict[str, Any]] | None:
    """Give the net and the arguments of its constructor, or None where no known net fits.

    Parameters
    ----------
    state : mapping of str to Tensor
        Without prefixes.

    Notes
    -----
    Only what tells nets and sizes apart is looked at; whether every tensor fits is checked when the
    weights are loaded.
    """
    for net, (mark, options) in _KNOWN.items():
        if mark in state:
            try:
                return net, options(state)
            except _UNREADABLE:
                continue
    return None


def marked_net(state: State) -> str | None:
    """Give the net that has an entry of this state dict as no other net has, or None."""
    return next((net for net, (mark, _) in _KNOWN.items() if mark in state), None)


def options_of(net: str, state: State, usual: Callable[[], State]) -> dict[str, Any]:
    """Give the arguments of a known net's constructor as far as the tensors tell them.

    Parameters
    ----------
    net : str
        Which.
    state : mapping of str to Tensor
        Without prefixes; entries may be missing, or be those of another net.
    usual : callable
        Gives the tensors of the net as it usually is, for what these do not tell.
    """
    read = _KNOWN[net][1]
    try:
        return read(state)
    except _UNREADABLE:
        return read({**usual(), **state})


def _universeg(state: State) -> dict[str, Any]:
    widths = _numbered(state, r"enc_blocks\.(\d+)\.cross\.cross_conv\.weight")
    if not widths:
        raise KeyError("enc_blocks")
    return {"encoder_blocks": [int(weight.shape[0]) for weight in widths]}


def _unet(state: State) -> dict[str, Any]:
    first = state["inc.double_conv.0.weight"]
    options = {
        "in_channels": int(first.shape[1]),
        "n_classes": int(state["outc.conv.weight"].shape[0]),
        "bilinear": "up1.up.weight" not in state,
    }
    width = int(first.shape[0])
    return options if width == 64 else {**options, "width": width}


def _swin_unet(state: State) -> dict[str, Any]:
    counts = [
        len(_numbered(state, rf"layers\.{stage}\.blocks\.(\d+)\.norm1\.weight"))
        for stage in range(4)
    ]
    return {
        "n_classes": int(state["output.weight"].shape[0]),
        "image_size": _swin_image_size(state),
        "depths": counts,
        "channels": int(state["patch_embed.proj.weight"].shape[0]),
    }


def _swin_image_size(state: State) -> int:
    """Give the side that the masks of the first shifted windows were made for, 224 without any."""
    mask = state.get("layers.0.blocks.1.attn_mask")
    if mask is None or mask.ndim != 3:
        return 224
    tokens = int(mask.shape[0] * mask.shape[1])
    return 4 * round(tokens**0.5)


def _condseg(state: State) -> dict[str, Any]:
    options: dict[str, Any] = {"backbone": _backbone(state)}
    width = int(state["cdfa4.v.weight"].shape[0]) if "cdfa4.v.weight" in state else 128
    return options if width == 128 else {**options, "width": width}


def _condseg_stage_one(state: State) -> dict[str, Any]:
    return {"backbone": _backbone(state)}


def _backbone(state: State) -> str:
    if "backbone.patch_embed1.proj.weight" in state:
        return "pvt_v2_b2"
    if "layer1.1.0.conv3.weight" in state:
        return "resnet50"
    deeper = "layer2.3.conv1.weight" in state
    return "resnet34" if deeper else "resnet18"


def _numbered(state: State, pattern: str) -> list[torch.Tensor]:
    """Give the tensors whose names match, in order of the number in the name."""
    found = {int(m[1]): state[key] for key in state if (m := re.fullmatch(pattern, key))}
    return [found[number] for number in sorted(found)]


_KNOWN: dict[str, tuple[str, Callable[[State], dict[str, Any]]]] = {
    "UniverSeg": ("enc_blocks.0.cross.cross_conv.weight", _universeg),
    "UNet": ("inc.double_conv.0.weight", _unet),
    "SwinUNet": ("concat_back_dim.1.weight", _swin_unet),
    "ConDSeg": ("cdfa4.v.weight", _condseg),
    "ConDSegStage1": ("head.conv_fuse.weight", _condseg_stage_one),
}
"""For each net an entry that no other has, and how to read its options."""
