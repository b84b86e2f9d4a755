"""Compare a segmentation with a reference, class by class."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.engine.measure.classes import (
    class_boxes,
    class_name,
    classes_to_list,
    labels_of,
    names_of,
)
from napari_medseg.engine.measure.matching import match_classes
from napari_medseg.engine.measure.metrics import checked_spacing, official_scores, scores
from napari_medseg.engine.results import Progress, Segmentation, finished

if TYPE_CHECKING:
    import pandas as pd


def compare(
    prediction: Segmentation | ArrayLike,
    reference: Segmentation | ArrayLike,
    spacing: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    official: bool = False,
) -> pd.DataFrame:
    """Say how well a segmentation agrees with a reference.

    Parameters
    ----------
    prediction, reference : Segmentation or array_like of int, shape (H, W) or (Z, H, W)
        Label maps of one shape; 0 is background.
    spacing : sequence of float, optional
        Distance of neighbouring pixels along each axis; the distances come in its unit, or in
        pixels where it is not given.
    class_names : sequence of str, optional
        Names of the classes of both, background first. By default each has its own: where both
        name the same classes, they are matched by name, whatever their numbers
        (`napari_medseg.engine.measure.matching`). Every named class gets a row, also where
        neither has it.
    official : bool
        Follow the published evaluation of SelfReg-UNet, to compare with its tables: other values
        for empty masks (`official_scores`), distances in pixels, neither XOR nor HM.

    Returns
    -------
    DataFrame
        One row per class: ``label``, the reference's number, ``name``, ``dice``, ``iou``,
        ``hd95``, ``assd``, ``xor``, ``hm``, and the pixels of each, ``prediction_pixels`` and
        ``reference_pixels``. What cannot be said about an empty mask is NaN
        (`napari_medseg.engine.measure.metrics`).

    Warns
    -----
    UserWarning
        Where the names of the two contradict the numbers by which their classes were matched.

    Raises
    ------
    ValueError
        If the shapes differ, the spacing does not fit, or one of the two is no label map.
    """
    return finished(compare_job(prediction, reference, spacing, class_names, official=official))


def compare_job(
    prediction: Segmentation | ArrayLike,
    reference: Segmentation | ArrayLike,
    spacing: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    official: bool = False,
) -> Generator[Progress, None, pd.DataFrame]:
    """Compare class by class, yielding progress before each; see `compare`."""
    import pandas as pd

    found, wanted = labels_of(prediction), labels_of(reference)
    if found.shape != wanted.shape:
        raise ValueError(
            f"a prediction of shape {found.shape} cannot be compared with a reference of shape "
            f"{wanted.shape}; resample one to the other's grid first"
        )
    steps = checked_spacing(spacing, found.ndim)
    names = names_of(prediction, class_names)
    if class_names is None:
        matched = match_classes(found, names, wanted, names_of(reference, None))
        found, names = matched.prediction, matched.names
        if matched.notice:
            warnings.warn(matched.notice, stacklevel=3)
    boxes = class_boxes(found, wanted)
    nowhere = (slice(0, 0),) * found.ndim
    rows = []
    both = classes_to_list(boxes, names)
    for done, label in enumerate(both):
        yield Progress(done, len(both), f"Comparing {class_name(names, label)}")
        box = boxes.get(label, nowhere)
        masks = found[box] == label, wanted[box] == label
        rows.append(
            {
                "label": label,
                "name": class_name(names, label),
                **(official_scores(*masks) if official else scores(*masks, steps)),
                "prediction_pixels": int(masks[0].sum()),
                "reference_pixels": int(masks[1].sum()),
            }
        )
    measures = ["dice", "iou", "hd95", "assd"] + ([] if official else ["xor", "hm"])
    columns = ["label", "name", *measures, "prediction_pixels", "reference_pixels"]
    return pd.DataFrame(rows, columns=columns)


WRONG_PLACES = ("background", "false positive", "false negative", "other class")
"""What the values of `differences` mean."""


def differences(
    prediction: NDArray[np.integer], reference: NDArray[np.integer]
) -> NDArray[np.uint8]:
    """Show where a prediction is wrong.

    Returns
    -------
    ndarray of uint8, of the same shape
        1 where only the prediction has a class, 2 where only the reference has one, 3 where they
        have different ones, 0 where they agree; see `WRONG_PLACES`.
    """
    found, wanted = prediction != 0, reference != 0
    wrong = np.zeros(prediction.shape, np.uint8)
    wrong[found & ~wanted] = 1
    wrong[wanted & ~found] = 2
    wrong[found & wanted & (prediction != reference)] = 3
    return wrong
