"""Cleans a model's proposal up in the background, whenever it or the wishes have changed."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_medseg.session.background import in_background
from napari_medseg.session.case import Case
from napari_medseg.session.with_model.proposal import Cleaned, ModelProposal
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton

_PAUSE_MS = 60
"""A slider that moves is waited for, so that not every value on its way is worked out."""


class Cleaner(QObject):
    """Keeps the cleaned-up labels of a proposal in step with it.

    Parameters
    ----------
    case : Case
        Whose proposal it is.
    parent : QWidget
        The dock.
    """

    settled = Signal()
    """The proposal is what was asked for."""

    def __init__(self, case: Case, parent: QWidget) -> None:
        super().__init__(parent)
        self._case = case
        self._worked_on: ModelProposal | None = None
        self.button = JobButton("Clean up", self._make_job, parent=parent)
        self.button.hide()
        self.paused = False
        """Whether planes are still on their way, so that cleaning up has to wait."""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._start)
        self.button.succeeded.connect(self._on_cleaned)
        self.button.ended.connect(self.refresh)

    @property
    def is_behind(self) -> bool:
        """Whether the proposal is not yet what was asked for."""
        proposal = self._case.proposal
        return isinstance(proposal, ModelProposal) and not proposal.is_settled

    def refresh(self) -> None:
        """Work out anew what is out of date; what is under way for older wishes is dropped."""
        if self.paused or not self.is_behind:
            return
        if self.button.is_running:
            self.button.cancel()
        elif not self._timer.isActive():
            self._timer.start()

    def close(self) -> None:
        """Stop."""
        self._timer.stop()
        self.button.cancel()

    def _start(self) -> None:
        if not self.paused and self.is_behind:
            self.button.start()

    def _make_job(self) -> AnyJob | None:
        proposal = self._case.proposal
        if not isinstance(proposal, ModelProposal):
            return None
        self._worked_on = proposal
        return in_background(proposal.clean_job())

    def _on_cleaned(self, cleaned: Cleaned) -> None:
        proposal = self._case.proposal
        if proposal is not None and proposal is self._worked_on:
            self._worked_on.take_cleaned(cleaned)
            if self._worked_on.is_settled:
                self.settled.emit()
