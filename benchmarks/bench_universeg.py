"""UniverSeg against its textbook formulation: inference, memory, training step.

Run with ``python benchmarks/bench_universeg.py``; name parts to run only those, ``--quick`` times
each only twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import timing  # first: it sets what torch reads at import

# isort: split
import textbook
import torch
from torch import Tensor

from napari_medseg.nets.universeg import UniverSeg

SIZE = 128
TARGETS = {4: 3.0, 16: 6.0, 64: 6.0}
"""Examples, and how many times faster than the textbook a query must be."""
MEMORY_TARGET = 10.0
TRAINING_TARGET = 2.0

Task = tuple[Tensor, Tensor, Tensor]


def net_and_task(examples: int, queries: int = 1) -> tuple[UniverSeg, Task]:
    """Give a net and a task that are the same in every process."""
    generator = torch.Generator().manual_seed(examples)
    torch.manual_seed(0)
    net = UniverSeg()
    query = torch.rand((queries, 1, SIZE, SIZE), generator=generator)
    images = torch.rand((1, examples, 1, SIZE, SIZE), generator=generator)
    labels = (torch.rand(images.shape, generator=generator) > 0.5).float()
    return net, (query, images, labels)


def textbook_inference(examples: int, queries: int = 1) -> Callable[[], Tensor]:
    net, (query, images, labels) = net_and_task(examples, queries)
    repeated = [maps.repeat(queries, 1, 1, 1, 1) for maps in (images, labels)]
    return torch.inference_mode()(lambda: textbook.universeg(net, query, *repeated))


def fast_inference(examples: int, queries: int = 1) -> Callable[[], Tensor]:
    net, task = net_and_task(examples, queries)
    return torch.inference_mode()(lambda: net(*task))


def training_step(examples: int, *, plain: bool) -> Callable[[], tuple[Tensor, list[Tensor]]]:
    """Give a step that returns its soft Dice loss and the gradients of all parameters."""
    net, task = net_and_task(examples)
    truth = (task[0] > 0.5).float()
    forward = partial(textbook.universeg, net) if plain else net
    parameters = list(net.parameters())

    def step() -> tuple[Tensor, list[Tensor]]:
        probability = forward(*task).sigmoid()
        overlap = (probability * truth).sum()
        loss = 1 - 2 * overlap / (probability.square().sum() + truth.square().sum())
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        return loss.detach(), [g for g in gradients if g is not None]

    return step


def bench_inference(repeats: int) -> None:
    for examples, target in {1: None, **TARGETS}.items():
        reference, candidate = textbook_inference(examples), fast_inference(examples)
        difference = (reference() - candidate()).abs().max().item()
        for clock in ("cpu", "wall"):
            result = timing.alternate(reference, candidate, clock=clock, repeats=repeats)
            timing.print_seconds(f"query, {examples} examples, {clock}", result, target=target)
        print(f"{'':<44} largest difference of a logit {difference:.1e}")


def bench_many_queries(repeats: int) -> None:
    reference, candidate = textbook_inference(4, 8), fast_inference(4, 8)
    result = timing.alternate(reference, candidate, repeats=repeats)
    timing.print_seconds("8 queries, 4 shared examples, cpu", result)


def bench_memory(_repeats: int) -> None:
    result = timing.peak_memory(textbook_inference, fast_inference, 64)
    timing.print_bytes("peak growth, 64 examples", result, target=MEMORY_TARGET)


def bench_training(repeats: int) -> None:
    plain, ours = training_step(16, plain=True), training_step(16, plain=False)
    (loss, gradients), (our_loss, our_gradients) = plain(), ours()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    pairs = zip(gradients, our_gradients, strict=True)
    apart = torch.cat([(a - b).flatten() for a, b in pairs]).norm() / norm
    result = timing.alternate(plain, ours, repeats=repeats)
    timing.print_seconds("training step, 16 examples, cpu", result, target=TRAINING_TARGET)
    print(f"{'':<44} loss differs by {(loss - our_loss).abs():.1e}, gradient by {apart:.1e}")


def main() -> None:
    parts: dict[str, Callable[[int], None]] = {
        "inference": bench_inference,
        "queries": bench_many_queries,
        "memory": bench_memory,
        "training": bench_training,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(parts)}; all unless told")
    parser.add_argument("--quick", action="store_true", help="time each only twice")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(f"{'UniverSeg, 128 x 128':<44} {'textbook':>10} {'ours':>10}   ratio")
    for name in options.parts or parts:
        parts[name](2 if options.quick else 5)


if __name__ == "__main__":
    main()
