"""The window of a journey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from napari.viewer import Viewer


@pytest.fixture
def window(make_napari_viewer_proxy) -> Viewer:
    """An empty window, in sight, as a person sees it."""
    viewer = make_napari_viewer_proxy(show=True)
    return getattr(viewer, "__wrapped__", viewer)
