"""What the user answers to a model's proposal: how to cut it, accept, or reject."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout

from napari_medseg.session.layers.colours import colour_of
from napari_medseg.session.with_model.classes import adopt_classes, planned_values
from napari_medseg.session.with_model.proposal import Cut, ModelProposal
from napari_medseg.widgets.parts.proposals.answers import ProposalAnswers
from napari_medseg.widgets.parts.proposals.panel import SLIDER_TIP
from napari_medseg.widgets.parts.with_model.cleaner import Cleaner
from napari_medseg.widgets.parts.with_model.live_options import LiveOptions
from napari_medseg.widgets.parts.workbench import Workbench
from napari_medseg.zoo.cards import ModelCard

_TOO_LARGE = "Too large to keep probabilities: segment again to use another threshold."


class ModelAnswers(ProposalAnswers):
    """As for every proposal; with a legend, and with options that hold without another run.

    Parameters
    ----------
    bench : Workbench
        Whose proposal it is, and where it is shown.
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.live = LiveOptions()
        self.cleaner = Cleaner(bench.case, self)
        column = self.layout()
        assert isinstance(column, QVBoxLayout)
        column.insertWidget(0, self.legend)
        column.insertWidget(1, self.live)
        self._connect()

    @property
    def cut(self) -> Cut:
        """How labels are made of probabilities, as it is set now."""
        return self.live.cut(self.panel.threshold)

    def show_model(self, card: ModelCard | None, running: bool) -> None:
        """Take note of the model that runs, or has run last."""
        self.cleaner.paused = running
        self.live.show_model(card)
        self.cleaner.refresh()
        self.show_running(running)

    def close_down(self) -> None:
        """Take the proposal off the canvas and stop."""
        super().close_down()
        self.cleaner.close()

    def refresh(self) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        super().refresh()
        proposal = self._case.proposal
        if isinstance(proposal, ModelProposal):
            self.legend.setText(_legend(proposal))
        graded = not isinstance(proposal, ModelProposal) or proposal.is_graded
        self.panel.slider.setToolTip(SLIDER_TIP if graded else _TOO_LARGE)

    # -- changes --------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Give the labels the names of the model's classes, as soon as something is accepted."""
        proposal = self._case.proposal
        if isinstance(proposal, ModelProposal):
            adopt_classes(self._case, proposal.class_names, proposal.values)

    def _why_not_yet(self) -> str:
        if not self.cleaner.is_behind:
            return ""
        if self._running:
            return "It is cleaned up when all planes are there: wait, or cancel."
        return "Cleaning up: wait a moment."

    def _on_proposal(self) -> None:
        self.cleaner.refresh()
        self.refresh()

    def _on_labels(self) -> None:
        """Give the classes the values that they have in the labels chosen now."""
        proposal = self._case.proposal
        if isinstance(proposal, ModelProposal):
            values = planned_values(self._case, proposal.class_names)
            if values != proposal.values:
                proposal.set_values(values)
                self._case.proposal_changed.emit()
        self.refresh()

    def _on_threshold(self, _: float) -> None:
        self.live.leave_automatic()
        self._on_live()

    def _on_live(self) -> None:
        proposal = self._case.proposal
        if not isinstance(proposal, ModelProposal):
            return
        wanted = self.cut
        if not proposal.is_graded:
            if wanted.threshold != proposal.cut.threshold:
                self._message.hint(_TOO_LARGE)
            wanted = replace(wanted, threshold=proposal.cut.threshold)
        proposal.set_cut(wanted)
        self.cleaner.refresh()
        self._recut()

    def _recut(self) -> None:
        self.view.recut()
        self.refresh()

    def _connect(self) -> None:
        self._case.proposal_changed.connect(self._on_proposal)
        self._case.labels_changed.connect(self._on_labels)
        self.live.changed.connect(self._on_live)
        self.cleaner.settled.connect(self._recut)
        self.panel.threshold_changed.connect(self._on_threshold)


def _legend(proposal: ModelProposal) -> str:
    """Say in which colour each class is drawn."""
    return " &nbsp; ".join(
        f'<span style="color: {colour_of(value)}">■</span>&nbsp;{escape(name)}'
        for name, value in zip(proposal.class_names, proposal.values, strict=True)
    )
