"""An evaluation as a page: figures, their spread, the best and the worst cases, every case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_training.evaluation import charts, page
from medseg_training.evaluation.pictures import CasePicture
from medseg_training.evaluation.scoring import MEASURES, Evaluation
from medseg_training.evaluation.statistics import ALL, Summary, by_case, summarise
from napari_medseg.io.atomic import atomic_write, make_folder
from napari_medseg.io.palette import class_colour
from napari_medseg.io.tables import write_table

if TYPE_CHECKING:
    import pandas as pd

TITLES = {"dice": "Dice", "iou": "IoU", "hd95": "HD95", "assd": "ASSD"}
DIGITS = {"dice": 3, "iou": 3, "hd95": 2, "assd": 2}


def write_evaluation(folder: Path, evaluation: Evaluation) -> tuple[Path, Path]:
    """Write ``cases.csv`` and ``report.html`` into a folder, which is made.

    Raises
    ------
    SaveError
        With one sentence, where that is not possible.
    """
    make_folder(folder)
    text = report(evaluation)
    return (
        write_table(folder / "cases.csv", evaluation.table),
        atomic_write(folder / "report.html", lambda file: file.write_text(text, "utf-8")),
    )


def summaries(evaluation: Evaluation) -> dict[str, dict[str, Summary]]:
    """Sum up each measure, by class; the mean of classes comes last where there are several."""
    return {
        measure: summarise(evaluation.table, measure, evaluation.class_names)
        for measure in MEASURES
    }


def results_for_card(evaluation: Evaluation) -> dict[str, object]:
    """Give what a model card says about how good the model is (`ModelCard.results`)."""
    found, chosen = summaries(evaluation), evaluation.chosen
    sentences = (
        f"Mean over {chosen.title} of {evaluation.dataset}, segmented as in the app.",
        chosen.caution,
        evaluation.incomplete,
        empty_rule(evaluation.options.official),
    )
    return {
        "protocol": " ".join(sentence for sentence in sentences if sentence),
        **{
            measure: {name: round(s.mean, 4) for name, s in by_class.items() if s.n}
            for measure, by_class in found.items()
        },
        "dice_spread": {name: _spread(s) for name, s in found["dice"].items() if s.n},
    }


def _spread(summary: Summary) -> dict[str, float | int]:
    """Give the cases, and what is defined of standard deviation and 95 % interval of the mean."""
    known = {"sd": summary.sd, "low": summary.low, "high": summary.high}
    numbers = {key: round(value, 4) for key, value in known.items() if value == value}
    return {"cases": summary.n, **numbers}


def report(evaluation: Evaluation) -> str:
    """Give the HTML of an evaluation, in one file that needs nothing else."""
    title = f"{evaluation.card.title} on {evaluation.dataset}"
    return page.page(title, _body(evaluation, title))


def empty_rule(official: bool) -> str:
    """Say how empty masks are counted."""
    if official:
        return (
            "Empty masks count by the convention of SelfReg-UNet's published evaluation: a "
            "prediction where the reference is empty scores 1, an empty prediction 0; distances "
            "are in pixels."
        )
    return (
        "A measure that an empty mask leaves undefined is left out of the mean and counted: all of "
        "them where both masks are empty, distances where one is. A mask that should be empty and "
        "is not, or the other way round, has a Dice of 0."
    )


def headline(found: dict[str, dict[str, Summary]], classes: Sequence[str]) -> dict[str, Summary]:
    """Give the one figure of each measure: of the only class, or of the mean of classes."""
    key = ALL if len(classes) > 1 else classes[0]
    return {measure: by_class[key] for measure, by_class in found.items()}


def _body(evaluation: Evaluation, title: str) -> Iterator[str]:
    found, classes = summaries(evaluation), evaluation.class_names
    yield from _head(evaluation, title, headline(found, classes))
    yield "<h2>By class</h2>"
    yield _table(found, evaluation, _unit(evaluation.table))
    yield "<h2>Every case</h2>"
    wide = by_case(evaluation.table, "dice", classes)
    rows = [(name, wide[name].to_numpy(float)) for name in classes]
    yield charts.strips(rows, 0.0, 1.0, "Dice: dots are cases, boxes quartiles with the median")
    yield from _gallery("Worst cases", evaluation.worst, classes)
    yield from _gallery("Best cases", evaluation.best, classes)
    yield "<details class=cases><summary>The figures of every case</summary>"
    yield _case_table(evaluation.table)
    yield "</details>"
    yield from _foot(evaluation)


def _head(evaluation: Evaluation, title: str, head: dict[str, Summary]) -> Iterator[str]:
    """Give the title, the figures that matter most, and what must not be overlooked."""
    card, table = evaluation.card, evaluation.table
    yield f"<h1>{escape(title)}</h1>"
    yield page.paragraph(
        f"Model {card.name}, version {card.version}, weights {card.sha256[:12]} · "
        f"{evaluation.chosen.title} · {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "soft",
    )
    yield page.tiles(
        [
            (page.number(head["dice"].mean), _what("mean Dice", evaluation)),
            (page.interval(head["dice"].low, head["dice"].high), _interval(head["dice"])),
            (page.number(head["hd95"].mean, 1), f"mean HD95 in {_unit(table)}"),
            (f"{table['case'].nunique()}", f"cases of {table['patient'].nunique()} patients"),
        ]
    )
    if evaluation.chosen.caution:
        yield page.note(evaluation.chosen.caution)
    for name, reason in evaluation.failures:
        yield page.note(f"{name} could not be measured: {reason}")
    for name in _absent(evaluation):
        yield page.note(f"No reference shows {name}: its Dice is 0 wherever the model finds any.")


def _foot(evaluation: Evaluation) -> Iterator[str]:
    """Say how it was measured, and under which terms the model may be used."""
    yield "<h2>How it was measured</h2>"
    yield page.paragraph(
        "Every case was segmented as the app does it, at its own resolution, and compared with its "
        "reference. Mean ± standard deviation are over cases; the interval holds the mean in 95 % "
        "of 10,000 resamples of the patients, where there are five or more. HD95 is the 95th "
        "percentile of the distances of both surfaces together, ASSD their mean. The error of a "
        "size is a part of the reference's. " + empty_rule(evaluation.options.official),
        "small soft",
    )
    card = evaluation.card
    for line in (card.licence and f"Terms of the model: {card.licence}", card.citation):
        if line:
            yield page.paragraph(line, "small soft")


def _table(found: dict[str, dict[str, Summary]], evaluation: Evaluation, unit: str) -> str:
    heads = ["Class", "Dice", "95 % of the mean", "IoU", f"HD95 ({unit})", f"ASSD ({unit})"]
    size = summarise(evaluation.table, "volume_error", evaluation.class_names)
    names = [*evaluation.class_names, *([ALL] if len(evaluation.class_names) > 1 else [])]
    rows = []
    for name in names:
        dice, hd95 = found["dice"][name], found["hd95"][name]
        rows.append(
            [
                name,
                spread(dice, 3),
                page.interval(dice.low, dice.high),
                spread(found["iou"][name], 3),
                spread(hd95, 2),
                spread(found["assd"][name], 2),
                _percent(size[name]),
                f"{dice.n}",
                f"{dice.undefined} / {hd95.undefined}",
            ]
        )
    kind = "Volume" if evaluation.table["volume_unit"].iloc[0] in ("ml", "µm³") else "Size"
    heads += [f"{kind} error", "Cases", "Undefined Dice / HD95"]
    return page.table(heads, rows, total=len(names) > 1)


def _percent(summary: Summary) -> str:
    if not summary.n:
        return "–"
    mean = f"{100 * summary.mean:+.1f}"
    return f"{mean} %" if summary.n < 2 else f"{mean} ± {100 * summary.sd:.1f} %"


def spread(summary: Summary, digits: int) -> str:
    """Write mean and standard deviation."""
    text = page.number(summary.mean, digits)
    return text if summary.n < 2 else f"{text} ± {page.number(summary.sd, digits)}"


def _gallery(title: str, pictures: Sequence[CasePicture], classes: Sequence[str]) -> Iterator[str]:
    if not pictures:
        return
    yield f"<h2>{title}</h2>"
    keys = "".join(
        f'<span class="key" style="background:rgb{class_colour(index)}"></span>{escape(name)}'
        for index, name in enumerate(classes, 1)
    )
    sides = "Left the image, in the middle the reference, right what the model found."
    yield f'<p class="small soft">{sides}{keys}</p>'
    yield '<div class="gallery">'
    for picture in pictures:
        where = "" if picture.plane is None else f", plane {picture.plane}"
        yield (
            f"<figure>{page.image(picture.png, picture.case)}<figcaption><span>"
            f"{escape(picture.case)}{where}</span><b>Dice {page.number(picture.dice)}</b>"
            "</figcaption></figure>"
        )
    yield "</div>"


def _case_table(table: pd.DataFrame) -> str:
    unit, volume = _unit(table), table["volume_unit"].iloc[0]
    heads = ["Case", "Class", "Dice", "IoU", f"HD95 ({unit})", f"ASSD ({unit})"]
    heads += [f"Found ({volume})", f"Reference ({volume})"]
    rows = [
        [
            str(row["case"]),
            str(row["class"]),
            *(page.number(float(row[m]), DIGITS[m]) for m in MEASURES),
            f"{row['prediction_volume']:,.4g}",
            f"{row['reference_volume']:,.4g}",
        ]
        for row in table.to_dict("records")
    ]
    return page.table(heads, rows)


def _absent(evaluation: Evaluation) -> list[str]:
    sizes = evaluation.table.groupby("class")["reference_volume"].max()
    return [name for name in evaluation.class_names if not sizes[name]]


def _unit(table: pd.DataFrame) -> str:
    units = sorted(set(table["distance_unit"]))
    return " or ".join(units)


def _interval(summary: Summary) -> str:
    few = math.isnan(summary.low)
    return "too few patients for an interval" if few else "95 % interval of the mean"


def _what(measure: str, evaluation: Evaluation) -> str:
    names = evaluation.class_names
    return f"{measure}, {names[0]}" if len(names) == 1 else f"{measure} of {len(names)} classes"
