"""How far the in-context net's answers change in bfloat16, on the sample images.

Two images, or two planes of a volume, of each set are segmented both ways with the set's examples,
without a second look. Printed are the differences of probabilities and logits, the share of pixels
with another label, the Dice coefficient of the two label maps, and that of either with the right
answer.

Run with ``python benchmarks/bench_precision_in_context.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import timing  # noqa: F401  first: it sets what torch reads at import

# isort: split
import numpy as np
from bench_precision import mean_dice
from numpy.typing import NDArray

import medseg_samples
from napari_medseg.engine.by_example.job import segment_by_example
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels

HEADER = (
    "| sample set | probability: mean, largest | logit: mean, largest (spread) | pixels with "
    "another label | Dice of the two | Dice with the right answer, float32 | bfloat16 |\n"
    "|---|---|---|---|---|---|---|"
)
UNDECIDED = (1e-3, 1 - 1e-3)
"""Probabilities between which logits are compared; beyond, a tiny change is a large logit."""


@dataclass
class Question:
    """A plane to segment: the image it is in, which plane, and the right answer."""

    image: NDArray[np.generic]
    rgb: bool
    planes: list[int] | None
    wanted: NDArray[np.integer]


def questions(name: str) -> list[Question]:
    """Give two planes of a set, a third and two thirds through."""
    folder = medseg_samples.FOLDER / name
    pairs = zip(sorted(folder.glob("images/*")), sorted(folder.glob("masks/*")), strict=True)
    read = [(read_image(image), read_labels(mask).labels) for image, mask in pairs]
    if len(read) > 1:
        chosen = [read[len(read) * part // 3] for part in (1, 2)]
        return [Question(image.data, image.rgb, None, mask) for image, mask in chosen]
    image, mask = read[0]
    positions = [len(mask) * part // 3 for part in (1, 2)]
    return [Question(image.data, image.rgb, [at], mask[at]) for at in positions]


def both_ways(question: Question, support: SupportSet) -> list[tuple[NDArray, NDArray]]:
    """Give labels and probabilities of the plane, in float32 and in bfloat16."""
    found = []
    for precision in ("float32", "bfloat16"):
        answer = segment_by_example(
            question.image, support, refine=False, rgb=question.rgb, planes=question.planes,
            precision=precision, device="cpu",
        )  # fmt: skip
        at = question.planes[0] if question.planes else ...
        found.append((answer.labels[at], answer.probabilities[:, at]))
    return found


def row(name: str) -> str:
    """Compare both ways on a set."""
    support = SupportSet.load(medseg_samples.FOLDER / name / "examples")
    changes, logits, scores = [], [], []
    for question in questions(name):
        (exact, sure), (other, unsure) = both_ways(question, support)
        changes.append(np.abs(sure - unsure).ravel())
        open_ = (sure > UNDECIDED[0]) & (sure < UNDECIDED[1]) & (unsure > 0) & (unsure < 1)
        logits.append(np.stack([np.log(p[open_] / (1 - p[open_])) for p in (sure, unsure)]))
        count = len(support.class_names)
        scores.append(
            [
                100 * np.mean(exact != other),
                mean_dice(exact, other, count),
                mean_dice(exact, question.wanted, count),
                mean_dice(other, question.wanted, count),
            ]
        )
    change, logit = np.concatenate(changes), np.concatenate(logits, axis=1)
    apart = np.abs(logit[0] - logit[1])
    unlike, two, first, second = np.mean(scores, axis=0)
    return (
        f"| {name} | {change.mean():.4f}, {change.max():.3f} | {apart.mean():.3f}, "
        f"{apart.max():.2f} ({logit[0].std():.1f}) | {unlike:.2f} % | {two:.4f} | {first:.3f} | "
        f"{second:.3f} |"
    )


if __name__ == "__main__":
    print(HEADER)
    for sample_set in medseg_samples.SETS:
        print(row(sample_set), flush=True)
