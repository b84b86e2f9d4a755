"""The dock Cluster one image: no labels, no model; click what you want among what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QGroupBox, QRadioButton

from napari_medseg.engine.results import Progress
from napari_medseg.session.case import NO_IMAGE
from napari_medseg.session.clustering import (
    ClusterMap,
    Pick,
    cluster_region_job,
    pick_job,
    write_pick_job,
)
from napari_medseg.session.edits import Mode
from napari_medseg.session.layers.query import Query
from napari_medseg.session.layers.stack import stack_on_display
from napari_medseg.widgets.parts.arrange import form, group
from napari_medseg.widgets.parts.case_dock import CaseDock
from napari_medseg.widgets.parts.cluster.details import ClusterDetails
from napari_medseg.widgets.parts.cluster.region_picker import RegionPicker
from napari_medseg.widgets.parts.cluster.view import ClusterView
from napari_medseg.widgets.parts.copy_offer import CopyOffer
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton

if TYPE_CHECKING:
    import napari.viewer

_EXAMPLES_COLUMN = 1
NO_LABELS = "Made at the first click"

_OTHER_PLANE = "The clusters are of another plane: go back to it, or cluster the one on display."


class ClusterImage(CaseDock):
    """The dock; the user's side of it lives in `case`, the clusters in `clusters`.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    tab = "Cluster"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, NO_LABELS, brush=False)
        self.clusters: ClusterMap | None = None
        self.classes.table.setColumnHidden(_EXAMPLES_COLUMN, True)
        self.details = ClusterDetails()
        self.where = RegionPicker(self.viewer)
        self.run = JobButton("Run", self._make_run, self.gate)
        self.pick = JobButton("Take what was clicked", self._make_pick, parent=self)
        self.pick.hide()
        self.copy_offer = CopyOffer(self.case)
        self.piece = QRadioButton("One connected piece")
        self.whole = QRadioButton("The whole cluster")
        self.replace = QCheckBox("Replace labels that are there")
        self.view = ClusterView(self.viewer, self.case)
        self._clicked = (0, 0)
        self._deleted = False
        self._lay_out()
        self._connect()
        self.follower.choose_first_image()
        self._refresh()
        self._tell_first_step()

    # -- what the user does ---------------------------------------------------------------------

    def take(self, row: int, column: int) -> None:
        """Make what lies under a pixel of the plane the class that is chosen."""
        if self.run.is_running:
            self.message.hint("Wait until the clustering is done, or cancel it, then click.")
        elif not self.pick.is_running:
            self._clicked = (row, column)
            self.pick.start()

    # -- jobs -----------------------------------------------------------------------------------

    def _make_run(self) -> AnyJob:
        image = self.case.image
        if image is None:
            raise ValueError(NO_IMAGE)
        stack = stack_on_display(image, self.viewer.dims)
        region = self.where.region(image, stack)
        self._deleted = False
        query = Query.of(image, stack, self.case.known_ranges)
        return cluster_region_job(image, query, region, self.details.options())

    def _on_step(self, progress: Progress) -> None:
        if isinstance(progress.preview, ClusterMap) and not self._deleted:
            self._show(progress.preview)

    def _show(self, clusters: ClusterMap) -> None:
        if clusters.image is self.case.image:
            self.clusters = clusters
            self.view.show(clusters)

    def _on_clustered(self, clusters: ClusterMap) -> None:
        if clusters.image is not self.case.image or self._deleted:
            return
        self._show(clusters)
        self.view.activate()
        if clusters.count < 2:
            self.message.hint("Everything is one cluster: try another method or another seed.")
        else:
            self.message.hint(f"{clusters.count} clusters. {self._what_to_click()}")

    def _on_cancelled(self) -> None:
        if self.clusters is None:
            self.message.hint("Cancelled before there were any clusters.")
            return
        self.view.activate()
        count = self.clusters.count
        self.message.hint(f"Stopped at {count} clusters. {self._what_to_click()}")

    def _what_to_click(self) -> str:
        name = self.case.examples.class_names[self.classes.value]
        return f"Click one in the image: it becomes “{name}”."

    def _make_pick(self) -> AnyJob:
        if self.clusters is None:
            raise ValueError("There are no clusters yet: press Run.")
        value, piece = self.classes.value, self.piece.isChecked()
        return pick_job(self.clusters, *self._clicked, value, piece)

    def _on_picked(self, pick: Pick | None) -> None:
        if pick is None or pick.map.image is not self.case.image:
            return
        mode = Mode.OVERWRITE_ALL if self.replace.isChecked() else Mode.KEEP
        job = write_pick_job(self.case, pick, mode)
        self.writing.run(job, lambda changed: self._tell(changed, pick, mode), self.message.problem)

    def _tell(self, changed: int, pick: Pick, mode: Mode) -> None:
        self.view.activate()
        name = self.case.examples.class_names[pick.value]
        if changed:
            self.message.done(f"{changed:,} pixels are “{name}” now. Ctrl+Z takes it back.")
        elif mode is Mode.KEEP:
            self.message.hint("Nothing changed: your labels are there already, and they are kept.")
        else:
            self.message.hint(f"Nothing changed: it is “{name}” already.")

    # -- what is possible now -------------------------------------------------------------------

    def _refresh(self) -> None:
        missing = "" if self.case.image is not None else NO_IMAGE
        self.run.set_idle("Run", "Split the image into clusters")
        self.run.set_missing(missing)
        self.where.draw_button.setEnabled(not missing)
        self.where.draw_button.setToolTip(missing or "Drag a rectangle on the image")

    def _tell_first_step(self) -> None:
        if self.case.image is None:
            self.message.hint("Open an image: drop a file on the window, or File > Open Sample.")
        else:
            self.message.hint("Press Run, then click what you want among the clusters.")

    def _on_image_changed(self) -> None:
        self.run.cancel()
        self._forget()
        self._refresh()
        self._tell_first_step()

    def is_undecided(self) -> bool:
        """Say whether something is computed, or clusters wait for clicks."""
        return self.clusters is not None or super().is_undecided()

    def _forget(self) -> None:
        self.clusters = None
        self.view.clear()

    def _draw(self) -> None:
        if self.case.image is not None:
            self.where.start_drawing(self.case.image)
            self.message.hint("Drag a rectangle on the image, then press Run.")

    # -- wiring -----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        choices = form(
            ("Image", self.images),
            ("Method", self.details.method),
            ("Look for", self.details.focus),
        )
        clicks = self._click_group()
        scroll = self.put(choices, self.where, self.run, clicks, self.details)
        self.details.toggled.connect(lambda _: scroll.show_later(self.details))

    def _click_group(self) -> QGroupBox:
        self.piece.setToolTip("What hangs together under the click")
        self.whole.setToolTip("All pixels of the cluster, wherever they are")
        self.replace.setToolTip("Otherwise only what has no label yet becomes the class")
        self.piece.setChecked(True)
        become = form(("Labels", self.labels), ("", self.copy_offer))
        parts = (self.piece, self.whole, become, self.classes, self.replace)
        return group("A click in the image takes", *parts)

    def _connect(self) -> None:
        self.run.started.connect(lambda: self.message.hint(""))
        self.run.progressed.connect(self._on_step)
        self.run.succeeded.connect(self._on_clustered)
        self.run.cancelled.connect(self._on_cancelled)
        self.pick.succeeded.connect(self._on_picked)
        self.follow(self.run)
        self.pick.failed.connect(self.message.problem)
        self.where.draw_button.clicked.connect(self._draw)
        self.view.clicked.connect(self.take)
        self.view.missed.connect(lambda: self.message.hint(_OTHER_PLANE))
        self.view.removed.connect(self._on_layer_removed)
        self.case.image_changed.connect(self._on_image_changed)
        self.case.labels_changed.connect(self.copy_offer.refresh)

    def _on_layer_removed(self) -> None:
        self.clusters, self._deleted = None, True
        self.run.cancel()

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        super().let_go()
        self.view.close()
        self.run.cancel()
