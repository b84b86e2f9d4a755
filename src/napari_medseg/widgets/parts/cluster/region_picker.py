"""The whole plane, or a rectangle that is drawn in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.region import Region
from napari_medseg.session.layers.stack import Stack, shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from napari.viewer import Viewer

NAME = "rectangle"
_COLOUR = "#f0e442"
_EDGES_PER_SIDE = 250


class RegionPicker(QWidget):
    """Asks where to work: on the plane on display, or only inside a rectangle of it.

    Parameters
    ----------
    viewer : napari viewer
        In which the rectangle is drawn.
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._own: Shapes | None = None
        self.inside = QCheckBox("Only inside a rectangle")
        self.inside.setToolTip("Work on the selected rectangle of a shapes layer, not the plane")
        self.draw_button = QPushButton("Draw")
        self.draw_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.inside)
        row.addStretch()
        row.addWidget(self.draw_button)

    def region(self, image: Image, stack: Stack) -> Region:
        """Give what is to be worked on now.

        Raises
        ------
        ValueError
            If a rectangle is wanted and there is none on the image.
        """
        if not self.inside.isChecked():
            return Region.plane_of(image, stack)
        shapes = self._shapes()
        if shapes is None:
            raise ValueError("Press Draw and drag a rectangle on the image first.")
        return Region.drawn(image, stack, shapes)

    def start_drawing(self, image: Image) -> None:
        """Give the user a layer to draw in, with the tool ready."""
        from napari.layers import Shapes

        self.inside.setChecked(True)
        if self._own is None or self._own not in self._viewer.layers:
            shorter = min(shape_of(image)[-2:])
            self._own = Shapes(
                ndim=image.ndim,
                name=NAME,
                edge_color=_COLOUR,
                face_color="transparent",
                edge_width=max(1.0, shorter / _EDGES_PER_SIDE),
                **geometry_of(image),
            )
            self._viewer.add_layer(self._own)
        self._viewer.layers.selection.active = self._own
        self._own.mode = "add_rectangle"

    def _shapes(self) -> Shapes | None:
        from napari.layers import Shapes

        active = self._viewer.layers.selection.active
        if isinstance(active, Shapes):
            return active
        if self._own is not None and self._own in self._viewer.layers:
            return self._own
        drawn = [layer for layer in self._viewer.layers if isinstance(layer, Shapes) and layer.data]
        return drawn[-1] if drawn else None
