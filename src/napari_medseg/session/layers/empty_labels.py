"""Labels to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.session.layers.colours import class_colormap
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.owners import note_owner
from napari_medseg.session.layers.stack import shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels


def empty_labels(image: Image) -> Labels:
    """Make a labels layer of uint8 that lies exactly where an image lies, and is known as its own.

    What the image's file said of its position, which layers cannot hold in full, is handed on.
    """
    from napari.layers import Labels

    geometry = notes_of(image).get("geometry")
    labels = Labels(
        np.zeros(shape_of(image), np.uint8),
        name=f"{image.name} labels",
        colormap=class_colormap(),
        metadata={NOTE_KEY: {"geometry": geometry}} if geometry else {},
        **geometry_of(image),
    )
    note_owner(labels, image)
    return labels
