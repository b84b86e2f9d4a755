"""A model in a folder of its own, and the dock on a volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_medseg.zoo import architectures
from tests.engine.conftest import write_model
from tests.engine.intensity_net import IntensityNet

from .by_example import open_dock, volume

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_by_example import SegmentByExample


@pytest.fixture(scope="session")
def handmade_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_model(root, "intensity", IntensityNet(), input={"size": [64, 64]})
    return root


@pytest.fixture
def handmade_model(handmade_models: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install a model that finds what is as bright as the examples; gives its name."""
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(handmade_models))
    monkeypatch.setitem(architectures.NETS, "IntensityNet", "tests.engine.intensity_net")
    return "intensity"


@pytest.fixture
def viewer(make_napari_viewer_proxy) -> Viewer:
    return make_napari_viewer_proxy()


@pytest.fixture
def dock(viewer: Viewer, qtbot: QtBot, handmade_model: str) -> SegmentByExample:
    """The dock on a volume with spacing, with the handmade model."""
    image, _ = volume()
    viewer.add_image(image, name="ball", scale=(4, 1, 1), units=("mm",) * 3)
    return open_dock(viewer, qtbot, handmade_model)
