"""How good the clustering methods are, measured so that nothing is given away.

The reference mask is used for one thing only: to pick the cluster that holds most of the object's
pixels, whichever number it has. Two figures per image: the Dice coefficient of that whole cluster,
and of its connected piece that holds most of the object, which is what a person gets by clicking.
Nothing is clipped with the reference; the published evaluation erases false positives far from the
object with it. Methods are compared on the same images, with bootstrap intervals of the paired
difference (images are drawn, seeds averaged).

Run with ``python benchmarks/bench_cluster_quality.py FOLDER...``; each folder holds ``images/`` and
``masks/`` with equal stems. Results are added to a file, so an interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import timing  # noqa: F401  first: it sets what torch reads at import

# isort: split
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_medseg.engine.cluster.job import cluster

WAYS: dict[str, dict[str, str | int]] = {
    "Otsu": {"method": "otsu"},
    "k-means, 2": {"method": "kmeans"},
    "k-means, 3": {"method": "kmeans", "clusters": 3},
    "S3-Net": {"method": "s3net"},
    "S3-Net improved": {"method": "s3net-improved"},
    "Otsu, focused": {"method": "otsu", "focus": "dark"},
    "k-means, 2, focused": {"method": "kmeans", "focus": "dark"},
    "S3-Net, focused": {"method": "s3net", "focus": "dark"},
    "S3-Net improved, focused": {"method": "s3net-improved", "focus": "dark"},
    "Otsu, lesion": {"method": "otsu", "focus": "lesion"},
    "k-means, 2, lesion": {"method": "kmeans", "focus": "lesion"},
    "S3-Net, lesion": {"method": "s3net", "focus": "lesion"},
    "S3-Net improved, lesion": {"method": "s3net-improved", "focus": "lesion"},
}
BASELINES = ("k-means, 2", "k-means, 2, focused")
FIGURES = ("cluster", "clicked")
RESAMPLES = 10_000

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """An image and the mask of what is in it."""

    name: str
    image: NDArray[np.uint8]
    mask: Mask


def read_cases(folder: Path, first: int, count: int, size: int) -> list[Case]:
    cases = []
    for file in sorted((folder / "images").iterdir())[first : first + count]:
        mask_file = next((folder / "masks").glob(f"{file.stem}.*"))
        with Image.open(file) as image, Image.open(mask_file) as mask:
            scale = size / max(image.size)
            shape = (round(image.width * scale), round(image.height * scale))
            pixels = np.asarray(image.resize(shape, Image.Resampling.BICUBIC))
            inside = np.asarray(mask.resize(shape, Image.Resampling.NEAREST)) > 0
        if inside.any():
            cases.append(Case(f"{folder.name}/{file.stem}", pixels, inside))
    return cases


def dice(found: Mask, wanted: Mask) -> float:
    return float(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))


def honest_scores(labels: NDArray[np.uint8], mask: Mask) -> tuple[float, float]:
    """Dice of the cluster that holds most of the object, and of its piece that does."""
    cluster_of_object = labels == np.bincount(labels[mask]).argmax()
    pieces, _ = ndimage.label(cluster_of_object)
    piece = np.bincount(pieces[mask & cluster_of_object]).argmax()
    return dice(cluster_of_object, mask), dice(pieces == piece, mask)


def measure(cases: list[Case], seeds: int, size: int, store: Path) -> dict[str, list[float]]:
    """Score every method on every case with every seed that is not in the store yet."""
    scores: dict[str, list[float]] = json.loads(store.read_text()) if store.exists() else {}
    for seed in range(seeds):
        for case in cases:
            for way, options in WAYS.items():
                key = f"{case.name}|{way}|{seed}"
                if key not in scores:
                    labels = cluster(case.image, seed=seed, size=size, **options).labels
                    scores[key] = list(honest_scores(labels, case.mask))
            store.write_text(json.dumps(scores))
    return scores


def table(cases: list[Case], scores: dict[str, list[float]], seeds: int) -> None:
    """Print means and paired differences to the baselines with 95 % intervals."""
    by_way = {
        way: np.array(
            [
                np.mean([scores[f"{case.name}|{way}|{seed}"] for seed in range(seeds)], axis=0)
                for case in cases
            ]
        )
        for way in WAYS
    }
    draws = np.random.default_rng(0).integers(0, len(cases), (RESAMPLES, len(cases)))
    against = (f"{figure} against {way}" for way in BASELINES for figure in FIGURES)
    print(f"| {len(cases)} images, {seeds} seeds |", " | ".join((*FIGURES, *against)), "|")
    print("|---" * (1 + len(FIGURES) * (1 + len(BASELINES))) + "|")
    for way, values in by_way.items():
        cells = [f"{mean:.3f}" for mean in values.mean(0)]
        for baseline in BASELINES:
            for difference in (values - by_way[baseline]).T:
                low, high = np.percentile(difference[draws].mean(1), (2.5, 97.5))
                cells.append(f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
        print(f"| {way} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--first", type=int, default=0, help="index of the first image taken")
    parser.add_argument("--images", type=int, default=12, help="images per folder")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=96, help="longer side, in pixels")
    parser.add_argument("--store", type=Path, default=Path("cluster_quality.json"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for folder in chosen.folders:
        cases = read_cases(folder, chosen.first, chosen.images, chosen.size)
        print(f"\n{folder.name}")
        table(cases, measure(cases, chosen.seeds, chosen.size, chosen.store), chosen.seeds)


if __name__ == "__main__":
    main()
