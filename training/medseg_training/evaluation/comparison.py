"""Which of two models is better on the same cases, and how sure that is."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_training.data.dataset import Dataset
from medseg_training.evaluation import charts, page
from medseg_training.evaluation.choice import Chosen, EvaluationError
from medseg_training.evaluation.report import DIGITS, TITLES, empty_rule, spread
from medseg_training.evaluation.scoring import (
    MEASURES,
    Evaluation,
    EvaluationOptions,
    evaluate_job,
)
from medseg_training.evaluation.statistics import (
    ALL,
    Summary,
    by_case,
    patients_of,
    summarise_values,
)
from napari_medseg.engine.results import Progress
from napari_medseg.io.atomic import atomic_write, make_folder
from napari_medseg.io.tables import write_table
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the same cases.

    Parameters
    ----------
    first, second : Evaluation
        Of each model.
    class_names : tuple of str
        Those that both know.
    differences : mapping
        ``differences[measure][class]``: second minus first over the cases where both are defined;
        the interval is of a bootstrap that draws patients, each with both of its figures.
    """

    first: Evaluation
    second: Evaluation
    class_names: tuple[str, ...]
    differences: dict[str, dict[str, Summary]]

    @property
    def titles(self) -> tuple[str, str]:
        """What each model is called, with what tells them apart where both have one title."""
        first, second = self.first.card, self.second.card
        if first.title != second.title:
            return first.title, second.title
        a, b = _told_apart(first, second)
        return f"{first.title} ({a})", f"{second.title} ({b})"

    @property
    def table(self) -> pd.DataFrame:
        """One row for each case and class, with each measure of both models."""
        keys = ["case", "patient", "class"]
        columns = [*keys, *MEASURES, "distance_unit"]
        merged: pd.DataFrame = self.first.table[columns].merge(
            self.second.table[[*keys, *MEASURES]], on=keys, suffixes=("_first", "_second")
        )
        return merged

    def verdict(self) -> str:
        """Say in a sentence what the Dice says."""
        key = ALL if len(self.class_names) > 1 else self.class_names[0]
        found = self.differences["dice"][key]
        if found.n == 0 or np.isnan(found.mean):
            return "No case has a defined Dice of both models; nothing can be said."
        if np.isnan(found.low):
            return (
                f"The difference in Dice is {page.signed(found.mean)} on {found.n} cases, of too "
                "few patients to say more."
            )
        if found.low <= 0 <= found.high:
            return (
                f"On these {found.n} cases no difference in Dice can be told from chance: "
                f"{page.signed(found.mean)} (95 % interval {page.signed(found.low)} to "
                f"{page.signed(found.high)})."
            )
        better, worse = self.titles[::-1] if found.mean > 0 else self.titles
        least, most = sorted((abs(found.low), abs(found.high)))
        return (
            f"{better} has the higher Dice: by {page.number(abs(found.mean))} over {worse} on "
            f"{found.n} cases (95 % interval {page.number(least)} to {page.number(most)})."
        )


def compare_job(
    first: ModelCard,
    second: ModelCard,
    dataset: Dataset,
    chosen: Chosen,
    options: EvaluationOptions | None = None,
) -> Generator[Progress, None, Comparison]:
    """Measure two models on the same cases and compare them, yielding progress.

    Raises
    ------
    EvaluationError
        If they have no class in common, or one could not be measured.
    """
    a = yield from evaluate_job(first, dataset, chosen, options)
    b = yield from evaluate_job(second, dataset, chosen, options)
    return compared(a, b)


def compared(first: Evaluation, second: Evaluation) -> Comparison:
    """Compare two evaluations of the same cases.

    Raises
    ------
    EvaluationError
        If they have no class or no case in common.
    """
    names = tuple(name for name in first.class_names if name in second.class_names)
    if not names:
        raise EvaluationError("The two models find no class in common.")
    differences = {m: _difference(first.table, second.table, m, names) for m in MEASURES}
    return Comparison(first, second, names, differences)


def write_comparison(folder: Path, comparison: Comparison) -> tuple[Path, Path]:
    """Write ``comparison.csv`` and ``comparison.html`` into a folder, which is made.

    Raises
    ------
    SaveError
        With one sentence, where that is not possible.
    """
    make_folder(folder)
    title = "{1} against {0}".format(*comparison.titles)
    text = page.page(title, _body(comparison, title))
    return (
        write_table(folder / "comparison.csv", comparison.table),
        atomic_write(folder / "comparison.html", lambda file: file.write_text(text, "utf-8")),
    )


