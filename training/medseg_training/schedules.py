"""How the learning rate moves: a factor per step, and what a plateau remembers."""

from __future__ import annotations

import math
from typing import Any

from medseg_training.schema import ScheduleOptions


class Schedule:
    """Gives the factor that the learning rates of a step are multiplied by.

    Parameters
    ----------
    law
        The values.
    steps
        Of the whole training.
    """

    def __init__(self, law: ScheduleOptions, steps: int) -> None:
        self.law, self.steps = law, steps
        self._cut = 1.0
        self._best = math.inf
        self._waiting = 0

    def factor(self, step: int) -> float:
        """Give the factor of a step, 0 the first."""
        law = self.law
        rise = min(1.0, (step + 1) / law.warm_up) if law.warm_up else 1.0
        done = min(step / self.steps, 1.0)
        curves = {
            "constant": 1.0,
            "poly": (1.0 - done) ** law.power,
            "cosine": 0.5 * (1 + math.cos(math.pi * done)),
            "plateau": self._cut,
            "fall": max(0.02, min(1.0, (self.steps - step) / max(1, law.fall))),
        }
        return rise * curves[law.kind]

    def observe(self, loss: float) -> None:
        """Take note of a validation; a plateau that lasts too long lowers the rate."""
        if self.law.kind != "plateau":
            return
        if loss < self._best * (1 - 1e-4):
            self._best, self._waiting = loss, 0
            return
        self._waiting += 1
        if self._waiting > self.law.patience:
            self._cut, self._waiting = self._cut * self.law.factor, 0

    def state_dict(self) -> dict[str, Any]:
        """Give what a resumed training must know."""
        return {"cut": self._cut, "best": self._best, "waiting": self._waiting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._cut, self._best, self._waiting = state["cut"], state["best"], state["waiting"]
