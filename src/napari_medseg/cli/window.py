"""Opening napari with the docks."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from napari_medseg.cli.report import fail, refuse

if TYPE_CHECKING:
    from napari import Viewer

PLUGIN = "napari-medseg"
DOCK_IN_MENU = "Segment by example (MedSeg)"
"""What napari's menu calls the dock; under another name it would open a second one."""
PATTERNS = (
    *(
        "*.dcm",
        "*.dicom",
        "*.ima",
        "*.nii",
        "*.nii.gz",
        "*.nrrd",
        "*.nhdr",
        "*.mha",
        "*.mhd",
        "*.tif",
        "*.tiff",
        "*.ome.tif",
        "*.ome.tiff",
    ),
    *("*.png", "*.jpg", "*.jpeg", "*.bmp"),
    f"*{os.sep}",  # folders; where one holds nothing of ours, napari offers its own reader
)


def open_window(sample: str | None = None) -> None:
    """Open napari with the dock, and a sample where one is named, until the window is closed."""
    if sample is not None:
        from medseg_samples import SETS

        if sample not in SETS:
            refuse(f"There is no sample named {sample!r}; choose one of {', '.join(SETS)}.")
    try:
        import qtpy  # noqa: F401
    except ImportError:
        fail("napari needs a Qt binding; install one with: pip install 'napari-medseg[pyqt6]'")
    if not _has_display():
        refuse("There is no display to open a window on; use one of the commands (see --help).")
    import napari

    prefer_own_reader()
    viewer = napari.Viewer(title="MedSeg")
    fill_window(viewer, sample)
    napari.run()


def _has_display() -> bool:
    """Whether Qt finds something to draw on; without it Qt ends the whole program."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def fill_window(viewer: Viewer, sample: str | None = None) -> None:
    """Put the dock into a window, and a sample if one is named."""
    from napari_medseg.widgets.segment_by_example import SegmentByExample

    if sample is not None:
        viewer.open_sample(PLUGIN, sample)
    viewer.window.add_dock_widget(SegmentByExample(viewer), name=DOCK_IN_MENU, area="right")


def prefer_own_reader() -> None:
    """Make napari open files of ours without asking which reader to take.

    napari's own reader claims the same names without knowing the spacing, and napari would ask at
    every file. A choice the user made stays; both can be changed in Preferences > Plugins.
    """
    from napari.settings import get_settings

    plugins = get_settings().plugins
    chosen = dict(plugins.extension2reader)
    wanted = {pattern: PLUGIN for pattern in PATTERNS if pattern not in chosen}
    if wanted:
        plugins.extension2reader = chosen | wanted
