"""Turn probabilities into labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def labels_from_probabilities(
    probabilities: NDArray[np.floating], threshold: float = 0.5
) -> NDArray[np.unsignedinteger[Any]]:
    """Give every pixel its most probable class, or background where none is probable enough.

    Parameters
    ----------
    probabilities : ndarray of float, shape (C, ...)
        One map per class 1 ... C, in [0, 1]; C may be 0 only if the other axes are given too.
    threshold : float
        A pixel is background where its best probability lies below, or is 0.

    Returns
    -------
    ndarray of uint8 (uint16 beyond 255 classes), shape (...)
        0 is background, ``i + 1`` is class ``probabilities[i]``; the first class wins a tie.

    Raises
    ------
    ValueError
        If the threshold is outside [0, 1].
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"The threshold must lie between 0 and 1; got {threshold:g}.")
    n_classes = len(probabilities)
    dtype = np.uint8 if n_classes <= 255 else np.uint16
    labels = np.zeros(probabilities.shape[1:], dtype)
    best = np.zeros(probabilities.shape[1:], np.float32)
    for index, probability in enumerate(probabilities, start=1):
        better = (probability >= threshold) & (probability > best)
        labels[better] = index
        best[better] = probability[better]
    return labels