def _told_apart(first: ModelCard, second: ModelCard) -> tuple[str, str]:
    """Give the names of two models, or as much of their folders as differs."""
    if first.name != second.name:
        return first.name, second.name
    if first.folder and second.folder:
        a, b = first.folder.resolve().parts, second.folder.resolve().parts
        for count in range(1, min(len(a), len(b)) + 1):
            if a[-count] != b[-count]:
                return "/".join(a[-count:]), "/".join(b[-count:])
    return "first", "second"


def _difference(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, classes: Sequence[str]
) -> dict[str, Summary]:
    a, b = _shared(first, second, measure, classes)
    if not len(a):
        raise EvaluationError("The two evaluations have no case in common.")
    return _summarised(b - a, first, classes)


def _shared(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, classes: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the figures of both by case and class, NaN where they are not defined of both."""
    a, b = by_case(first, measure, classes), by_case(second, measure, classes)
    cases = a.index.intersection(b.index)
    a, b = a.loc[cases], b.loc[cases]
    return a.where(b.notna()), b.where(a.notna())


def _summarised(
    values: pd.DataFrame, table: pd.DataFrame, classes: Sequence[str]
) -> dict[str, Summary]:
    """Sum up what `_shared` gives, or the difference of it."""
    return summarise_values(values.to_numpy(float), patients_of(table, list(values.index)), classes)


def _body(comparison: Comparison, title: str) -> Iterator[str]:
    first = comparison.first
    names = [*comparison.class_names, *([ALL] if len(comparison.class_names) > 1 else [])]
    yield f"<h1>{escape(title)}</h1>"
    yield page.paragraph(
        f"{first.dataset}, {first.chosen.title} · {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "soft"
    )
    yield f'<p style="font-size:18px;margin:18px 0">{escape(comparison.verdict())}</p>'
    if first.chosen.caution:
        yield page.note(first.chosen.caution)
    for name, reason in first.failures:
        yield page.note(f"{name} could not be measured: {reason}")
    dice = comparison.differences["dice"]
    rows = [(name, dice[name].mean, dice[name].low, dice[name].high) for name in names]
    reach = 1.15 * max([0.02, *(abs(v) for row in rows for v in row[1:] if not np.isnan(v))])
    known = [row for row in rows if not np.isnan(row[1:]).any()]
    if known:
        yield "<h2>Difference in Dice</h2>"
        yield charts.intervals(
            known, -reach, reach, "better: {} ←  → {}".format(*comparison.titles)
        )
    for measure in MEASURES:
        yield f"<h2>{TITLES[measure]}{_unit(first, measure)}</h2>"
        yield _table(comparison, measure, names)
    yield "<h2>Every case</h2>"
    yield _cases(comparison)
    yield page.paragraph(
        "All figures of a row are over the cases where those of both models are defined; "
        "differences are second minus first. For Dice and IoU "
        "more is better, for HD95 and ASSD less. The interval holds the mean difference in 95 % of "
        "10,000 resamples of the patients, each drawn with the figures of both models. "
        + empty_rule(first.options.official),
        "small soft",
    )


def _table(comparison: Comparison, measure: str, names: Sequence[str]) -> str:
    digits = DIGITS[measure]
    first, second, classes = comparison.first.table, comparison.second.table, comparison.class_names
    shared = _shared(first, second, measure, classes)
    sides = [_summarised(values, first, classes) for values in shared]
    rows = []
    for name in names:
        found = comparison.differences[measure][name]
        rows.append(
            [
                name,
                *(spread(side[name], digits) for side in sides),
                page.signed(found.mean, digits),
                _interval(found, digits),
                f"{found.n} of {found.n + found.undefined}" if found.undefined else f"{found.n}",
            ]
        )
    heads = ["Class", *comparison.titles, "Difference", "95 % interval", "Cases"]
    return page.table(heads, rows, total=len(names) > 1)


def _interval(found: Summary, digits: int) -> str:
    if np.isnan(found.low):
        return "–"
    return f"{page.signed(found.low, digits)} to {page.signed(found.high, digits)}"


def _cases(comparison: Comparison) -> str:
    first, second = (
        by_case(side.table, "dice", comparison.class_names)
        for side in (comparison.first, comparison.second)
    )
    cases = first.index.intersection(second.index)
    change = second.loc[cases] - first.loc[cases]
    rows = [(name, change[name].to_numpy(float)) for name in comparison.class_names]
    reach = 1.05 * max([0.02, *(float(np.nanmax(np.abs(v), initial=0.0)) for _, v in rows)])
    return charts.strips(rows, -reach, reach, "Difference in Dice of each case", zero=0.0)


def _unit(evaluation: Evaluation, measure: str) -> str:
    if measure not in ("hd95", "assd"):
        return ""
    return f" ({' or '.join(sorted(set(evaluation.table['distance_unit'])))})"
