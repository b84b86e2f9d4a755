"""Means over cases with their spread, and how sure they are: bootstrap by patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 10_000
SEED = 12345
LEVEL = 0.95
FEWEST = 5
"""Patients below which nothing is said about how sure a mean is."""

ALL = "mean of classes"


@dataclass(frozen=True)
class Summary:
    """One measure of one class over cases.

    Parameters
    ----------
    mean, sd : float
        Over the cases where the measure is defined; the standard deviation is that of a sample.
    low, high : float
        Between which the mean lies in 95 % of all resamples of the patients; NaN where there are
        fewer than five.
    n : int
        Cases where it is defined.
    undefined : int
        Cases where it is not, because a mask is empty.
    """

    mean: float
    sd: float
    low: float
    high: float
    n: int
    undefined: int


def by_case(table: pd.DataFrame, measure: str, classes: Sequence[str]) -> pd.DataFrame:
    """Give one row for each case and one column for each class, NaN where undefined."""
    wide = table.pivot(index="case", columns="class", values=measure)
    return wide.reindex(columns=list(classes))


def patients_of(table: pd.DataFrame, cases: Sequence[str]) -> list[str]:
    """Give the patient of each case."""
    known = table.drop_duplicates("case").set_index("case")["patient"]
    return [str(known[case]) for case in cases]


def summarise(table: pd.DataFrame, measure: str, classes: Sequence[str]) -> dict[str, Summary]:
    """Sum one measure up for each class, and for the mean over classes.

    The last is the mean of the classes' means; its spread is that of the cases' means.
    """
    wide = by_case(table, measure, classes)
    return summarise_values(wide.to_numpy(float), patients_of(table, list(wide.index)), classes)


def summarise_values(
    values: NDArray[np.float64], patients: Sequence[str], classes: Sequence[str]
) -> dict[str, Summary]:
    """Sum values (cases, classes) up, NaN where undefined; see `summarise`."""
    draws = resampled_means(values, patients)
    if len(set(patients)) < FEWEST:
        draws = np.full_like(draws, np.nan)
    found = {}
    for column, name in enumerate(classes):
        found[name] = _summary(values[:, column], _mean(values[:, column]), draws[:, column])
    if len(classes) > 1:
        mean = _mean(np.array([found[name].mean for name in classes]))
        found[ALL] = _summary(_row_means(values), mean, _row_means(draws))
    return found


def resampled_means(
    values: NDArray[np.float64], patients: Sequence[str], resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Draw patients anew, with replacement, and give the mean of each column in each draw.

    All cases of a patient come together, since they are not independent of each other.

    Parameters
    ----------
    values : ndarray of float, shape (cases, columns)
        NaN where undefined; left out of the means.
    patients : sequence of str
        Of each case.
    resamples : int
        How many draws.

    Returns
    -------
    ndarray of float, shape (resamples, columns)
        NaN where a draw has no defined value.
    """
    _, group = np.unique(np.array(patients), return_inverse=True)
    n = int(group.max()) + 1
    defined = np.isfinite(values)
    sums, counts = np.zeros((n, values.shape[1])), np.zeros((n, values.shape[1]))
    np.add.at(sums, group, np.where(defined, values, 0.0))
    np.add.at(counts, group, defined)
    weights = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), resamples)
    total = weights @ counts
    return np.where(total > 0, weights @ sums / np.maximum(total, 1), np.nan)


def _summary(values: NDArray[np.float64], mean: float, draws: NDArray[np.float64]) -> Summary:
    known = values[np.isfinite(values)]
    draws = draws[np.isfinite(draws)]
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(draws, [tail, 100 - tail]) if draws.size else (np.nan, np.nan)
    spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
    return Summary(mean, spread, float(low), float(high), len(known), len(values) - len(known))


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = np.isfinite(values)
    counts = defined.sum(1)
    sums = np.where(defined, values, 0.0).sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
