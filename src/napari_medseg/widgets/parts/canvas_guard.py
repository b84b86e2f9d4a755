"""Removes layers so that napari stays alive and answers.

vispy leaves the vertex arrays of what it drew enabled. Once a layer in paint mode is gone, with its
brush circle, the driver still reads the arrays' memory for whatever is drawn next, and the process
ends (the same after deleting points: https://github.com/napari/napari/issues/6472). Disabled
between two frames they do no harm, since every visual enables its own before it is drawn.

For every layer that is removed napari has Python's collector look through all objects, a quarter of
a second on the GUI thread once PyTorch is loaded, for the sake of Windows' OpenGL drivers.
"""

from __future__ import annotations

import gc
import sys
import weakref
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication, QOpenGLWidget, QWidget

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

_FROZEN_BY_PYTHON = 1000
"""Python freezes at most so many objects itself, when it starts."""

_guarded: set[int] = set()


def guard_canvas(viewer: Viewer) -> None:
    """Clear up after every layer that is removed from a viewer, from now on."""
    key = id(viewer)
    if key not in _guarded:
        _guarded.add(key)
        weakref.finalize(viewer, _guarded.discard, key)
        viewer.layers.events.removed.connect(clear_vertex_arrays)


def remove_layer(viewer: Viewer, layer: Layer | None) -> None:
    """Remove a layer of ours, if it is still there, without a collection but on Windows.

    What is frozen the collector passes over; afterwards it is found as ever, at the usual time.
    Where somebody froze objects for good, that is left as it is.
    """
    if layer is None or layer not in viewer.layers:
        return
    if sys.platform == "win32" or gc.get_freeze_count() > _FROZEN_BY_PYTHON:
        viewer.layers.remove(layer)
        return
    gc.freeze()
    try:
        viewer.layers.remove(layer)
    finally:
        gc.unfreeze()


def clear_vertex_arrays(event: object = None) -> None:
    """Disable the vertex arrays of every canvas on the screen.

    A window that was closed is hidden first and taken apart then: its docks still remove what they
    added, when the canvas beside them may be touched no more.
    """
    from vispy.gloo import gl

    for window in filter(QWidget.isVisible, QApplication.topLevelWidgets()):
        for canvas in window.findChildren(QOpenGLWidget):
            if not canvas.isValid():
                continue
            canvas.makeCurrent()
            for number in range(int(gl.glGetParameter(gl.GL_MAX_VERTEX_ATTRIBS))):
                gl.glDisableVertexAttribArray(number)
            canvas.doneCurrent()
