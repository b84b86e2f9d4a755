"""Keeps the dock pointed at an image and at labels while layers come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import CyclicLabelColormap

from napari_medseg.session.edits import why_not_writable
from napari_medseg.session.layers.colours import class_colormap
from napari_medseg.session.layers.layer_kinds import is_derived, is_image, is_labels_of_user
from napari_medseg.session.layers.owners import likeliest, may_belong, note_owner, owner_of
from napari_medseg.session.layers.stack import shape_of
from napari_medseg.session.undo_step import steps_to_redo
from napari_medseg.widgets.parts.class_table import ClassTable
from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.workbench import Workbench

if TYPE_CHECKING:
    from napari.layers import Image, Labels

_PROPOSED_AGAIN, _TAKEN_BACK = "Taken back: it is proposed again.", "Taken back."
_BRUSH_SHARE = 40
"""The brush is at first so many times smaller than the image's shorter side."""


class LayerFollower:
    """Connects the pickers of image and labels with the case and with napari's layer list.

    Parameters
    ----------
    bench : Workbench
        What is worked on, and in which viewer.
    images, labels : LayerPicker
        The two lists.
    classes : ClassTable
        Says what to paint with.
    is_undecided : callable
        Says whether something of the image is computed or waits for an answer.
    brush : bool
        Whether labels that are chosen become the active layer, with the brush ready.
    """

    def __init__(
        self,
        bench: Workbench,
        images: LayerPicker,
        labels: LayerPicker,
        classes: ClassTable,
        is_undecided: Callable[[], bool],
        brush: bool = True,
    ) -> None:
        self._viewer, self._case, self._brush = bench.viewer, bench.case, brush
        self._message, self._is_undecided = bench.message, is_undecided
        self._images, self._labels, self._classes = images, labels, classes
        self._followed: Labels | None = None
        self._watched: Image | None = None
        self._to_redo = 0
        self.keeper = LabelKeeper.of(bench.viewer)
        self.keeper.restored.connect(self._on_restored)
        images.picked.connect(bench.case.set_image)
        labels.picked.connect(bench.case.set_labels)
        classes.chosen.connect(self._on_class_chosen)
        classes.lock_toggled.connect(bench.case.set_locked)
        bench.case.locked_changed.connect(self._on_locked_changed)
        bench.case.image_changed.connect(self._on_image_changed)
        bench.case.labels_changed.connect(self._on_labels_changed)
        bench.viewer.layers.events.inserted.connect(self._on_inserted)
        bench.viewer.layers.events.removed.connect(self._on_removed)
        bench.viewer.layers.selection.events.active.connect(self._on_selected)
        bench.viewer.layers.selection.events.active.connect(self._forget_taken_back)
        bench.viewer.dims.events.current_step.connect(self._forget_taken_back)

    def choose_first_image(self) -> None:
        """Turn to the selected image and labels, or to the topmost ones that are seen and fit."""
        choices = self._images.choices
        active = self._viewer.layers.selection.active
        self._case.set_image(active if active in choices else likeliest(choices))
        self._images.show_layer(self._case.image)

    def close(self) -> None:
        """Stop following."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.layers.selection.events.active.disconnect(self._on_selected)
        self._viewer.layers.selection.events.active.disconnect(self._forget_taken_back)
        self._viewer.dims.events.current_step.disconnect(self._forget_taken_back)
        self._watch(None)
        self._follow(None)
        self._case.locked_changed.disconnect(self._on_locked_changed)
        self.keeper.restored.disconnect(self._on_restored)
        self.keeper.leave_examples(self._case.examples)
        self._images.disconnect_layers()
        self._labels.disconnect_layers()

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        if is_derived(layer):
            return
        if is_image(layer):
            self._on_image_opened(layer)
        elif self._case.labels is None and is_labels_of_user(layer) and layer.visible:
            self._case.set_labels(layer if self._is_of_image(layer) else None)

    def _on_image_opened(self, image: Image) -> None:
        """Turn to an image that was opened, unless something of the one before is to be decided."""
        before = self._case.image
        if before is None:
            self._case.set_image(image)
        elif image.visible and not self._is_undecided():
            self._turn_to(image)
        else:
            self._message.hint(
                f"“{image.name}” was opened. The dock still works on “{before.name}”; turn to the "
                "other under Image."
            )

    def _on_selected(self, event: Any = None) -> None:
        """Turn to an image that is selected while the one before cannot be seen."""
        before, image = self._case.image, self._viewer.layers.selection.active
        is_other = image in self._images.choices and image is not before and not is_derived(image)
        is_lost = before is not None and not before.visible
        if is_other and image.visible and is_lost and not self._is_undecided():
            self._turn_to(image)

    def _turn_to(self, image: Image) -> None:
        before, labels = self._case.image, self._case.labels
        if before is not None and labels is not None:
            note_owner(labels, before)  # those of a file are of the image they were used on
        self._case.set_image(image)

    def _on_seen_or_hidden(self, event: Any = None) -> None:
        """Say that what is worked on cannot be seen: what lies below would be painted on."""
        image = self._case.image
        if image is not None:
            if image.visible:
                self._message.resume()
            else:
                self._message.interrupt(
                    f"“{image.name}” is hidden, and still the image of this dock."
                )

    def _watch(self, image: Image | None) -> None:
        if self._watched is not None:
            self._watched.events.visible.disconnect(self._on_seen_or_hidden)
        if image is not None:
            image.events.visible.connect(self._on_seen_or_hidden)
        self._watched = image

    def _on_removed(self, event: Any) -> None:
        if event.value is self._case.labels:
            self._case.set_labels(None)
        if event.value is self._case.image:
            self._case.set_image(likeliest(self._images.choices))

    def _on_image_changed(self) -> None:
        self._images.show_layer(self._case.image)
        self._watch(self._case.image)
        labels = self._case.labels
        if labels is None or not self._is_of_image(labels):
            self._case.set_labels(self._labels_of_image())

    def _is_of_image(self, labels: Labels) -> bool:
        """Tell whether labels have the image's size and were not made on another one."""
        image = self._case.image
        return image is not None and self._case.fits(labels) and may_belong(labels, image)

    def _labels_of_image(self) -> Labels | None:
        """Give the selected labels if they are of the image, or the topmost in sight that are.

        Those that were made on it come before those of which that is not known.
        """
        choices = (layer for layer in self._labels.choices if not is_derived(layer))
        fitting = [layer for layer in choices if self._is_of_image(layer)]
        active = self._viewer.layers.selection.active
        seen = [layer for layer in fitting if layer.visible]
        seen.sort(key=lambda layer: owner_of(layer) is None)
        return active if active in fitting else next(iter(seen), None)

    def _on_labels_changed(self) -> None:
        labels = self._case.labels
        if labels is not None:
            if labels not in self._viewer.layers:
                self._viewer.add_layer(labels)
                labels.brush_size = max(1, min(shape_of(labels)[-2:]) // _BRUSH_SHARE)
            if isinstance(labels.colormap, CyclicLabelColormap):
                labels.colormap = class_colormap()
            self._take_brush(labels)
        self._labels.show_layer(labels)
        self._follow(labels)
        self._on_locked_changed()

    def _take_brush(self, labels: Labels) -> None:
        labels.selected_label = self._classes.value
        if not self._brush:
            return
        if self._case.proposal is None:
            self._viewer.layers.selection.active = labels
        if labels.editable and not why_not_writable(labels):
            labels.mode = "paint"

    def _on_restored(self, labels: Labels) -> None:
        if self._case.fits(labels):
            self._case.set_labels(labels)

    def _on_locked_changed(self) -> None:
        self._classes.show_locks(self._case.locks.classes, self._case.labels is not None)

    def _on_class_chosen(self, value: int) -> None:
        labels = self._case.labels
        if labels is not None and value > 0 and labels.selected_label != value:
            labels.selected_label = value

    def _follow(self, labels: Labels | None) -> None:
        if self._followed is not None:
            self._followed.events.selected_label.disconnect(self._on_label_selected)
            self._followed.events.set_data.disconnect(self._on_drawn)
        self._followed = labels
        self._to_redo = steps_to_redo(labels) if labels is not None else 0
        if labels is not None:
            labels.events.selected_label.connect(self._on_label_selected)
            labels.events.set_data.connect(self._on_drawn)

    def _on_drawn(self, event: object = None) -> None:
        if self._case.propose_undone():
            self._message.hint(_PROPOSED_AGAIN)
        self._case.accept_redone()
        if self._followed is None:
            return
        before, self._to_redo = self._to_redo, steps_to_redo(self._followed)
        if self._to_redo > before and self._message.kind == "done":
            self._message.hint(_TAKEN_BACK)
        elif self._to_redo < before:
            self._forget_taken_back()

    def _forget_taken_back(self, event: object = None) -> None:
        """Say no more that something was taken back, once the user goes on to something else."""
        if self._message.text() in (_PROPOSED_AGAIN, _TAKEN_BACK):
            self._message.hint("")

    def _on_label_selected(self, event: object = None) -> None:
        if self._followed is not None:
            self._classes.select(int(self._followed.selected_label))
