"""Which layers the docks work with."""

from __future__ import annotations

from napari.layers import Image, Labels, Layer


def is_image(layer: Layer) -> bool:
    """Tell whether a layer can be segmented."""
    return isinstance(layer, Image) and layer.ndim >= 2


def is_labels_of_user(layer: Layer) -> bool:
    """Tell whether a layer holds labels that are the user's, not a proposal."""
    return isinstance(layer, Labels) and "medseg_proposal" not in layer.metadata
