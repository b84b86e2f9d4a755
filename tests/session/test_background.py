"""A job that takes its time can be left at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator

import pytest

from napari_medseg.engine.results import Progress, finished
from napari_medseg.session.background import in_background

Steps = Generator[Progress, None, str]


def test_words_result_and_errors_are_those_of_the_job() -> None:
    def job() -> Steps:
        yield Progress(1, 2, "one", preview="seen")
        yield Progress(2, 2, "two")
        return "result"

    def failing() -> Steps:
        yield Progress(0, 1)
        raise ValueError("Paint something first.")

    run, told = in_background(job()), []
    while True:
        try:
            told.append(next(run))
        except StopIteration as end:
            assert end.value == "result"
            break
    assert [word for word in told if word.preview] == [Progress(1, 2, "one", preview="seen")]
    assert told[-1] == Progress(2, 2, "two")
    with pytest.raises(ValueError, match="Paint something first"):
        finished(in_background(failing()))


def test_while_a_step_lasts_the_last_words_are_told_again_without_the_picture() -> None:
    go = threading.Event()

    def job() -> Steps:
        yield Progress(1, 2, "half", preview="seen")
        go.wait(30)
        return "result"

    run = in_background(job())
    told = [next(run) for _ in range(3)]
    assert told[0].preview == "seen"
    assert told[1:] == [Progress(1, 2, "half")] * 2
    go.set()
    assert finished(run) == "result"


def test_closing_it_ends_the_job_where_it_runs_without_waiting_for_the_step() -> None:
    stop, closed, inside = threading.Event(), threading.Event(), threading.Event()

    def job() -> Steps:
        try:
            yield Progress(0, 1)
            inside.set()
            stop.wait(30)
            yield Progress(1, 1)
            raise AssertionError("never reached: nobody asks for more")
        finally:
            closed.set()

    run = in_background(job(), stop)
    next(run)
    assert inside.wait(30)
    run.close()
    assert stop.is_set()
    assert closed.wait(30)


def test_a_program_that_ends_waits_for_the_step_that_is_on_its_way() -> None:
    program = """
import time
from napari_medseg.engine.results import Progress
from napari_medseg.session.background import in_background

def job():
    yield Progress(0, 1, "a step")
    time.sleep(1.0)
    print("the step ended", flush=True)
    yield Progress(1, 1, "never wanted")

words = in_background(job())
next(words)
words.close()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "the step ended" in ended.stdout
