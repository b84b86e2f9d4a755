"""The probabilities of a segmentation as image layers, one for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medseg.session.history import KEY
from napari_medseg.session.region import placed_on
from napari_medseg.session.stack import on_all_axes

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_medseg.engine.results import Segmentation
    from napari_medseg.session.stack import Stack


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
    start = [0 if axis in stack.axes else index for axis, index in enumerate(stack.at)]
    maps = segmentation.probabilities
    if stack.axis is not None:
        one = len(positions) == 1
        start[stack.axis] = positions[0] if one else 0
        maps = maps[:, positions[0] : positions[0] + 1] if one else maps
    return [
        Image(
            on_all_axes(stack.planes_back(one_map), stack.free, len(stack.at)),
            name=f"probability of {name}",
            colormap="inferno",
            contrast_limits=(0, 1),
            opacity=0.5,
            visible=index == 0,
            metadata={KEY: {"provenance": segmentation.provenance.as_dict()}},
            **placed_on(image, tuple(start)),
        )
        for index, (name, one_map) in enumerate(
            zip(segmentation.class_names[1:], maps, strict=True)
        )
    ]
