"""Step 7 of journey A: the program is killed while somebody paints, and everything comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medseg.session.journal.store import FOLDER_VARIABLE
from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper
from tests.journeys.paint_until_crash import PLANE
from tests.widgets.by_example import click

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = [
    pytest.mark.gui,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9"),
]


def kill_while_painting(answer: Path) -> None:
    """Let another window paint, and kill it without a warning."""
    root = Path(__file__).resolve().parents[2]
    script = [sys.executable, "-m", "tests.journeys.paint_until_crash", str(answer)]
    child = subprocess.Popen(script, cwd=root)
    try:
        until = time.monotonic() + 240
        while not answer.exists() and child.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert answer.exists(), "the other window has not painted"
        time.sleep(0.2)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def test_what_was_painted_before_a_crash_is_offered_and_comes_back(
    make_napari_viewer_proxy,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "unsaved"))
    kill_while_painting(tmp_path / "painted.npy")
    painted = np.load(tmp_path / "painted.npy")

    viewer = make_napari_viewer_proxy(show=True)
    viewer = getattr(viewer, "__wrapped__", viewer)
    viewer.window.resize(1280, 720)
    viewer.open_sample("napari-medseg", "cardiac_mr")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment by example")
    before = dock.case.labels
    untouched = before.data.copy()
    assert (painted != untouched).any()
    assert np.flatnonzero((painted != untouched).any(axis=(1, 2))).tolist() == [PLANE]

    restore = LabelKeeper.of(viewer).restore
    qtbot.waitUntil(lambda: len(restore.offers) == 2, timeout=60_000)
    for _ in range(2):
        assert not restore.bar.picture.pixmap().isNull()
        click(qtbot, restore.bar.restore_button)
    assert restore.bar is None
    assert dock.case.labels is not before
    assert np.array_equal(dock.case.labels.data, painted)
    assert np.array_equal(before.data, untouched)
    assert np.array_equal(dock.case.labels.scale, dock.case.image.scale)
    assert dock.case.examples.class_names[1] == "right ventricle"
    (entry,) = dock.case.examples.entries
    assert np.array_equal(entry.example.mask, painted[PLANE])
    assert np.array_equal(entry.example.image, dock.case.image.data[PLANE])
    assert len(dock.strip.cards) == 1
