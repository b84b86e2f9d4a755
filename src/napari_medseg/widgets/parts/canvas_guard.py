"""Keeps napari alive when layers are removed.

vispy leaves the vertex arrays of what it drew enabled. Once a layer in paint mode is gone, with its
brush circle, the driver still reads the arrays' memory for whatever is drawn next, and the process
ends (the same after deleting points: https://github.com/napari/napari/issues/6472). Disabled
between two frames they do no harm, since every visual enables its own before it is drawn.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication, QOpenGLWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

_guarded: set[int] = set()


def guard_canvas(viewer: Viewer) -> None:
    """Clear up after every layer that is removed from a viewer, from now on."""
    key = id(viewer)
    if key not in _guarded:
        _guarded.add(key)
        weakref.finalize(viewer, _guarded.discard, key)
        viewer.layers.events.removed.connect(clear_vertex_arrays)


def clear_vertex_arrays(event: object = None) -> None:
    """Disable the vertex arrays of every canvas that there is."""
    from vispy.gloo import gl

    for window in QApplication.topLevelWidgets():
        for canvas in window.findChildren(QOpenGLWidget):
            if not canvas.isValid():
                continue
            canvas.makeCurrent()
            for number in range(int(gl.glGetParameter(gl.GL_MAX_VERTEX_ATTRIBS))):
                gl.glDisableVertexAttribArray(number)
            canvas.doneCurrent()
