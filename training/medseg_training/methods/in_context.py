"""Fitting a net that segments after examples: every batch element is a task of its own.

Butoi et al., "UniverSeg: Universal Medical Image Segmentation", ICCV 2023, section 3.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from medseg_training.in_context.episodes import mean_dice, one_pass
from medseg_training.in_context.recipe import Recipe
from medseg_training.in_context.sampler import Sampler, TaskBatch
from medseg_training.in_context.sources import read_sources
from medseg_training.in_context.tasks import ImageTask
from medseg_training.losses import dice_bce_loss
from medseg_training.methods.method import Method, Validation
from medseg_training.run.run_folder import SOURCES_FILE, write_text
from napari_medseg.engine.devices import choose_device
from napari_medseg.nets.universeg import UniverSeg

WATCHED = (1, 4, 16)
"""Numbers of examples that are measured."""


class InContext(Method):
    """Dice and cross-entropy of queries, given their examples.

    Parameters
    ----------
    recipe
        The checked values.
    tasks, held_out
        Real tasks to train on, and tasks to watch the Dice on.
    """

    threaded = True

    def __init__(
        self, recipe: Recipe, tasks: Sequence[ImageTask], held_out: Sequence[ImageTask] = ()
    ) -> None:
        self.recipe, self.held_out = recipe, held_out
        self.parts = recipe.parts
        self.net: UniverSeg = UniverSeg(encoder_blocks=recipe.encoder_blocks).to(
            choose_device(recipe.device)
        )
        self.sampler = Sampler(tasks, recipe)
        self._step = 0

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Give all parameters but the last block's support output, which is never used."""
        unused = f"dec_blocks.{len(self.net.dec_blocks) - 1}.support."
        kept = [p for name, p in self.net.named_parameters() if not name.startswith(unused)]
        return [{"params": kept}]

    def start_step(self, step: int) -> None:
        """Take note of the step, which the size of images follows from."""
        self._step = step

    def batch(self, step: int, part: int) -> TaskBatch:
        """Draw queries with their own examples."""
        return self.sampler.batch(step, part).to(next(self.net.parameters()).device)

    def terms(self, batch: TaskBatch) -> dict[str, Tensor]:
        """Give the loss of the queries."""
        logits = self.net(batch.query, batch.support_images, batch.support_masks)
        return {"queries": dice_bce_loss(logits, batch.target, self.recipe.bce_weight)}

    def validate(self, net: nn.Module) -> Validation | None:
        """Measure Dice on the held-out tasks for 1, 4 and 16 examples; the last one decides."""
        if not self.held_out:
            return None
        method = one_pass(
            copy.deepcopy(net).cpu(),
            self.recipe.stage_at(self._step).size,
            bfloat16=self.recipe.precision == "bfloat16",
        )
        tables = {
            support: {
                task.name: mean_dice(task, method, support, queries=4) for task in self.held_out
            }
            for support in WATCHED
        }
        means = {str(n): round(float(np.mean(list(t.values()))), 4) for n, t in tables.items()}
        tasks = {name: round(value, 3) for name, value in tables[WATCHED[-1]].items()}
        score = means[str(WATCHED[-1])]
        return Validation(score, 1 - score, {"examples": means, "tasks": tasks})

    def describe(self, run: Path) -> dict[str, Any]:
        """Write where the data comes from; give the names of the tasks."""
        pairs = {task.name: len(task.pairs) for task in self.sampler.tasks}
        sources = read_sources(Path(self.recipe.data.root), pairs)
        content = json.dumps([asdict(source) for source in sources], indent=2, ensure_ascii=False)
        write_text(run / SOURCES_FILE, content)
        return {"tasks": list(pairs), "held_out": [task.name for task in self.held_out]}
