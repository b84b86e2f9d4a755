"""How busy the device is while batches of a training are made and augmented beside it.

A small UNet is trained for some steps on planes drawn from formulas, with the standard
augmentation. Busy is the part of the time in which a step runs and does not wait for its batch;
beside it stands the CPU time of making a batch as a part of that of a step, which says how much is
taken away from a device that is the CPU itself.

    python benchmarks/bench_training_data.py [--device cuda] [--width 16] [--size 128]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F

from medseg_training.data.augment_options import AugmentOptions
from medseg_training.data.batches import Batch, PlaneBatches
from medseg_training.data.planes import Plane
from napari_medseg.nets.unet import UNet

TARGET = 0.9


@dataclass
class Spent:
    """Seconds that passed, and of CPU, while waiting for batches, making them and in steps."""

    waiting: float = 0.0
    stepping: float = 0.0
    making_cpu: float = 0.0
    stepping_cpu: float = 0.0

    @property
    def busy(self) -> float:
        """Part of the time in which a step runs."""
        return self.stepping / (self.stepping + self.waiting)


class MeasuredBatches(PlaneBatches):
    """Batches that count the CPU time of their thread."""

    spent = Spent()

    def _make(self, step: int) -> Batch:
        start = time.thread_time()
        batch = super()._make(step)
        self.spent.making_cpu += time.thread_time() - start
        return batch


def drawn_planes(count: int, size: int) -> list[Plane]:
    """Discs on noisy ground."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    planes = []
    for number in range(count):
        y, x = rng.integers(size // 4, 3 * size // 4, 2)
        labels = ((rows - y) ** 2 + (columns - x) ** 2 < (size // 6) ** 2).astype(np.uint8)
        image = (0.3 + 0.3 * labels + 0.05 * rng.standard_normal(labels.shape)).clip(0, 1)
        planes.append(Plane(image[None].astype(np.float32), labels, str(number), 0, (1.0, 1.0)))
    return planes


def stepper(width: int, device: torch.device) -> Callable[[Batch], None]:
    """Give what does a step of training and waits until the device has done it."""
    net = UNet(1, 2, width=width).to(device)
    optimiser = torch.optim.SGD(net.parameters(), 0.01)

    def step(batch: Batch) -> None:
        loss = F.cross_entropy(net(batch.images), batch.labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def measure(arguments: argparse.Namespace) -> Spent:
    """Train for some steps and give what was spent, the first two steps left out."""
    device = torch.device(arguments.device)
    step = stepper(arguments.width, device)
    planes = drawn_planes(64, arguments.size)
    size = arguments.size, arguments.size
    options = AugmentOptions(preset=arguments.augment)
    with MeasuredBatches(planes, size, arguments.batch, 0, options, device=device) as batches:
        for number in range(2):
            step(batches.batch(number))
        spent = batches.spent = Spent()
        for number in range(2, 2 + arguments.steps):
            start = time.perf_counter()
            batch = batches.batch(number)
            got, cpu = time.perf_counter(), time.thread_time()
            step(batch)
            spent.waiting += got - start
            spent.stepping += time.perf_counter() - got
            spent.stepping_cpu += time.thread_time() - cpu
    return spent


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--augment", default="standard")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    spent = measure(arguments)
    verdict = "reached" if spent.busy >= TARGET else "MISSED"
    print(
        f"UNet of width {arguments.width}, {arguments.batch} x {arguments.size}²: busy "
        f"{spent.busy:.1%}, target {TARGET:.0%} {verdict}; CPU time of a batch "
        f"{1000 * spent.making_cpu / (arguments.steps + 1):.0f} ms, of a step "
        f"{1000 * spent.stepping_cpu / arguments.steps:.0f} ms"
    )


if __name__ == "__main__":
    main()
