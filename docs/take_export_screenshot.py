"""Take the screenshot of the dock Export labels for the manual: a sample as DICOM, exported.

    python docs/take_export_screenshot.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from napari.layers import Layer
from window import open_window, picture, press

import medseg_samples
from napari_medseg.io.layers import read_layers
from napari_medseg.session.layers.colours import class_colormap
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.widgets.export_labels import ExportLabels

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.io.dicom_phantoms import write_series


def main() -> None:
    """Open the sample as a DICOM series, export its labels, and take the picture."""
    (scan, *_), (answer, notes, _), _ = medseg_samples.abdomen_ct()
    with tempfile.TemporaryDirectory() as folder:
        series = write_series(
            Path(folder) / "ct",
            stored=np.asarray(scan),
            spacing=notes["scale"],
            intercepts=(0.0,),
            BodyPartExamined="ABDOMEN",
        )
        viewer = open_window()
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
        press(dock.button)
        picture(viewer, "export-labels")
        viewer.close()


if __name__ == "__main__":
    main()
