"""Weights for SwinUNet that were made for something else: another image size, or ImageNet."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from napari_medseg.nets.swin_unet import SwinUNet

_TABLE = "relative_position_bias_table"
_GEOMETRY = ("relative_position_index", "attn_mask")


def fit_positions(state: Mapping[str, Tensor], net: SwinUNet) -> dict[str, Tensor]:
    """Give a state dict of another image size the position tables and masks of ``net``.

    Tables of another window are resampled bicubically over the relative offsets, end on end, as
    Swin does when it is fine-tuned at another resolution (Liu et al., ICCV 2021, section 4.1);
    indices and masks follow from the image size alone and are the net's own. All other entries
    stay as they are.

    Parameters
    ----------
    state : mapping of str to Tensor
        State dict of a SwinUNet, or of a Swin-T.
    net : SwinUNet
        The net that shall load it.

    Returns
    -------
    dict of str to Tensor
        What ``net.load_state_dict`` takes strictly if ``state`` was a whole SwinUNet of the same
        depths and classes.
    """
    own = net.state_dict()
    fitted = {key: value for key, value in state.items() if not key.endswith(_GEOMETRY)}
    for key, value in own.items():
        if key.endswith(_GEOMETRY):
            fitted[key] = value
        elif key.endswith(_TABLE) and key in fitted:
            fitted[key] = _resample(fitted[key], value.shape[0])
    return fitted


def start_from_swin_t(net: SwinUNet, state: Mapping[str, Tensor]) -> list[str]:
    """Start a SwinUNet from a Swin-T that was trained on ImageNet, as published.

    The encoder takes the weights of the same name, and each decoder stage those of the encoder
    stage that it mirrors. Entries that have no place, or another shape, are left out.

    Parameters
    ----------
    net : SwinUNet
        Changed in place.
    state : mapping of str to Tensor
        State dict of Swin-T with the key names of its first release.

    Returns
    -------
    list of str
        Entries of the net's state dict that kept their random start.

    Raises
    ------
    ValueError
        If no entry of the file fits a SwinUNet.
    """
    own = net.state_dict()
    mirrored = {
        re.sub(r"^layers\.(\d)\.", lambda m: f"layers_up.{3 - int(m[1])}.", key): value
        for key, value in state.items()
        if re.match(r"layers\.[0-3]\.", key)
    }
    fitted = fit_positions({**state, **mirrored}, net)
    taken = {
        key: value
        for key, value in fitted.items()
        if key in own and value.shape == own[key].shape and not key.endswith(_GEOMETRY)
    }
    if not taken:
        raise ValueError("these weights are not those of a Swin-T: no entry fits SwinUNet")
    net.load_state_dict(taken, strict=False)
    return [key for key in own if key not in taken and not key.endswith(_GEOMETRY)]


def _resample(table: Tensor, rows: int) -> Tensor:
    """Resample a bias table ((2 w - 1)², heads) to ``rows`` rows."""
    if table.shape[0] == rows:
        return table
    before, after = (round(n**0.5) for n in (table.shape[0], rows))
    plane = table.t().reshape(1, -1, before, before).float()
    plane = F.interpolate(plane, size=(after, after), mode="bicubic", align_corners=True)
    return plane.reshape(-1, rows).t().contiguous().to(table.dtype)
