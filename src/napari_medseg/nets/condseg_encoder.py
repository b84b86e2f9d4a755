"""The encoders of ConDSeg and how published ImageNet checkpoints load into them.

A ResNet without its last stage is published under the keys `layer0` to `layer3`, PVT v2 whole
under `backbone`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast, get_args

from torch import Tensor, nn

from napari_medseg.nets.pvt import PyramidVisionTransformer, rename_timm_keys
from napari_medseg.nets.resnet import ResNet, ResNetDepth

Backbone = Literal["resnet18", "resnet34", "resnet50", "pvt_v2_b2"]
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class ConDSegEncoder(nn.Module):
    """Base of the nets that start with one of ConDSeg's backbones.

    Parameters
    ----------
    backbone
        "resnet18", "resnet34", "resnet50" or "pvt_v2_b2"; the last two are published.

    Attributes
    ----------
    channels
        Channels of the four levels.
    factors
        How much smaller than the image the four levels are.
    prefixes
        What the names of the encoder's parameters begin with, whatever the backbone.

    Raises
    ------
    ValueError
        If the backbone is another one.
    """

    prefixes = ("layer0.", "layer1.", "layer2.", "layer3.", "backbone.")

    def __init__(self, backbone: Backbone = "resnet50") -> None:
        if backbone not in get_args(Backbone):
            raise ValueError(
                f"ConDSeg has the backbones {', '.join(get_args(Backbone))}, not {backbone!r}."
            )
        super().__init__()
        self.backbone_name = backbone
        self.factors: tuple[int, int, int, int]
        self.channels: tuple[int, ...]
        if backbone == "pvt_v2_b2":
            self.backbone = PyramidVisionTransformer()
            self.channels, self.factors = self.backbone.channels, (4, 8, 16, 32)
            return
        resnet = ResNet(cast(ResNetDepth, int(backbone.removeprefix("resnet"))))
        self.layer0 = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu)
        self.layer1 = nn.Sequential(resnet.maxpool, resnet.layer1)
        self.layer2 = resnet.layer2
        self.layer3 = resnet.layer3
        self.channels, self.factors = resnet.channels[:4], (2, 4, 8, 16)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Give the four levels of features of images (B, 3, H, W), finest first.

        Raises
        ------
        ValueError
            If the images do not have 3 channels of floating-point numbers, or if their height or
            width is no multiple of 16 (ResNet) or 32 (PVT v2).
        """
        self._check(x)
        if self.backbone_name == "pvt_v2_b2":
            levels: list[Tensor] = self.backbone(x)
            return levels
        levels = []
        for layer in (self.layer0, self.layer1, self.layer2, self.layer3):
            x = layer(x)
            levels.append(x)
        return levels

    def _check(self, x: Tensor) -> None:
        if x.dim() != 4 or x.shape[1] != 3 or not x.is_floating_point():
            raise ValueError(
                "ConDSeg takes floating-point images of shape (batch, 3, height, width), "
                f"not {x.dtype} of shape {tuple(x.shape)}."
            )
        height, width = x.shape[2:]
        multiple = self.factors[-1]
        if height % multiple or width % multiple or not height or not width:
            raise ValueError(
                f"ConDSeg with {self.backbone_name} takes a height and width that are multiples "
                f"of {multiple}, not {height} and {width}: resize or pad the image."
            )

    def load_backbone(self, state: Mapping[str, Tensor], *, statistics: bool = True) -> None:
        """Load the encoder's weights alone; everything else stays as it is.

        Parameters
        ----------
        state
            State dict of torchvision's ResNet, of the published or timm's PVT v2, of
            `ConDSegStage1` or of `ConDSeg`, for the same backbone. Other layers in it (such as a
            classification head) are left out.
        statistics
            Load BatchNorm's running statistics too. The published second stage of training takes
            only the parameters from the first and keeps ImageNet's statistics: `False` does that.

        Raises
        ------
        ValueError
            If the tensors of the encoder have other names or shapes, as with another backbone.
        """
        own, given = (
            {key: tensor for key, tensor in tensors.items() if key.startswith(self.prefixes)}
            for tensors in (self.state_dict(), _encoder_keys(state))
        )
        # Checkpoints older than torch 0.4.1, torchvision's among them, do not count batches.
        shapes = [
            {key: t.shape for key, t in tensors.items() if not key.endswith("num_batches_tracked")}
            for tensors in (own, given)
        ]
        if shapes[0] != shapes[1]:
            different = sorted({key for key, _ in shapes[0].items() ^ shapes[1].items()})
            raise ValueError(
                f"This checkpoint is not one of {self.backbone_name}: {len(different)} tensors "
                f"of the encoder differ in name or shape, {different[0]!r} is one."
            )
        if not statistics:
            given = {key: t for key, t in given.items() if not key.endswith(_STATISTICS)}
        self.load_state_dict(given, strict=False)


def _encoder_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of any checkpoint of a backbone to those it has inside ConDSeg."""
    if "layer0.0.weight" in state or any(key.startswith("backbone.") for key in state):
        return dict(state)
    if any(key.startswith(("patch_embed", "stages.")) for key in state):
        return {f"backbone.{key}": tensor for key, tensor in rename_timm_keys(state).items()}
    renamed = {}
    for key, tensor in state.items():
        key = re.sub(r"^conv1\.", "layer0.0.", key)
        key = re.sub(r"^bn1\.", "layer0.1.", key)
        key = re.sub(r"^layer1\.(\d)", r"layer1.1.\1", key)
        renamed[key] = tensor
    return renamed
