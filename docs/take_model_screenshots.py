"""Take the screenshots of Segment with a model for the manual.

    python docs/take_model_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do. It works with the bundled
models, on the synthetic samples of skin lesions and stained cells.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from window import IMAGES, open_window, picture, picture_of, press, settle

from napari_medseg.widgets.parts.with_model.import_dialog import ImportDialog
from napari_medseg.zoo.architectures import build_net
from napari_medseg.zoo.inspection import inspect_checkpoint

if TYPE_CHECKING:
    from napari.viewer import Viewer


def checkpoint() -> Path:
    """Write a checkpoint such as authors publish; its weights are random."""
    torch.manual_seed(0)
    net = build_net("UNet", {"in_channels": 1, "n_classes": 4, "width": 8})
    path = Path(tempfile.mkdtemp()) / "heart_epoch_80.pth"
    torch.save({"state_dict": net.state_dict()}, path)
    return path


def photographs(theme: str = "dark", sample: str = "skin_lesions") -> Viewer:
    """Open the photographs, without what is painted on one of them."""
    viewer = open_window(theme)
    viewer.open_sample("napari-medseg", sample)
    for layer in [layer for layer in viewer.layers if layer.name.endswith(": labels")]:
        viewer.layers.remove(layer)
    viewer.dims.set_current_step(0, 5)
    return viewer


def main() -> None:
    """Go through it from the cards to accepted labels."""
    viewer = photographs()
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    dock.show_zoo(choose="skin-lesion")
    picture(viewer, "with-model-1-cards")
    dialog = ImportDialog(inspect_checkpoint(checkpoint()), dock)
    dialog.classes.setText("right ventricle, myocardium, left ventricle")
    dialog.show()
    picture_of(dialog, "with-model-2-import")
    dialog.close()
    press(dock.jobs.plane)
    picture(viewer, "with-model-3-proposal")
    dock.answers.accept()
    settle()
    dock.options.expand(animate=False)
    picture(viewer, "with-model-4-accepted")
    viewer.close()
    viewer = photographs("light")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    dock.show_zoo(choose="skin-lesion")
    press(dock.jobs.volume)
    picture(viewer, "with-model-5-light")
    viewer.close()
    viewer = photographs(sample="stained_cells")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    dock.show_zoo(choose="stained-nuclei")
    dock.options.objects.setChecked(True)
    press(dock.jobs.plane)
    dock.answers.reject()
    dock.options.expand(animate=False)
    picture(viewer, "with-model-6-objects")
    viewer.close()


if __name__ == "__main__":
    main()
    print(f"Screenshots in {IMAGES}")
