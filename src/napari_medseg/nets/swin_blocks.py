"""The parts of SwinUNet: window attention, and what changes the resolution.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021,
section 3; Cao et al., "Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation",
ECCV Workshops 2022, section 3. Feature maps go in and out as (B, C, h, w), stored channels last,
so that the tokens (B, h, w, C) are a free view of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_medseg.nets.drop_path import DropPath
from napari_medseg.nets.swin_windows import relative_position_index, shift_mask, window_order
from napari_medseg.nets.token_linear import TokenLinear, token_linear


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, for each token by itself."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1 = TokenLinear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = TokenLinear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Give tokens of the same shape (..., channels)."""
        out: Tensor = self.fc2(self.act(self.fc1(x)))
        return out


class WindowAttention(nn.Module):
    """Multi-head attention inside square windows, with a learned relative position bias.

    Parameters
    ----------
    channels, heads : int
        Width of a token and number of heads; ``channels`` is a multiple of ``heads``.
    window : int
        Tokens along a side of a window.
    """

    relative_position_index: Tensor

    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_position_index(window))
        self.qkv = TokenLinear(channels, 3 * channels)
        self.proj = TokenLinear(channels, channels)
        nn.init.normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within each window.

        Parameters
        ----------
        x : Tensor, shape (B, windows, tokens, C)
            Tokens in the order of the windows.
        mask : Tensor, shape (windows, tokens, tokens), optional
            Added to the scores; strongly negative where two tokens must not see each other.

        Returns
        -------
        Tensor, shape (B, windows, tokens, C)
        """
        batch, windows, tokens, channels = x.shape
        qkv = self.qkv(x).view(batch, windows, tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).reshape(3, -1, tokens, channels // self.heads)
        bias = self.bias() if mask is None else self.bias() + mask[:, None]
        bias = bias.expand(batch, windows, -1, -1, -1).reshape(-1, tokens, tokens)
        scores = torch.baddbmm(bias.to(q.dtype), q, k.transpose(1, 2), alpha=self.scale)
        out = torch.bmm(scores.softmax(dim=-1), v)
        out = out.view(batch, windows, self.heads, tokens, -1).transpose(2, 3)
        projected: Tensor = self.proj(out.reshape(x.shape))
        return projected

    def bias(self) -> Tensor:
        """Give the position bias of every pair of tokens of a window: (heads, tokens, tokens)."""
        table = self.relative_position_bias_table.t().contiguous()
        pairs = table.index_select(1, self.relative_position_index.flatten())
        return pairs.view(-1, *self.relative_position_index.shape)


class SwinBlock(nn.Module):
    """One transformer block: attention in windows, plain or shifted by half a window, and an MLP.

    Parameters
    ----------
    channels, heads : int
        Width of a token and number of heads.
    grid : int
        Tokens along a side of the feature map; a multiple of ``window``.
    window : int
        Tokens along a side of a window.
    shifted : bool
        Shift the windows by half their size, so that neighbouring windows exchange information.
    drop_path : float
        Probability of stochastic depth.

    Notes
    -----
    Cutting a map into windows, shifted or not, only reorders its tokens. Both are done by one
    gather before the attention and one after it, instead of a roll and a transposition each.
    """

    order: Tensor
    inverse: Tensor
    attn_mask: Tensor | None

    def __init__(
        self, channels: int, heads: int, grid: int, window: int, shifted: bool, drop_path: float
    ):
        super().__init__()
        shift = window // 2 if shifted else 0
        self.tokens = window**2
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, 4 * channels)
        order = window_order(grid, window, shift)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("inverse", order.argsort(), persistent=False)
        self.register_buffer("attn_mask", shift_mask(grid, window, shift) if shift else None)

    def forward(self, x: Tensor) -> Tensor:
        """Give the block's output for feature maps (B, C, grid, grid), of the same shape."""
        x = x.permute(0, 2, 3, 1)
        x = x + self.drop_path(self._attend(self.norm1(x)))
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return x.permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        windowed = x.flatten(1, 2).index_select(1, self.order)
        windowed = windowed.view(x.shape[0], -1, self.tokens, x.shape[-1])
        out = self.attn(windowed, self.attn_mask)
        return out.flatten(1, 2).index_select(1, self.inverse).view(x.shape)


