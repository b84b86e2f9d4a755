"""What the parts of a dock share: what is worked on, and through what it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_medseg.session.case import NO_IMAGE, Case
from napari_medseg.session.layers.stack import Stack, stack_on_display
from napari_medseg.widgets.parts.jobs.gate import JobGate
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.widgets.parts.writing import Writing

if TYPE_CHECKING:
    from napari.viewer import Viewer


@dataclass(frozen=True)
class Workbench:
    """A case on display, and the dock that works on it.

    Parameters
    ----------
    dock : QWidget
        Owns what is made for it; dialogs open over it.
    viewer : napari viewer
        Where the image is shown; its sliders say which plane is on display.
    case : Case
        What is worked on.
    message : Message
        Where results are told.
    writing : Writing
        Writes into the labels.
    gate : JobGate
        Lets one job through at a time that computes with a net.
    """

    dock: QWidget
    viewer: Viewer
    case: Case
    message: Message
    writing: Writing
    gate: JobGate

    def stack(self) -> Stack | None:
        """Give the planes on display; None without an image."""
        image = self.case.image
        return None if image is None else stack_on_display(image, self.viewer.dims)

    def required_stack(self) -> Stack:
        """Give the planes on display.

        Raises
        ------
        ValueError
            If there is no image.
        """
        stack = self.stack()
        if stack is None:
            raise ValueError(NO_IMAGE)
        return stack
