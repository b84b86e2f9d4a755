"""Small synthetic images with masks, made by `make_samples.py`, offered under File > Open Sample.

Each sample opens as three layers: the image; the right answer, hidden; and on top a labels layer
in which the plane shown first is painted already, so that **Add example** can be pressed at once.
The images of the photo samples lie in one stack: a slider turns the pages.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import ImageFile, read_image
from napari_medseg.io.labels import LabelFile, read_labels
from napari_medseg.io.layers import LayerData, image_layer, labels_layer

FOLDER = Path(__file__).parent
"""Where the sets lie; each holds ``examples`` (a support set), ``images`` and ``masks``."""
SETS = ("skin_lesions", "stained_cells", "cardiac_mr", "abdomen_ct")


def skin_lesions() -> list[LayerData]:
    """Eight dermoscopy images of pigmented lesions; the lesion of one is painted."""
    return _photos("skin_lesions", "Skin lesions")


def stained_cells() -> list[LayerData]:
    """Eight microscope fields of stained tissue; the nuclei of one are painted."""
    return _photos("stained_cells", "Stained cells")


def cardiac_mr() -> list[LayerData]:
    """Short-axis cardiac MR, 10 planes; ventricles and myocardium are painted on one."""
    return _volume("cardiac_mr", "Cardiac MR", contrast_limits=(0.0, 620.0))


def abdomen_ct() -> list[LayerData]:
    """Abdominal CT in Hounsfield units, 20 planes; five organs are painted on one."""
    return _volume("abdomen_ct", "Abdomen CT", contrast_limits=(-160.0, 240.0))


def _photos(folder: str, title: str) -> list[LayerData]:
    files = [
        pair
        for part in (FOLDER / folder / "examples", FOLDER / folder)
        for pair in zip(
            sorted((part / "images").iterdir()), sorted((part / "masks").iterdir()), strict=True
        )
    ]
    images = np.stack([read_image(image).data for image, _ in files])
    masks = [read_labels(mask) for _, mask in files]
    geometry = Geometry(spacing=(1.0, 1.0, 1.0))
    stack = ImageFile(images, geometry, rgb=True, name=title)
    truth = LabelFile(np.stack([mask.labels for mask in masks]), geometry, masks[0].class_names)
    return _opened(stack, truth)


def _volume(folder: str, title: str, contrast_limits: tuple[float, float]) -> list[LayerData]:
    image = read_image(FOLDER / folder / "images" / "patient_2.ome.tif")
    truth = read_labels(FOLDER / folder / "masks" / "patient_2.ome.tif")
    named = ImageFile(image.data, image.geometry, image.rgb, title)
    return _opened(named, truth, contrast_limits=contrast_limits)


def _opened(image: ImageFile, truth: LabelFile, **attributes: object) -> list[LayerData]:
    started: NDArray[np.unsignedinteger] = np.zeros_like(truth.labels)
    painted = (len(started) - 1) // 2  # the plane that napari shows first
    started[painted] = truth.labels[painted]
    begun = LabelFile(started, truth.geometry, truth.class_names)
    return [
        image_layer(image, **attributes),
        labels_layer(truth, name=f"{image.name}: right answer", visible=False),
        labels_layer(begun, name=f"{image.name}: labels", opacity=0.5),
    ]
