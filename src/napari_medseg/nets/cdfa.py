"""Contrast-driven feature aggregation, the attention of ConDSeg, usable in any net.

Lei et al., "ConDSeg: A General Medical Image Segmentation Framework via Contrast-Driven Feature
Enhancement", AAAI 2025, section on contrast-driven feature aggregation (CDFA).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.condseg_blocks import ConvNormReLU


class ContrastDrivenFeatureAggregation(nn.Module):
    """Aggregate features in small windows, weighed by foreground, then by background guidance.

    Every window centre q predicts from the guidance a `k²×k²` matrix per head, softmax over its
    rows; it mixes the values of its window, and the results of all windows that cover a pixel
    are summed. At stride 1 this is computed as what it amounts to, one filter of `(2k-1)²` taps
    for each pixel and head: a third of the multiplications and no unfolded windows in memory.

    Parameters
    ----------
    in_c
        Channels of `x`.
    dim
        Channels of the guidance and of the output; `dim / num_heads` of them belong to a head.
    num_heads
        Heads of the attention.
    kernel_size, padding, stride
        The windows. A stride above 1 places fewer of them; their guidance is averaged.
    attn_drop, proj_drop
        Dropout in training, of the attention and of each round's result.

    Raises
    ------
    ValueError
        If `dim` is not a multiple of `num_heads`, or the windows are not centred on pixels.

    Notes
    -----
    As published, windows reach beyond the image, where values are zero; the sum over windows is
    not divided by their number, which is 9 inside but 6 at an edge and 4 in a corner; and one
    projection `proj` serves both rounds.
    """

    def __init__(
        self,
        in_c: int,
        dim: int,
        num_heads: int,
        kernel_size: int = 3,
        padding: int = 1,
        stride: int = 1,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim={dim} must be a multiple of num_heads={num_heads}.")
        if 2 * padding != kernel_size - 1:
            raise ValueError(
                "Windows are centred on pixels: kernel_size must be odd and padding half of it, "
                f"not kernel_size={kernel_size} with padding={padding}."
            )
        self.dim = dim
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.padding = padding
        self.stride = stride
        n_weights = kernel_size**4 * num_heads
        self.v = nn.Linear(dim, dim)
        self.attn_fg = nn.Linear(dim, n_weights)
        self.attn_bg = nn.Linear(dim, n_weights)
        self.proj = nn.Linear(dim, dim)
        self.attn_drop = nn.Dropout(attn_drop)
        self.proj_drop = nn.Dropout(proj_drop)
        self.input_cbr = nn.Sequential(ConvNormReLU(in_c, dim), ConvNormReLU(dim, dim))
        self.output_cbr = nn.Sequential(ConvNormReLU(dim, dim), ConvNormReLU(dim, dim))

    def forward(self, x: Tensor, fg: Tensor, bg: Tensor) -> Tensor:
        """Aggregate `x` under the guidance of `fg` and `bg`.

        Parameters
        ----------
        x
            Features (B, in_c, H, W).
        fg, bg
            Guidance (B, dim, H, W) of foreground and background.

        Returns
        -------
        Tensor
            Features (B, dim, H, W).

        Raises
        ------
        ValueError
            If the guidance does not have `dim` channels at the size of `x`.
        """
        expected = (x.shape[0], self.dim, *x.shape[2:])
        for guidance in (fg, bg):
            if guidance.shape != expected:
                raise ValueError(
                    f"The guidance must have the shape {tuple(expected)}, "
                    f"not {tuple(guidance.shape)}."
                )
        values = _per_pixel(self.v, self.input_cbr(x))
        values = self._round(values, fg, self.attn_fg)
        values = self._round(values, bg, self.attn_bg)
        out: Tensor = self.output_cbr(values)
        return out

    def _round(self, values: Tensor, guidance: Tensor, layer: nn.Linear) -> Tensor:
        weights = self._attention(guidance, layer).to(values.dtype)
        # Whoever converts the net, to ONNX say, wants few steps and none that writes in place.
        traced = torch.compiler.is_compiling()
        if self.stride == 1 and not traced:
            mixed = _filter_pixels(_window_taps(weights), values)
        else:
            mixed = self._mix_windows(weights, values)
        out: Tensor = self.proj_drop(_per_pixel(self.proj, mixed))
        return out

    def _attention(self, guidance: Tensor, layer: nn.Linear) -> Tensor:
        """Give the weights (B, heads, k², k², h, w) of every window, softmax over the second k²."""
        if self.stride > 1:
            guidance = F.avg_pool2d(guidance, self.stride, ceil_mode=True)
        area = self.kernel_size**2
        scores = _per_pixel(layer, guidance).unflatten(1, (self.num_heads, area, area))
        weights: Tensor = self.attn_drop((scores * (self.dim // self.num_heads) ** -0.5).softmax(3))
        return weights

    def _mix_windows(self, weights: Tensor, values: Tensor) -> Tensor:
        """Cut the windows out, mix each by its weights, and sum them where they overlap."""
        window = (self.kernel_size, 1, self.padding, self.stride)
        cut = F.unfold(values, *window).unflatten(1, (self.num_heads, -1, self.kernel_size**2))
        mixed = torch.einsum("bhijn,bhcjn->bhcin", weights.flatten(4), cut)
        return F.fold(mixed.flatten(1, 3), values.shape[2:], *window)


def _per_pixel(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer to the channels of (B, C, H, W), giving contiguous maps.

    One matrix product that reads either memory format in place: unlike a 1×1 convolution it
    writes planes, over which the softmax and the filter then run without a copy.
    """
    weight = layer.weight.expand(x.shape[0], -1, -1)
    return torch.baddbmm(layer.bias[:, None], weight, x.flatten(2)).unflatten(2, x.shape[2:])


