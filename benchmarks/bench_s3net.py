"""One iteration of S3-Net at 256 × 256 against its textbook formulation.

The textbook computes what the published program does, in torch's plain operations: grouped
convolutions in the default memory layout, the deformable convolution tap by tap with
``grid_sample``, both heads turned by 90 degrees, and the spatial term that is computed from hard
labels. (The published program uses torchvision's deformable convolution, which this environment
need not have.) Both start from the same weights; the share of equal labels after each timed
iteration is printed.

Where the time goes: the gradient of dilated depthwise kernels is put together from 3 × 3 ones, the
only size oneDNN vectorises; a dilated convolution is a plain one of interleaved sub-images;
sampling is a gather, and its gradient one of the samples sorted by pixel; terms without a
gradient are left out; 1 × 1 convolutions take an image's rows as images. With the sampling frozen
its positions are found once; with the depthwise kernels frozen too, which is the default, their
gradient is not computed.

Run with ``python benchmarks/bench_s3net.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import timing  # first: it sets what torch reads at import

# isort: split
import numpy as np
import textbook
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medseg.engine.cluster.s3net_fit import FitSettings, fit
from napari_medseg.nets.s3net import S3Net

MODES = {
    "as published, all trained": (3.0, {"freeze_sampling": False, "freeze_kernels": False}),
    "sampling frozen": (None, {"freeze_sampling": True, "freeze_kernels": False}),
    "default, sampling and kernels frozen": (5.0, {}),
}


def image_of(size: int) -> Tensor:
    """Draw a disc on a noisy ground."""
    rows, cols = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    disc = 0.7 - 0.4 * (rows**2 + cols**2 < 0.25).float()
    noise = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    return (disc + 0.05 * noise).clamp(0, 1)


def plain_convolution(layer: torch.nn.Conv2d, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, 1, layer.padding, layer.dilation, layer.groups)


def deformable_convolution(net: S3Net, x: Tensor) -> Tensor:
    """Sample the image once per tap, multiply with the mask, contract with the kernel."""
    layer = net.convdeform
    height, width = x.shape[2:]
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    columns = []
    for tap in range(9):
        row = rows + tap // 3 - 1 + layer.offset[:, 2 * tap]
        col = cols + tap % 3 - 1 + layer.offset[:, 2 * tap + 1]
        grid = torch.stack(((2 * col + 1) / width - 1, (2 * row + 1) / height - 1), -1)
        sampled = F.grid_sample(x, grid, align_corners=False)
        columns.append(sampled * layer.mask[:, tap : tap + 1])
    return torch.einsum("otc,btchw->bohw", layer.weight.flatten(2).mT, torch.stack(columns, 1))


def textbook_net(net: S3Net, x: Tensor) -> tuple[Tensor, Tensor]:
    y = net.bn1(net.conv1(x))
    for block, norm in zip(net.conv2, net.bn2, strict=True):
        gate = block.spatial_gating
        v = F.gelu(block.proj_1x1_1(y))
        local = plain_convolution(gate.conv0, v)
        seen = torch.cat([plain_convolution(conv, local) for conv in gate.spatial_convs], 1)
        y = norm(y + block.proj_1x1_2(v * gate.conv1(seen)))
    logits = net.bn4(net.conv3(net.bn3(deformable_convolution(net, y))))
    return logits, net.bn_aux(net.conv_aux(y))


def textbook_fit(net: S3Net, image: Tensor) -> Callable[[], np.ndarray]:
    """Give one iteration, which returns the labels it started from."""
    optimiser = torch.optim.SGD(net.parameters(), 0.2, 0.9)
    palette = np.random.default_rng(0).integers(0, 255, (100, 3))

    def iteration() -> np.ndarray:
        optimiser.zero_grad()
        logits, auxiliary = textbook_net(net, image)
        target = logits.argmax(1)
        turned = [torch.rot90(maps, -1, (2, 3)) for maps in (logits, auxiliary)]
        loss = 3.5 * F.cross_entropy(logits, target)
        loss = loss + 0.2 * F.cross_entropy(turned[1], turned[0].argmax(1))
        loss = loss + 4 * textbook.spatial_inconsistency(target[0].numpy(), palette)
        loss.backward()
        optimiser.step()
        return target[0].numpy()

    return iteration


def candidate_fit(net: S3Net, image: Tensor, frozen: dict[str, bool]) -> Callable[[], np.ndarray]:
    """Give one iteration of the package's own loop."""
    job = fit(net, image, FitSettings(iterations=10_000, enough=1, **frozen))
    return lambda: next(job).labels


def fresh(size: int) -> S3Net:
    torch.manual_seed(0)
    return S3Net(size=(size, size)).train()


def compare(title: str, image: Tensor, chosen: argparse.Namespace) -> None:
    target, frozen = MODES[title]
    labels: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    textbook = textbook_fit(fresh(chosen.size), image)
    candidate = candidate_fit(fresh(chosen.size), image, frozen)
    comparison = timing.alternate(
        lambda: labels[0].append(textbook()),
        lambda: labels[1].append(candidate()),
        clock=chosen.clock,
        repeats=chosen.repeats,
    )
    timing.print_seconds(title, comparison, target=target)
    agreement = [f"{(a == b).mean():.2%}" for a, b in zip(*labels, strict=True)]
    print("    equal labels, iteration by iteration:", " ".join(agreement), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument("--only", help="those whose name has this in it")
    chosen = parser.parse_args()
    image = image_of(chosen.size)
    for title in MODES:
        if chosen.only is None or chosen.only in title:
            compare(title, image, chosen)


if __name__ == "__main__":
    main()
