"""How far labels change with the way a model is computed: bfloat16 or ONNX Runtime against torch.

Each image is segmented both ways, with the same options. Printed are the share of pixels with
another label, the Dice coefficient of the two label maps, and that of either with the reference.

Run with ``python benchmarks/bench_precision.py MODEL FOLDER``; the folder holds ``images/`` and
``masks/`` with equal stems.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import timing  # noqa: F401  first: it sets what torch reads at import

# isort: split
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_medseg.engine.results import Segmentation, finished
from napari_medseg.engine.with_model.job import runner_for, segment_job
from napari_medseg.engine.with_model.options import SegmentOptions

WAYS = {"bfloat16": {"precision": "bfloat16"}, "ONNX Runtime": {"runtime": "onnx"}}

HEADER = (
    "| way | images | pixels with another label | Dice of the two | Dice with the reference "
    "| this way | largest difference |\n|---|---|---|---|---|---|---|"
)

Labels = NDArray[np.integer]


def read_cases(folder: Path, count: int) -> list[tuple[Labels, Labels]]:
    """Give images with their masks, spread over a folder."""
    files = sorted((folder / "images").iterdir())
    chosen = np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).round())
    return [
        (_pixels(files[int(number)]), _pixels(next((folder / "masks").glob(f"{stem}.*"))))
        for number in chosen
        for stem in [files[int(number)].stem]
    ]


def _pixels(file: Path) -> Labels:
    with Image.open(file) as image:
        return np.asarray(image)


def mean_dice(found: Labels, wanted: Labels, classes: int) -> float:
    """Give the mean Dice coefficient over classes; 1 where a class is in neither."""
    scores = []
    for index in range(1, classes):
        a, b = found == index, wanted == index
        both = a.sum() + b.sum()
        scores.append(2 * (a & b).sum() / both if both else 1.0)
    return float(np.mean(scores))


def row(way: str, pairs: list[tuple[Segmentation, Segmentation]], masks: list[Labels]) -> str:
    """Compare what two ways found in the same images."""
    unlike = [100 * float((a.labels != b.labels).mean()) for a, b in pairs]
    classes = len(pairs[0][0].class_names)
    cases = list(zip(pairs, masks, strict=True))
    alike = [mean_dice(a.labels, b.labels, classes) for a, b in pairs]
    plain, other = (
        [mean_dice(pair[side].labels, mask, classes) for pair, mask in cases] for side in (0, 1)
    )
    largest = np.abs(np.subtract(plain, other)).max()
    return (
        f"| {way} | {len(pairs)} | {np.mean(unlike):.3f} %, at most {max(unlike):.2f} % "
        f"| {np.mean(alike):.4f}, at least {min(alike):.4f} "
        f"| {np.mean(plain):.4f} | {np.mean(other):.4f} | {largest:.4f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=20, help="images, spread over the folder")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cases = read_cases(chosen.folder, chosen.images)
    plain = runner_for(SegmentOptions(chosen.model))
    print(HEADER)
    for way in chosen.ways:
        options = SegmentOptions(chosen.model, **WAYS[way])
        runner = runner_for(options)
        pairs = [
            (
                finished(segment_job(image, SegmentOptions(chosen.model), runner=plain)),
                finished(segment_job(image, options, runner=runner)),
            )
            for image, _ in cases
        ]
        print(row(way, pairs, [mask for _, mask in cases]))


if __name__ == "__main__":
    main()
