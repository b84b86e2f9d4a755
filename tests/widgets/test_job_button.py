"""The bridge from a job to a dock."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QElapsedTimer, Qt, QTimer

from napari_medseg.engine.results import Progress
from napari_medseg.io.atomic import SaveError
from napari_medseg.widgets.parts.jobs import button as button_module
from napari_medseg.widgets.parts.jobs.button import JobButton
from napari_medseg.widgets.parts.jobs.gate import JobGate
from napari_medseg.widgets.parts.jobs.progress import JobProgress

from .by_example import click, press_and_wait

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


def counting(total: int = 5) -> Generator[Progress, None, int]:
    for done in range(total + 1):
        yield Progress(done, total, f"{done} of {total}")
    return total


class Waiting:
    """A job that goes on only when it is let, and notes that it was closed."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.closed_in: int | None = None

    def __call__(self) -> Generator[Progress, None, str]:
        try:
            for step in range(100):
                yield Progress(step, 100, "working")
                self.go.wait(10)
                self.go.clear()
            return "done"
        finally:
            self.closed_in = threading.get_ident()


@pytest.fixture
def button_of(qtbot: QtBot):
    def make(job, gate: JobGate | None = None, text: str = "Run") -> JobButton:
        button = JobButton(text, job, gate)
        qtbot.addWidget(button)
        return button

    return make


def test_steps_arrive_in_order_and_the_result_at_the_end(button_of, qtbot: QtBot) -> None:
    button = button_of(counting)
    seen: list[object] = []
    button.progressed.connect(lambda progress: seen.append(progress.done))
    button.succeeded.connect(seen.append)
    button.ended.connect(lambda: seen.append("ended"))
    press_and_wait(qtbot, button)
    assert seen[0] == 0
    assert seen[:-2] == sorted(set(seen[:-2])), "in order, each at most once"
    assert seen[-3:] == [5, 5, "ended"], "the last words are never left out"
    assert button.text() == "Run"


def test_it_becomes_cancel_and_closes_the_job_where_it_runs(button_of, qtbot: QtBot) -> None:
    job = Waiting()
    button = button_of(job)
    with qtbot.waitSignal(button.progressed):
        click(qtbot, button)
    assert button.text() == "Cancel"
    with qtbot.waitSignals([button.cancelled, button.ended]):
        click(qtbot, button)
        assert (button.text(), button.isEnabled()) == ("Cancelling…", False)
        job.go.set()
    assert job.closed_in not in (None, threading.get_ident())
    assert (button.text(), button.isEnabled()) == ("Run", True)


def test_a_double_click_starts_one_job(button_of, qtbot: QtBot) -> None:
    started: list[int] = []

    def job() -> Generator[Progress, None, None]:
        started.append(1)
        yield from counting(50)

    button = button_of(job)
    with qtbot.waitSignal(button.ended):
        qtbot.mouseDClick(button, Qt.MouseButton.LeftButton)
        button.start()
    assert started == [1]


def test_buttons_of_one_gate_exclude_each_other_and_say_why(button_of, qtbot: QtBot) -> None:
    gate, job = JobGate(), Waiting()
    first, second = button_of(job, gate, "Predict the volume"), button_of(counting, gate)
    with qtbot.waitSignal(first.progressed):
        click(qtbot, first)
    assert not second.isEnabled()
    assert "Predict the volume" in second.toolTip()
    second.start()
    assert not second.is_running
    with qtbot.waitSignal(first.ended):
        first.cancel()
        job.go.set()
    assert second.isEnabled()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("Paint something first."), "Paint something first."),
        (OSError("The disk is full: free some space."), "The disk is full: free some space."),
        (MemoryError(), "not enough memory"),
        (KeyError("x"), "The log has the details."),
    ],
)
def test_an_error_is_one_sentence_in_the_dock(
    button_of, qtbot: QtBot, error: Exception, sentence: str
) -> None:
    def job() -> Generator[Progress, None, None]:
        yield Progress(0, 1)
        raise error

    button = button_of(job)
    with qtbot.waitSignal(button.failed) as failed:
        click(qtbot, button)
    assert sentence in failed.args[0]
    qtbot.waitUntil(lambda: button.isEnabled())


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [
        (ValueError("Paint something first."), False),
        (SaveError("a.png was not saved: the disk is full."), False),
        (ValueError("operands could not be broadcast together"), True),
        (OSError(5, "Input/output error"), True),
        (KeyError("x"), True),
    ],
)
def test_only_what_may_be_a_fault_of_the_program_prints_a_traceback(
    button_of, qtbot: QtBot, caplog: pytest.LogCaptureFixture, error: Exception, is_logged: bool
) -> None:
    def job() -> Generator[Progress, None, None]:
        yield Progress(0, 1)
        raise error

    button = button_of(job)
    with caplog.at_level(logging.INFO), qtbot.waitSignal(button.failed):
        click(qtbot, button)
    (record,) = (r for r in caplog.records if r.name == button_module.__name__)
    assert (record.levelno >= logging.WARNING) == is_logged
    assert record.exc_info, "whoever looks for it finds where it was refused"


def test_nothing_to_run_is_told_at_once_and_a_change_of_mind_is_silent(
    button_of, qtbot: QtBot
) -> None:
    def refuse() -> None:
        raise ValueError("Open an image first.")

    button = button_of(refuse)
    with qtbot.waitSignal(button.failed) as failed:
        click(qtbot, button)
    assert failed.args == ["Open an image first."]
    changed_mind = button_of(lambda: None)
    with qtbot.assertNotEmitted(changed_mind.failed):
        click(qtbot, changed_mind)
    assert not changed_mind.is_running


