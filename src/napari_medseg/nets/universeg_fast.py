"""UniverSeg's inference at a fraction of the cost, at equal output.

Four identities make it cheap; all hold because nothing non-linear follows a cross convolution:

* A pair's convolution is the sum of the query's part, computed once, and the example's part.
* The query goes on with the mean of the pairs, which needs only the mean of the support maps. So
  the last block, on the finest level, needs no support map at all: upsampling and concatenation
  are linear too, and the means of the two maps that come in suffice.
* On the first level the cross convolution and the 3x3 convolution after it are one 5x5 convolution
  of three channels (query, example image, example mask), except on the one-pixel border, where the
  map between them is padded with zeros; the border is computed again with the two.
* A block needs of the support set what the block before left, example by example, and one mean
  over all. So the support set passes in chunks that stay in the processor's cache.

What an example keeps between blocks takes 1.3 MB at 128 x 128. Examples beyond a fixed budget keep
nothing and are computed anew for each block, so memory is bounded whatever the number of examples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medseg.nets.cross_conv import LEAKY_SLOPE, CrossBlock

if TYPE_CHECKING:
    from napari_medseg.nets.universeg import UniverSeg

_CPU_CHUNK_BYTES = 16 << 20
"""Size of the finest support maps in one chunk. From 32 MB on, glibc gives memory back at every
free, and clearing new pages then costs more than the convolution."""
_ACCELERATOR_CHUNK_BYTES = 256 << 20
_KEPT_BYTES = 256 << 20
"""Budget for what examples keep between blocks."""


class _Kernel(NamedTuple):
    """Weight and bias of a convolution that keeps height and width."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, maps: Tensor) -> Tensor:
        height, width = self.weight.shape[2:]
        return F.conv2d(maps, self.weight, self.bias, padding=(height // 2, width // 2))

    def to(self, dtype: torch.dtype) -> _Kernel:
        weight = self.weight.to(dtype, memory_format=torch.channels_last)
        return _Kernel(weight, None if self.bias is None else self.bias.to(dtype))


class _ComposedLevel:
    """Two 3x3 convolutions in a row as one 5x5 convolution, exact to the border."""

    def __init__(self, first: _Kernel, second: _Kernel, dtype: torch.dtype) -> None:
        assert first.bias is not None and second.bias is not None
        weight = F.conv_transpose2d(second.weight, first.weight)
        bias = second.bias + second.weight.sum((2, 3)) @ first.bias
        self.whole = _Kernel(weight, bias).to(dtype)
        self.first, self.second = first.to(dtype), second.to(dtype)
        after, before = slice(1, None), slice(None, 2)
        sides = {(2, 0): after, (2, -1): before, (3, 0): after, (3, -1): before}
        self.sides = {
            (axis, end): _Kernel(_along(second.weight, axis, taps), second.bias).to(dtype)
            for (axis, end), taps in sides.items()
        }

    def __call__(self, maps: Tensor) -> Tensor:
        if min(maps.shape[2:]) < 2:
            return self.second(self.first(maps))
        out = self.whole(maps)
        for (axis, end), kernel in self.sides.items():
            near, nearer = (slice(3), slice(2)) if end == 0 else (slice(-3, None), slice(-2, None))
            between = _along(self.first(_along(maps, axis, near)), axis, nearer)
            padding = (0, 1) if axis == 2 else (1, 0)
            line = F.conv2d(between, kernel.weight, kernel.bias, padding=padding)
            out.select(axis, end).copy_(line.squeeze(axis))
        return out


def _along(maps: Tensor, axis: int, part: slice) -> Tensor:
    return maps[:, :, part] if axis == 2 else maps[..., part]


class _BlockKernels:
    """A cross block's convolutions, its cross convolution split by what it reads."""

    def __init__(self, block: CrossBlock) -> None:
        cross = block.cross.cross_conv
        query, support = cross.weight.split(cross.channel_pair, 1)
        dtype = cross.weight.dtype
        self.from_query = _Kernel(query, cross.bias).to(dtype)
        self.from_support = _Kernel(support, None).to(dtype)
        self.target = _kernel_of(block.target.vmapped.conv).to(dtype)
        self.support = _kernel_of(block.support.vmapped.conv).to(dtype)


def _kernel_of(conv: torch.nn.Conv2d) -> _Kernel:
    return _Kernel(conv.weight, conv.bias)


@dataclass
class _Trail:
    """Feature maps on their way: what the last block gave, and what waits for the way back."""

    current: Tensor
    skips: list[Tensor] = field(default_factory=list)


class FastUniverSeg:
    """A UniverSeg prepared for inference: its kernels split, composed and laid out once.

    Parameters
    ----------
    net
        The net; its weights are read once, here, so later changes to them do not show.
    """

    def __init__(self, net: UniverSeg) -> None:
        blocks = net.blocks
        first = blocks[0]
        self.dtype = first.cross.cross_conv.weight.dtype
        self.kernels = [_BlockKernels(block) for block in blocks]
        cross = _kernel_of(first.cross.cross_conv)
        target, support = (_kernel_of(s.vmapped.conv) for s in (first.target, first.support))
        self.first_target = _ComposedLevel(cross, target, self.dtype)
        self.first_support = _ComposedLevel(cross, support, self.dtype)
        self.deepest = len(net.enc_blocks) - 1
        self.last = len(blocks) - 1
        self.out = _kernel_of(net.out_conv.conv)
        self.widths = [encoder.support.vmapped.conv.out_channels for encoder in blocks]

    def __call__(self, target: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Give the logits (B, 1, H, W), one query after the other."""
        shared = len(images) == 1
        logits = [
            self._logits(query[None], images[0 if shared else i], labels[0 if shared else i])
            for i, query in enumerate(target)
        ]
        return torch.cat(logits)

    def _logits(self, query: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Give the logits of one query (1, 1, H, W) for images and labels (S, 1, H, W)."""
        run = _Run(self, query, images, labels)
        return self.out(run.query_features())


class _Run:
    """One query and its support set on their way through the net."""

    def __init__(self, net: FastUniverSeg, query: Tensor, images: Tensor, labels: Tensor) -> None:
        self.net = net
        self.query = query
        self.images, self.labels = images, labels
        self.from_query: list[Tensor] = []
        per_map = query.shape[2] * query.shape[3] * net.dtype.itemsize
        on_cpu = query.device.type == "cpu"
        room = _CPU_CHUNK_BYTES if on_cpu else _ACCELERATOR_CHUNK_BYTES
        size = max(1, room // (per_map * net.widths[0]))
        ends = [*range(0, len(images), size), len(images)]
        self.chunks = [slice(start, end) for start, end in pairwise(ends)]
        stored = sum(w * per_map // 4**i for i, w in enumerate(net.widths[: net.deepest + 1]) if i)
        self.kept = _KEPT_BYTES // max(1, stored)
        self.trails: dict[int, _Trail] = {}

    def query_features(self) -> Tensor:
        """Give the query's maps (1, C, H, W) after the last block."""
        net = self.net
        means = torch.cat([self.images.mean(0), self.labels.mean(0)])[None]
        query, mean = _Trail(self.query), _Trail(means)
        for depth, kernels in enumerate(net.kernels):
            if depth == 0:
                joined = torch.cat([query.current, mean.current], 1)
                new = net.first_target(_channels_last(joined))
            else:
                pair = kernels.from_query(self._entering(depth, query))
                self.from_query.append(pair)
                new = kernels.target(pair + kernels.from_support(self._entering(depth, mean)))
            self._leave(depth, query, F.leaky_relu_(new, LEAKY_SLOPE))
            if depth < net.last:
                self._advance_support(depth, mean)
        return query.current

    def _entering(self, depth: int, trail: _Trail) -> Tensor:
        """Give what block `depth` takes of a trail: on the way back, joined with what waited."""
        if depth <= self.net.deepest:
            return trail.current
        finer = F.interpolate(trail.current, scale_factor=2, mode="bilinear", align_corners=True)
        return torch.cat([finer, trail.skips.pop()], 1)

    def _leave(self, depth: int, trail: _Trail, maps: Tensor) -> None:
        """Put down what block `depth` gave; on the way down, halved, the whole waits."""
        trail.current = maps
        if depth < self.net.deepest:
            trail.skips.append(maps)
            trail.current = F.max_pool2d(maps, 2)

    def _advance_support(self, depth: int, mean: _Trail) -> None:
        """Pass the whole support set through block `depth`; put the means of it on a trail."""
        whole, halved = _Mean(self.net.dtype), _Mean(self.net.dtype)
        for chunk in self.chunks:
            keeps = chunk.stop <= self.kept
            trail = self.trails.pop(chunk.start, None)
            if trail is None:
                trail = _Trail(self._examples(chunk))
                for earlier in range(depth):
                    self._step(earlier, trail)
            maps = self._step(depth, trail)
            whole.add(maps)
            if depth < self.net.deepest:
                halved.add(trail.current)
            if keeps and depth < self.net.last - 1:
                self.trails[chunk.start] = trail
        mean.current = whole.value()
        if depth < self.net.deepest:
            mean.skips.append(mean.current)
            mean.current = halved.value()

    def _examples(self, chunk: slice) -> Tensor:
        """Give the first level's input of some examples: query, image and mask, (S, 3, H, W)."""
        images, labels = self.images[chunk], self.labels[chunk]
        joined = torch.cat([self.query.expand(len(images), -1, -1, -1), images, labels], 1)
        return _channels_last(joined)

    def _step(self, depth: int, trail: _Trail) -> Tensor:
        """Pass some examples through block `depth`; give the whole maps that it made."""
        if depth == 0:
            maps = self.net.first_support(trail.current)
        else:
            kernels = self.net.kernels[depth]
            pairs = kernels.from_support(self._entering(depth, trail))
            maps = kernels.support(pairs.add_(self.from_query[depth - 1]))
        F.leaky_relu_(maps, LEAKY_SLOPE)
        self._leave(depth, trail, maps)
        if depth == 0:
            trail.skips.clear()  # the way back needs only the mean of the finest maps
        return maps


class _Mean:
    """Mean of maps that come chunk by chunk, summed in float32 or better."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.count = 0
        self.total: Tensor | None = None

    def add(self, maps: Tensor) -> None:
        # One map after the other: a sum over the first axis is slow in channels-last layout.
        for single in maps.split(1):
            self.count += 1
            if self.total is None:
                self.total = single.to(torch.promote_types(self.dtype, torch.float32), copy=True)
            else:
                self.total.add_(single)

    def value(self) -> Tensor:
        assert self.total is not None
        return self.total.div_(self.count).to(self.dtype)


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)
