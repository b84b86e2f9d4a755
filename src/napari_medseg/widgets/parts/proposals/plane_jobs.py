"""What the jobs of two docks share that propose labels for planes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import QObject

from napari_medseg.engine.results import Progress, counted
from napari_medseg.session.by_example.order import nearest_first
from napari_medseg.session.by_example.prediction import Arrivals
from napari_medseg.session.layers.stack import Stack
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.workbench import Workbench


class PlaneJobs(QObject):
    """A button for the plane on display and one for all planes, and what becomes of the results.

    Parameters
    ----------
    bench : Workbench
        What is worked on, and where.
    plane, volume : str
        What the buttons say.
    """

    def __init__(self, bench: Workbench, plane: str, volume: str) -> None:
        super().__init__(bench.dock)
        self._bench, self._case, self._message = bench, bench.case, bench.message
        self._arrivals: Arrivals | None = None
        self.plane = JobButton(plane, self._make_plane, bench.gate)
        self.volume = JobButton(volume, self._make_volume, bench.gate)
        for button in (self.plane, self.volume):
            button.progressed.connect(self._on_step)
            button.succeeded.connect(self._on_proposed)
            button.cancelled.connect(self._on_cancelled)

    @property
    def buttons(self) -> tuple[JobButton, ...]:
        """All its buttons."""
        return self.plane, self.volume

    @property
    def is_predicting(self) -> bool:
        """Whether planes are on their way."""
        return self.plane.is_running or self.volume.is_running

    def drop(self) -> None:
        """Stop predicting and take no more planes."""
        if self._arrivals is not None:
            self._arrivals.drop()
        for button in (self.plane, self.volume):
            button.cancel()

    # -- what a dock of its own says --------------------------------------------------------------

    def _make_plane(self) -> AnyJob:
        raise NotImplementedError

    def _make_volume(self) -> AnyJob:
        raise NotImplementedError

    def _on_step(self, progress: Progress) -> None:
        raise NotImplementedError

    def _on_proposed(self, result: Any) -> None:
        raise NotImplementedError

    # -- what they share --------------------------------------------------------------------------

    def _is_approved(self, stack: Stack, position: int) -> bool:
        return stack.key(position) in self._case.approved

    def _open_planes(
        self, stack: Stack, near: Collection[int], without: Collection[int] = ()
    ) -> list[int]:
        """Give the planes that may be proposed for, those nearest to some first."""
        return [
            position
            for position in nearest_first(stack.n_planes, near)
            if position not in without and not self._is_approved(stack, position)
        ]

    def _tell_proposed(self, anything: bool, otherwise: str, before: str = "") -> None:
        if anything:
            accept = "Accept writes the proposal; a click on a piece accepts only that."
            self._message.hint(before + accept)
        else:
            self._message.hint(otherwise)

    def _on_cancelled(self) -> None:
        if self._arrivals is None or not self._arrivals.is_wanted:
            return
        n_planes = len(self._case.proposal.positions) if self._case.proposal else 0
        what = f"{counted(n_planes, 'plane')} {'is' if n_planes == 1 else 'are'} proposed"
        kept = f" {what}: accept or reject." if n_planes else ""
        self._message.hint(f"Cancelled.{kept}")
