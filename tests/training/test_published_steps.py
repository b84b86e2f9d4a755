"""The trainer makes the steps of the published programs, from the batch to the new weights."""

from __future__ import annotations

import importlib.util
import runpy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from pytest import approx
from torch import Tensor

from medseg_training.data.batches import Batch
from medseg_training.losses import SelfRegularization
from medseg_training.methods.condseg import ConDSegStageOne, ConDSegStageTwo
from medseg_training.methods.method import Plan
from medseg_training.methods.segmentation import SegmentationMethod, SegmentationTask
from medseg_training.methods.supervised import Supervised
from medseg_training.optimisers import make_optimiser
from medseg_training.run.run_folder import RunFolder
from medseg_training.schedules import Schedule
from medseg_training.schema import LossOptions, OptimiserOptions, ScheduleOptions
from medseg_training.trainer import Trainer
from napari_medseg.nets import UNet
from napari_medseg.zoo.specs import InputSpec, OutputSpec
from tests.nets.test_condseg_golden import published_net


@dataclass(frozen=True)
class OneBatch:
    """The same batch at every step."""

    given: Batch
    steps_per_epoch: int = 1

    def batch(self, step: int) -> Batch:
        return self.given

    def close(self) -> None:
        pass


def task(images: Tensor, labels: Tensor, n_classes: int, activation: str) -> SegmentationTask:
    batch = OneBatch(Batch(images, labels, ("a",) * len(images)))
    names = tuple(f"class {i}" for i in range(1, n_classes + 1))
    output = OutputSpec(activation, n_classes)  # type: ignore[arg-type]
    return SegmentationTask(batch, [], names, InputSpec(tuple(images.shape[2:])), output)  # type: ignore[arg-type]


def trainer_of(method: SegmentationMethod, law: OptimiserOptions, tmp_path: Path) -> Trainer:
    method.train_mode()
    optimiser = make_optimiser(law, method.parameter_groups())
    schedule = Schedule(ScheduleOptions(kind="constant"), 10)
    return Trainer(method, Plan(10, 1, 1, 1, 1.0), optimiser, schedule, RunFolder(tmp_path, law))


@pytest.fixture(scope="module")
def recipe(shared: Path) -> ModuleType:
    path = shared / "golden" / "recipe_universeg_condseg.py"
    spec = importlib.util.spec_from_file_location("recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("stage", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_step_of_condseg(stage: int, shared: Path, recipe: ModuleType, tmp_path: Path) -> None:
    net, facts, _ = published_net(shared, recipe, f"cds_trainstep{stage}")
    shape = (2, 3, 64, 64)
    first, second = (
        torch.from_numpy(recipe.smooth_input(name, shape, facts["input_salt"])).double()
        for name in ("image", "image_aug")
    )
    mask = recipe.blob_mask("mask", (2, 1, 64, 64), facts["input_salt"])
    given = task(first, torch.from_numpy(np.asarray(mask)).long()[:, 0], 1, "sigmoid")
    loss = LossOptions(as_published=True)
    method: SegmentationMethod
    if stage == 1:
        method = ConDSegStageOne(net.double(), given, loss, lambda _images, _number: second)
    else:
        method = ConDSegStageTwo(net.double(), given, loss)
    trainer = trainer_of(method, OptimiserOptions(kind="adam", rate=1e-4), tmp_path)
    trainer.advance()
    parameters = dict(net.named_parameters())
    for name, norm in facts["grad_norms"].items():
        gradient = parameters[name].grad
        assert gradient is not None
        assert float(gradient.norm()) == approx(norm, rel=1e-4, abs=1e-9)
    trainer.advance()
    for terms, wanted in zip(
        trainer._losses, (facts["losses"], facts["losses_after_one_adam_step"]), strict=True
    ):
        assert {name: float(value) for name, value in terms.items()} == approx(wanted, rel=1e-4)


def test_a_step_of_the_unet_of_selfreg(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = shared / "golden"
    fill = runpy.run_path(str(golden / "recipe_s3net_selfreg.py"))["fill"]
    wanted = np.load(golden / "unet_hd.npz")
    net = fill(UNet(1, 9), 0, "")
    labels = torch.from_numpy(wanted["in_label"]).long()
    images = torch.from_numpy(wanted["in_x"])
    method = Supervised(net, task(images, labels, 8, "softmax"), LossOptions())
    method.regularization = SelfRegularization(0.1, 0.1, seed=5)
    monkeypatch.setattr(method.regularization, "reseed", lambda _step: None)
    law = OptimiserOptions(kind="sgd", rate=0.05, momentum=0.9, weight_decay=1e-4)
    trainer = trainer_of(method, law, tmp_path)
    trainer.advance()
    terms = {name: float(value) for name, value in trainer._losses[0].items()}
    kd = terms["consistency"] + terms["distillation"]
    assert kd == approx(float(wanted["out_kd"]), rel=1e-4)
    assert sum(terms.values()) == approx(float(wanted["out_total_synapse"]), rel=1e-4)
    for parameter, name in ((net.outc.conv.weight, "outc"), (net.inc.double_conv[0].weight, "inc")):
        expected = wanted[f"out_g_{name}"]
        gradient = parameter.grad.numpy().reshape(expected.shape)
        assert gradient == approx(expected, abs=float(1e-4 * abs(expected).max()))
    with torch.no_grad():
        after = net(images)[:, :, ::4, ::4].numpy()
    assert after == approx(wanted["out_train_after_step"], abs=1e-3)
