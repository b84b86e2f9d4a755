"""Segment cases with a model, as the app does, and compare them with their references."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from medseg_training.data.dataset import Dataset
from medseg_training.data.files import LoadedCase, load_case
from medseg_training.evaluation.choice import Chosen, EvaluationError
from medseg_training.evaluation.matching import ClassMatch, shared_classes
from medseg_training.evaluation.pictures import CasePicture, Gallery, picture_of
from napari_medseg.engine.measure.compare import compare
from napari_medseg.engine.results import Progress, retold
from napari_medseg.engine.with_model.job import runner_for, segment_job
from napari_medseg.engine.with_model.net_runner import NetRunner
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("dice", "iou", "hd95", "assd")
COLUMNS = (
    "case",
    "patient",
    "class",
    *MEASURES,
    "distance_unit",
    "prediction_volume",
    "reference_volume",
    "volume_unit",
    "volume_error",
)
"""What the table of cases holds. The error of a volume is a part of the reference's, and NaN where
that is empty; planes have areas in place of volumes."""


@dataclass(frozen=True)
class EvaluationOptions:
    """How to measure.

    Parameters
    ----------
    device : str
        Where the net runs.
    flips : bool
        Whether mirrored copies are asked as well.
    classes : tuple of str
        Classes of the data to compare; by default all that the model knows.
    merge : bool
        Compare all of them as one.
    official : bool
        Follow the published evaluation of SelfReg-UNet for empty masks, distances in pixels
        (`napari_medseg.engine.measure.metrics.official_scores`).
    pictures : int
        How many of the best and of the worst cases are kept as pictures.
    """

    device: str = "auto"
    flips: bool = False
    classes: tuple[str, ...] = ()
    merge: bool = False
    official: bool = False
    pictures: int = 4


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    dataset : str
        Name of the data set.
    chosen : Chosen
        The cases.
    class_names : tuple of str
        What was compared, without the background.
    table : DataFrame
        One row for each case and class, with the columns `COLUMNS`.
    options : EvaluationOptions
        How.
    worst, best : tuple of CasePicture
        Cases with the lowest and the highest mean Dice; those in between in neither.
    failures : tuple of (str, str)
        Cases that could not be measured, and why.
    """

    card: ModelCard
    dataset: str
    chosen: Chosen
    class_names: tuple[str, ...]
    table: pd.DataFrame
    options: EvaluationOptions
    worst: tuple[CasePicture, ...] = ()
    best: tuple[CasePicture, ...] = ()
    failures: tuple[tuple[str, str], ...] = field(default=())

    @property
    def incomplete(self) -> str:
        """How many cases the figures are not of, in a sentence; empty where none is missing."""
        if not self.failures:
            return ""
        missing, total = len(self.failures), len(self.chosen.names)
        return f"{missing} of the {total} cases could not be measured; the figures leave them out."


def evaluate_job(
    card: ModelCard,
    dataset: Dataset,
    chosen: Chosen,
    options: EvaluationOptions | None = None,
) -> Generator[Progress, None, Evaluation]:
    """Measure a model on cases, yielding progress; one that cannot be segmented does not end it.

    Every case is segmented as by `napari_medseg.segment`, at its own resolution, and compared as by
    `napari_medseg.compare`, so that the figures are those of what a user gets.

    Raises
    ------
    EvaluationError
        If the model and the data have no class in common, or no case could be measured.
    ValueError
        If the model cannot be used.
    """
    import pandas as pd

    options = options or EvaluationOptions()
    asked = SegmentOptions(
        card, device=options.device, flips=options.flips, keep_probabilities=False
    )
    runner, total = runner_for(asked), len(chosen.names)
    match = shared_classes(card, dataset, options.classes, merge=options.merge)
    gallery = Gallery(options.pictures)
    rows: list[dict[str, Any]] = []
    failures: list[tuple[str, str]] = []
    for done, name in enumerate(chosen.names):
        yield Progress(done, total, f"Measuring {name}")
        try:
            case = load_case(dataset, dataset.case(name))
            found = yield from _segmented(case, asked, runner, done, total)
        except ValueError as error:  # of this case: model and options were checked before
            failures.append((name, str(error)))
            continue
        pair = match.of_model[found], match.of_data[_labels(case)]
        scored = _rows(case, dataset.case(name).patient, *pair, match, options.official)
        rows += scored
        dice = _mean([row["dice"] for row in scored])
        gallery.offer(name, dice, partial(picture_of, case, *pair))
    yield Progress(total, total, "Done")
    if not rows:
        raise EvaluationError(f"No case could be measured: {'; '.join(r for _, r in failures[:3])}")
    return Evaluation(
        card,
        dataset.name,
        chosen,
        match.names[1:],
        pd.DataFrame(rows, columns=list(COLUMNS)),
        options,
        gallery.worst(),
        gallery.best(),
        tuple(failures),
    )


def volume_of(pixels: int, spacing: Sequence[float], units: str) -> tuple[float, str]:
    """Give how much so many pixels are, and its unit: ml or mm² where the spacing is in mm."""
    size = pixels * math.prod(spacing)
    if units == "mm":
        return (size / 1000, "ml") if len(spacing) == 3 else (size, "mm²")
    if units == "um":
        return size, "µm³" if len(spacing) == 3 else "µm²"
    return float(pixels), "pixels"


def _segmented(
    case: LoadedCase, asked: SegmentOptions, runner: NetRunner, done: int, total: int
) -> Generator[Progress, None, NDArray[np.unsignedinteger]]:
    """Segment a case; a progress for each plane or tile, so that Cancel works within a case."""
    image, rgb = case.as_given
    found = yield from retold(
        segment_job(image, asked, rgb=rgb, runner=runner),
        lambda step: Progress(done, total, f"Measuring {case.name}: {step.done} of {step.total}"),
    )
    return found.labels


def _labels(case: LoadedCase) -> NDArray[np.uint8]:
    if case.labels is None:
        raise EvaluationError(f"{case.name} has no mask to compare with.")
    return case.labels


def _rows(
    case: LoadedCase,
    patient: str,
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    match: ClassMatch,
    official: bool,
) -> list[dict[str, Any]]:
    spacing, units = case.spacing, case.geometry.units
    measured = compare(prediction, reference, spacing, match.names, official=official)
    rows = []
    for row in measured.to_dict("records"):
        found, unit = volume_of(int(row["prediction_pixels"]), spacing, units)
        wanted, _ = volume_of(int(row["reference_pixels"]), spacing, units)
        rows.append(
            {
                "case": case.name,
                "patient": patient,
                "class": row["name"],
                **{measure: float(row[measure]) for measure in MEASURES},
                "distance_unit": _distance_unit(units, official),
                "prediction_volume": found,
                "reference_volume": wanted,
                "volume_unit": unit,
                "volume_error": (found - wanted) / wanted if wanted else math.nan,
            }
        )
    return rows


def _distance_unit(units: str, official: bool) -> Literal["mm", "µm", "pixels"]:
    if official or units == "pixel":
        return "pixels"
    return "µm" if units == "um" else "mm"


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
