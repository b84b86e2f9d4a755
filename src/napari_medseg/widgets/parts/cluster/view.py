"""The clusters over the image, in a layer of their own that can be clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.session.case import Case
from napari_medseg.session.clustering import ClusterMap
from napari_medseg.session.layers.layer_kinds import not_of_user
from napari_medseg.session.layers.region import placed_on
from napari_medseg.session.layers.stack import stack_on_display
from napari_medseg.widgets.parts.canvas_guard import remove_layer
from napari_medseg.widgets.parts.clicks import on_click
from napari_medseg.widgets.parts.undo_keys import hand_on_undo

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

NAME = "clusters"
_OPACITY = 0.45


class ClusterView:
    """Shows a cluster map below the user's labels, and says where it is clicked.

    Parameters
    ----------
    viewer : napari viewer
        Where the layer is shown.
    case : Case
        Whose labels Ctrl+Z and Ctrl+Shift+Z are for while the clusters are the active layer.
    """

    clicked = Signal(int, int)
    """A click on the plane at (row, column)."""
    missed = Signal()
    """A click while another plane is shown than the one that was clustered."""
    removed = Signal()
    """The user deleted the layer."""

    def __init__(self, viewer: Viewer, case: Case) -> None:
        self.layer: Labels | None = None
        self._viewer = viewer
        self._case = case
        self._map: ClusterMap | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    def show(self, clusters: ClusterMap) -> None:
        """Show clusters, in the layer that is there if it lies in the same place."""
        before, self._map = self._map, clusters
        same = before is not None and before.image is clusters.image
        if self.layer is None or not same or before.region != clusters.region:
            self._create(clusters)
        else:
            self.layer.data = clusters.region.slab(clusters.shown)
        inputs, made = clusters.inputs, clusters.provenance.as_dict()
        made["parameters"] |= inputs.place
        self.layer.metadata[NOTE_KEY] = {"provenance": made, "made_from": inputs}

    def activate(self) -> None:
        """Make the clusters the layer that clicks go to."""
        if self.layer is not None:
            self._viewer.layers.selection.active = self.layer

    def clear(self) -> None:
        """Take the layer away."""
        layer, self.layer, self._map = self.layer, None, None
        remove_layer(self._viewer, layer)

    def close(self) -> None:
        """Take the layer away and stop following."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self.clear()

    def _create(self, clusters: ClusterMap) -> None:
        from napari.layers import Labels

        layer, self.layer = self.layer, None
        remove_layer(self._viewer, layer)
        layer = Labels(
            clusters.region.slab(clusters.shown),
            name=NAME,
            opacity=_OPACITY,
            metadata=not_of_user(),
            **placed_on(clusters.image, clusters.region.start, clusters.step),
        )
        layer.editable = False
        layer.help = "Click a cluster: it becomes the class chosen in the dock."
        layer.mouse_drag_callbacks.append(on_click(self._on_click))
        hand_on_undo(layer, self._case)
        self.layer = layer
        layers, labels = self._viewer.layers, self._case.labels
        layers.insert(layers.index(labels) if labels in layers else len(layers), layer)
        self.activate()

    def _on_removed(self, event: Any) -> None:
        if self.layer is not None and event.value is self.layer:
            self.layer = self._map = None
            self.removed.emit()

    def _on_click(self, event: Any) -> None:
        if self._map is None:
            return
        image, stack = self._map.image, self._map.region.stack
        here = stack_on_display(image, self._viewer.dims)
        if here.key(here.position) != stack.key(stack.position):
            self.missed.emit()
            return
        where = image.world_to_data(event.position[-image.ndim :])
        row, column = (round(float(where[axis])) for axis in stack.axes)
        self.clicked.emit(row, column)
