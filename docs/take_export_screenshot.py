"""Take the screenshot of the dock Export labels for the manual: a sample as DICOM, exported.

    python docs/take_export_screenshot.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# napari's notices would cover the picture; the choice must not reach the user's own settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import napari
import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QEventLoop, QTimer

import medseg_samples
from napari_medseg.io.layers import read_layers
from napari_medseg.session.colours import class_colormap
from napari_medseg.session.geometry_of import geometry_of
from napari_medseg.widgets.export_labels import ExportLabels

ROOT = Path(__file__).resolve().parents[1]


def wait(milliseconds: int) -> None:
    """Let the window work for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec_() if hasattr(loop, "exec_") else loop.exec()


def main() -> None:
    """Open the sample as a DICOM series, export its labels, and take the picture."""
    sys.path.insert(0, str(ROOT))
    from tests.io.dicom_phantoms import write_series

    napari.settings.get_settings().application.gui_notification_level = "error"
    (scan, *_), (answer, notes, _), _ = medseg_samples.abdomen_ct()
    with tempfile.TemporaryDirectory() as folder:
        series = write_series(
            Path(folder) / "ct",
            stored=np.asarray(scan),
            spacing=notes["scale"],
            intercepts=(0.0,),
            BodyPartExamined="ABDOMEN",
        )
        viewer = napari.Viewer()
        viewer.window.resize(1280, 720)
        image = viewer.add_layer(Layer.create(*read_layers(str(series.folder))[0]))
        image.contrast_limits = (-150, 250)
        viewer.add_labels(
            np.asarray(answer),
            name="organs",
            metadata={"medseg": {"class_names": notes["metadata"]["medseg"]["class_names"]}},
            colormap=class_colormap(),
            **geometry_of(image),
        )
        dock = ExportLabels(viewer)
        viewer.window.add_dock_widget(dock, name="Export labels", area="right")
        dock.target.point_to(Path(folder) / "segmentation.dcm")
        loop = QEventLoop()
        dock.button.ended.connect(loop.quit)
        dock.button.start()
        loop.exec_() if hasattr(loop, "exec_") else loop.exec()
        wait(1000)
        viewer.screenshot(str(ROOT / "docs" / "images" / "export-labels.png"), canvas_only=False)
        viewer.close()


if __name__ == "__main__":
    main()
