"""What small nets learn from a few examples in equal time, by net and optimiser, in Dice.

*Adapt to my examples* fits small nets for seconds. Here one net alone is fitted on all examples of
a task, without hints of the in-context net, and asked about images that are not among them. Columns
are two U-Nets of the same width, on the whole grid and on half of it, each with AdamW and with
Muon; every fit gets the same processor time. Then follow the milliseconds of a step.

    python benchmarks/bench_adapt.py --data ../shared/data/open --tasks us_fetal_head ct_aorta ...
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from bench_by_example import OPEN_DATA, Task, drawn_tasks, read_tasks
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_medseg.engine.by_example.adapt import fit as adapt_fit
from napari_medseg.engine.by_example.adapt.album import LARGE, LARGE_FROM, SMALL, resize_maps
from napari_medseg.engine.by_example.adapt.small_net import HalfGridUNet
from napari_medseg.engine.by_example.adapt.views import Strengths, draw_views
from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.devices import choose_precision
from napari_medseg.engine.muon import Muon
from napari_medseg.engine.resample import resize, shrink_mask
from napari_medseg.engine.scaling import scale_to_unit
from napari_medseg.nets import UNet

WIDTH, BATCH = adapt_fit.WIDTH, adapt_fit.BATCH
NETS: dict[str, Callable[[int], nn.Module]] = {
    "whole grid": lambda channels: UNet(channels, 1, width=WIDTH),
    "half grid": lambda channels: HalfGridUNet(channels, 1, width=WIDTH),
}
RATES = {"AdamW": 2e-3, "Muon": adapt_fit.RATE}
DTYPE = choose_precision("auto", torch.device("cpu"))


def optimiser_of(name: str, net: nn.Module) -> torch.optim.Optimizer:
    if name == "Muon":
        return Muon(net.parameters(), RATES[name], adapt_fit.MOMENTUM, dtype=DTYPE)
    return torch.optim.AdamW(net.parameters(), RATES[name], weight_decay=1e-2)


def fit(net: nn.Module, name: str, planes: Tensor, masks: Tensor, seconds: float) -> int:
    """Fit a net for so many seconds of processor time, and say how many steps it made."""
    optimiser = optimiser_of(name, net)
    sights = adapt_fit.sights_of(planes, masks)
    rng = np.random.default_rng(0)
    start, steps, part = time.process_time(), 0, 0.0
    net.train()
    while part < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATES[name] * adapt_fit.pace(part, steps)
        seen, wanted = sights[0 if rng.random() < adapt_fit.WHOLE else -1]
        chosen = torch.from_numpy(rng.integers(0, len(seen), BATCH))
        views = draw_views(rng, seen[chosen], wanted[chosen], planes.shape[1], Strengths())
        loss = adapt_fit.fitting_loss(adapt_fit.forward(net, views[0], DTYPE), views[1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps += 1
        part = (time.process_time() - start) / seconds
    return steps


def plane_of(image: NDArray, colours: bool, side: int) -> NDArray[np.float32]:
    """Give an image as channels (K, side, side) in [0, 1]."""
    plane = scale_to_unit(image)
    if not colours and plane.ndim == 3:
        plane = plane.mean(-1)
    maps = np.moveaxis(plane, -1, 0) if plane.ndim == 3 else plane[None]
    return np.stack([resize(np.ascontiguousarray(one), (side, side)) for one in maps])


def scores(task: Task, shots: int, queries: int, seconds: float) -> dict[str, float]:
    """Mean Dice of every net and optimiser on the queries, and the milliseconds of a step."""
    order = np.random.default_rng(0).permutation(len(task.pairs))
    asked = [task.pairs[i] for i in order[:queries]]
    shown = [task.pairs[i] for i in order[queries : queries + shots]]
    side = LARGE if max(max(mask.shape) for _, mask in shown) >= LARGE_FROM else SMALL
    planes = torch.from_numpy(np.stack([plane_of(x, task.colours, side) for x, _ in shown]))
    masks = np.stack([shrink_mask(mask, (side, side)) for _, mask in shown])[:, None]
    wanted = torch.from_numpy(masks.astype(np.float32))
    result: dict[str, float] = {}
    for grid, make in NETS.items():
        for name in RATES:
            torch.manual_seed(0)
            net = make(planes.shape[1])
            steps = fit(net, name, planes, wanted, seconds)
            found = []
            for image, mask in asked:
                plane = torch.from_numpy(plane_of(image, task.colours, side))
                answer, _ = adapt_fit.probabilities([net], plane, len(plane), DTYPE)
                found.append(dice(resize_maps(answer.mean(0), mask.shape)[0] >= 0.5, mask))
            result[f"{grid}, {name}"] = float(np.mean(found))
            result[f"ms {grid}, {name}"] = 1000 * seconds / steps
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=OPEN_DATA)
    parser.add_argument("--tasks", nargs="*", default=[])
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--queries", type=int, default=8)
    parser.add_argument("--classes", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=14.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    real = asked.data.is_dir()
    tasks = read_tasks(asked.data, asked.tasks, asked.classes) if real else drawn_tasks(24)
    columns = [f"{grid}, {name}" for grid in NETS for name in RATES]
    print(f"{'task':32} " + " ".join(f"{name:>20}" for name in columns) + "   ms of a step")
    rows = []
    for task in tasks:
        if len(task.pairs) < asked.queries + 3:
            continue
        row = scores(task, asked.shots, asked.queries, asked.seconds)
        rows.append(row)
        cells = " ".join(f"{row[name]:20.3f}" for name in columns)
        times = " ".join(f"{row[f'ms {name}']:4.0f}" for name in columns)
        print(f"{task.name:32} {cells}   {times}", flush=True)
    means = " ".join(f"{np.mean([row[name] for row in rows]):20.3f}" for name in columns)
    print(f"{f'mean of {len(rows)}':32} {means}")


if __name__ == "__main__":
    main()
