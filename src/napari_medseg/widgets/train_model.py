"""The dock Train a model: data, recipe, a process of its own, curves, and a model at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtCore import QUrl
from qtpy.QtGui import QColor, QDesktopServices

from napari_medseg.session.training import runs
from napari_medseg.session.training.command import TrainingCommand
from napari_medseg.session.training.data import FoundData, look_job
from napari_medseg.session.training.open_cases import dataset_job, painted, painted_pairs
from napari_medseg.session.training.result import TrainingReport, add_job, report_job
from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.training.plan import TrainingPlan
from napari_medseg.widgets.parts.training.source import TrainingSource
from napari_medseg.widgets.parts.training.view import TrainingView
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    import napari.viewer


class TrainModel(Dock):
    """The dock; the training is a process that it starts and follows, and that outlives it.

    Parameters
    ----------
    viewer : napari viewer
        Whose painted layers can be trained on.
    folder : Path, optional
        Where the runs are kept; by default beside the models that were added.
    """

    tab = "Train"

    def __init__(self, viewer: napari.viewer.Viewer, folder: Path | None = None) -> None:
        super().__init__(viewer)
        self.runs_folder = folder or runs.runs_folder()
        gate = self.gate
        save_open = JobButton("Save what is open as a data set", self._save_open_job, gate)
        look = JobButton("Look", self._look_job, gate)
        look.set_idle("Look", "Read all of it once and list what is wrong")
        self.source = TrainingSource(save_open, look)
        self.plan = TrainingPlan(self.runs_folder)
        self.view = TrainingView(self.runs_folder)
        self.add = JobButton("Add to my models", self._add_job, gate, self)
        self.report = JobButton("How good is it?", self._report_job, gate, self)
        for button in (self.add, self.report):
            button.hide()  # the view's own buttons start them
        self._jobs = (look, save_open, self.add, self.report)
        self._lay_out()
        self._connect()
        self._refresh()

    # -- what the user does ---------------------------------------------------------------------

    def start(self) -> None:
        """Start the training that the command line shows."""
        if self._started(self.plan.command):
            self.plan.name_anew()
            self._scroll.show_later(self.view.words)
            self.message.hint("It goes on when napari is closed; this dock finds it again.")

    def resume(self) -> None:
        """Go on with the run on display from its last checkpoint."""
        if self.view.run is not None and self._started(
            TrainingCommand("", self.view.run.run, resume=True)
        ):
            self.message.hint("It goes on from its last checkpoint.")

    def _started(self, command: TrainingCommand) -> bool:
        try:
            process = runs.start(command)
        except (ValueError, OSError) as error:
            self.message.problem(str(error))
            return False
        self.view.show_run(command.run, process)
        self.view.list_runs()
        return True

    # -- jobs -----------------------------------------------------------------------------------

    def _look_job(self) -> AnyJob:
        folder = self.source.folder
        if folder is None:
            raise ValueError("Choose a folder first.")
        return look_job(folder, self.source.kind.currentData())

    def _save_open_job(self) -> AnyJob:
        pairs = painted_pairs(self.viewer.layers)
        if not pairs:
            raise ValueError("Nothing that is open is painted: paint labels on an image first.")
        snapshots = [painted(image, labels, self.viewer.dims) for image, labels in pairs]
        data = self.runs_folder / "data" / time.strftime("%Y%m%d-%H%M%S")
        return dataset_job(snapshots, data / "Dataset001_Open")

    def _add_job(self) -> AnyJob:
        return add_job(self._run_on_display())

    def _report_job(self) -> AnyJob:
        return report_job(self._run_on_display())

    def _run_on_display(self) -> Path:
        if self.view.run is None:
            raise ValueError("Choose a run first.")
        return self.view.run.run

    def _on_saved(self, folder: Path) -> None:
        self.source.point_to(folder)
        self.message.done(f"Saved in {folder}.")

    def _on_found(self, found: FoundData) -> None:
        self.source.show_found(found)
        if found.errors:
            self.message.problem("The data cannot be trained on as it is; see the list under it.")
        else:
            self.message.hint("Choose a recipe, then press “Start training”.")

    def _on_added(self, card: ModelCard) -> None:
        self.plan.list_starts()
        dock = "Segment by example" if card.kind == "in-context" else "Segment with a model"
        self.message.done(f"“{card.title}” is in the dock {dock} now.")

    def _on_reported(self, report: TrainingReport) -> None:
        self.message.done(f"{report.sentence} The page: {report.page}")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(report.page)))

    def _on_ended(self, phase: str) -> None:
        if phase == "finished":
            found = self.view.run is None or self.view.run.best != 0
            if found:
                self.message.done("The training is finished: add it to your models to use it.")
            else:
                self.message.problem(
                    "Finished, but it finds nothing in the validation cases yet: train for more "
                    "epochs, or with a smaller batch."
                )
        elif phase == "stopped":
            self.message.hint("Stopped and saved; Resume goes on from there.")
        elif phase == "failed" and self.view.run is not None:
            self.message.problem(self.view.run.message or "The training failed.")

    # -- layout and wiring ----------------------------------------------------------------------

    def _refresh(self) -> None:
        source = self.source
        self.plan.show_data(
            source.folder, source.kind.currentData(), source.missing(), source.found
        )

    def _lay_out(self) -> None:
        self._scroll = self.put(self.source, self.plan, self.view)
        fold = self.plan.all_values
        fold.toggled.connect(lambda _: self._scroll.show_later(fold))

    def _connect(self) -> None:
        self.follow(*self._jobs)
        self.source.look.succeeded.connect(self._on_found)
        self.source.save_open.succeeded.connect(self._on_saved)
        self.add.succeeded.connect(self._on_added)
        self.report.succeeded.connect(self._on_reported)
        self.source.changed.connect(self._refresh)
        self.plan.changed.connect(self._refresh)
        self.plan.copied.connect(lambda: self.message.done("Copied."))
        self.plan.start_asked.connect(self.start)
        self.view.resume_asked.connect(self.resume)
        self.view.add_asked.connect(self.add.start)
        self.view.report_asked.connect(self.report.start)
        self.view.folder_button.clicked.connect(self._open_folder)
        self.view.ended.connect(self._on_ended)
        self.gate.changed.connect(self._on_gate)
        self.viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def _on_gate(self) -> None:
        self.view.set_busy(self.gate.holder is not None)

    def _on_theme(self, event: object = None) -> None:
        text = get_theme(self.viewer.theme).text
        self.view.curves.set_ink(QColor(text.as_hex()))

    def _open_folder(self) -> None:
        if self.view.run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.view.run.run)))

    def let_go(self) -> None:
        """Leave the process alone; only the look at it ends."""
        self.viewer.events.theme.disconnect(self._on_theme)
        for button in self._jobs:
            button.cancel()
