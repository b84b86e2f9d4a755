"""The training loop, for every net and method: read top to bottom.

Everything in a step follows from its number: its batch, its augmentation, what dropout leaves out.
So network, optimiser, moving average, schedule and step number are all there is to restore, and a
run that was stopped or killed goes on exactly as if it had not been.
"""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medseg_training.distributed import Processes
from medseg_training.gradients import Gradients
from medseg_training.methods.method import Method, Plan, Validation
from medseg_training.run import checkpoints
from medseg_training.run.run_folder import RunFolder
from medseg_training.run.stopping import StopRequest
from medseg_training.schedules import Schedule
from medseg_training.words import few_steps
from napari_medseg.engine.results import counted
from napari_medseg.nets.inference import is_lack_of_memory

LONGEST_SILENCE = 10.0
"""Seconds after which slow steps are reported before the recipe asks for it."""


class TrainingError(RuntimeError):
    """A training that cannot go on; the last good checkpoint is untouched."""


class Trainer:
    """One run: a method, a plan, a folder.

    Parameters
    ----------
    method
        What is trained on what, see `Method`.
    plan
        How long, and what happens when.
    optimiser, schedule
        How the weights are changed, and how its rate moves.
    run
        Where everything is written.
    dtype
        The type that the net computes in.
    processes
        Those that share the training; only the first writes.
    """

    def __init__(
        self,
        method: Method,
        plan: Plan,
        optimiser: torch.optim.Optimizer,
        schedule: Schedule,
        run: RunFolder,
        *,
        dtype: torch.dtype = torch.float32,
        processes: Processes | None = None,
    ) -> None:
        self.method, self.plan, self.run = method, plan, run
        self.optimiser, self.schedule = optimiser, schedule
        self.processes = processes or Processes()
        self.net = method.net
        self.average = copy.deepcopy(self.net).requires_grad_(False) if plan.ema else None
        self.step = 0
        self.best = -math.inf
        self.since_best = 0
        self.stop = StopRequest(run.path)
        self._rates = [group["lr"] for group in optimiser.param_groups]
        self._trained = [p for group in optimiser.param_groups for p in group["params"]]
        self._gradients = Gradients(method, self._trained, dtype, self.processes)
        self._losses: list[dict[str, Tensor]] = []
        self._clock = time.monotonic()

    @property
    def trained(self) -> nn.Module:
        """The net to validate and export: the moving average, where there is one."""
        return self.net if self.average is None else self.average

    def fit(self) -> None:
        """Train to the last step, or until asked to stop; ends with a checkpoint.

        Raises
        ------
        TrainingError
            When loss or weights are no finite numbers, or the device has not enough memory.
        """
        plan = self.plan
        self._describe()
        self.method.train_mode()
        saved = self._clock = time.monotonic()
        while self.step < plan.steps and not self._stopping():
            self.advance()
            self.step += 1
            if self._report_is_due():
                self._report()
            if self.step % plan.validate_every == 0 or self.step == plan.steps:
                self.validate()
            if time.monotonic() - saved > 60 * plan.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
        self.save()
        ended_early = plan.early_stop and self.since_best >= plan.early_stop
        finished = self.step >= plan.steps or ended_early
        self.run.log("finished" if finished else "stopped", step=self.step, best=_number(self.best))

    def validate(self) -> Validation | None:
        """Measure, log, and keep the weights if they are the best so far."""
        self._check_state()
        began = time.monotonic()
        found = self._measured()
        if found is None:
            return None
        if not math.isfinite(found.loss):
            raise TrainingError(
                f"After {counted(self.step, 'step')} the loss on the cases to validate on is "
                f"{found.loss}; {self._what_to_do()}"
            )
        # Plateaus and early stops are decided by the first process, for all.
        score, loss = (
            self.processes.agreed(value if self.processes.leads else -math.inf)
            for value in (found.score, found.loss)
        )
        self.schedule.observe(loss)
        self.since_best += 1
        if score > self.best:
            self.best, self.since_best = score, 0
            if self.processes.leads:
                checkpoints.save_weights(self.run.checkpoints, self.trained.state_dict())
        self.run.validation(self.step, self.step / self.plan.steps_per_epoch, found)
        self._clock += time.monotonic() - began  # the pace is that of training
        return found

    def _measured(self) -> Validation | None:
        """Let every process measure, at the same time; the first one's findings count."""
        self.trained.eval()
        with torch.no_grad():
            found = self.method.validate(self.trained)
        self.method.train_mode()
        return found

    def save(self) -> None:
        """Write a checkpoint; what is no finite number is never written."""
        self._check_state()
        if not self.processes.leads:
            return
        state = {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict()}
        if self.average is not None:
            state["average"] = self.average.state_dict()
        path = checkpoints.save(self.run.checkpoints, state | self._progress())
        self.run.log("checkpoint", step=self.step, path=path.name)

    def _progress(self) -> dict[str, Any]:
        """Give where the training is, beside its weights."""
        return {
            "step": self.step,
            "scaler": self._gradients.scaler.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": self.best,
            "since_best": self.since_best,
        }

    def resume(self) -> None:
        """Go on from the last readable checkpoint of the run folder.

        Raises
        ------
        CheckpointError
            When there is none.
        """
        state = checkpoints.load(self.run.checkpoints)
        self.net.load_state_dict(state["net"])
        if self.average is not None:
            self.average.load_state_dict(state.get("average", state["net"]))
        self._load_optimiser(state["optimiser"])
        self._gradients.scaler.load_state_dict(state["scaler"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = int(state["step"])
        self.best, self.since_best = float(state["best"]), int(state["since_best"])
        self.run.log("resumed", step=self.step)

    def _load_optimiser(self, state: dict[str, Any]) -> None:
        """Take over what the optimiser has gathered; how it goes on is said by the recipe."""
        laws = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.optimiser.param_groups
        ]
        self.optimiser.load_state_dict(state)
        for group, law in zip(self.optimiser.param_groups, laws, strict=True):
            group.update(law)

    def advance(self) -> None:
        """Change the weights once, as the present step says; its number stays.

        Raises
        ------
        TrainingError
            When the device has not enough memory.
        """
        # Dropout and stochastic depth draw from here; each process draws its own.
        torch.manual_seed(seed_of(self.plan.seed, self.step, self.processes.rank))
        factor = self.schedule.factor(self.step)
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self.optimiser.zero_grad()
        try:
            self._losses.append(self._gradients(self.step))
            self._change_weights()
        except RuntimeError as error:
            if not is_lack_of_memory(error):
                raise
            raise TrainingError(self._lack_of_memory()) from error
        self._move_average()

    def _change_weights(self) -> None:
        scaler = self._gradients.scaler
        scaler.unscale_(self.optimiser)
        if self.plan.clip_norm:
            nn.utils.clip_grad_norm_(self._trained, self.plan.clip_norm)
        scaler.step(self.optimiser)
        scaler.update()

    def _move_average(self) -> None:
        if self.average is None:
            return
        # Early on the average must follow quickly, or it keeps the random start for long.
        decay = min(self.plan.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
            for kept, present in zip(self.average.buffers(), self.net.buffers(), strict=True):
                kept.copy_(present)

    def _stopping(self) -> bool:
        early = bool(self.plan.early_stop) and self.since_best >= self.plan.early_stop
        return bool(self.processes.agreed(float(self.stop.asked() or early)))

    def _check_state(self) -> None:
        """Make sure that losses and weights are finite: a gradient can break what it is applied to.

        Raises
        ------
        TrainingError
            When one is not.
        """
        self._check_losses()
        if not all(bool(parameter.isfinite().all()) for parameter in self.net.parameters()):
            raise TrainingError(
                f"After {counted(self.step, 'step')} the weights are no finite numbers any more; "
                f"{self._what_to_do()}"
            )

    def _check_losses(self) -> None:
        """Make sure that the losses since the last report are finite; on a GPU this waits for it.

        Raises
        ------
        TrainingError
            When one is not.
        """
        if not self._losses:
            return
        totals = torch.stack([torch.stack(list(t.values())).sum() for t in self._losses])
        broken = (~totals.isfinite()).nonzero().flatten().tolist()
        if broken:
            first = self.step - len(self._losses) + int(broken[0])
            raise TrainingError(
                f"The loss of step {first} is {float(totals[broken[0]])}; {self._what_to_do()}"
            )

    def _what_to_do(self) -> str:
        begun = checkpoints.is_begun(self.run.checkpoints)
        way = "resume from the last checkpoint" if begun else "begin the run again"
        return f"lower optimiser.rate and {way}."

    def _report_is_due(self) -> bool:
        plan = self.plan
        silent = time.monotonic() - self._clock > LONGEST_SILENCE
        return silent or not self.step % plan.log_every or not self.step % plan.steps_per_epoch

    def _report(self) -> None:
        self._check_losses()
        seconds, waited = time.monotonic() - self._clock, self._gradients.waited
        count = len(self._losses)
        means = {
            name: round(float(torch.stack([t[name] for t in self._losses]).mean()), 5)
            for name in self._losses[0]
        }
        pace = seconds / count
        self.run.log(
            "train",
            step=self.step,
            epoch=round(self.step / self.plan.steps_per_epoch, 3),
            loss=round(sum(means.values()), 5),
            terms=means,
            rate=float(f"{self.optimiser.param_groups[-1]['lr']:.4g}"),
            seconds_per_step=round(pace, 4),
            waiting_for_data=round(waited / max(seconds, 1e-9), 4),
            seconds_left=round(pace * (self.plan.steps - self.step)),
        )
        self._losses, self._gradients.waited, self._clock = [], 0.0, time.monotonic()

    def _describe(self) -> None:
        self.run.describe()
        details: dict[str, Any] = self.method.describe(self.run.path)
        details |= {"step": self.step, "steps": self.plan.steps, "best": _number(self.best)}
        self.run.log("started", **details)
        concern = few_steps(self.plan.steps_per_epoch, self.plan.batch_size)
        for caution in (*self.method.cautions, *([concern] if concern else [])):
            self.run.log("warning", message=caution)

    def _lack_of_memory(self) -> str:
        smaller = max(1, self.plan.batch_size // 2)
        more = 2 if smaller < self.plan.batch_size else 1
        return (
            f"The device has not enough memory for batches of {self.plan.batch_size}: set "
            f"trainer.batch_size={smaller} and trainer.accumulate={more * self.method.parts}"
            + (", or a smaller data.size." if smaller == self.plan.batch_size else ".")
        )


def seed_of(*numbers: int) -> int:
    """Mix numbers into one seed, the same on every computer."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def _number(value: float) -> float | None:
    """Give a number that JSON knows."""
    return round(value, 5) if math.isfinite(value) else None
