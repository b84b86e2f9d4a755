"""The training loop of in-context networks: read top to bottom.

A step's batch follows from its number, so that a run that was stopped goes on exactly as if it had
not been: network, optimiser, moving average and step number are all there is to restore.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medseg_training import checkpoints
from medseg_training.events import EventLog
from medseg_training.in_context.episodes import mean_dice, one_pass
from medseg_training.in_context.recipe import Recipe, Stage
from medseg_training.in_context.sampler import Sampler
from medseg_training.in_context.sources import read_sources
from medseg_training.in_context.tasks import ImageTask, read_tasks
from medseg_training.losses import dice_bce_loss
from medseg_training.optimisers import Muon
from napari_medseg.nets.universeg import UniverSeg


class TrainingError(RuntimeError):
    """A training that cannot go on; the last good checkpoint is untouched."""


class Trainer:
    """One run: a recipe, its tasks, a folder.

    Parameters
    ----------
    recipe
        The checked values.
    run
        The run folder; made where it does not exist.
    tasks, held_out
        Real tasks to train on, and tasks to watch the Dice on.
    """

    def __init__(
        self,
        recipe: Recipe,
        run: Path,
        tasks: Sequence[ImageTask],
        held_out: Sequence[ImageTask] = (),
        *,
        echo: bool = True,
    ) -> None:
        self.recipe, self.run, self.held_out = recipe, run, held_out
        self.device = torch.device(recipe.device)
        torch.manual_seed(recipe.seed)
        self.net = UniverSeg(encoder_blocks=recipe.encoder_blocks).to(self.device)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        # The last block's support output is never used (universeg.py), so it has no gradient.
        unused = f"dec_blocks.{len(self.net.dec_blocks) - 1}.support."
        self._trained = [p for n, p in self.net.named_parameters() if not n.startswith(unused)]
        self.optimiser = make_optimiser(recipe, self._trained)
        self._threads = ThreadPoolExecutor(recipe.parts)
        self.sampler = Sampler(tasks, recipe)
        self.step = 0
        self.log = EventLog(run / "events.jsonl", echo=echo)
        self._stop = False

    def fit(self) -> None:
        """Train to the last step of the recipe, or until asked to stop; ends with a checkpoint.

        Raises
        ------
        TrainingError
            When the loss is no finite number.
        """
        self._describe()
        started = saved = time.monotonic()
        losses: list[float] = []
        while self.step < self.recipe.steps and not self._stopping():
            losses.append(self._one_step())
            self.step += 1
            if self.step % self.recipe.log_every == 0:
                pace = (time.monotonic() - started) / self.recipe.log_every
                self._report(losses, pace)
                losses, started = [], time.monotonic()
            if self.held_out and self.step % self.recipe.validate_every == 0:
                self.validate()
                started = time.monotonic()
            if time.monotonic() - saved > 60 * self.recipe.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
        self.save()
        self.log.write("finished" if self.step >= self.recipe.steps else "stopped", step=self.step)

    def validate(self) -> dict[str, float]:
        """Measure and log the moving average's Dice on the held-out tasks for 1, 4, 16 examples."""
        stage = self._stage()
        net = copy.deepcopy(self.average).cpu()
        method = one_pass(net, stage.size, bfloat16=self.recipe.precision == "bfloat16")
        scores: dict[str, float] = {}
        for support in (1, 4, 16):
            values = {
                task.name: mean_dice(task, method, support, queries=4) for task in self.held_out
            }
            scores[str(support)] = round(float(np.mean(list(values.values()))), 4)
        tasks = {name: round(value, 3) for name, value in values.items()}
        self.log.write("validation", step=self.step, dice=scores, tasks=tasks)
        return scores

    def save(self) -> None:
        """Write a checkpoint."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        path = checkpoints.save(self.run / "checkpoints", state)
        self.log.write("checkpoint", step=self.step, path=path.name)

    def resume(self) -> None:
        """Go on from the last readable checkpoint of the run folder."""
        state = checkpoints.load(self.run / "checkpoints")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
        self.log.write("resumed", step=self.step)

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Begin with given weights (official keys) instead of random ones."""
        self.net.load_state_dict(weights)
        self.average.load_state_dict(weights)

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT end the run after the present step, with a checkpoint."""

        def ask(_signal: int, _frame: FrameType | None) -> None:
            self._stop = True

        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)

    def _one_step(self) -> float:
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.step)
        results = list(self._threads.map(self._part, range(recipe.parts)))
        loss = sum(value for value, _ in results) / recipe.parts
        if not np.isfinite(loss):
            raise TrainingError(
                f"The loss of step {self.step} is {loss}; lower optimiser.rate and resume from the "
                "last checkpoint."
            )
        for i, parameter in enumerate(self._trained):
            # The order of the sum is fixed, whichever part was finished first.
            parameter.grad = sum((gradients[i] for _, gradients in results[1:]), results[0][1][i])
            parameter.grad = parameter.grad / recipe.parts
        nn.utils.clip_grad_norm_(self._trained, recipe.optimiser.clip_norm)
        self.optimiser.step()
        self._move_average()
        return loss

    def _part(self, part: int) -> tuple[float, tuple[Tensor, ...]]:
        """Loss and gradients of one part of the present step's batch."""
        batch = self.sampler.batch(self.step, part).to(self.device)
        with torch.autocast(
            self.device.type,
            torch.bfloat16,
            enabled=self.recipe.precision == "bfloat16",
            cache_enabled=False,
        ):
            logits = self.net(batch.query, batch.support_images, batch.support_masks)
        loss = dice_bce_loss(logits, batch.target, self.recipe.bce_weight)
        return float(loss.detach()), torch.autograd.grad(loss, self._trained)

    def _move_average(self) -> None:
        # Early on the average must follow quickly, or it keeps the random start for long.
        decay = min(self.recipe.optimiser.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)

    def _stage(self) -> Stage:
        return self.recipe.stage_at(max(0, self.step - 1))

    def _stopping(self) -> bool:
        return self._stop or (self.run / "STOP").exists()

    def _describe(self) -> None:
        (self.run / "config.json").write_text(self.recipe.model_dump_json(indent=2), "utf-8")
        (self.run / "env.json").write_text(json.dumps(environment(), indent=2), "utf-8")
        names = [task.name for task in self.sampler.tasks]
        sources = read_sources(Path(self.recipe.data.root), names)
        content = json.dumps([asdict(source) for source in sources], indent=2, ensure_ascii=False)
        (self.run / "sources.json").write_text(content, "utf-8")
        self.log.write(
            "started",
            pid=os.getpid(),
            step=self.step,
            steps=self.recipe.steps,
            tasks=names,
            held_out=[task.name for task in self.held_out],
        )

    def _report(self, losses: Sequence[float], pace: float) -> None:
        self.log.write(
            "train",
            step=self.step,
            loss=round(float(np.mean(losses)), 4),
            rate=round(learning_rate(self.recipe, self.step), 7),
            seconds_per_step=round(pace, 4),
            size=self._stage().size,
        )


def make_optimiser(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Make the optimiser that a recipe names."""
    law = recipe.optimiser
    if law.kind == "muon":
        return Muon(parameters, law.rate, law.momentum, law.betas)
    return torch.optim.Adam(parameters, law.rate, law.betas)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, a constant stretch and a linear fall to a fiftieth over the last steps."""
    law = recipe.optimiser
    rise = min(1.0, (step + 1) / max(1, law.warm_up))
    left = min(1.0, (recipe.steps - step) / max(1, law.fall))
    return law.rate * rise * max(0.02, left)


def environment() -> dict[str, Any]:
    """Versions that a run depends on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
    }


def build_trainer(recipe: Recipe, run: Path, *, echo: bool = True) -> Trainer:
    """Read the tasks that a recipe names and make its trainer."""
    root = Path(recipe.data.root)
    left_out = recipe.data.leave_out
    tasks = read_tasks(root, leave_out=left_out)
    held_out = [task for task in read_tasks(root) if task.name in left_out] if left_out else []
    return Trainer(recipe, run, tasks, held_out, echo=echo)
