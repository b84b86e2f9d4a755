"""SwinUNet at 224×224 against the textbook formulation of the same net, with equal output.

    python benchmarks/bench_swin_unet.py

Where the time goes less:

* linear layers as 1×1 convolutions: oneDNN instead of MKL, which is half as fast on AMD;
* one gather cuts (and shifts) the windows, where the textbook rolls, transposes and copies;
* the scores are one fused product with scale, position bias and mask added on the way;
* the last layer norm is folded into the classifier: the net's largest map is never formed.
"""

from __future__ import annotations

import timing  # isort: skip  (before torch)

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medseg.nets import SwinUNet
from napari_medseg.nets.swin_blocks import PatchExpand, SwinBlock
from napari_medseg.nets.swin_unet import SwinStage


def windows_of(x: Tensor, size: int) -> Tensor:
    batch, height, width, channels = x.shape
    x = x.view(batch, height // size, size, width // size, size, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, size * size, channels)


def map_of(windows: Tensor, size: int, side: int) -> Tensor:
    n = side // size
    x = windows.view(-1, n, n, size, size, windows.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side, side, windows.shape[-1])


def linear(x: Tensor, layer: torch.nn.Linear) -> Tensor:
    return F.linear(x, layer.weight, layer.bias)


def attention(x: Tensor, block: SwinBlock) -> Tensor:
    attn = block.attn
    n, tokens, channels = x.shape
    qkv = linear(x, attn.qkv).reshape(n, tokens, 3, attn.heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    scores = (q * attn.scale) @ k.transpose(-2, -1)
    bias = attn.relative_position_bias_table[attn.relative_position_index.view(-1)]
    scores = scores + bias.view(tokens, tokens, -1).permute(2, 0, 1).contiguous()
    if block.attn_mask is not None:
        mask = block.attn_mask
        scores = scores.view(-1, len(mask), attn.heads, tokens, tokens) + mask[:, None]
        scores = scores.view(-1, attn.heads, tokens, tokens)
    out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, tokens, channels)
    return linear(out, attn.proj)


def block_forward(x: Tensor, block: SwinBlock, side: int) -> Tensor:
    batch, _, channels = x.shape
    size = round(block.tokens**0.5)
    shift = size // 2 if block.attn_mask is not None else 0
    y = block.norm1(x).view(batch, side, side, channels)
    if shift:
        y = y.roll((-shift, -shift), (1, 2))
    y = map_of(attention(windows_of(y, size), block), size, side)
    if shift:
        y = y.roll((shift, shift), (1, 2))
    x = x + y.view(batch, -1, channels)
    return x + linear(F.gelu(linear(block.norm2(x), block.mlp.fc1)), block.mlp.fc2)


def merge(x: Tensor, layer: torch.nn.Module, side: int) -> Tensor:
    x = x.view(len(x), side, side, -1)
    corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
    joined = torch.cat(corners, -1).flatten(1, 2)
    return linear(layer.norm(joined), layer.reduction)


def expand(x: Tensor, layer: PatchExpand, side: int) -> Tensor:
    f = layer.factor
    x = linear(x, layer.expand).view(len(x), side, side, f, f, -1)
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(len(x), (f * side) ** 2, -1)
    return layer.norm(x)


def stage_forward(x: Tensor, stage: SwinStage, side: int) -> Tensor:
    for block in stage.blocks:
        x = block_forward(x, block, side)
    if stage.downsample is not None:
        return merge(x, stage.downsample, side)
    return x if stage.upsample is None else expand(x, stage.upsample, side)


def textbook(net: SwinUNet, image: Tensor) -> Tensor:
    x = net.patch_embed.proj(image.repeat(1, 3, 1, 1)).flatten(2).transpose(1, 2)
    x = net.patch_embed.norm(x)
    sides = [net.image_size // 4 // 2**i for i in range(4)]
    skips = []
    for layer, side in zip(net.layers, sides, strict=True):
        skips.append(x)
        x = stage_forward(x, layer, side)
    x = expand(net.norm(x), net.layers_up[0], sides[3])
    for i in (1, 2, 3):
        x = linear(torch.cat([x, skips[3 - i]], -1), net.concat_back_dim[i])
        x = stage_forward(x, net.layers_up[i], sides[3 - i])
    x = expand(net.norm_up(x), net.up, sides[0])
    side = net.image_size
    return net.output(x.view(len(x), side, side, -1).permute(0, 3, 1, 2))


@torch.inference_mode()
def inference(net: SwinUNet, batch: int) -> None:
    image = torch.rand(batch, 1, net.image_size, net.image_size)
    difference = (net(image) - textbook(net, image)).abs().max()
    print(f"batch {batch}: largest difference of the logits {float(difference):.1e}")
    for clock, label in (("cpu", "CPU time, 1 thread"), ("wall", "wall time, 2 threads")):
        comparison = timing.alternate(
            lambda: textbook(net, image), lambda: net(image), clock=clock, repeats=15
        )
        timing.print_seconds(f"batch {batch}, {label}", comparison, target=1.2)


def training(net: SwinUNet, batch: int) -> None:
    image = torch.rand(batch, 1, net.image_size, net.image_size)
    comparison = timing.alternate(
        lambda: textbook(net, image).square().mean().backward(),
        lambda: net(image).square().mean().backward(),
        clock="wall",
        repeats=5,
    )
    timing.print_seconds(f"batch {batch}, training step, 2 threads", comparison)


def main() -> None:
    torch.manual_seed(0)
    net = SwinUNet(9, drop_path=0.0).eval()
    for batch in (1, 4):
        inference(net, batch)
    training(net, 2)


if __name__ == "__main__":
    main()
