"""What a model says besides its proposal, as layers: probabilities and numbered objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.session.layers.layer_kinds import derived
from napari_medseg.session.layers.owners import note_owner
from napari_medseg.session.layers.region import placed_on
from napari_medseg.session.layers.stack import on_all_axes

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_medseg.engine.results import Segmentation
    from napari_medseg.session.layers.stack import Stack


def probability_layers(
    image: Image, stack: Stack, segmentation: Segmentation, positions: list[int]
) -> list[Image]:
    """Give the probabilities of each class where the image lies; the first class alone is seen.

    Parameters
    ----------
    image : napari Image
        What was segmented.
    stack : Stack
        Its planes.
    segmentation : Segmentation
        Made of the planes of the stack in their order; without probabilities there are no layers.
    positions : list of int
        Which planes were segmented. Of a single one only that plane is shown.

    Returns
    -------
    list of napari Image
        float32 in [0, 1]; views of the probabilities, not copies.
    """
    from napari.layers import Image

    if segmentation.probabilities is None:
        return []
    start, planes = _part(stack, positions)
    return [
        Image(
            on_all_axes(stack.planes_back(one_map[planes]), stack.free, len(stack.at)),
            name=f"probability of {name}",
            colormap="inferno",
            contrast_limits=(0, 1),
            opacity=0.5,
            visible=index == 0,
            metadata={**derived(), NOTE_KEY: {"provenance": segmentation.provenance.as_dict()}},
            **placed_on(image, start),
        )
        for index, (name, one_map) in enumerate(
            zip(segmentation.class_names[1:], segmentation.probabilities, strict=True)
        )
    ]


def objects_layer(
    image: Image,
    stack: Stack,
    segmentation: Segmentation,
    objects: NDArray[np.uint32],
    positions: list[int],
) -> Labels:
    """Give a labels layer in which every object has a number, where the image lies.

    Parameters
    ----------
    image, stack, segmentation, positions
        As in `probability_layers`.
    objects : ndarray of uint32
        Of the shape of the segmentation's labels.

    Returns
    -------
    napari Labels
    """
    from napari.layers import Labels

    start, planes = _part(stack, positions)
    layer = Labels(
        on_all_axes(stack.planes_back(objects[planes]), stack.free, len(stack.at)),
        name=f"objects: {', '.join(segmentation.class_names[1:])}",
        metadata={**derived(), NOTE_KEY: {"provenance": segmentation.provenance.as_dict()}},
        **placed_on(image, start),
    )
    note_owner(layer, image)
    return layer


def _part(stack: Stack, positions: list[int]) -> tuple[tuple[int, ...], slice]:
    """Give where in the image a layer starts, and which planes it shows: one alone, or all."""
    start = [0 if axis in stack.axes else index for axis, index in enumerate(stack.at)]
    if stack.axis is None:
        return tuple(start), slice(None)
    planes = slice(positions[0], positions[0] + 1) if len(positions) == 1 else slice(None)
    start[stack.axis] = planes.start or 0
    return tuple(start), planes
