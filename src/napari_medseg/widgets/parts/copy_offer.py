"""Offers a copy of labels that cannot be edited."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_medseg.session.case import Case
from napari_medseg.session.edits import why_not_writable
from napari_medseg.session.layers.editable_copy import copy_job
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CopyOffer(QWidget):
    """A sentence and a button, shown while the labels of a case cannot be edited.

    Parameters
    ----------
    case : Case
        Whose labels they are; it turns to the copy.
    """

    def __init__(self, case: Case, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._case = case
        self._copied: Labels | None = None
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.button = JobButton("Make a copy", self._make_job)
        self.button.set_idle("Make a copy", "Copy the labels into memory, where they can be edited")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.words, 1)
        row.addWidget(self.button)
        self.button.succeeded.connect(self._on_copied)
        self.button.failed.connect(self.words.setText)
        self.refresh()

    def refresh(self) -> None:
        """Show itself where it is of use."""
        labels = self._case.labels
        reason = "" if labels is None else why_not_writable(labels)
        self.words.setText(reason)
        self.setVisible(bool(reason))

    def _make_job(self) -> AnyJob | None:
        self._copied = self._case.labels
        return None if self._copied is None else copy_job(self._copied)

    def _on_copied(self, data: NDArray[np.integer]) -> None:
        labels = self._copied
        if labels is None or labels is not self._case.labels:
            return
        labels.visible = False
        self._case.set_labels(
            Labels(
                data,
                name=f"{labels.name} (copy)",
                colormap=labels.colormap,
                metadata=copy.deepcopy(labels.metadata),
                **geometry_of(labels),
            )
        )
