"""What is looked for lies inside the image: emphasise its middle, set apart what touches its edge.

Clustering by looks alone cannot tell a lesion from a dark corner of the dermatoscope, or lungs from
the air beside the patient. Where a thing lies can.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_medseg.engine.colour import GREY

Focus = Literal["none", "dark", "bright", "lesion"]
FOCUSES: tuple[Focus, ...] = ("none", "dark", "bright", "lesion")

_GAIN = 1.5
"""How much the middle of an edge changes, in standard deviations of the image's brightness."""
_LESION_GAIN = 1.0
_BLUE = 2


def emphasise_middle(
    plane: NDArray[np.float32],
    focus: Focus,
    gain: float | None = None,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Make the surroundings brighter, to look for something dark, or darker, for something bright.

    What is added grows with the square of the distance from the centre and is measured in standard
    deviations of the brightness, so that contrast and units do not matter. Colour is left out:
    something dark is looked for, and in colour photographs clusters tend to follow the tint of the
    light instead.

    Parameters
    ----------
    plane : ndarray of float32, shape (H, W) or (H, W, C)
        The image, red first.
    focus : {"none", "dark", "bright", "lesion"}
        What is looked for; ``"none"`` changes nothing. A lesion is something dark in blue light,
        which melanin absorbs and the redness of skin does not.
    gain : float, optional
        Standard deviations added in the middle of each edge; twice as many in the corners. By
        default 1.5, and 1 for a lesion.
    known : ndarray of bool, shape (H, W), optional
        Pixels, one at least, whose brightness counts.

    Returns
    -------
    ndarray of float32
        `plane` itself without a focus; else shape (H, W), and values may leave the range of
        `plane`.
    """
    if focus == "none":
        return plane
    lesion = focus == "lesion"
    brightness = plane[..., _BLUE] if lesion and plane.ndim == 3 else GREY(plane)
    if gain is None:
        gain = _LESION_GAIN if lesion else _GAIN
    rows, cols = (np.linspace(-1, 1, length, dtype=np.float32) for length in plane.shape[:2])
    distance = rows[:, None] ** 2 + cols**2
    spread = (brightness if known is None else brightness[known]).std()
    change = (-gain if focus == "bright" else gain) * spread * distance
    return (brightness + change).astype(np.float32)


def set_edge_apart(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Give the connected pieces of each cluster that touch the image's edge a number of their own.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Cluster of every pixel, not negative.

    Returns
    -------
    ndarray of int, shape (H, W)
        Up to twice as many clusters.
    """
    count = int(labels.max()) + 1
    out = labels.astype(np.intp)
    for cluster in np.unique(labels):
        pieces, _ = ndimage.label(labels == cluster)
        edge = np.unique(np.concatenate((pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1])))
        out[np.isin(pieces, edge[edge > 0])] += count
    return out
