from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from medseg_training.run.events import EVENTS_FILE, EventLog
from napari_medseg.session.training import runs
from napari_medseg.session.training.command import TrainingCommand
from napari_medseg.session.training.runs import RunFollower

_CHILD = """
import json, sys, time, os
from pathlib import Path
run = Path(sys.argv[1])
def write(**event):
    with open(run / "events.jsonl", "a") as stream:
        stream.write(json.dumps({"time": time.time(), **event}) + "\\n")
write(event="started", pid=os.getpid(), step=0, steps=100)
print("begun", flush=True)
while not (run / "STOP").exists():
    time.sleep(0.02)
write(event="stopped", step=7)
"""


def _write(run: Path, *events: dict[str, object]) -> None:
    with open(run / "events.jsonl", "a", encoding="utf-8") as stream:
        for event in events:
            stream.write(json.dumps({"time": time.time(), **event}) + "\n")


@pytest.fixture
def child(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.communicate()


def test_a_log_becomes_curves_and_time_left(tmp_path: Path) -> None:
    run = RunFollower(tmp_path)
    assert not run.poll()
    assert run.phase == "new"
    _write(
        tmp_path,
        {"event": "started", "pid": os.getpid(), "step": 0, "steps": 40},
        {"event": "train", "step": 10, "loss": 0.9, "seconds_per_step": 2.0},
        {"event": "validation", "step": 10, "dice": 0.5},
        {"event": "train", "step": 20, "loss": 0.7, "seconds_per_step": 0.5},
        {"event": "validation", "step": 20, "dice": 0.4},
        {"event": "preview", "step": 20, "path": "validation/20.png"},
    )
    assert run.poll()
    assert run.losses == [(10, 0.9), (20, 0.7)]
    assert run.scores == [(10, 0.5), (20, 0.4)]
    assert run.best == 0.5
    assert run.seconds_left == 10.0
    assert run.preview == tmp_path / "validation/20.png"
    assert run.phase == "running"
    assert not run.poll()


def test_a_line_that_is_half_written_waits_for_its_rest(tmp_path: Path) -> None:
    run = RunFollower(tmp_path)
    line = json.dumps({"event": "train", "step": 3, "loss": 0.25, "time": 1}) + "\n"
    (tmp_path / "events.jsonl").write_text(line[:15], "utf-8")
    assert not run.poll()
    with open(tmp_path / "events.jsonl", "a", encoding="utf-8") as stream:
        stream.write(line[15:])
    assert run.poll()
    assert run.losses == [(3, 0.25)]


def test_a_run_that_goes_on_after_half_a_line_is_followed(tmp_path: Path) -> None:
    run = RunFollower(tmp_path)
    (tmp_path / EVENTS_FILE).write_text('{"event": "train", "step": 4, "lo', "utf-8")
    run.poll()
    log = EventLog(tmp_path / EVENTS_FILE)
    log.write("started", pid=os.getpid(), step=3, steps=9)
    log.write("train", step=5, loss=0.5)
    assert run.poll()
    assert (run.phase, run.steps, run.losses) == ("running", 9, [(5, 0.5)])
    assert runs.is_alive(tmp_path)
    assert (tmp_path / EVENTS_FILE).read_bytes().count(b"\n") == 3


def test_going_on_from_a_checkpoint_takes_back_what_is_repeated(tmp_path: Path) -> None:
    run = RunFollower(tmp_path)
    _write(
        tmp_path,
        {"event": "train", "step": 10, "loss": 0.9},
        {"event": "train", "step": 20, "loss": 0.8},
        {"event": "started", "pid": os.getpid(), "step": 15, "steps": 40},
        {"event": "train", "step": 20, "loss": 0.7},
    )
    run.poll()
    assert run.losses == [(10, 0.9), (20, 0.7)]


def test_an_error_is_told_and_ends_the_run(tmp_path: Path) -> None:
    run = RunFollower(tmp_path)
    _write(
        tmp_path,
        {"event": "started", "pid": -1, "step": 0, "steps": 4},
        {"event": "error", "message": "The loss of step 3 is nan."},
    )
    run.poll()
    assert (run.phase, run.message) == ("failed", "The loss of step 3 is nan.")


def test_a_live_process_is_found_stopped_and_missed(tmp_path: Path, child) -> None:
    run = RunFollower(tmp_path)
    run.poll()
    assert run.phase == "running"
    assert runs.is_alive(tmp_path)
    with pytest.raises(ValueError, match="stop it first"):
        runs.start(TrainingCommand("unet", tmp_path))
    runs.stop(tmp_path)
    assert run.phase == "stopping"
    child.wait(20)
    run.poll()
    assert (run.phase, run.step) == ("stopped", 7)
    assert not runs.is_alive(tmp_path)


def test_whether_a_run_can_be_gone_on_with_is_known_without_its_whole_log(
    tmp_path: Path, child, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    monkeypatch.delattr(runs, "last_start")
    run = RunFollower(tmp_path)
    run.poll()
    assert not run.can_resume
    runs.stop(tmp_path)
    child.wait(20)
    run.poll()
    assert run.can_resume


def test_a_killed_process_is_told_apart_from_one_that_ended(tmp_path: Path, child) -> None:
    run = RunFollower(tmp_path)
    runs.kill(tmp_path)
    child.wait(20)
    run.poll()
    assert run.phase == "lost"


def test_a_start_that_never_wrote_a_log_is_told_with_its_last_words(tmp_path: Path) -> None:
    _write(tmp_path, {"event": "started", "pid": -1, "step": 0}, {"event": "stopped", "step": 5})
    (tmp_path / runs.OUTPUT).write_text("Traceback\nno such recipe\n", "utf-8")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = RunFollower(tmp_path, process)
        run.poll()
        assert run.phase == "new"
        process.communicate(b"\n")
    assert (run.phase, run.message) == ("failed", "no such recipe")


def test_a_number_that_went_to_another_process_is_not_the_training(tmp_path: Path) -> None:
    event = {"event": "started", "pid": os.getpid(), "time": 1.0, "step": 0, "steps": 4}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n", "utf-8")
    assert not runs.is_alive(tmp_path)


def test_runs_are_listed_latest_first_and_not_written_over(tmp_path: Path) -> None:
    for age, name in enumerate(("old", "new")):
        (tmp_path / name).mkdir()
        _write(tmp_path / name, {"event": "stopped"})
        os.utime(tmp_path / name / "events.jsonl", (age + 1, age + 1))
    (tmp_path / "no run").mkdir()
    assert [path.name for path in runs.runs_in(tmp_path)] == ["new", "old"]
    assert runs.runs_in(tmp_path / "nowhere") == []
    with pytest.raises(ValueError, match="holds a training; choose another name"):
        runs.start(TrainingCommand("unet", tmp_path / "old"))
    (tmp_path / "new" / "checkpoints").mkdir()
    (tmp_path / "new" / "checkpoints" / "last.ckpt").touch()
    with pytest.raises(ValueError, match="resume it"):
        runs.start(TrainingCommand("unet", tmp_path / "new"))


def test_the_command_can_be_pasted_into_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    command = TrainingCommand("unet", Path("my run"), {"data.root": "a b", "amp": False})
    assert str(command) == "napari-medseg train unet 'data.root=a b' amp=false --run 'my run'"
    monkeypatch.setattr("napari_medseg.engine.results.os", SimpleNamespace(name="nt"))
    assert str(command) == 'napari-medseg train unet "data.root=a b" amp=false --run "my run"'
    values = {"a": "12", "b": (1, 2), "c": "", "d": {"k": [0.5]}, "e": 1e-4}
    assert TrainingCommand("unet", Path("r"), values).arguments[2:-2] == [
        'a="12"',
        "b=[1, 2]",
        'c=""',
        'd={"k" = [0.5]}',
        "e=0.0001",
    ]
    resumed = TrainingCommand("unet", Path("r"), resume=True)
    assert resumed.arguments == ["train", "--resume", "r"]


def test_relative_paths_begin_where_napari_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "pydantic.py").write_text("raise SystemExit('the wrong module')")
    run = tmp_path / "runs" / "run"
    process = runs.start(TrainingCommand("mine.toml", run))
    process.wait(60)
    assert RunFollower(run, process).message == "Recipe value data: Field required."


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are called otherwise there")
def test_a_training_leaves_the_processor_to_who_works_at_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = runs.start(TrainingCommand("no-such-recipe", run))
    try:
        assert psutil.Process(process.pid).nice() >= 10
    finally:
        process.wait(60)
    assert "There is no recipe" in RunFollower(run, process).message
