"""From the checked values of an in-context recipe to a trainer that is ready to go."""

from __future__ import annotations

from pathlib import Path

import torch

from medseg_training.in_context.recipe import Recipe
from medseg_training.in_context.tasks import divided, read_tasks
from medseg_training.methods.in_context import InContext
from medseg_training.methods.method import Plan
from medseg_training.optimisers import make_optimiser
from medseg_training.run.events import Echo
from medseg_training.run.run_folder import RunFolder
from medseg_training.schedules import Schedule
from medseg_training.schema import OptimiserOptions, ScheduleOptions
from medseg_training.starting import apply_start
from medseg_training.trainer import Trainer


def in_context_trainer(recipe: Recipe, run: Path, echo: Echo | None, resumes: bool) -> Trainer:
    """Read the tasks that a recipe names and make its trainer; see `build_trainer`."""
    torch.manual_seed(recipe.seed)
    law = recipe.optimiser
    tasks = read_tasks(Path(recipe.data.root))
    method = InContext(recipe, *divided(tasks, recipe.data.leave_out))
    if not resumes:
        apply_start(method.net, recipe.start)
    options = OptimiserOptions(
        kind=law.kind,
        rate=law.rate,
        momentum=law.momentum,
        betas=law.betas,
        clip_norm=law.clip_norm,
    )
    schedule = Schedule(
        ScheduleOptions(kind="fall", warm_up=law.warm_up, fall=law.fall), recipe.steps
    )
    plan = Plan(
        steps=recipe.steps,
        steps_per_epoch=recipe.steps,
        log_every=recipe.log_every,
        validate_every=recipe.validate_every,
        checkpoint_minutes=recipe.checkpoint_minutes,
        seed=recipe.seed,
        ema=law.ema,
        clip_norm=law.clip_norm,
    )
    dtype = torch.bfloat16 if recipe.precision == "bfloat16" else torch.float32
    optimiser = make_optimiser(options, method.parameter_groups())
    folder = RunFolder(run, recipe, echo=echo)
    return Trainer(method, plan, optimiser, schedule, folder, dtype=dtype)