def test_a_button_deleted_meanwhile_stops_its_job(button_of, qtbot: QtBot) -> None:
    job = Waiting()
    button = JobButton("Run", job)
    with qtbot.waitSignal(button.progressed):
        click(qtbot, button)
    button.deleteLater()
    qtbot.wait(20)
    job.go.set()
    qtbot.waitUntil(lambda: job.closed_in is not None)


def test_progress_is_told_in_words_and_numbers(button_of, qtbot: QtBot) -> None:
    job = Waiting()
    button, bar = button_of(job), JobProgress()
    qtbot.addWidget(bar)
    bar.follow(button)
    assert bar.isHidden()
    with qtbot.waitSignal(button.progressed):
        click(qtbot, button)
    assert not bar.isHidden()
    with qtbot.waitSignal(button.progressed):
        job.go.set()
    assert (bar.bar.value(), bar.bar.maximum()) == (1, 100)
    assert bar.words.text().startswith("working")
    with qtbot.waitSignal(button.ended):
        button.cancel()
        job.go.set()
    assert bar.isHidden()


def test_the_window_keeps_answering_while_a_job_computes(button_of, qtbot: QtBot) -> None:
    import numpy as np

    def computing() -> Generator[Progress, None, None]:
        matrix = np.random.default_rng(0).random((400, 400))
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            np.linalg.svd(matrix)
            yield Progress(0, 1, "computing")

    button, clock, gaps = button_of(computing), QElapsedTimer(), []
    timer = QTimer()
    timer.setInterval(16)
    timer.timeout.connect(lambda: gaps.append(clock.restart()))
    clock.start()
    timer.start()
    press_and_wait(qtbot, button)
    timer.stop()
    # A single late tick may be the machine's; a window that freezes is late again and again.
    assert len(gaps) > 20
    assert sum(gap > 200 for gap in gaps) <= 1, sorted(gaps)[-5:]


@pytest.mark.parametrize("preview", [None, "a picture"])
def test_a_flood_of_steps_leaves_the_window_its_time(
    button_of, qtbot: QtBot, preview: str | None
) -> None:
    n_steps, seen, ticks = 300, [], []

    def flood() -> Generator[Progress, None, None]:
        for done in range(n_steps):
            yield Progress(done, n_steps, "working", preview)

    def handle(progress: Progress) -> None:
        seen.append(progress.done)
        time.sleep(0.005)

    button, timer = button_of(flood), QTimer()
    button.progressed.connect(handle)
    timer.setInterval(16)
    timer.timeout.connect(lambda: ticks.append(len(seen)))
    timer.start()
    press_and_wait(qtbot, button)
    timer.stop()
    assert seen == sorted(seen)
    assert seen[-1] == n_steps - 1
    if preview:
        assert len(seen) == n_steps, "whatever there is to show is shown"
        assert len(set(ticks)) > 10, "the window was drawn again and again meanwhile"
    else:
        assert len(seen) < n_steps, "words that are out of date at once are left out"


def test_docks_of_a_window_share_a_gate_and_say_which_dock_is_busy(
    make_napari_viewer_proxy, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer_proxy()
    assert JobGate.of(viewer.__wrapped__) is JobGate.of(viewer.__wrapped__)
    gate, job = JobGate.of(viewer.__wrapped__), Waiting()
    first, second = JobButton("Predict", job, gate), JobButton("Measure", counting, gate)
    for button, name in ((first, "Segment by example"), (second, "Measure and compare")):
        viewer.window.add_dock_widget(button, name=f"{name} (napari-medseg)")
    with qtbot.waitSignal(first.progressed):
        click(qtbot, first)
    assert "in the dock Segment by example" in second.toolTip()
    with qtbot.waitSignal(second.failed) as refused:
        second.start()
    assert "Wait until “Predict”" in refused.args[0]
    first.deleteLater()
    qtbot.waitUntil(second.isEnabled)
    job.go.set()
    qtbot.waitUntil(lambda: job.closed_in is not None)


def followed(qtbot: QtBot, button: JobButton) -> JobProgress:
    bar = JobProgress()
    qtbot.addWidget(bar)
    bar.follow(button)
    button.started.emit()
    return bar


def test_the_time_left_follows_the_speed_of_late(button_of, qtbot: QtBot, monkeypatch) -> None:
    now = 1000.0
    monkeypatch.setattr("napari_medseg.widgets.parts.jobs.progress.time.monotonic", lambda: now)
    button = button_of(counting)
    bar = followed(qtbot, button)

    def tell(seconds: float, done: int) -> str:
        nonlocal now
        now += seconds
        button.progressed.emit(Progress(done, 100, "fitting"))
        return bar.words.text()

    assert tell(60, 1) == "fitting", "the first step loads the model"
    assert tell(1, 2) == "fitting", "too early to tell"
    for done in range(3, 41):
        told = tell(1, done)
    assert told == "fitting · about 60 s left"
    for done in range(41, 51):
        told = tell(10, done)
    assert told == "fitting · about 8 min left", "it has become slower"
    assert tell(1, 100) == "fitting"


def test_long_words_are_wrapped_not_cut_off(button_of, qtbot: QtBot) -> None:
    button = button_of(counting)
    bar = followed(qtbot, button)
    bar.setFixedWidth(200)
    button.progressed.emit(Progress(1, 9, "Choosing how to look, by leaving examples out"))
    shown = bar.words.fontMetrics().horizontalAdvance(bar.words.text())
    assert shown > 200
    assert bar.words.heightForWidth(200) > 1.5 * bar.words.fontMetrics().height()
