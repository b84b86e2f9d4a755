"""Small nets of every kind that can be imported, with random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from napari_medseg.zoo.architectures import build_net

SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "UNet bilinear": ("UNet", {"in_channels": 1, "n_classes": 3, "bilinear": True, "width": 4}),
    "UNet transposed": ("UNet", {"in_channels": 3, "n_classes": 1, "bilinear": False, "width": 4}),
    "SwinUNet": (
        "SwinUNet",
        {"n_classes": 4, "image_size": 64, "depths": [2, 2, 2, 2], "channels": 32},
    ),
    "ConDSeg ResNet-18": ("ConDSeg", {"backbone": "resnet18", "width": 16}),
    "ConDSeg ResNet-34": ("ConDSeg", {"backbone": "resnet34", "width": 16}),
    "ConDSeg ResNet-50": ("ConDSeg", {"backbone": "resnet50", "width": 16}),
    "ConDSeg PVT": ("ConDSeg", {"backbone": "pvt_v2_b2", "width": 16}),
    "ConDSeg stage 1": ("ConDSegStage1", {"backbone": "resnet18"}),
    "UniverSeg": ("UniverSeg", {"encoder_blocks": [2, 4]}),
}


def small_net(kind: str = "UNet bilinear") -> nn.Module:
    """Build one of the small nets; the same weights every time."""
    torch.manual_seed(0)
    net, options = SMALL[kind]
    return build_net(net, options).eval()
