"""UNet on a large image: our whole path against a bare call of MONAI's sliding window.

    python benchmarks/bench_tiles.py          # CPU time and memory
    python benchmarks/bench_tiles.py --wall   # wall time at two threads too

Both run the same net with the same tiles, overlap and Gaussian weights, and agree (stated first).
The reference is what a script would do: the scaled image as one tensor, through
`monai.inferers.sliding_window_inference` on the net as it was trained, softmax, argmax. The
candidate is `napari_medseg.segment` from raw 8-bit pixels to the label map: it scales each tile,
blends it, tells progress, can be cancelled, and keeps one row of tiles. Where the difference comes
from:

* time: batch normalisation folded into the convolutions, channels last; nothing else is faster;
* memory: MONAI keeps the image, the sums and the weights whole, ours one row of tiles.

A third measurement gives MONAI our prepared net, so that only the windows are compared.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timing  # isort: skip  (before torch)

import numpy as np
import torch
from safetensors.torch import save

from napari_medseg.engine.with_model.job import segment
from napari_medseg.nets.inference import inference_copy
from napari_medseg.nets.unet import UNet
from napari_medseg.zoo.cards import ModelCard

TILE, OVERLAP = 256, 0.25
SIDE, LARGE_SIDE = 1024, 3072
WIDTH, SMALL_WIDTH = 32, 4


def image_of(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)


def net_of(width: int) -> UNet:
    torch.manual_seed(0)
    return UNet(1, 3, width=width).eval()


def model_of(width: int, folder: Path) -> ModelCard:
    content = save(net_of(width).state_dict())
    (folder / "model.safetensors").write_bytes(content)
    return ModelCard(
        name="unet",
        title="UNet",
        kind="pretrained",
        net="UNet",
        net_options={"in_channels": 1, "n_classes": 3, "width": width},
        file="model.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        classes=("a", "b"),
        input={
            "size": [TILE, TILE],
            "fit": "tile",
            "multiple": 16,
            "overlap": OVERLAP,
            "scaling": {"kind": "divide", "by": 255},
        },
        output={"activation": "softmax"},
        folder=folder,
    )


def bare_monai(net: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    from monai.inferers import sliding_window_inference

    with torch.inference_mode():
        tensor = torch.from_numpy(image)[None, None].float() / 255
        found = sliding_window_inference(
            tensor, TILE, 1, lambda x: net(x).softmax(1), overlap=OVERLAP, mode="gaussian"
        )
        return found.argmax(1)[0].byte().numpy()


def monai_work(width: int, side: int) -> Callable[[], Any]:
    net, image = net_of(width), image_of(side)
    bare_monai(net, image[:TILE, :TILE])
    return lambda: bare_monai(net, image)


def our_work(width: int, side: int) -> Callable[[], Any]:
    folder = tempfile.TemporaryDirectory()
    card, image = model_of(width, Path(folder.name)), image_of(side)
    segment(image[:TILE, :TILE], card, keep_probabilities=False)

    def work() -> Any:
        labels = segment(image, card, keep_probabilities=False, device="cpu").labels
        return labels, folder

    return work


def main() -> None:
    clocks = [("cpu", "CPU time, 1 thread"), ("wall", "wall, 2 threads")]
    clocks = clocks if "--wall" in sys.argv else clocks[:1]
    image = image_of(SIDE)
    net = net_of(WIDTH)
    prepared = inference_copy(net)
    megapixels = SIDE * SIDE / 1e6
    ours = our_work(WIDTH, SIDE)
    different = (bare_monai(net, image) != ours()[0]).mean()
    print(f"{SIDE} × {SIDE}, tiles of {TILE}, overlap {OVERLAP}, UNet of width {WIDTH}")
    print(f"pixels with another label: {100 * different:.4f} %")
    for title, reference in (
        ("MONAI with the trained net", lambda: bare_monai(net, image)),
        ("MONAI with our prepared net", lambda: bare_monai(prepared, image)),
    ):
        for clock, label in clocks:
            found = timing.alternate(reference, ours, clock=clock, repeats=3)
            timing.print_seconds(f"{title}, {label}", found)
            rates = megapixels / found.reference, megapixels / found.candidate
            print(f"    megapixels per second: {rates[0]:.3f} against {rates[1]:.3f} of ours")
    peaks = timing.peak_memory(monai_work, our_work, SMALL_WIDTH, LARGE_SIDE)
    timing.print_bytes(f"peak memory, {LARGE_SIDE} × {LARGE_SIDE}, width {SMALL_WIDTH}", peaks)


if __name__ == "__main__":
    main()
