"""Take the screenshots of opening DICOM folders for the manual: which series, and what is odd.

    python docs/take_open_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do. The patient is synthetic.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from window import open_window, picture, picture_of, settle

import medseg_samples
from napari_medseg.io.formats.dicom.series import list_series
from napari_medseg.widgets.parts.series_dialog import SeriesDialog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.io.dicom_phantoms import write_series

TILT = 18.0


def write_examination(folder: Path) -> Path:
    """Write a tilted CT of the abdomen and an MR of the heart, as a scanner's export has them."""
    ct, mr = medseg_samples.abdomen_ct()[0], medseg_samples.cardiac_mr()[0]
    for name, (stored, notes, _), how in (
        ("ct", ct, {"BodyPartExamined": "ABDOMEN", "tilt": TILT}),
        (
            "mr",
            mr,
            {"BodyPartExamined": "HEART", "modality": "MR", "number": 5, "WindowWidth": None},
        ),
    ):
        write_series(
            folder / name,
            stored=np.asarray(stored).astype(np.int16),
            spacing=notes["scale"],
            intercepts=(0.0,),
            SeriesDescription={"ct": "Portal venous", "mr": "Short axis"}[name],
            **how,
        )
    return folder


def main() -> None:
    """Ask which series is meant, then open the one whose gantry was tilted."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_examination(Path(name))
        viewer = open_window()
        settle()
        dialog = SeriesDialog(list_series(folder), viewer.window._qt_window)
        dialog.show()
        picture_of(dialog, "open-1-series")
        dialog.close()
        get_settings().application.gui_notification_level = "info"
        with notification_manager:  # as napari.run does: warnings become notices
            viewer.open(folder / "ct", plugin="napari-medseg")
            picture(viewer, "open-2-finding", wait=2.5)
        viewer.close()


if __name__ == "__main__":
    main()
