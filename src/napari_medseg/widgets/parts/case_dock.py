"""What docks have in common in which a person works on one image and her labels of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medseg.session.case import Case
from napari_medseg.session.layers.layer_kinds import is_image, is_labels_of_user
from napari_medseg.session.painted import why_needed
from napari_medseg.widgets.parts.class_table import ClassTable
from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.widgets.parts.layer_follower import LayerFollower
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.workbench import Workbench
from napari_medseg.widgets.parts.writing import Writing

if TYPE_CHECKING:
    import napari.viewer


class CaseDock(Dock):
    """A dock that works on a case; image and labels are chosen in two lists, a class in a third.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    no_labels : str
        What the list of labels shows while there are none.
    brush : bool
        Whether labels that are chosen become the active layer, with the brush ready.
    """

    def __init__(self, viewer: napari.viewer.Viewer, no_labels: str, brush: bool) -> None:
        super().__init__(viewer)
        self.case = Case()
        self.writing = Writing(self, self.progress)
        self.progress.follow(self.writing)
        self.bench = Workbench(self, self.viewer, self.case, self.message, self.writing, self.gate)
        self.images = LayerPicker(self.viewer.layers, is_image, "Open an image first")
        self.labels = LayerPicker(self.viewer.layers, is_labels_of_user, no_labels)
        self.classes = ClassTable(
            self.case.examples, self, lambda value: why_needed(self.case.labels, value)
        )
        self.classes.problem.connect(self.message.problem)
        self.follower = LayerFollower(
            self.bench, self.images, self.labels, self.classes, self.is_undecided, brush
        )

    def is_undecided(self) -> bool:
        """Say whether something of the image is computed or waits for an answer."""
        return self.case.proposal is not None or self.gate.holder is not None

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        self.case.forget_listeners()
        self.follower.close()
