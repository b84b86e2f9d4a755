"""A training as a process: killed, stopped in three ways, locked, and shared by two."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from medseg_training.__main__ import main
from medseg_training.run import checkpoints
from medseg_training.run.run_lock import locked
from tests.disks import nearly_full

Process = subprocess.Popen[bytes]
Launch = Callable[..., Process]

SMALL = ("net.options={width=4}", "data.size=[32,32]", "trainer.batch_size=4")
SMALL_SWIN = (
    "net.options={channels=32, depths=[1,1,1,1], drop_path=0.0}",
    "data.size=[32,32]",
    "trainer.epochs=2",
    "trainer.log_every=1",
)


def events(run: Path) -> list[dict[str, Any]]:
    if not (run / "events.jsonl").exists():
        return []
    text = (run / "events.jsonl").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def wait_for(run: Path, event: str, process: Process, count: int = 1) -> None:
    for _ in range(4000):
        if sum(e["event"] == event for e in events(run)) >= count:
            return
        assert process.poll() is None, "the run ended by itself"
        time.sleep(0.05)
    raise AssertionError(f"no {event} event")


@pytest.fixture
def launch() -> Iterator[Launch]:
    started: list[Process] = []

    def start(*words: str, processes: int = 1) -> Process:
        program = ["-m", "medseg_training"]
        if processes > 1:
            many = f"--nproc-per-node={processes}"
            program = ["-m", "torch.distributed.run", "--standalone", many, *program]
        process = subprocess.Popen(
            [sys.executable, *program, *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_killed_anywhere_ends_as_if_it_had_not_been(
    launch: Launch, image_folder: Path, tmp_path: Path
) -> None:
    words = ["train", "unet_selfreg", f"data.root={image_folder}", *SMALL]
    words += ["trainer.epochs=4", "trainer.ema=0.9", "trainer.checkpoint_minutes=1e-6"]
    whole = launch(*words, "--run", str(tmp_path / "whole"))
    run = tmp_path / "killed"
    process = launch(*words, "--run", str(run))
    chance = random.Random(7)
    for kill in range(2):
        wait_for(run, "checkpoint", process, count=3 * (kill + 1))
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.wait()
        process = launch("train", "--resume", str(run))
    assert [process.wait(), whole.wait()] == [0, 0]
    ends = [checkpoints.load(tmp_path / name / "checkpoints") for name in ("whole", "killed")]
    assert ends[0]["step"] == ends[1]["step"]
    for part in ("net", "average"):
        assert all(torch.equal(ends[0][part][key], ends[1][part][key]) for key in ends[0][part])
    best = [
        (tmp_path / n / "checkpoints" / checkpoints.BEST).read_bytes() for n in ("whole", "killed")
    ]
    assert best[0] == best[1]


@pytest.mark.slow
def test_sigterm_and_a_line_on_its_input_end_it_with_a_checkpoint(
    launch: Launch, image_folder: Path, tmp_path: Path
) -> None:
    words = ["train", "unet", f"data.root={image_folder}", *SMALL, "trainer.epochs=100000"]
    runs = [tmp_path / "signal", tmp_path / "input"]
    signalled, told = (launch(*words, "--run", str(run)) for run in runs)
    for run, process in zip(runs, (signalled, told), strict=True):
        wait_for(run, "train", process)
    signalled.send_signal(signal.SIGTERM)
    assert told.stdin is not None
    told.stdin.write(b"stop\n")
    told.stdin.flush()
    for run, process in zip(runs, (signalled, told), strict=True):
        assert process.wait(60) == 0
        assert events(run)[-1]["event"] == "stopped"
        assert checkpoints.load(run / "checkpoints")["step"] == events(run)[-1]["step"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_make_the_steps_of_one(
    launch: Launch, image_folder: Path, tmp_path: Path
) -> None:
    words = ["train", "swin_unet", f"data.root={image_folder}", *SMALL_SWIN]
    shared = launch(
        *words, "trainer.batch_size=2", "--run-folder", str(tmp_path / "two"), processes=2
    )
    assert main([*words, "trainer.batch_size=4", "--run", str(tmp_path / "one")]) == 0
    assert shared.wait(300) == 0
    one, two = (checkpoints.load(tmp_path / name / "checkpoints")["net"] for name in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-5)
    losses = [
        [e["loss"] for e in events(tmp_path / name) if e["event"] == "train"]
        for name in ("one", "two")
    ]
    assert len(losses[0]) == 6
    assert losses[1] == pytest.approx(losses[0], rel=0.2), "each process logs its own part"


def test_the_command_says_in_one_sentence_what_is_wrong(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    data = f"data.root={image_folder}"
    assert main(["train", "no-such-recipe"]) == 2
    assert main(["train", "unet", "trainer.epoch=3"]) == 2
    assert main(["train", "unet", "trainer.epochs=abc"]) == 2
    assert main(["train"]) == 2
    assert main(["train", "unet", f"data.root={tmp_path / 'nothing'}", "--run", str(run)]) == 2
    assert main(["train", "finetune", data]) == 2
    assert main(["train", "unet", data, "device=cuda:77", "--run", str(run)]) == 2
    with locked(tmp_path / "busy"):
        busy = ["train", "unet", data, *SMALL, "--run", str(tmp_path / "busy")]
        assert main(busy) == 2
    said = capsys.readouterr().err.splitlines()
    expected = (
        "There is no recipe 'no-such-recipe'",
        "no value trainer.epoch",
        "trainer.epochs: it must be a valid integer",
        "Name a recipe",
        "nothing is no folder; name that of the data: data.root=FOLDER.",
        "start.model",
        "no usable device",
        "Another process is training",
    )
    assert len(said) == len(expected)
    for line, part in zip(said, expected, strict=True):
        assert part in line
    assert not run.exists()
    assert not (tmp_path / "busy" / "events.jsonl").exists(), "it is the log of who trains there"


def test_the_help_says_where_the_options_of_a_training_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], "napari-medseg train")
    said = " ".join(capsys.readouterr().out.split())
    assert "napari-medseg train RECIPE [section.key=value ...]" in said
    assert "napari-medseg train RECIPE --help the options of a training, such as --run" in said


def test_a_person_is_told_in_words_and_a_program_in_json(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["train", "unet", f"data.root={image_folder}", *SMALL, "trainer.epochs=2"]
    assert main([*words, "trainer.log_every=3", "--run", str(run)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0].startswith(f"Training in {run}: 6 steps, 3 an epoch.")
    assert lines[1].startswith("⚠ One epoch is only 3 steps: choose a batch size (now 4)")
    assert lines[2].startswith("step 3 of 6 · loss ")
    assert lines[3].startswith("step 3 of 6 · validation · Dice ")
    assert lines[-1].startswith("Finished · step 6 of 6 · best Dice ")
    assert lines[-1].endswith(f"napari-medseg train export {run} --to FOLDER")

    other = tmp_path / "other"
    assert main([*words, "--run", str(other), "--json"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == events(other)


def test_a_disk_that_becomes_full_anywhere_ends_it_with_a_sentence_and_costs_nothing(
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    words = ["train", "unet", f"data.root={image_folder}", *SMALL, "trainer.epochs=2"]
    words += ["trainer.log_every=1", "trainer.checkpoint_minutes=1e-6", "--run", str(run)]
    synced, left = os.fsync, iter(range(25))

    def full(handle: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(handle)

    monkeypatch.setattr(os, "fsync", full)
    assert main(words) == 1
    monkeypatch.undo()
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"The disk of {run} is full.")
    assert f"--resume {run}" in said
    assert 0 < checkpoints.load(run / "checkpoints")["step"] < 6
    assert main(["train", "--resume", str(run)]) == 0
    assert checkpoints.load(run / "checkpoints")["step"] == 6


@pytest.mark.parametrize("room", [20_000, 400_000])  # less than weights, than a checkpoint
def test_a_disk_that_takes_no_checkpoint_ends_it_with_a_sentence(
    room: int, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "unet", f"data.root={image_folder}", *SMALL, "trainer.epochs=1"]
    with nearly_full(room):
        assert main([*words, "--run", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"The disk of {tmp_path / 'run'} takes no file so large. Free some space, then begin the "
        "run again."
    )
    assert not any((tmp_path / "run" / "checkpoints").glob("last*"))


def test_a_folder_that_cannot_be_written_in_is_refused(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    words = ["train", "unet", f"data.root={image_folder}", *SMALL]
    assert main([*words, "--run", str(tmp_path / "file" / "run")]) == 2
    assert "choose another run folder" in capsys.readouterr().err


def test_a_run_without_a_checkpoint_is_begun_anew(
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    words = ["train", "unet", f"data.root={image_folder}", *SMALL, "trainer.epochs=1"]
    words += ["--run", str(run)]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            main(words)
    assert (run / "checkpoints" / checkpoints.BEST).exists()
    assert main(["train", "--resume", str(run)]) == 2
    assert "ended before its first checkpoint" in capsys.readouterr().err
    (run / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main([*words, "data.merge=any"]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    (run / "notes.txt").unlink()
    assert main([*words, "data.merge=any"]) == 0
    rows = (run / "metrics.csv").read_text().splitlines()
    assert [row.count(",") for row in rows] == [rows[0].count(",")] * 2
    assert sum(event["event"] == "started" for event in events(run)) == 1
    assert len((run / "command.txt").read_text().splitlines()) == 1


def test_a_folder_of_other_things_is_not_written_over(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("mine")
    words = ["train", "unet", f"data.root={image_folder}", *SMALL, "--run", str(tmp_path)]
    assert main(words) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_run_is_not_begun_twice_but_gone_on_with(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "Läufe 1" / "größer"
    data = tmp_path / "Müllers Bilder"
    data.symlink_to(image_folder)
    image_folder = data
    run.parent.mkdir()
    words = ["train", "unet", f"data.root={image_folder}", *SMALL, "trainer.epochs=1"]
    assert main([*words, "--dry-run"]) == 0
    assert "Fitting one batch: loss" in capsys.readouterr().out
    run.mkdir()
    assert main([*words, "--run", str(run)]) == 0
    assert f"napari-medseg train export '{run}' --to FOLDER" in capsys.readouterr().err
    (run / "STOP").touch()
    assert main([*words, "--run", str(run)]) == 2
    assert f"--resume '{run}'" in capsys.readouterr().err
    assert main(["train", "swin_unet", "--resume", str(run)]) == 2
    assert "leave out 'swin_unet'" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--init-from", "chest-lungs"]) == 2
    assert "leave out --init-from" in capsys.readouterr().err
    assert main(["train", "--resume", str(run)]) == 0
    assert not (run / "STOP").exists()
    assert main(["train", "--resume", str(run), "trainer.epochs=2"]) == 0
    assert checkpoints.load(run / "checkpoints")["step"] == 6, "it goes on for longer"
    assert main(["export", str(run), "--to", str(tmp_path / "model"), "--name", "discs"]) == 0
    assert main(["recipes"]) == 0
    assert main(["recipes", "unet"]) == 0
    said = capsys.readouterr().out
    assert "discs:" in said
    assert "condseg_stage2" in said
    assert "[optimiser]" in said
