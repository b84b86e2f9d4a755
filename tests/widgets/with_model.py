"""What tests of the dock Segment with a model share: models whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.widgets.segment_with_model import SegmentWithModel
from tests.engine.pretrained import BrightNet, write_pretrained

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medseg.zoo.cards import ModelCard

TILES: dict[str, Any] = {"size": [32, 32], "fit": "tile", "multiple": 16}
THREE: dict[str, Any] = {
    "net_options": {"n_classes": 3},
    "classes": ("bright", "dark"),
    "output": {"activation": "softmax"},
}


def install_bright(root: Path) -> ModelCard:
    """A model that finds what is bright; one class, sigmoid."""
    return write_pretrained(
        root,
        "bright",
        BrightNet(),
        input=TILES,
        modalities=("MRI (phantom)",),
        licence="CC0",
        not_for="Anything real.",
        results={"dice": {"mean": 0.91}},
    )


def install_two(root: Path) -> ModelCard:
    """A model that finds what is bright and what is dark; softmax."""
    return write_pretrained(root, "two", BrightNet(3), input=TILES, **THREE)


def install_colour(root: Path) -> ModelCard:
    """A model that finds what is bright in colour images."""
    return write_pretrained(
        root,
        "colour",
        BrightNet(1, 3),
        net_options={"in_channels": 3},
        input={**TILES, "channels": 3},
    )


def open_model_dock(viewer: Viewer) -> SegmentWithModel:
    """Open the dock at the right of the window."""
    dock = SegmentWithModel(viewer)
    viewer.window.add_dock_widget(dock, name="Segment with a model", area="right")
    return dock
