"""What a second look and learned colours gain in segmentation by example, in Dice.

Every task is a folder (images/, masks/ of equal names); each of its classes is asked for alone,
with a few examples drawn once, on queries that are not among them. Columns are the ways to look;
``auto`` is what the app does, choosing by leave-one-out on the examples. Without a data folder,
tasks are drawn from formulas.

    python benchmarks/bench_by_example.py --data ../shared/data/open --tasks us_breast_busi ...
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.by_example.job import segment_by_example
from napari_medseg.engine.by_example.options import DEFAULT_MODEL
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels

OPEN_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "open"
SMALL = 0.05
"""A class that covers less of the plane than this counts as thin or small."""

WAYS = {
    "grey once": {"colour": "grey", "refine": False},
    "grey twice": {"colour": "grey", "refine": True},
    "colour once": {"colour": "learned", "refine": False},
    "colour twice": {"colour": "learned", "refine": True},
    "auto": {},
}

Pair = tuple[NDArray, NDArray]


@dataclass(frozen=True)
class Task:
    """Pairs of images and binary masks."""

    name: str
    pairs: list[Pair]

    @property
    def colours(self) -> bool:
        """Whether all images have colours."""
        return all(image.ndim == 3 for image, _ in self.pairs)

    @property
    def share(self) -> float:
        """Part of the plane that the class covers, on average."""
        return float(np.mean([mask.mean() for _, mask in self.pairs]))


def read_tasks(folder: Path, names: list[str], most_classes: int) -> Iterator[Task]:
    """Read the classes of task folders, the most frequent ones first."""
    for task in sorted(path for path in folder.iterdir() if (path / "masks").is_dir()):
        if names and task.name not in names:
            continue
        masks = {path.stem: read_labels(path).labels for path in (task / "masks").iterdir()}
        images = {path.stem: read_image(path).data for path in (task / "images").iterdir()}
        found = np.concatenate([np.unique(mask) for mask in masks.values()])
        values, counts = np.unique(found[found > 0], return_counts=True)
        for value in values[np.argsort(-counts, kind="stable")][:most_classes]:
            pairs = [
                (images[stem], masks[stem] == value)
                for stem in sorted(masks)
                if (masks[stem] == value).any()
            ]
            if len(pairs) >= 5:
                yield Task(f"{task.name}:{value}", pairs)


def drawn_tasks(n: int = 16) -> Iterator[Task]:
    """Draw a small bright spot, thin curved lines, and a patch that differs in colour alone."""
    rows, columns = np.mgrid[:256, :256]

    def texture(rng: np.random.Generator) -> NDArray:
        coarse = rng.normal(110, 25, (9, 9))
        return np.kron(coarse, np.ones((29, 29)))[:256, :256] + rng.normal(0, 8, (256, 256))

    def spot(rng: np.random.Generator) -> Pair:
        row, column = rng.uniform(60, 200, 2)
        mask = (rows - row) ** 2 + 2 * (columns - column) ** 2 < rng.uniform(9, 14) ** 2
        return (texture(rng) + 70 * mask).clip(0, 255).astype(np.uint8), mask

    def lines(rng: np.random.Generator) -> Pair:
        mask = np.zeros((256, 256), bool)
        for _ in range(6):
            offset, slope, bend = rng.uniform(20, 236), rng.uniform(-0.5, 0.5), rng.uniform(8, 30)
            path = offset + slope * (columns - 128) + bend * np.sin(columns / rng.uniform(25, 50))
            mask |= np.abs(rows - path) < 2
        return (texture(rng) - 60 * mask).clip(0, 255).astype(np.uint8), mask

    def patch(rng: np.random.Generator) -> Pair:
        row, column = rng.uniform(90, 166, 2)
        mask = (rows - row) ** 2 + (columns - column) ** 2 < rng.uniform(35, 50) ** 2
        image = np.repeat(texture(rng)[..., None], 3, axis=-1)
        image[mask] += (40.0, -20.4, 0.0)  # equal brightness, redder
        return image.clip(0, 255).astype(np.uint8), mask

    for draw in (spot, lines, patch):
        yield Task(f"drawn {draw.__name__}", [draw(np.random.default_rng(i)) for i in range(n)])


def scores(task: Task, shots: int, queries: int, model: str) -> dict[str, float]:
    """Mean Dice of every way, and the seconds of CPU that choosing and each plane took."""
    order = np.random.default_rng(0).permutation(len(task.pairs))
    asked = [task.pairs[i] for i in order[:queries]]
    support = SupportSet()
    for i in order[queries : queries + shots]:
        support.add(*task.pairs[i])
    result: dict[str, float] = {}
    for way, options in WAYS.items():
        if "colour " in way and not task.colours:
            continue
        found, seconds = [], []
        for image, mask in asked:
            start = time.process_time()
            labels = segment_by_example(image, support, model=model, device="cpu", **options).labels
            seconds.append(time.process_time() - start)
            found.append(dice(labels == 1, mask))
        result[way] = float(np.mean(found))
    result["s first"], result["s plane"] = seconds[0], float(np.mean(seconds[1:]))
    return result


def report(rows: list[tuple[Task, dict[str, float]]], title: str) -> None:
    """Print the mean over tasks and what each way gains over one look in grey."""
    if not rows:
        return
    means = {
        way: float(np.mean([row.get(way, row[way.replace("colour", "grey")]) for _, row in rows]))
        for way in WAYS
    }
    base = means["grey once"]
    gains = ", ".join(f"{way} {value:.3f} ({value - base:+.3f})" for way, value in means.items())
    print(f"{title} ({len(rows)} rows): {gains}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=OPEN_DATA)
    parser.add_argument("--tasks", nargs="*", default=[])
    parser.add_argument("--shots", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--queries", type=int, default=4)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    asked = parser.parse_args()
    real = asked.data.is_dir()
    tasks = read_tasks(asked.data, asked.tasks, asked.classes) if real else drawn_tasks()
    columns = [*WAYS, "s first", "s plane"]
    print(f"{'task':32} {'area':>6} {'S':>3} " + " ".join(f"{name:>12}" for name in columns))
    rows: list[tuple[Task, dict[str, float]]] = []
    for task in tasks:
        for shots in asked.shots:
            if len(task.pairs) < shots + 2:
                continue
            row = scores(task, shots, min(asked.queries, len(task.pairs) - shots), asked.model)
            rows.append((task, row))
            cells = " ".join(f"{row.get(name, np.nan):12.3f}" for name in columns)
            print(f"{task.name:32} {task.share:6.3f} {shots:3d} {cells}", flush=True)
    report(rows, "all")
    report([row for row in rows if row[0].share < SMALL], f"thin or small (< {SMALL:.0%})")
    report([row for row in rows if row[0].colours], "colour")


if __name__ == "__main__":
    main()
