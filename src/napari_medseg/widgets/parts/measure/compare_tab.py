"""Compare: how well labels agree with a reference, and a picture of where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout

from napari_medseg.engine.measure.compare import WRONG_PLACES
from napari_medseg.session.layers.colours import hex_colour
from napari_medseg.session.layers.layer_kinds import (
    is_labels_of_user,
    is_named_as_reference,
    not_of_user,
)
from napari_medseg.session.layers.region import placed_on
from napari_medseg.session.layers.stack import stack_on_display
from napari_medseg.session.layers.subject import Subject
from napari_medseg.session.measurement import Compared, compare_layers_job
from napari_medseg.widgets.parts.arrange import form
from napari_medseg.widgets.parts.canvas_guard import remove_layer
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.jobs.gate import JobGate
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.measure.change_watch import ChangeWatch
from napari_medseg.widgets.parts.measure.result_tab import ResultTab

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

NAME = "differences"
_TWO_NEEDED = "Two labels layers are needed: a prediction and a reference."
COLOURS = ("#d55e00", "#0072b2", "#f0e442")
"""Of false positives, false negatives and pixels of another class; told apart by everybody."""


class CompareTab(ResultTab):
    """Chooses two labels layers, shows the scores and the picture of the differences.

    Parameters
    ----------
    viewer : napari viewer
        Whose layers are compared.
    gate : JobGate
        Lets one job through at a time.
    """

    def __init__(self, viewer: Viewer, gate: JobGate) -> None:
        super().__init__(viewer, "comparison.csv")
        self.prediction: Labels | None = None
        self.reference: Labels | None = None
        self.picture: Labels | None = None
        self._compared: tuple[Labels, ...] = ()
        self.predictions = LayerPicker(viewer.layers, is_labels_of_user, "No labels yet")
        self.references = LayerPicker(viewer.layers, is_labels_of_user, "No labels yet")
        self.run = JobButton("Compare", self._make_run, gate)
        self.with_picture = QCheckBox("Show where they differ")
        self.with_picture.setChecked(True)
        self.legend = QLabel(_legend())
        self.legend.setWordWrap(True)
        self._watch = ChangeWatch(self._on_changed)
        self._lay_out()
        self._connect()
        self.choose_first()

    def choose_first(self) -> None:
        """Compare the topmost labels with those named as a reference, or else those below."""
        choices = self.predictions.choices
        named = [layer for layer in choices if is_named_as_reference(layer)]
        if self.reference not in choices:
            self._choose(reference=_first(named, self.prediction))
        if self.prediction not in choices:
            plain = [layer for layer in choices if layer not in named]
            self._choose(prediction=_first([*plain, *named], self.reference))
        if self.reference is None:
            self._choose(reference=_first(choices, self.prediction))

    def close_links(self) -> None:
        """Stop following layers, and what runs, and take the picture away."""
        super().close_links()
        self._viewer.layers.events.reordered.disconnect(self._on_colours)
        self._remove_picture()
        self._follow_colours(())
        self._watch.follow()

    def _make_run(self) -> AnyJob:
        prediction, reference = self.prediction, self.reference
        if prediction is None or reference is None:
            raise ValueError(_TWO_NEEDED)
        stack = stack_on_display(reference, self._viewer.dims)
        return compare_layers_job(*Subject.pair(prediction, reference, stack))

    def _on_compared(self, compared: Compared) -> None:
        layer = compared.reference.layer
        unit = compared.reference.units
        self._follow_colours((compared.prediction.layer, layer))
        self._watch.follow(*self._compared)
        self.table.show_table(compared.table, self._colour, unit)
        self.legend.setText(_legend())
        self.actions.refresh()
        self._remove_picture()
        if self.with_picture.isChecked() and layer in self._viewer.layers:
            self._show_picture(compared)
        mean = compared.table["dice"].mean()
        score = "There is nothing to compare" if mean != mean else f"Mean Dice {mean:.3f}"
        if compared.notice:
            self.message.problem(f"{score}. {compared.notice}")
            return
        self.message.done(f"{score}; HD95 and ASSD are in {unit}.")

    def _colour(self, label: int) -> str:
        """Give the colour in which the canvas shows a class: that of the layer on top."""
        shown = [i for i in reversed(self._viewer.layers) if i in self._compared and i.visible]
        return hex_colour((*shown, self._compared[-1])[0], label)

    def _follow_colours(self, layers: tuple[Labels, ...]) -> None:
        """Show the classes in the table in the colours that they have on the canvas."""
        for layer in self._compared:
            layer.events.colormap.disconnect(self._on_colours)
            layer.events.visible.disconnect(self._on_colours)
        self._compared = layers
        for layer in layers:
            layer.events.colormap.connect(self._on_colours)
            layer.events.visible.connect(self._on_colours)

    def _on_colours(self, event: Any = None) -> None:
        self.table.viewport().update()

    def _on_picture_colours(self, event: Any = None) -> None:
        if self.picture is not None:
            shown = [hex_colour(self.picture, value) for value in (1, 2, 3)]
            self.legend.setText(_legend(shown))

    def _show_picture(self, compared: Compared) -> None:
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        colours = dict(enumerate(COLOURS, start=1))
        layer = Labels(
            compared.wrong,
            name=NAME,
            opacity=0.8,
            colormap=DirectLabelColormap(
                color_dict={None: "transparent", 0: "transparent", **colours}
            ),
            metadata=not_of_user(),
            features={"index": range(len(WRONG_PLACES)), "meaning": WRONG_PLACES},
            **placed_on(compared.reference.layer, compared.start),
        )
        layer.editable = False
        self.picture = layer
        layer.events.colormap.connect(self._on_picture_colours)
        self._viewer.add_layer(layer)

    def _remove_picture(self) -> None:
        layer, self.picture = self.picture, None
        remove_layer(self._viewer, layer)

    def _on_with_picture(self, on: bool) -> None:
        if self.picture is not None:
            self.picture.visible = on

    def _choose(self, **chosen: Labels | None) -> None:
        self.prediction = chosen.get("prediction", self.prediction)
        self.reference = chosen.get("reference", self.reference)
        self.predictions.show_layer(self.prediction)
        self.references.show_layer(self.reference)
        self._refresh()

    def _refresh(self) -> None:
        missing = ""
        if self.prediction is None or self.reference is None:
            missing = _TWO_NEEDED
        elif self.prediction is self.reference:
            missing = "Prediction and reference are the same layer; choose another one."
        self.run.set_idle("Compare", "Say how well the prediction agrees with the reference")
        self.run.set_missing(missing)
        if not self._compared:
            self.message.hint(missing or "Press Compare: one row for each class.")
        elif self._compared != (self.prediction, self.reference):
            one, other = (layer.name for layer in self._compared)
            now = missing or "Press Compare for the labels above."
            self.message.hint(f"The table is of “{one}” against “{other}”. {now}")

    def _on_changed(self) -> None:
        self.message.hint("The labels have changed since: press Compare again.")

    def _on_layers(self, event: Any) -> None:
        if self.picture is not None and self.picture not in self._viewer.layers:
            self.picture = None
        for name in ("prediction", "reference"):
            layer = getattr(self, name)
            if layer is not None and layer not in self._viewer.layers:
                self._choose(**{name: None})
        self.choose_first()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.addLayout(form(("Prediction", self.predictions), ("Reference", self.references)))
        column.addWidget(self.run)
        column.addWidget(self.table, 1)
        column.addWidget(self.with_picture)
        column.addWidget(self.legend)
        column.addWidget(self.actions)

    def _connect(self) -> None:
        self.predictions.picked.connect(lambda layer: self._choose(prediction=layer))
        self.references.picked.connect(lambda layer: self._choose(reference=layer))
        self.with_picture.toggled.connect(self._on_with_picture)
        self.run.succeeded.connect(self._on_compared)
        self.link((self.run,), (self.predictions, self.references))
        self._viewer.layers.events.reordered.connect(self._on_colours)


def _first(layers: Sequence[Labels], taken: Labels | None) -> Labels | None:
    """Give the first of some layers that is not taken."""
    return next((layer for layer in layers if layer is not taken), None)


def _legend(colours: Sequence[str] = COLOURS) -> str:
    meanings = ("only in the prediction", "only in the reference", "another class")
    marks = zip(colours, meanings, strict=True)
    # A line breaks between the marks, not inside of what one says.
    return " &nbsp; ".join(
        f'<span style="color:{colour}">■</span>&nbsp;' + text.replace(" ", "&nbsp;")
        for colour, text in marks
    )
