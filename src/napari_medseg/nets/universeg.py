"""UniverSeg, the network that segments a query by the examples of a support set.

Butoi, Gonzalez Ortiz et al., "UniverSeg: Universal Medical Image Segmentation", ICCV 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.cross_conv import CrossBlock, as_pair, init_convolution
from napari_medseg.nets.universeg_fast import FastUniverSeg

Width = int | tuple[int, int]


class _OutConv(nn.Module):
    """The 1x1 convolution to logits, under the published name ``conv``."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 1, 1)
        init_convolution(self.conv, "linear")

    def forward(self, maps: Tensor) -> Tensor:
        return self.conv(maps)


class UniverSeg(nn.Module):
    """Segment a query image by the examples of a support set, without training for the task.

    A U-shaped network of cross blocks (paper, section 3.3). The default is the published version 1
    (1,182,785 parameters); its state dict has the published keys and shapes. Train and eval mode
    are the same: there is neither normalisation nor dropout.

    Parameters
    ----------
    encoder_blocks
        Per level, from fine to coarse: features of its cross block, one number or (features of
        the cross convolution, features that go out).
    decoder_blocks
        The same for the way back, one fewer; `None`: the encoder's reversed, without its last.
    """

    def __init__(
        self,
        encoder_blocks: Sequence[Width] = (64, 64, 64, 64),
        decoder_blocks: Sequence[Width] | None = None,
    ) -> None:
        super().__init__()
        down = [as_pair(width) for width in encoder_blocks]
        up = down[-2::-1] if decoder_blocks is None else [as_pair(w) for w in decoder_blocks]
        if not down or len(up) != len(down) - 1:
            raise ValueError(
                "UniverSeg needs at least one encoder block and one decoder block fewer than "
                f"encoder blocks, but got {len(down)} and {len(up)}."
            )
        self.enc_blocks = nn.ModuleList()
        incoming: Width = (1, 2)
        for cross, conv in down:
            self.enc_blocks.append(CrossBlock(incoming, cross, conv))
            incoming = conv
        self.dec_blocks = nn.ModuleList()
        features = down[-1][1]
        for (cross, conv), (_, skip) in zip(up, down[-2::-1], strict=True):
            self.dec_blocks.append(CrossBlock(features + skip, cross, conv))
            features = conv
        self.out_conv = _OutConv(features)

    @property
    def size_multiple(self) -> int:
        """What height and width of the images must be a multiple of; 8 for the published net."""
        return 2 ** (len(self.enc_blocks) - 1)

    @property
    def blocks(self) -> list[CrossBlock]:
        """All cross blocks in the order in which features pass them."""
        return cast("list[CrossBlock]", [*self.enc_blocks, *self.dec_blocks])

    def forward(self, target: Tensor, support_images: Tensor, support_labels: Tensor) -> Tensor:
        """Give the queries' logits.

        Where no gradient is asked for (under `torch.no_grad` or `torch.inference_mode`, or when no
        parameter requires one), this takes the path of `FastUniverSeg`, equal to 1e-4: one query
        follows the other and the support set passes in chunks, so memory hardly depends on the
        number of queries, and from about 190 examples at 128 x 128 on no longer on theirs.
        Otherwise, and when the net is compiled, exported, traced or watched by hooks, it takes the
        plain path.

        Parameters
        ----------
        target
            Query images, (B, 1, H, W), values in [0, 1].
        support_images
            Example images, (B, S, 1, H, W), values in [0, 1].
        support_labels
            Their masks, (B, S, 1, H, W), 0 background and 1 foreground, of any dtype. Images and
            masks with batch size 1 are shared by all queries.

        Returns
        -------
        Tensor
            Logits, (B, 1, H, W); their sigmoid is the probability of foreground.

        Raises
        ------
        ValueError
            If the shapes do not fit together, there is no example, height or width is not a
            multiple of `size_multiple`, or the images are integers.
        """
        _check_inputs(target, support_images, support_labels, self.size_multiple)
        support_labels = support_labels.to(support_images.dtype)
        if not self._needs_plain_path(target, support_images, support_labels):
            with torch.no_grad():
                return FastUniverSeg(self)(target, support_images, support_labels)
        query, support = target.unsqueeze(1), torch.cat([support_images, support_labels], 2)
        *blocks, last = self.blocks
        skips: list[tuple[Tensor, Tensor]] = []
        for depth, block in enumerate(blocks):
            query, support = block(query, support)
            if depth < len(self.enc_blocks) - 1:
                skips.append((query, support))
                query, support = _pool(query), _pool(support)
            elif len(skips) > 1:
                skip_query, skip_support = skips.pop()
                query = torch.cat([_upsample(query), skip_query], 2)
                support = torch.cat([_upsample(support), skip_support], 2)
        support = support.mean(1, keepdim=True)
        if skips:
            skip_query, skip_support = skips.pop()
            query = torch.cat([_upsample(query), skip_query], 2)
            mean_skip = skip_support.mean(1, keepdim=True)
            support = torch.cat([_upsample(support), mean_skip], 2)
        return self.out_conv(last.target_only(query, support).squeeze(1))

    def _needs_plain_path(self, *inputs: Tensor) -> bool:
        """Whether something watches or records the computation block by block."""
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return True
        parts = [module for module in self.modules() if module is not self]
        if any(part._forward_hooks or part._forward_pre_hooks for part in parts):
            return True
        tensors = [*inputs, *self.parameters()]
        return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _pool(maps: Tensor) -> Tensor:
    """Halve height and width of each map of a set (B, S, C, H, W) by its maxima."""
    return F.max_pool2d(maps.flatten(0, 1), 2).unflatten(0, maps.shape[:2])


def _upsample(maps: Tensor) -> Tensor:
    """Double height and width of each map of a set (B, S, C, H, W), corners aligned."""
    flat = maps.flatten(0, 1)
    flat = F.interpolate(flat, scale_factor=2, mode="bilinear", align_corners=True)
    return flat.unflatten(0, maps.shape[:2])


def _check_inputs(target: Tensor, images: Tensor, labels: Tensor, multiple: int) -> None:
    """Raise ValueError, with one sentence that says what to do, for inputs that do not fit."""
    if not (target.is_floating_point() and images.is_floating_point()):
        raise ValueError(
            f"UniverSeg takes images as floating point in [0, 1], but got {target.dtype} and "
            f"{images.dtype}; scale and convert them first."
        )
    if target.dim() != 4 or target.shape[1] != 1:
        raise ValueError(
            "UniverSeg takes query images of shape (batch, 1, height, width), but got "
            f"{tuple(target.shape)}; give it grey images."
        )
    if images.dim() != 5 or images.shape[2] != 1 or images.shape != labels.shape:
        raise ValueError(
            "UniverSeg takes example images and masks of one shape, (batch, examples, 1, height, "
            f"width), but got {tuple(images.shape)} and {tuple(labels.shape)}."
        )
    if images.shape[1] < 1:
        raise ValueError("The support set is empty; give at least one example with its mask.")
    if len(images) not in (1, len(target)):
        raise ValueError(
            f"There are {len(target)} query images but {len(images)} support sets; give one "
            "support set for all of them, or one for each."
        )
    height, width = target.shape[2:]
    if images.shape[3:] != target.shape[2:]:
        raise ValueError(
            f"The query is {height} x {width} pixels but the examples are {images.shape[3]} x "
            f"{images.shape[4]}; resize them to one size."
        )
    if height % multiple or width % multiple or 0 in (height, width):
        raise ValueError(
            f"Height and width must be multiples of {multiple}, but the images are {height} x "
            f"{width}; resize or pad them."
        )
