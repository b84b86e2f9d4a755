"""The probabilities of a segmentation as image layers, one for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.session.history import KEY
from napari_medseg.session.region import placed_on

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
    maps, start = _on_grid(stack, segmentation.probabilities, positions)
    return [
        Image(
            one_map,
            name=f"probability of {name}",
            colormap="inferno",
            contrast_limits=(0, 1),
            opacity=0.5,
            visible=index == 0,
            metadata={KEY: {"provenance": segmentation.provenance.as_dict()}},
            **placed_on(image, start),
        )
        for index, (name, one_map) in enumerate(
            zip(segmentation.class_names[1:], maps, strict=True)
        )
    ]


def _on_grid(
    stack: Stack, maps: NDArray[np.float32], positions: list[int]
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Give maps (C, planes, H, W) with the axes of the image, and the index at which they start."""
    start = [0 if axis in stack.axes else index for axis, index in enumerate(stack.at)]
    free = sorted(stack.axes)
    if stack.axis is not None:
        one = len(positions) == 1
        start[stack.axis] = positions[0] if one else 0
        maps = maps[:, positions[0] : positions[0] + 1] if one else maps
        free = sorted({*stack.axes, stack.axis})
        maps = np.moveaxis(maps, 1, 1 + free.index(stack.axis))
    spanned = dict(zip(free, maps.shape[1:], strict=True))
    shape = [spanned.get(axis, 1) for axis in range(len(stack.at))]
    return maps.reshape(len(maps), *shape), tuple(start)
