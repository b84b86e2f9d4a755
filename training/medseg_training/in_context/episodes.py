"""Fixed trials of a task for measuring: which examples, which queries, and the Dice reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medseg_training.in_context.tasks import ImageTask, Pair
from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.colour import GREY_WEIGHTS
from napari_medseg.engine.resample import shrink_mask


@dataclass(frozen=True)
class Trial:
    """A binary question: examples of one class, and the queries to be segmented after them."""

    class_index: int
    support: tuple[Pair, ...]
    queries: tuple[Pair, ...]

    def mask(self, pair: Pair) -> np.ndarray:
        """Boolean mask of the class in a pair, at the pair's own size."""
        mask: np.ndarray = pair.labels == self.class_index
        return mask


Segmenter = Callable[[Trial], Sequence[np.ndarray]]
"""Gives for each query of a trial its boolean mask at the query's own size."""


def trials(
    task: ImageTask,
    support: int,
    *,
    queries: int = 8,
    draws: int = 1,
    classes: int = 0,
    seed: int = 0,
) -> Iterator[Trial]:
    """Give `draws` trials per class; no pair is example and query of the same trial.

    A quarter of the pairs that show the class, at most `queries`, are asked about; the examples
    come from the rest, and are fewer than `support` where there are not enough. The queries of a
    draw are the same for every support size. With `classes`, only so many are asked for: the first.
    """
    for class_index in task.classes[: classes or None]:
        holders = task.holders[class_index]
        asked = min(queries, max(1, len(holders) // 4))
        for draw in range(draws):
            order = np.random.default_rng([seed, class_index, draw]).permutation(holders)
            pairs = [task.pairs[int(p)] for p in order]
            shown = pairs[: min(support, len(pairs) - asked)]
            yield Trial(class_index, tuple(shown), tuple(pairs[len(pairs) - asked :]))


def mean_dice(task: ImageTask, segmenter: Segmenter, support: int, **limits: int) -> float:
    """Mean over classes of the mean Dice over the queries of a class."""
    scores: dict[int, list[float]] = {}
    for trial in trials(task, support, **limits):
        masks = segmenter(trial)
        for mask, query in zip(masks, trial.queries, strict=True):
            scores.setdefault(trial.class_index, []).append(dice(mask, trial.mask(query)))
    return float(np.mean([np.mean(values) for values in scores.values()]))


def grey_planes(pairs: Sequence[Pair], size: int) -> Tensor:
    """Grey images (N, 1, size, size) in [0, 1]."""
    planes = [p.pyramid[0] for p in pairs]
    grey = [
        torch.einsum("chw,c->hw", p, torch.tensor(GREY_WEIGHTS)) if len(p) == 3 else p[0]
        for p in planes
    ]
    resized = [
        F.interpolate(g[None, None], size=(size, size), mode="bilinear", antialias=True)[0]
        for g in grey
    ]
    return torch.stack(resized).clamp(0, 1)


def mask_planes(trial: Trial, size: int) -> Tensor:
    """Masks of the examples (S, 1, size, size), 0 and 1."""
    masks = [shrink_mask(trial.mask(pair), (size, size)) for pair in trial.support]
    return torch.from_numpy(np.stack(masks))[:, None]


def one_pass(net: nn.Module, size: int, *, bfloat16: bool = False) -> Segmenter:
    """One pass of an in-context net over the whole grey image at `size`."""

    def segment(trial: Trial) -> list[np.ndarray]:
        support, masks = grey_planes(trial.support, size)[None], mask_planes(trial, size)[None]
        queries = grey_planes(trial.queries, size)
        found = []
        for query, pair in zip(queries, trial.queries, strict=True):
            with (
                torch.inference_mode(),
                torch.autocast("cpu", torch.bfloat16, enabled=bfloat16),
            ):
                logits = net(query[None], support, masks).float()
            found.append(enlarged(logits.sigmoid(), pair) >= 0.5)
        return found

    return segment


def enlarged(plane: Tensor, pair: Pair) -> np.ndarray:
    """Bring a (1, 1, s, s) plane to the size of a pair, bilinearly."""
    large = F.interpolate(plane, size=pair.labels.shape, mode="bilinear", align_corners=False)
    values: np.ndarray = large[0, 0].numpy()
    return values
