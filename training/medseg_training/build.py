"""From checked values to a trainer that is ready to go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medseg_training import nets
from medseg_training.data.batches import PlaneBatches
from medseg_training.data.photometric import photometric
from medseg_training.data.segmentation import (
    DataError,
    SegmentationData,
    held_out_batches,
    read_data,
)
from medseg_training.data.splits import write_folds
from medseg_training.distributed import Processes
from medseg_training.export.segmentation import check_exportable
from medseg_training.gradients import chosen_precision
from medseg_training.in_context.build import in_context_trainer
from medseg_training.in_context.recipe import Recipe
from medseg_training.losses.selfreg import SelfRegularization
from medseg_training.methods.condseg import ConDSegStageOne, ConDSegStageTwo, Disturbance
from medseg_training.methods.method import Plan
from medseg_training.methods.segmentation import SegmentationMethod, SegmentationTask
from medseg_training.methods.supervised import Supervised
from medseg_training.optimisers import make_optimiser
from medseg_training.run.events import Echo
from medseg_training.run.run_folder import FACTS_FILE, SPLITS_FILE, RunFolder
from medseg_training.schedules import Schedule
from medseg_training.schema import (
    DataOptions,
    RunConfig,
)
from medseg_training.starting import adopt_model, apply_start
from medseg_training.trainer import Trainer
from napari_medseg.engine.devices import choose_device
from napari_medseg.nets.feature_taps import TapNames
from napari_medseg.zoo.specs import OutputSpec

_VIEW = 3
"""Keeps the draws of a second look apart from those of the first."""


def build_trainer(
    config: RunConfig | Recipe,
    run: Path,
    *,
    echo: Echo | None = None,
    processes: Processes | None = None,
    resumes: bool = False,
) -> Trainer:
    """Read the data of a recipe and make its trainer.

    Parameters
    ----------
    config
        The checked values.
    run
        The run folder; made where it does not exist.
    echo
        Is told every event of the log, too.
    processes
        Those that share the training.
    resumes
        Whether the weights come from the run folder, so that none need to be started from.

    Raises
    ------
    ValueError, OSError
        With one sentence, where the data, the net or the starting weights cannot be used.
    """
    if isinstance(config, Recipe):
        if processes is not None and processes.world > 1:
            raise ValueError(
                "An in-context net is trained by one process; start it without torchrun."
            )
        return in_context_trainer(config, run, echo, resumes)
    return _segmentation_trainer(config, run, echo, processes or Processes(), resumes)


def _divided_as_before(options: DataOptions, run: Path, resumes: bool) -> DataOptions:
    """Let a run that goes on keep its division, whatever has come to the data meanwhile."""
    kept = run / SPLITS_FILE
    if not (resumes and kept.exists()):
        return options
    return options.model_copy(update={"splits": str(kept), "fold": 0})


def _refuse_other_classes(data: SegmentationData, run: Path) -> None:
    """Make sure that the data still shows what the weights of a run were begun for."""
    try:
        begun = json.loads((run / FACTS_FILE).read_text("utf-8"))["classes"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # the checkpoint is missing or damaged, too, and says so itself
    if begun != list(data.class_names):
        raise DataError(
            f"The data has the classes {', '.join(data.class_names)} now, the run was begun with "
            f"{', '.join(begun)}: begin another run."
        )


def _segmentation_trainer(
    config: RunConfig, run: Path, echo: Echo | None, processes: Processes, resumes: bool
) -> Trainer:
    torch.manual_seed(config.seed)
    config = adopt_model(config)
    device = choose_device(config.device)
    _choose_algorithms(config.trainer.deterministic)
    facts = nets.facts_of(config.net)
    data = read_data(_divided_as_before(config.data, run, resumes), facts.multiple)
    if resumes:
        _refuse_other_classes(data, run)
    options = nets.resolved_options(config.net, data.spec, len(data.class_names))
    net = nets.build(config.net.name, options)
    fresh = [] if resumes else apply_start(net, config.start)
    if processes.world > 1 and device.type == "cuda":
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # statistics of the whole batch
    method = make_method(config, net.to(device), task_of(config, data, facts.sigmoid, processes))
    method.cautions = (*data.cautions, *_cautions(config))
    described = _facts(config, data, options, fresh)
    check_exportable(run, config, described)
    divide_rates(method, config, facts.encoder)
    optimiser = make_optimiser(config.optimiser, method.parameter_groups())
    plan = plan_of(config, -(-method.task.train.steps_per_epoch // config.trainer.accumulate))
    folder = RunFolder(
        run,
        config,
        leads=processes.leads,
        echo=echo,
        tensorboard=config.trainer.tensorboard,
        facts=described,
    )
    if processes.leads:
        write_folds(run / SPLITS_FILE, [data.fold])
    return Trainer(
        method,
        plan,
        optimiser,
        Schedule(config.schedule, plan.steps),
        folder,
        dtype=chosen_precision(config.trainer.precision, device),
        processes=processes,
    )


def _choose_algorithms(deterministic: bool) -> None:
    """Let cuDNN try which of its algorithms is fastest, or take only those that repeat."""
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic, warn_only=True)


def task_of(
    config: RunConfig, data: SegmentationData, sigmoid: bool, processes: Processes
) -> SegmentationTask:
    """Give a method its batches, and what its net shall give."""
    law = config.trainer
    train = PlaneBatches(
        data.train,
        config.data.size,
        law.batch_size,
        config.seed,
        config.augment,
        device=choose_device(config.device),
        rank=processes.rank,
        world=processes.world,
    )
    return SegmentationTask(
        train,
        held_out_batches(data.held_out, config.data.size, law.batch_size),
        data.class_names,
        data.spec,
        OutputSpec("sigmoid" if sigmoid else "softmax", len(data.class_names)),
    )


def make_method(config: RunConfig, net: nn.Module, task: SegmentationTask) -> SegmentationMethod:
    """Choose the way to train as the recipe says."""
    parts, loss = config.trainer.accumulate, config.loss
    stages = {"ConDSeg": "condseg-stage2", "ConDSegStage1": "condseg-stage1"}
    kind = stages.get(config.net.name, "dice-ce")
    if loss.kind not in ("auto", kind):
        raise nets.NetError(
            f"{config.net.name} is trained with loss.kind={kind}, not {loss.kind}; leave it out."
        )
    method: SegmentationMethod
    if kind == "condseg-stage1":
        method = ConDSegStageOne(net, task, loss, _second_look(config), parts)
    elif kind == "condseg-stage2":
        method = ConDSegStageTwo(net, task, loss, parts)
    else:
        method = Supervised(net, task, loss, parts)
    law = config.selfreg
    if law.used:
        method.regularization = SelfRegularization(
            law.consistency, law.distillation, config.seed, variant=law.variant
        )
        if law.taps is not None:
            method.taps = TapNames(law.taps.encoder, law.taps.decoder, law.taps.final)
    return method


def _second_look(config: RunConfig) -> Disturbance:
    def disturb(images: Tensor, number: int) -> Tensor:
        seeds = [(config.seed, _VIEW, number, place) for place in range(len(images))]
        return photometric(images, seeds, config.view)

    return disturb


def divide_rates(method: SegmentationMethod, config: RunConfig, encoder: tuple[str, ...]) -> None:
    """Give the encoder a rate of its own, or none at all."""
    law, start = config.optimiser, config.start
    inside, outside = nets.divided(method.net, encoder)
    if (start.freeze_encoder or law.encoder_rate != 1.0) and not inside:
        raise nets.NetError(
            f"Nothing is known about the encoder of {config.net.name}: name the prefixes of its "
            "parameters in net.encoder."
        )
    if start.freeze_encoder:
        for parameter in inside:
            parameter.requires_grad_(False)
        method.frozen, inside = encoder, []
    groups: list[dict[str, Any]] = [
        {"params": inside, "lr": law.rate * law.encoder_rate},
        {"params": outside, "lr": law.rate},
    ]
    method.groups = [group for group in groups if group["params"]]


def _cautions(config: RunConfig) -> list[str]:
    """Say what of a recipe is not used, or probably missing."""
    said = []
    if config.optimiser.kind == "muon" and config.optimiser.weight_decay:
        said.append("Muon has no weight decay here: optimiser.weight_decay is not used.")
    if config.net.name == "ConDSeg" and not (config.start.model or config.start.backbone):
        said.append(
            "The encoder begins at random: give the run of the first stage as start.backbone."
        )
    return said


def plan_of(config: RunConfig, steps_per_epoch: int) -> Plan:
    """Give the plan of a recipe in steps."""
    law = config.trainer
    return Plan(
        steps=law.epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        log_every=law.log_every,
        validate_every=law.validate_every * steps_per_epoch,
        checkpoint_minutes=law.checkpoint_minutes,
        seed=config.seed,
        ema=law.ema,
        clip_norm=config.optimiser.clip_norm,
        early_stop=law.early_stop,
        batch_size=law.batch_size,
    )


def _facts(
    config: RunConfig, data: SegmentationData, options: dict[str, Any], fresh: list[str]
) -> dict[str, Any]:
    """Give what the run folder must keep for the model card and cannot be told from the recipe."""
    dataset, fold = data.dataset, data.fold
    return {
        "net": config.net.name,
        "net_options": options,
        "classes": list(data.class_names),
        "channels": data.spec.channels,
        "multiple": data.spec.multiple,
        "dataset": dataset.name,
        "cases": {"train": len(fold.train), "validation": len(fold.val)},
        "planes": {"train": len(data.train), "validation": len(data.held_out)},
        "random_start": fresh[:20],
    }
