"""The networks as published: torch only, tensors in, tensors out.

The names are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "ConDSeg": "condseg",
    "ConDSegStage1": "condseg",
    "ContrastDrivenFeatureAggregation": "cdfa",
    "CrossBlock": "cross_conv",
    "CrossConv2d": "cross_conv",
    "DeformableConv2d": "deform_conv",
    "InceptionLargeKernelAttention": "s3net",
    "PyramidVisionTransformer": "pvt",
    "ResNet": "resnet",
    "S3Net": "s3net",
    "SemanticInformationDecoupling": "condseg_parts",
    "SizeAwareDecoder": "condseg_parts",
    "SwinUNet": "swin_unet",
    "UNet": "unet",
    "UniverSeg": "universeg",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
