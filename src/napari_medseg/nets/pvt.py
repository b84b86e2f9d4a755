"""Pyramid Vision Transformer v2, the transformer backbone of ConDSeg.

Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", Computational Visual
Media 2022, sections 3.2 to 3.4, variant B2 (table 1). Module names are the published ones;
`rename_timm_keys` takes checkpoints of the timm library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.drop_path import DropPath

_CHANNELS = (64, 128, 320, 512)
_HEADS = (1, 2, 5, 8)
_MLP_RATIOS = (8, 8, 4, 4)
_DEPTHS = (3, 4, 6, 3)
_REDUCTIONS = (8, 4, 2, 1)
_BLOCK_EPS = 1e-6


def _as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """View tokens (B, H*W, C) as a map (B, C, H, W), channels last in memory."""
    return tokens.unflatten(1, (height, width)).permute(0, 3, 1, 2)


def _as_tokens(features: Tensor) -> Tensor:
    """Turn a map (B, C, H, W) into tokens (B, H*W, C)."""
    return features.flatten(2).transpose(1, 2)


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution and a layer normalisation."""

    def __init__(self, in_channels: int, channels: int, patch: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, patch, stride, padding=patch // 2)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        """Give the tokens (B, h*w, C) of a map (B, in, H, W), and h and w."""
        x = self.proj(x)
        return self.norm(_as_tokens(x)), x.shape[2], x.shape[3]


class ReducedAttention(nn.Module):
    """Multi-head self-attention whose keys and values come from a coarser map."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.reduction = reduction
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, stride=reduction)
            self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Map tokens (B, H*W, C) to tokens of the same shape."""
        query = self.q(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        context = tokens
        if self.reduction > 1:
            context = self.norm(_as_tokens(self.sr(_as_map(tokens, height, width))))
        pairs = self.kv(context).unflatten(-1, (2, self.heads, -1))
        key, value = pairs.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class DepthwiseConv(nn.Module):
    """3×3 convolution of each channel for itself; a module because its published key is nested."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Map tokens (B, H*W, C) to tokens of the same shape."""
        return _as_tokens(self.dwconv(_as_map(tokens, height, width)))


class ConvolutionalMlp(nn.Module):
    """Two linear layers with a depthwise convolution and an exact GELU between them."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.dwconv = DepthwiseConv(hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Map tokens (B, H*W, C) to tokens of the same shape."""
        out: Tensor = self.fc2(F.gelu(self.dwconv(self.fc1(tokens), height, width)))
        return out


class Block(nn.Module):
    """Attention and MLP, each normalised before and added to its input."""

    def __init__(self, stage: int, drop_path: float) -> None:
        super().__init__()
        channels = _CHANNELS[stage]
        self.norm1 = nn.LayerNorm(channels, eps=_BLOCK_EPS)
        self.attn = ReducedAttention(channels, _HEADS[stage], _REDUCTIONS[stage])
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels, eps=_BLOCK_EPS)
        self.mlp = ConvolutionalMlp(channels, channels * _MLP_RATIOS[stage])

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Map tokens (B, H*W, C) to tokens of the same shape."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), height, width))
        out: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens), height, width))
        return out


class PyramidVisionTransformer(nn.Module):
    """PVT v2 B2 without its classification head.

    Parameters
    ----------
    drop_path
        Rate of stochastic depth in training at the last block, rising linearly from 0.

    Attributes
    ----------
    channels
        Channels at 1/4, 1/8, 1/16 and 1/32 of the resolution.
    """

    def __init__(self, drop_path: float = 0.1) -> None:
        super().__init__()
        self.channels = _CHANNELS
        rates = torch.linspace(0, drop_path, sum(_DEPTHS)).tolist()
        for stage in range(4):
            previous = 3 if stage == 0 else _CHANNELS[stage - 1]
            patch, stride = (7, 4) if stage == 0 else (3, 2)
            embedding = PatchEmbedding(previous, _CHANNELS[stage], patch, stride)
            self.add_module(f"patch_embed{stage + 1}", embedding)
        for stage, depth in enumerate(_DEPTHS):
            blocks = [Block(stage, rates.pop(0)) for _ in range(depth)]
            self.add_module(f"block{stage + 1}", nn.ModuleList(blocks))
            norm = nn.LayerNorm(_CHANNELS[stage], eps=_BLOCK_EPS)
            self.add_module(f"norm{stage + 1}", norm)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Give the maps of the four stages for images (B, 3, H, W), H and W multiples of 32."""
        features = []
        for stage in range(1, 5):
            tokens, height, width = self.get_submodule(f"patch_embed{stage}")(x)
            for block in self.get_submodule(f"block{stage}").children():
                tokens = block(tokens, height, width)
            x = _as_map(self.get_submodule(f"norm{stage}")(tokens), height, width)
            features.append(x)
        return features


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2 * module.groups / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def rename_timm_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename timm's state dict of `pvt_v2_b2` to the published keys.

    Keys that are already the published ones stay as they are; the classification head
    (`head.*`) is left out, since the backbone has none.
    """
    renamed = {}
    for key, tensor in state.items():
        if key.startswith("head."):
            continue
        key = re.sub(r"^patch_embed\.", "patch_embed1.", key)
        key = re.sub(r"^stages\.(\d)\.downsample\.", lambda m: f"patch_embed{int(m[1]) + 1}.", key)
        key = re.sub(r"^stages\.(\d)\.blocks\.", lambda m: f"block{int(m[1]) + 1}.", key)
        key = re.sub(r"^stages\.(\d)\.norm\.", lambda m: f"norm{int(m[1]) + 1}.", key)
        key = re.sub(r"\.mlp\.dwconv\.(weight|bias)$", r".mlp.dwconv.dwconv.\1", key)
        renamed[key] = tensor
    return renamed
