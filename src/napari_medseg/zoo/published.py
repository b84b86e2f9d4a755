"""What the cards of published models say, and which of them can be downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_medseg.zoo.architectures import size_multiple
from napari_medseg.zoo.cards import WEIGHTS_FILE, ModelCard

RESEARCH_ONLY = (
    "No medical device: never use it for a diagnosis or a treatment decision without a qualified "
    "person checking every contour."
)

UNIVERSEG_NOTE = (
    "The authors of UniverSeg release these weights under the OpenRAIL++-M licence. It forbids "
    "certain uses (its attachment A, among them medical advice without a qualified person), and "
    "whoever passes the weights or a derivative on must pass these terms on. Its authors meant "
    "them for research."
)

UNIVERSEG: dict[str, Any] = {
    "name": "universeg-v1",
    "title": "UniverSeg v1 (published weights)",
    "kind": "in-context",
    "input": {"size": [128, 128], "channels": 1, "range": [0, 1]},
    "description": "Segments what a few painted examples show, on any medical image.",
    "not_for": RESEARCH_ONLY + " Its authors release the weights for research purposes only.",
    "licence": "OpenRAIL++-M (weights; terms of use travel with derivatives), research only",
    "citation": "Butoi, V. I., Gonzalez Ortiz, J. J., Ma, T., Sabuncu, M. R., Guttag, J., Dalca, "
    "A. V.: UniverSeg: Universal Medical Image Segmentation. ICCV 2023.",
}

SELFREG_CITATION = (
    "Zhu, W. et al.: SelfReg-UNet: Self-Regularized UNet for Medical Image Segmentation. "
    "MICCAI 2024."
)
CONDSEG_CITATION = (
    "Lei, M. et al.: ConDSeg: A General Medical Image Segmentation Framework via Contrast-Driven "
    "Feature Enhancement. AAAI 2025."
)

SYNAPSE: dict[str, Any] = {
    "name": "selfreg-swinunet-synapse",
    "title": "SelfReg SwinUNet, abdominal organs on CT",
    "classes": (
        "aorta",
        "gallbladder",
        "left kidney",
        "right kidney",
        "liver",
        "pancreas",
        "spleen",
        "stomach",
    ),
    "modalities": ("CT axial (abdomen)",),
    "input": {
        "size": [224, 224],
        "fit": "resize",
        "channels": 1,
        "scaling": {"kind": "window", "low": -125.0, "high": 275.0},
    },
    "description": "Segments eight abdominal organs on axial CT planes in Hounsfield units.",
    "not_for": RESEARCH_ONLY + " Other planes than axial ones, other modalities.",
    "licence": "as stated by its authors (code: MIT)",
    "citation": SELFREG_CITATION,
}
"""The published SelfReg-UNet weights: a SwinUNet of nine classes, background included."""

SOURCES: dict[str, dict[str, Any]] = {
    "universeg-v1": {
        "url": "https://github.com/JJGO/UniverSeg/releases/download/weights/"
        "universeg_v1_nf64_ss64_STA.pt",
        "file": "universeg_v1_nf64_ss64_STA.pt",
        "sha256": "",
        "note": UNIVERSEG_NOTE,
    },
}
"""Where published weights lie; an empty hash means that their authors publish none."""


def downloadable() -> list[ModelCard]:
    """Give the cards of the models that can be downloaded, without weights."""
    return [
        ModelCard(
            **UNIVERSEG,
            net="UniverSeg",
            net_options={"encoder_blocks": [64, 64, 64, 64]},
            file=WEIGHTS_FILE,
            sha256="",
            source=SOURCES["universeg-v1"],
        )
    ]


def about(net: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the card of an imported checkpoint says, as far as its net tells.

    Names of classes, scaling and the like are those of the published model where the net has its
    size, and otherwise plain defaults that whoever imports the file should state.
    """
    if net == "UniverSeg":
        return dict(UNIVERSEG)
    fields: dict[str, Any] = {"kind": "pretrained", "title": net, "not_for": RESEARCH_ONLY}
    return fields | (_ABOUT[net](options) if net in _ABOUT else {})


def _about_condseg(options: Mapping[str, Any]) -> dict[str, Any]:
    scaling = {"kind": "divide", "by": 255}
    return {
        "classes": ("foreground",),
        "input": {
            "size": [256, 256],
            "fit": "resize",
            "multiple": size_multiple("ConDSeg", options),
            "channels": 3,
            "order": "bgr",
            "scaling": scaling,
        },
        "output": {"activation": "sigmoid"},
        "citation": CONDSEG_CITATION,
    }


def _about_unet(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_classes(options["n_classes"]),
        "input": {
            "size": [224, 224],
            "fit": "resize",
            "multiple": size_multiple("UNet", options),
            "channels": options["in_channels"],
        },
        "citation": SELFREG_CITATION,
    }


def _about_swin_unet(options: Mapping[str, Any]) -> dict[str, Any]:
    fields = _classes(options["n_classes"])
    published = (options["n_classes"], options["image_size"], options["channels"]) == (9, 224, 96)
    if published and list(options["depths"]) == [2, 2, 2, 2]:
        return fields | SYNAPSE
    side = options["image_size"]
    stated = {"size": [side, side], "fit": "resize", "channels": 1}
    return {**fields, "input": stated, "citation": SELFREG_CITATION}


def _classes(channels: int) -> dict[str, Any]:
    """Name the classes of a net with so many output channels."""
    if channels == 1:
        return {"classes": ("foreground",), "output": {"activation": "sigmoid"}}
    names = tuple(f"class {number}" for number in range(1, channels))
    return {"classes": names, "output": {"activation": "softmax"}}


_ABOUT = {
    "ConDSeg": _about_condseg,
    "ConDSegStage1": _about_condseg,
    "SwinUNet": _about_swin_unet,
    "UNet": _about_unet,
}
