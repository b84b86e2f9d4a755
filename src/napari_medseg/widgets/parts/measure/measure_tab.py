"""Measure: how big each class is, where, and how bright; linked with the canvas both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QComboBox, QSizePolicy, QVBoxLayout

from napari_medseg.engine.results import counted
from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.io.units import written
from napari_medseg.session.export.moment import in_space
from napari_medseg.session.layers.colours import hex_colour
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.layer_kinds import derived, is_image, is_labels_of_user
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.owners import image_for, may_belong, note_same_owner
from napari_medseg.session.layers.stack import Stack, show_plane, stack_on_display
from napari_medseg.session.layers.subject import NO_UNIT, Subject, why_not_together
from napari_medseg.session.measurement import (
    Measured,
    Numbered,
    Place,
    measure_layer_job,
    objects_job,
)
from napari_medseg.widgets.parts.arrange import form
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.jobs.gate import JobGate
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.measure.change_watch import ChangeWatch
from napari_medseg.widgets.parts.measure.objects_box import ObjectsBox
from napari_medseg.widgets.parts.measure.result_tab import ResultTab

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer

_EDGE = 0.9
"""A place farther from the middle of the canvas than this share of it is brought to the middle."""
_NO_LABELS = (
    "There are no labels to measure yet: paint some, or open a label map. One that came as an "
    "image becomes labels by a right click on its layer, Convert to Labels."
)
_TOLD = {
    "px": "in pixels: the layer has no spacing",
    NO_UNIT: "in the unit of the layer's scale, which does not say what it is",
}
_FIRST_STEP = "Press Measure: one row for each class."


class MeasureTab(ResultTab):
    """Chooses what is measured, and shows the table.

    Parameters
    ----------
    viewer : napari viewer
        Whose layers are measured.
    gate : JobGate
        Lets one job through at a time.
    """

    def __init__(self, viewer: Viewer, gate: JobGate) -> None:
        super().__init__(viewer, "measurements.csv")
        self.chosen: Labels | None = None
        self.image: Image | None = None
        self.measured: Measured | None = None
        self._followed: Labels | None = None
        self._watch = ChangeWatch(self._on_changed)
        self._counted = ""
        self.labels = LayerPicker(viewer.layers, is_labels_of_user, "No labels yet")
        self.images = LayerPicker(viewer.layers, is_image, "No image")
        self.with_image = QCheckBox("Image")
        self.with_image.setToolTip("Measure too how bright this image is under each class")
        self.scope = QComboBox()
        self.scope.addItem("Each class as a whole", False)
        self.scope.addItem("Each class on each plane", True)
        self.scope.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.run = JobButton("Measure", self._make_run, gate)
        self.objects = ObjectsBox(gate, self._make_number)
        self.table.setToolTip("Click a row to go there")
        self._lay_out()
        self._connect()
        self.choose_first()

    def choose_first(self) -> None:
        """Turn to the labels that are selected, or to the topmost ones, and to their image."""
        active, choices = self._viewer.layers.selection.active, self.labels.choices
        seen = [layer for layer in choices if layer.visible]
        self._choose(active if active in choices else next(iter(seen or choices), None))

    def close_links(self) -> None:
        """Stop following layers, and what runs."""
        self._follow(None)
        self._viewer.dims.events.current_step.disconnect(self._on_canvas)
        super().close_links()

    # -- measuring ------------------------------------------------------------------------------

    def _make_run(self) -> AnyJob:
        if self.chosen is None:
            raise ValueError(_NO_LABELS)
        image = self.image if self.with_image.isChecked() else None
        if image is not None:
            reason = why_not_together(self.chosen, image)
            if reason:
                raise ValueError(reason)
        stack, each_plane = self._stack(self.chosen), bool(self.scope.currentData())
        subject = Subject.of(self.chosen, stack if each_plane else in_space(self.chosen, stack))
        return measure_layer_job(subject, image, each_plane)

    def _on_measured(self, measured: Measured) -> None:
        layer = measured.subject.layer
        if layer not in self._viewer.layers:
            return
        self.measured = measured
        self.table.show_table(measured.table, lambda label: hex_colour(layer, label))
        self.actions.refresh()
        self._follow(layer)
        self._on_canvas()
        told = _TOLD.get(units := measured.subject.units, f"lengths in {written(units)}")
        objects, self._counted = self._counted, ""
        if not len(measured.table):
            self.message.hint(f"“{layer.name}” is empty: there is nothing to measure.")
            return
        rows = objects or counted(len(measured.table), "row")
        self.message.done(f"{rows}, {told}.")

    def _make_number(self) -> AnyJob:
        if self.chosen is None:
            raise ValueError(_NO_LABELS)
        return objects_job(self.chosen, self.objects.diameter, self.objects.part.isChecked())

    def _on_numbered(self, numbered: Numbered) -> None:
        layer = numbered.layer
        if layer not in self._viewer.layers:
            return
        count = int(numbered.objects.max(initial=0))
        place = geometry_of(layer)
        # What a file says of the patient, layers cannot hold.
        known = notes_of(layer).get("geometry")
        objects = self._viewer.add_labels(
            numbered.objects,
            name=f"{layer.name}, objects",
            metadata={**derived(), **({NOTE_KEY: {"geometry": known}} if known else {})},
            **place,
        )
        note_same_owner(objects, layer)
        layer.visible = False
        self._choose(objects)
        self._counted = counted(count, "object")
        self.run.start()

    # -- the table and the canvas ---------------------------------------------------------------

    def go_to(self, row: int) -> None:
        """Show the place of a row in the viewer and select its label there."""
        measured = self.measured
        if measured is None or measured.subject.layer not in self._viewer.layers:
            return
        layer, place = measured.subject.layer, measured.places[row]
        if place is not None:
            key = measured.subject.stack.key(place.position)
            show_plane(layer, self._viewer.dims, key)
            self._bring_into_sight(layer, measured.subject.stack, place)
        self._viewer.layers.selection.active = layer
        layer.selected_label = int(measured.table["label"].iloc[row])
        self.table.select_row(row)

    def _bring_into_sight(self, layer: Labels, stack: Stack, place: Place) -> None:
        at = list(stack.at)
        if stack.axis is not None:
            at[stack.axis] = place.position
        for axis, value in zip(stack.axes, (place.row, place.column), strict=True):
            at[axis] = value
        world = np.zeros(self._viewer.dims.ndim)
        world[-layer.ndim :] = layer.data_to_world(at)
        wanted = world[list(self._viewer.dims.displayed[-2:])]
        camera = self._viewer.scene.camera
        center = np.array(camera.center)
        reach = np.array(self._viewer.canvas.size) / camera.zoom / 2 * _EDGE
        if (np.abs(wanted - center[-2:]) > reach).any():
            center[-2:] = wanted
            camera.center = tuple(center)

    def _on_canvas(self, event: object = None) -> None:
        """Mark the row of the label that is selected, on the plane on display."""
        measured = self.measured
        if measured is None or measured.subject.layer not in self._viewer.layers:
            return
        layer, table = measured.subject.layer, measured.table
        rows = np.flatnonzero(table["label"] == layer.selected_label)
        if "plane" in table:
            here = stack_on_display(layer, self._viewer.dims).position
            rows = rows[table["plane"].to_numpy()[rows] == here]
        if rows.size:
            self.table.select_row(int(rows[0]))

    def _on_changed(self) -> None:
        if self.measured is not None:
            self.message.hint("The labels have changed since: press Measure again.")

    def _follow(self, layer: Labels | None) -> None:
        if self._followed is not None:
            self._followed.events.selected_label.disconnect(self._on_canvas)
        if layer is not None:
            layer.events.selected_label.connect(self._on_canvas)
        self._watch.follow(*([layer] if layer is not None else []))
        self._followed = layer

    # -- what is chosen -------------------------------------------------------------------------

    def _stack(self, layer: Labels) -> Stack:
        return stack_on_display(layer, self._viewer.dims)

    def _choose(self, layer: Labels | None) -> None:
        self.chosen = layer
        self.labels.show_layer(layer)
        if layer is not None:
            fitting = [i for i in self.images.choices if not why_not_together(layer, i)]
            if self.image not in fitting or not may_belong(layer, self.image):
                self._choose_image(image_for(layer, fitting))
        self._refresh()
        self._tell_what_the_table_is_of()

    def _tell_what_the_table_is_of(self) -> None:
        if self.measured is None:
            self.message.hint(_NO_LABELS if self.chosen is None else _FIRST_STEP)
        elif self.measured.subject.layer is not self.chosen:
            name = self.measured.subject.layer.name
            now = "Press Measure for the labels above." if self.chosen else "No labels are open."
            self.message.hint(f"The table is of “{name}”. {now}")

    def _choose_image(self, image: Image | None) -> None:
        self.image = image
        self.images.show_layer(image)
        self.with_image.setChecked(image is not None)
        self._refresh()

    def _refresh(self) -> None:
        missing = "" if self.chosen is not None else _NO_LABELS
        self.run.set_idle("Measure", "Measure the labels in the units of their layer")
        self.run.set_missing(missing)
        self.objects.show_layer(self.chosen, missing)
        flat = self.chosen is None or self.chosen.ndim < 3
        self.scope.setEnabled(not flat)
        self.scope.setToolTip("The labels are a single plane." if flat else "What a row stands for")
        if flat:
            self.scope.setCurrentIndex(0)
        self.with_image.setEnabled(self.image is not None)

    def _on_layers(self, event: Any) -> None:
        if self.image is not None and self.image not in self._viewer.layers:
            self._choose_image(None)
        if self.chosen is None or self.chosen not in self._viewer.layers:
            self.choose_first()
        elif self.image is None:
            self._choose(self.chosen)
        if self._followed is not None and self._followed not in self._viewer.layers:
            self._follow(None)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.addLayout(
            form(("Labels", self.labels), (self.with_image, self.images), ("", self.scope))
        )
        column.addWidget(self.run)
        column.addWidget(self.objects)
        column.addWidget(self.table, 1)
        column.addWidget(self.actions)

    def _connect(self) -> None:
        self.labels.picked.connect(self._choose)
        self.images.picked.connect(self._choose_image)
        self.run.succeeded.connect(self._on_measured)
        self.objects.button.succeeded.connect(self._on_numbered)
        self.table.chosen.connect(self.go_to)
        self.link((self.run, self.objects.button), (self.labels, self.images))
        self._viewer.dims.events.current_step.connect(self._on_canvas)
