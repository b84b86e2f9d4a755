"""S3-Net, which clusters one image by fitting itself to it.

Karimijafarbigloo, Azad et al., "Self-supervised Semantic Segmentation: Consistency over
Transformation", ICCV Workshops 2023.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.deform_conv import Steps, convolve_samples, deformed_samples
from napari_medseg.nets.depthwise import DepthwiseConv2d
from napari_medseg.nets.pointwise import PointwiseConv2d, pointwise
from napari_medseg.nets.sampling import Samples

_STEPS = Steps((3, 3), padding=(1, 1))


class InceptionLargeKernelAttention(nn.Module):
    """Weigh features by a map seen through kernels of several sizes (paper, section 3.1).

    Parameters
    ----------
    channels : int
        Channels of the input and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = DepthwiseConv2d(channels, 5)
        self.spatial_convs = nn.ModuleList(
            DepthwiseConv2d(channels, kernel, dilation)
            for kernel, dilation in ((3, 1), (5, 2), (7, 3))
        )
        self.conv1 = PointwiseConv2d(3 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Give `x` (B, C, H, W) times its attention map, in the same shape."""
        local = self.conv0(x)
        # One product per kernel size, added up, saves putting the maps together and apart again.
        kernels = self.conv1.weight.split(x.shape[1], 1)
        attention = pointwise(self.spatial_convs[0](local), kernels[0], self.conv1.bias)
        for conv, kernel in zip(self.spatial_convs[1:], kernels[1:], strict=True):
            attention = attention + pointwise(conv(local), kernel)
        return x * attention


class _AttentionBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_1x1_1 = PointwiseConv2d(channels, channels)
        self.spatial_gating = InceptionLargeKernelAttention(channels)
        self.proj_1x1_2 = PointwiseConv2d(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.proj_1x1_2(self.spatial_gating(F.gelu(self.proj_1x1_1(x))))


class _FreeDeformableConv2d(nn.Module):
    """Deformable convolution whose offsets and mask are parameters, one per pixel of the image."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels, channels, 3, 3))
        self.offset = nn.Parameter(torch.rand(1, 18, *size))
        self.mask = nn.Parameter(torch.rand(1, 9, *size))
        self._kept: tuple[object, tuple[Tensor, Tensor], Samples] | None = None

    def forward(self, x: Tensor) -> Tensor:
        return convolve_samples(x, self._samples(x), self.weight, _STEPS)

    def _samples(self, x: Tensor) -> Samples:
        """Give what the kernel reads; while offset and mask are frozen, find it only once."""
        points = (self.offset, self.mask)
        if any(p.requires_grad or p.is_inference() for p in points):
            return deformed_samples(x, *points, _STEPS)
        known = [(p._version, p.data_ptr(), p.dtype) for p in points]
        state = (x.shape, x.device, known)
        if self._kept is None or self._kept[0] != state:
            # Held, their memory is not given to others, by which they could be taken for the same.
            held = (self.offset.detach(), self.mask.detach())
            self._kept = (state, held, deformed_samples(x, *points, _STEPS))
        return self._kept[2]


class S3Net(nn.Module):
    """Map an image to as many logits per pixel as there may be clusters.

    The net has no trained weights: a new one is fitted to each image by its own labels, always in
    training mode, also for the final label map (paper, section 3). Most of its parameters
    are the offsets and masks of the deformable convolution, one set per pixel, so a net serves
    images of one size.

    Parameters
    ----------
    in_channels : int
        Channels of the image; the official net reads 8-bit BGR scaled to [0, 1].
    channels : int
        Width of the net, and the most clusters there can be.
    blocks : int
        Attention blocks.
    size : tuple of int
        Height and width of the image.
    color : bool
        Whether to add the official net's colour attention over the logits. The official code takes
        its softmax over the batch, which makes the attention a constant; that is kept.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 64,
        blocks: int = 2,
        size: tuple[int, int] = (256, 256),
        color: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.size, self.color = in_channels, size, color
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.ModuleList(_AttentionBlock(channels) for _ in range(blocks))
        self.bn2 = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(blocks))
        self.convdeform = _FreeDeformableConv2d(channels, size)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = PointwiseConv2d(channels, channels)
        self.bn4 = nn.BatchNorm2d(channels)
        self.conv_aux = PointwiseConv2d(channels, channels)
        self.bn_aux = nn.BatchNorm2d(channels)
        if color:
            self.map = nn.Linear(in_channels, channels, bias=False)
            self.cf = PointwiseConv2d(channels, channels)
            self.bf = nn.BatchNorm2d(channels)

    def features(self, x: Tensor) -> Tensor:
        """Give the features (1, channels, H, W) that both heads read."""
        y = self.bn1(self.conv1(x))
        for block, norm in zip(self.conv2, self.bn2, strict=True):
            y = norm(block(y))
        return y

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cluster an image.

        Parameters
        ----------
        x : Tensor, shape (B, in_channels, H, W)
            The image, in the size that the net was made for.

        Returns
        -------
        logits, auxiliary : Tensor, shape (B, channels, H, W)
            Logits of the clusters, and those of the auxiliary head. The official net returns the
            latter turned by 90 degrees.

        Raises
        ------
        ValueError
            If the image has another size or number of channels.
        """
        if x.ndim != 4 or x.shape[1:] != (self.in_channels, *self.size):
            raise ValueError(
                f"This net was made for images of {self.in_channels} channels and "
                f"{self.size[0]} × {self.size[1]} pixels; got an array of shape {tuple(x.shape)}."
            )
        shared = self.features(x)
        return self.head(shared, x), self.auxiliary(shared)

    def head(self, features: Tensor, x: Tensor) -> Tensor:
        """Give the logits of the clusters from `features` and, for the colour option, the image."""
        y = self.bn4(self.conv3(self.bn3(self.convdeform(features))))
        return self._colour_attention(y, x) if self.color else y

    def auxiliary(self, features: Tensor) -> Tensor:
        """Give the logits of the auxiliary head."""
        return self.bn_aux(self.conv_aux(features))

    def _colour_attention(self, logits: Tensor, x: Tensor) -> Tensor:
        seen = self.map(x.flatten(2).transpose(1, 2)).transpose(1, 2)
        attention = _row_sums(logits.flatten(2)) + _row_sums(seen)
        mixed = attention * logits.sum(1, keepdim=True)
        return self.bf(self.cf(mixed))


def _row_sums(rows: Tensor) -> Tensor:
    """Product of the rows, each of unit length, with a matrix of ones: (B, C, 1, 1)."""
    return F.normalize(rows, dim=2).sum(2)[..., None, None]
