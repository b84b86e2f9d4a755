"""An in-context training learns, repeats itself, survives being killed, and stops when asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from medseg_training.build import build_trainer
from medseg_training.in_context.recipe import Recipe
from medseg_training.in_context.tasks import ImageTask, read_task
from medseg_training.methods.in_context import InContext
from medseg_training.run import checkpoints
from medseg_training.trainer import Trainer, TrainingError

RecipeFactory = Callable[..., Recipe]


def events(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.net.parameters()])


def test_the_loss_falls(small_recipe: RecipeFactory, tmp_path: Path) -> None:
    stages = [{"steps": 40, "size": 24, "cost": 12.0}]
    trainer = build_trainer(small_recipe(stages=stages), tmp_path / "run")
    trainer.fit()
    losses = [float(str(e["loss"])) for e in events(tmp_path / "run") if e["event"] == "train"]
    assert sum(losses[-2:]) < 0.9 * sum(losses[:2])


def test_two_runs_are_equal_also_in_parts(small_recipe: RecipeFactory, tmp_path: Path) -> None:
    runs = [build_trainer(small_recipe(parts=2), tmp_path / n) for n in "ab"]
    for trainer in runs:
        trainer.fit()
    assert torch.equal(weights(runs[0]), weights(runs[1]))


def test_resume_is_exact(small_recipe: RecipeFactory, tmp_path: Path) -> None:
    recipe = small_recipe()
    whole = build_trainer(recipe, tmp_path / "whole")
    whole.fit()
    first = build_trainer(recipe, tmp_path / "halves")
    for _ in range(5):
        first.advance()
        first.step += 1
    first.save()
    second = build_trainer(recipe, tmp_path / "halves")
    second.resume()
    second.fit()
    assert torch.equal(weights(whole), weights(second))
    for a, b in zip(whole.trained.parameters(), second.trained.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    small_recipe: RecipeFactory, tmp_path: Path
) -> None:
    trainer = build_trainer(small_recipe(), tmp_path / "run")
    trainer.step = 3
    trainer.save()
    trainer.step = 4
    trainer.save()
    last = tmp_path / "run" / "checkpoints" / checkpoints.LAST
    last.write_bytes(last.read_bytes()[:1000])
    trainer.resume()
    assert trainer.step == 3
    last.unlink()
    (last.parent / checkpoints.PREVIOUS).unlink()
    with pytest.raises(checkpoints.CheckpointError, match="no readable checkpoint"):
        trainer.resume()


def test_a_damaged_checkpoint_never_takes_the_place_of_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        checkpoints.save(tmp_path, {"step": step})
    last = tmp_path / checkpoints.LAST
    last.write_bytes(last.read_bytes()[:100])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(tmp_path, {"step": 3})
    assert checkpoints.load(tmp_path)["step"] == 1
    monkeypatch.undo()
    checkpoints.save(tmp_path, {"step": 3})
    assert checkpoints.load(tmp_path)["step"] == 3
    last.unlink()
    assert checkpoints.load(tmp_path)["step"] == 1


def test_a_run_of_nan_ends_and_keeps_its_checkpoint(
    small_recipe: RecipeFactory, tmp_path: Path
) -> None:
    trainer = build_trainer(small_recipe(), tmp_path / "run")
    trainer.save()
    with torch.no_grad():
        trainer.net.get_parameter("out_conv.conv.bias").fill_(float("nan"))
    with pytest.raises(TrainingError, match="lower optimiser"):
        trainer.fit()
    state = checkpoints.load(tmp_path / "run" / "checkpoints")
    assert all(bool(torch.isfinite(v).all()) for v in state["net"].values())


def test_a_stop_file_ends_the_run_with_a_checkpoint(
    small_recipe: RecipeFactory, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trainer = build_trainer(small_recipe(), run)
    (run / "STOP").touch()
    trainer.fit()
    assert events(run)[-1]["event"] == "stopped"
    assert checkpoints.load(run / "checkpoints")["step"] == 0


def test_held_out_tasks_are_watched_and_not_trained_on(
    small_recipe: RecipeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_recipe().data.model_dump() | {"leave_out": ("grey_two",)}
    read: list[str] = []

    def noted(folder: Path) -> ImageTask:
        read.append(folder.name)
        return read_task(folder)

    monkeypatch.setattr("medseg_training.in_context.tasks.read_task", noted)
    trainer = build_trainer(small_recipe(data=data), tmp_path / "run")
    assert read == ["colours", "grey_one", "grey_two"]
    method = trainer.method
    assert isinstance(method, InContext)
    assert [task.name for task in method.held_out] == ["grey_two"]
    assert "grey_two" not in [task.name for task in method.sampler.tasks]
    found = trainer.validate()
    assert found is not None
    assert set(found.details["examples"]) == {"1", "4", "16"}
    assert all(0 <= value <= 1 for value in found.details["examples"].values())


def test_the_rate_rises_stays_and_falls(small_recipe: RecipeFactory, tmp_path: Path) -> None:
    schedule = build_trainer(small_recipe(), tmp_path / "run").schedule
    factors = [schedule.factor(step) for step in range(12)]
    assert factors[0] < factors[1] == factors[5] == 1
    assert schedule.factor(12) < 0.05


def test_weights_can_be_started_from(small_recipe: RecipeFactory, tmp_path: Path) -> None:
    first = build_trainer(small_recipe(), tmp_path / "a")
    first.save()
    other = build_trainer(small_recipe(seed=5), tmp_path / "b")
    assert not torch.equal(weights(first), weights(other))
    first.run.describe()
    start = {"model": str(tmp_path / "a")}
    second = build_trainer(small_recipe(seed=5, start=start), tmp_path / "c")
    assert torch.equal(weights(first), weights(second))


@pytest.fixture
def command(task_root: Path, recipe_path: Path) -> list[str]:
    """The command of a run that would go on for long."""
    return [
        *(sys.executable, "-m", "medseg_training", str(recipe_path)),
        *(f"data.root={task_root}", "encoder_blocks=[8, 8]", "precision=float32", "log_every=2"),
        *("stages=[{steps=100000, size=32, cost=8.0}]", "checkpoint_minutes=0.001", "parts=1"),
    ]


def wait_for(run: Path, event: str, process: subprocess.Popen[bytes], after: str = "") -> None:
    """Wait until an event was told, after another one where that is named."""
    for _ in range(1200):
        told = [e["event"] for e in whole_lines(run)] if (run / "events.jsonl").exists() else []
        if after:
            told = told[told.index(after) :] if after in told else []
        if event in told:
            return
        assert process.poll() is None, "the run ended by itself"
        time.sleep(0.05)
    raise AssertionError(f"no {event} event")


def whole_lines(run: Path) -> list[dict[str, object]]:
    text = (run / "events.jsonl").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@pytest.mark.slow
def test_a_killed_run_goes_on_and_sigterm_ends_it_well(command: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen([*command, "--run", str(run)], env=environment, stdout=-3)
    wait_for(run, "checkpoint", killed)
    killed.kill()
    killed.wait()
    before = int(checkpoints.load(run / "checkpoints")["step"])
    assert before > 0
    goes_on = [sys.executable, "-m", "medseg_training", "train", "--resume", str(run)]
    resumed = subprocess.Popen(goes_on, env=environment, stdout=-3)
    wait_for(run, "train", resumed, after="resumed")
    resumed.send_signal(signal.SIGTERM)
    assert resumed.wait(60) == 0
    assert whole_lines(run)[-1]["event"] == "stopped"
    assert int(checkpoints.load(run / "checkpoints")["step"]) >= before
