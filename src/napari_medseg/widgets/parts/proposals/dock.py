"""What docks have in common whose jobs propose labels, to be accepted by button or by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QKeyEvent

from napari_medseg.widgets.parts.case_dock import CaseDock
from napari_medseg.widgets.parts.keys_box import KeysBox
from napari_medseg.widgets.parts.proposals.answers import ProposalAnswers
from napari_medseg.widgets.parts.proposals.plane_jobs import PlaneJobs
from napari_medseg.widgets.parts.shortcuts import Shortcuts

if TYPE_CHECKING:
    import napari.viewer

PLANE_KEYS, VOLUME_KEYS = "Ctrl+Enter", "Ctrl+Shift+Enter"
_MOVES = ("current_step", "order")


class ProposalDock(CaseDock):
    """A dock with jobs, and answers to what they propose.

    A dock of this kind makes its own `jobs`, `answers` and `keys_box`, connects them with
    `connect_jobs`, and shows them with `begin`.

    Parameters
    ----------
    viewer, no_labels, brush :
        As in `CaseDock`.
    """

    jobs: PlaneJobs
    answers: ProposalAnswers
    keys_box: KeysBox

    def __init__(self, viewer: napari.viewer.Viewer, no_labels: str, brush: bool) -> None:
        super().__init__(viewer, no_labels, brush)
        self.shortcuts = Shortcuts(self.viewer, self)

    def connect_jobs(self) -> None:
        """Let the jobs and their keys work."""
        for button in self.jobs.buttons:
            button.started.connect(self.show_running)
            button.started.connect(lambda: self.message.hint(""))
            button.ended.connect(self.show_running)
        self.follow(*self.jobs.buttons)
        self.answers.rejected.connect(self.jobs.drop)
        self.case.approved_changed.connect(self.refresh)
        for move in _MOVES:
            getattr(self.viewer.dims.events, move).connect(self.refresh)
        self.keys_box.toggled.connect(self._show_keys)
        self.shortcuts.add_job(self.jobs.plane, PLANE_KEYS, "Propose labels for this plane")
        self.shortcuts.add_job(self.jobs.volume, VOLUME_KEYS, "Propose labels for all planes")

    def begin(self) -> None:
        """Turn to the image that is open, and say what to do with it."""
        self.follower.choose_first_image()
        self._show_keys(self.keys_box.isChecked())
        self.tell_first_step()

    def refresh(self, event: object = None) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        self.answers.refresh()

    def show_running(self) -> None:
        """Take note of a job that has begun or ended."""
        self.answers.show_running(self.jobs.is_predicting)
        self.refresh()

    def tell_first_step(self) -> None:
        """Say what the user does first."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Accept or reject where no part of the dock wanted the key for itself."""
        if not (self.keys_box.isChecked() and self.answers.answer_key(event)):
            super().keyPressEvent(event)

    def note_in_front(self, is_in_front: bool) -> None:
        """Have the canvas's keys only while the dock can be seen."""
        self.shortcuts.set_in_front(is_in_front)

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        for move in _MOVES:
            getattr(self.viewer.dims.events, move).disconnect(self.refresh)
        super().let_go()
        self.answers.close_down()
        self.shortcuts.set_in_front(False)
        self.jobs.drop()

    def _show_keys(self, on: bool) -> None:
        """Turn the keys on and write them on the buttons, or the opposite."""
        self.shortcuts.set_on(on)
        self.answers.show_keys(on)
        self.refresh()
