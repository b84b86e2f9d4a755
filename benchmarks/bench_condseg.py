"""ConDSeg, the mask of a 256×256 image: this package against the textbook formulation.

The textbook net gives all four maps and computes the aggregation as it is written in the paper:
windows unfolded, mixed by matrices and folded. The candidate is `inference_copy(net).mask_logits`
with the same weights. Each gain, and where it comes from:

* mask alone: the auxiliary head and the uncertainty have no influence on the mask;
* filter: one 25-tap filter for each pixel and head replaces nine overlapping 9×9 products, and
  the softmax runs over planes instead of rows of nine numbers;
* folded, channels last: BatchNorm is part of the convolution, which runs without reordering.

Run: python benchmarks/bench_condseg.py
"""

from __future__ import annotations

import copy

import timing  # first: it makes idle threads sleep
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medseg.nets.cdfa import ContrastDrivenFeatureAggregation
from napari_medseg.nets.condseg import ConDSeg
from napari_medseg.nets.inference import inference_copy

SIZE = 256
TARGET = 2.0
TOLERANCE = 1e-3
"""Largest difference of the mask's logits, in standard deviations of them over the image."""


class TextbookAggregation(ContrastDrivenFeatureAggregation):
    """The aggregation as the paper writes it: windows cut out, mixed, summed back."""

    def forward(self, x: Tensor, fg: Tensor, bg: Tensor) -> Tensor:
        """Map as the class it is derived from."""
        x = self.v(self.input_cbr(x).permute(0, 2, 3, 1))
        x = self._mix(x.permute(0, 3, 1, 2), fg, self.attn_fg)
        x = self._mix(x, bg, self.attn_bg)
        return self.output_cbr(x)

    def _mix(self, values: Tensor, guidance: Tensor, layer: torch.nn.Linear) -> Tensor:
        batch, _, height, width = values.shape
        area, n_windows = self.kernel_size**2, height * width
        scores = layer(guidance.permute(0, 2, 3, 1)).reshape(
            batch, n_windows, self.num_heads, area, area
        )
        weights = scores.permute(0, 2, 1, 3, 4) * (self.dim // self.num_heads) ** -0.5
        windows = F.unfold(values, self.kernel_size, padding=self.padding).reshape(
            batch, self.num_heads, -1, area, n_windows
        )
        mixed = weights.softmax(-1) @ windows.permute(0, 1, 4, 3, 2)
        mixed = mixed.permute(0, 1, 4, 3, 2).reshape(batch, -1, n_windows)
        folded = F.fold(mixed, (height, width), self.kernel_size, padding=self.padding)
        return self.proj(folded.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def textbook(net: ConDSeg) -> ConDSeg:
    """Copy the net with its aggregations replaced by the textbook's, same weights."""
    other = copy.deepcopy(net)
    for level in range(1, 5):
        getattr(other, f"cdfa{level}").__class__ = TextbookAggregation
    return other


def calibrated(backbone: str, image: Tensor) -> ConDSeg:
    """Build the net with random weights, and statistics that keep its values in range."""
    torch.manual_seed(0)
    net = ConDSeg(backbone).train()
    with torch.no_grad():
        for _ in range(20):
            net(image)
    return net.eval()


@torch.inference_mode()
def main() -> None:
    """Print one line per step from the textbook net to ours, then the difference in output."""
    image = torch.rand(1, 3, SIZE, SIZE)
    net = calibrated("resnet50", image)
    book, fast = textbook(net), inference_copy(net)
    steps = {
        "mask alone": book.mask_logits,
        "+ filter": net.mask_logits,
        "+ folded, channels last": fast.mask_logits,
    }
    print(f"ConDSeg, ResNet-50, {SIZE}×{SIZE}, float32: textbook, ours, ratio")
    for title, candidate in steps.items():
        target = TARGET if candidate == fast.mask_logits else None
        result = timing.alternate(lambda: book(image), lambda step=candidate: step(image))
        timing.print_seconds(f"{title}, 1 thread, CPU time", result, target=target)
    result = timing.alternate(lambda: book(image), lambda: fast.mask_logits(image), clock="wall")
    timing.print_seconds("all, 2 threads, wall time", result, target=TARGET)
    expected, found = book.mask_logits(image), fast.mask_logits(image)
    difference = ((expected - found).abs().max() / expected.std()).item()
    print(f"largest difference of the mask's logits: {difference:.1e} of their standard deviation")
    if difference > TOLERANCE:
        raise SystemExit(f"the outputs differ by more than {TOLERANCE:g}")


if __name__ == "__main__":
    main()