class PatchEmbed(nn.Module):
    """Cut the image into 4×4 patches and give each a token."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, 4, stride=4)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Give feature maps (B, C, H / 4, W / 4) for images (B, in_channels, H, W)."""
        tokens = self.norm(self.proj(x).permute(0, 2, 3, 1))
        return tokens.permute(0, 3, 1, 2)


class PatchMerging(nn.Module):
    """Halve the resolution and double the channels: join 2×2 tokens, then a linear layer."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduction = TokenLinear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, 2 C, h / 2, w / 2) for (B, C, h, w)."""
        batch, channels, height, width = x.shape
        tokens = x.permute(0, 2, 3, 1).view(batch, height // 2, 2, width // 2, 2, channels)
        # The published order within a 2×2 group runs down the columns.
        joined = tokens.permute(0, 1, 3, 4, 2, 5).reshape(batch, height // 2, width // 2, -1)
        out: Tensor = self.reduction(self.norm(joined))
        return out.permute(0, 3, 1, 2)


class PatchExpand(nn.Module):
    """Raise the resolution: a linear layer whose output is dealt out to ``factor`` × ``factor``.

    Parameters
    ----------
    channels : int
        Channels of the input.
    out_channels : int
        Channels of the output, at ``factor`` times the resolution.
    factor : int
        2 between the stages of the decoder, 4 before the classifier.
    """

    def __init__(self, channels: int, out_channels: int, factor: int):
        super().__init__()
        self.factor = factor
        self.expand = TokenLinear(channels, factor**2 * out_channels, bias=False)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, out_channels, factor h, factor w) for (B, C, h, w)."""
        return self.deal(self.norm(self.split(x))).permute(0, 3, 1, 2)

    def split(self, x: Tensor) -> Tensor:
        """Give the new tokens, not yet in their places: (B, h, w, factor², out_channels)."""
        tokens: Tensor = self.expand(x.permute(0, 2, 3, 1))
        return tokens.unflatten(-1, (self.factor**2, -1))

    def classified(self, x: Tensor, classifier: Tensor) -> Tensor:
        """Give ``classifier @ self(x)`` at every pixel, without forming the maps of ``self(x)``.

        A layer norm of a linear layer is that layer with its output's mean taken off, divided by
        the output's deviation. The first is folded into the weights, here together with the
        classifier; of the new tokens only their deviations are needed, and only the classes are
        put in their places.

        Parameters
        ----------
        x : Tensor, shape (B, C, h, w)
        classifier : Tensor, shape (classes, out_channels)

        Returns
        -------
        Tensor, shape (B, classes, factor h, factor w)
        """
        x = x.permute(0, 2, 3, 1)
        weight = self.expand.weight.unflatten(0, (self.factor**2, -1))
        centred = weight - weight.mean(dim=1, keepdim=True)
        tokens = token_linear(x, centred.flatten(0, 1)).unflatten(-1, centred.shape[:2])
        norms = torch.linalg.vector_norm(tokens, dim=-1, keepdim=True, dtype=torch.float32)
        deviation = (norms.square() / tokens.shape[-1] + self.norm.eps).sqrt().to(x.dtype)
        folded = (classifier * self.norm.weight) @ centred
        scores = token_linear(x, folded.flatten(0, 1)).unflatten(-1, folded.shape[:2])
        logits = scores / deviation + classifier @ self.norm.bias
        return self.deal(logits).permute(0, 3, 1, 2)

    def deal(self, tokens: Tensor) -> Tensor:
        """Put tokens (B, h, w, factor², C) in their places: (B, factor h, factor w, C)."""
        batch, height, width, _, channels = tokens.shape
        f = self.factor
        cells = tokens.view(batch, height, width, f, f, channels)
        return cells.transpose(2, 3).reshape(batch, f * height, f * width, channels)


def init_weights(module: nn.Module) -> None:
    """Start a linear layer as Swin does: normal weights of deviation 0.02, no bias.

    Swin cuts the distribution at ±2, which is a hundred deviations: the same but slow.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