def _window_taps(weights: Tensor) -> Tensor:
    """Sum the weights of all windows over a pixel into one filter for that pixel.

    Window centre q adds, to its pixel p = q + off(i), the value at q + off(j) with weight
    [i, j]; seen from p that is the value at distance off(j) - off(i).

    Parameters
    ----------
    weights
        (B, heads, k², k², H, W), indexed by pixel i of the window, then by pixel j.

    Returns
    -------
    Tensor
        (B, heads, (2k-1)², H, W), row-major distances.
    """
    batch, heads, area, _, height, width = weights.shape
    if area == 1:
        return weights.flatten(2, 3)
    side = round(area**0.5)
    reach = side // 2
    weights = weights.unflatten(3, (side, side))
    taps = weights.new_zeros(batch, heads, 2 * side - 1, 2 * side - 1, height, width)
    for i in range(area):
        row, column = divmod(i, side)
        to_rows, from_rows = _shifted(height, row - reach)
        to_columns, from_columns = _shifted(width, column - reach)
        first, left = side - 1 - row, side - 1 - column
        distances = taps[:, :, first : first + side, left : left + side]
        distances[..., to_rows, to_columns] += weights[:, :, i, ..., from_rows, from_columns]
    return taps.flatten(2, 3)


def _shifted(size: int, offset: int) -> tuple[slice, slice]:
    """Positions p inside 0..size for which p - offset is inside too, and those p - offset."""
    start, stop = max(offset, 0), max(size + min(offset, 0), max(offset, 0))
    return slice(start, stop), slice(start - offset, stop - offset)


def _filter_pixels(taps: Tensor, values: Tensor) -> Tensor:
    """Filter values (B, C, H, W) by the taps (B, heads, n², H, W) of each pixel and head."""
    batch, heads, n_taps, height, width = taps.shape
    side = round(n_taps**0.5)
    padded = F.pad(values, (side // 2,) * 4).unflatten(1, (heads, -1)).flatten(0, 1)
    # A head at a time fits the cache of a CPU; an accelerator wants everything in one call.
    group = 1 if values.device.type == "cpu" else batch * heads
    parts = []
    for part, kernel in zip(padded.split(group), taps.flatten(0, 1).split(group), strict=True):
        mixed = part.new_zeros(*part.shape[:2], height, width)
        for tap in range(n_taps):
            row, column = divmod(tap, side)
            window = part[..., row : row + height, column : column + width]
            mixed.addcmul_(kernel[:, tap, None], window)
        parts.append(mixed)
    return torch.cat(parts).unflatten(0, (batch, heads)).flatten(1, 2)
