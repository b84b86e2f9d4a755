"""The proposal as contours over the image, in a layer of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_medseg.session.case import Case
from napari_medseg.session.layers.colours import class_colormap
from napari_medseg.session.layers.layer_kinds import not_of_user
from napari_medseg.session.layers.region import placed_on
from napari_medseg.session.layers.stack import Stack, shape_of, stack_on_display
from napari_medseg.widgets.parts.canvas_guard import remove_layer
from napari_medseg.widgets.parts.clicks import on_click
from napari_medseg.widgets.parts.undo_keys import hand_on_undo

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

NAME = "proposal"
_PIXELS_PER_CONTOUR = 320
"""A contour gets one data pixel thicker for so many pixels of the image's longer side."""
MOST_SHOWN = 2048**2
"""Of a larger plane only every second, third, ... pixel is shown, so that the window keeps up."""


class ProposalView:
    """Keeps a labels layer in step with the proposal of a case.

    Only the plane on display is cut when the threshold moves; the others follow when they are
    shown, so that the slider answers at once however large the volume is.

    Parameters
    ----------
    viewer : napari viewer
        Where the layer is shown.
    case : Case
        Whose proposal it is.
    keys : mapping of str to callable
        Keys that work on the canvas while the proposal is the active layer, such as ``"Enter"``.
    """

    clicked = Signal(int, int, int)
    """A click on the plane at (position, row, column)."""

    missed = Signal()
    """A click in planes along another axis, which the proposal knows nothing of."""

    deleted = Signal()
    """The user took its layer away."""

    def __init__(self, viewer: Viewer, case: Case, keys: dict[str, Callable[[], Any]]) -> None:
        self.layer: Labels | None = None
        self._viewer = viewer
        self._case = case
        self._keys = keys
        self._keys_on = True
        self._cut_at: dict[int, object] = {}
        self._step = 1
        self._stack: Stack | None = None
        self._drawn: set[int] = set()
        case.proposal_changed.connect(self.update)
        viewer.dims.events.current_step.connect(self._on_moved)
        viewer.dims.events.order.connect(self._on_moved)
        viewer.dims.events.ndisplay.connect(self._on_moved)
        viewer.layers.events.removed.connect(self._on_removed)

    def update(self) -> None:
        """Take over what is proposed now."""
        proposal = self._case.proposal
        if proposal is None:
            self._remove()
            return
        if self._stack is not None and not self._stack.same_planes(proposal.stack):
            self._remove()  # what it shows lies along another axis
        is_new = self.layer is None
        if is_new:
            self._create()
        self._forget_missing()
        self._cut_at.clear()
        self.recut()
        if is_new:
            self._outline()

    def recut(self) -> None:
        """Cut what is on display at the present threshold."""
        proposal, layer, image = self._case.proposal, self.layer, self._case.image
        if proposal is None or layer is None or image is None:
            return
        shown = stack_on_display(image, self._viewer.dims)
        one_plane = shown.same_planes(proposal.stack) and self._viewer.dims.ndisplay == 2
        wanted = proposal.positions
        if one_plane:
            wanted = [position for position in wanted if position == shown.position]
        changed = False
        shown_pixels = slice(self._step // 2, None, self._step)
        for position in wanted:
            if self._cut_at.get(position) == proposal.version:
                continue
            pixels = proposal.labels(position)[shown_pixels, shown_pixels]
            layer.data[proposal.stack.index(position)] = pixels
            self._cut_at[position] = proposal.version
            self._drawn.add(position)
            changed = True
        if changed:
            layer.refresh()

    def set_keys(self, on: bool) -> None:
        """Turn its keys on or off."""
        self._keys_on = on
        self._bind_keys()

    def close(self) -> None:
        """Take the layer away and stop following."""
        for event in ("current_step", "order", "ndisplay"):
            getattr(self._viewer.dims.events, event).disconnect(self._on_moved)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._remove()

    def _create(self) -> None:
        from napari.layers import Labels

        image, proposal = self._case.image, self._case.proposal
        assert image is not None
        assert proposal is not None
        self._stack = proposal.stack
        shape, axes = shape_of(image), proposal.stack.axes
        self._step = math.ceil(math.sqrt(math.prod(shape[axis] for axis in axes) / MOST_SHOWN))
        steps = tuple(self._step if axis in axes else 1 for axis in range(len(shape)))
        shown = tuple(
            len(range(step // 2, length, step)) for length, step in zip(shape, steps, strict=True)
        )
        layer = Labels(
            np.zeros(shown, proposal.dtype),
            name=NAME,
            colormap=class_colormap(),
            opacity=1.0,
            metadata=not_of_user(),
            **placed_on(image, (0.0,) * len(shape), steps),
        )
        layer.editable = False
        layer.help = "Click a piece to accept it alone; Enter accepts all, Esc rejects."
        layer.mouse_drag_callbacks.append(on_click(self._on_click))
        hand_on_undo(layer, self._case)
        self.layer = layer
        self._bind_keys()
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer

    def _outline(self) -> None:
        """Draw contours from now on; last, as napari works them out anew at every step before."""
        layer, proposal = self.layer, self._case.proposal
        if layer is not None and proposal is not None:
            longest = max(layer.data.shape[axis] for axis in proposal.stack.axes)
            layer.contour = 1 + longest // _PIXELS_PER_CONTOUR

    def _forget_missing(self) -> None:
        """Clear planes that are no longer proposed."""
        proposal, layer = self._case.proposal, self.layer
        if proposal is None or layer is None:
            return
        gone = self._drawn - set(proposal.positions)
        for position in gone:
            layer.data[proposal.stack.index(position)] = 0
        self._drawn -= gone
        if gone:
            layer.refresh()

    def _remove(self) -> None:
        layer = self.layer
        self._forget()
        if layer is not None and layer in self._viewer.layers:
            remove_layer(self._viewer, layer)
            labels = self._case.labels
            if labels is not None and labels in self._viewer.layers:
                self._viewer.layers.selection.active = labels

    def _bind_keys(self) -> None:
        if self.layer is None:
            return
        for keys, action in self._keys.items():
            bound = (lambda layer, action=action: action()) if self._keys_on else None
            self.layer.bind_key(keys, bound, overwrite=True)

    def _on_moved(self, event: object = None) -> None:
        self.recut()

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer and self.layer is not None:
            self._forget()
            self.deleted.emit()

    def _forget(self) -> None:
        self.layer = self._stack = None
        self._cut_at.clear()
        self._drawn.clear()

    def _on_click(self, event: Any) -> None:
        proposal, image, layer = self._case.proposal, self._case.image, self.layer
        if proposal is None or image is None or layer is None:
            return
        stack = stack_on_display(layer, self._viewer.dims)
        if not stack.same_planes(proposal.stack):
            self.missed.emit()
            return
        where = image.world_to_data(event.position)
        row, column = (round(float(where[axis])) for axis in stack.axes)
        self.clicked.emit(stack.position, row, column)
