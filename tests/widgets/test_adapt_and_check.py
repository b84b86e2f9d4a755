"""The dock's Adapt to my examples and Next plane to check, pressed in a real window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medseg.engine.by_example.adapt import album as adapt_album
from napari_medseg.engine.by_example.adapt import job as adapt
from napari_medseg.engine.by_example.adapt.adaptation import Adaptation, Gain, Shares
from napari_medseg.engine.by_example.disagreement import PlaneToCheck
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.results import Progress
from napari_medseg.widgets.parts.by_example import jobs as by_example_jobs

from .by_example import click, paint, press_and_wait, volume

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_by_example import SegmentByExample

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def short_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "ROUNDS", 1)
    monkeypatch.setattr(adapt, "STEPS_PER_ROUND", 2)
    monkeypatch.setattr(adapt_album, "SMALL", 32)


def add_example(dock: SegmentByExample, qtbot: QtBot, position: int, mask: np.ndarray) -> None:
    if dock.case.labels is None:
        click(qtbot, dock.new_button)
    dock.viewer.dims.set_current_step(0, position)
    paint(dock, mask)
    press_and_wait(qtbot, dock.jobs.add)


def better(dock: SegmentByExample) -> Adaptation:
    """An adaptation that believes the masks of look-alikes alone."""
    support, model = dock.case.examples.support(), dock.details.model_sha256
    shares = (Shares(0.0, alike=1.0),)
    gain = Gain(0.5, 0.75, 0.1, 2)
    return Adaptation(support.examples_hash, model, (1,), False, (), shares, gain, 0, 0)


def test_nothing_can_be_pressed_before_it_makes_sense(dock: SegmentByExample, qtbot: QtBot) -> None:
    assert "example" in dock.jobs.adapt.toolTip()
    assert "example" in dock.jobs.next_plane.toolTip()
    add_example(dock, qtbot, 4, volume()[1][4])
    assert dock.jobs.adapt.isEnabled()
    assert not dock.jobs.next_plane.isEnabled()
    assert "two examples" in dock.jobs.next_plane.toolTip()


def test_adapting_shows_the_gain_and_waits_for_keep(
    dock: SegmentByExample, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for position in (3, 5):
        add_example(dock, qtbot, position, volume()[1][position])
    panel = dock.adaptation
    press_and_wait(qtbot, dock.jobs.adapt)
    assert "brought nothing" in panel.words.text()
    assert panel.keep_button.isHidden()

    offered = better(dock)
    dock.jobs.adapt.succeeded.emit(offered)
    assert "0.50 → 0.75" in panel.words.text()
    assert dock.case.examples.support().adaptation is None
    click(qtbot, panel.keep_button)
    assert dock.case.examples.support().adaptation is offered
    assert panel.words.text().startswith("In use.")
    monkeypatch.setattr(dock.jobs, "ask_where_to_save", lambda: str(tmp_path / "examples"))
    press_and_wait(qtbot, dock.jobs.save)
    saved = SupportSet.load(tmp_path / "examples").adaptation
    assert saved is not None
    assert saved.sha256 == offered.sha256

    dock.details.model.addItem("other", None)
    dock.details.model.setCurrentText("other")
    assert "another model" in panel.words.text()
    dock.details.model.setCurrentText("intensity")
    assert panel.words.text().startswith("In use.")
    dock.case.examples.remove(0)
    assert "Not in use" in panel.words.text()
    click(qtbot, panel.discard_button)
    assert dock.case.examples.adaptation is None
    assert panel.words.isHidden()


def test_what_is_discarded_changes_nothing(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot, 4, volume()[1][4])
    dock.jobs.adapt.succeeded.emit(better(dock))
    click(qtbot, dock.adaptation.discard_button)
    assert dock.case.examples.adaptation is None
    assert dock.adaptation.keep_button.isHidden()


def test_examples_are_loaded_where_their_nets_cannot_be_used(
    dock: SegmentByExample, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_example(dock, qtbot, 4, volume()[1][4])
    folder = tmp_path / "examples"
    dock.case.examples.support().save(folder)
    file = folder / "support.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"adaptation": {"version": 1}}))
    dock.case.examples.remove(0)
    monkeypatch.setattr(dock.jobs, "ask_what_to_load", lambda: str(folder))
    press_and_wait(qtbot, dock.jobs.load)
    assert len(dock.case.examples) == 1
    assert dock.message.kind == "problem"
    assert "1 example loaded." in dock.message.text()
    assert "adapt again" in dock.message.text()


def test_the_same_examples_are_loaded_once_and_the_message_says_so(
    dock: SegmentByExample, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for position in (3, 5):
        add_example(dock, qtbot, position, volume()[1][position])
    folder = tmp_path / "examples"
    dock.case.examples.support().save(folder)
    monkeypatch.setattr(dock.jobs, "ask_what_to_load", lambda: str(folder))
    press_and_wait(qtbot, dock.jobs.load)
    assert len(dock.case.examples) == 2
    assert dock.message.text().startswith(
        "✓ No example is new: 2 examples were there already. Predict"
    )

    dock.case.examples.remove(0)
    press_and_wait(qtbot, dock.jobs.load)
    assert len(dock.case.examples) == 2
    assert "1 example loaded; 1 was there already. Predict a plane." in dock.message.text()


def test_after_cancel_the_panel_says_that_nothing_has_changed(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot, 4, volume()[1][4])
    dock.jobs.adapt.progressed.connect(lambda _: dock.jobs.adapt.cancel())
    press_and_wait(qtbot, dock.jobs.adapt)
    assert dock.adaptation.words.text().startswith("Cancelled")
    assert dock.adaptation.keep_button.isHidden()
    assert dock.case.examples.adaptation is None


def test_the_next_plane_to_check_comes_on_display(
    dock: SegmentByExample, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for position in (0, 4):
        add_example(dock, qtbot, position, volume()[1][position])
    stack = dock.bench.stack()
    assert stack is not None
    dock.case.set_approved(stack.key(7), True)
    press_and_wait(qtbot, dock.jobs.next_plane)
    assert "agree on every plane" in dock.message.text()

    left_out: list[int] = []

    def doubtful(query, leave_out, support, options):
        yield Progress(0, 1, "Comparing")
        left_out.extend(leave_out)
        return PlaneToCheck(2, 0.4, 8)

    monkeypatch.setattr(by_example_jobs, "check_plane_job", doubtful)
    press_and_wait(qtbot, dock.jobs.next_plane)
    assert left_out == [0, 4, 7]
    assert dock.bench.stack().position == 2
    assert dock.message.text().startswith("Plane 2: halves of the examples disagree on 40 %")
