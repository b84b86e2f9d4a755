"""What is measured is what the app gives, and what is written about it is true."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from medseg_training.__main__ import main
from medseg_training.data.dataset import Dataset, read_dataset
from medseg_training.evaluation.choice import (
    Chosen,
    EvaluationError,
    choose_cases,
    find_model,
)
from medseg_training.evaluation.comparison import Comparison, compared, write_comparison
from medseg_training.evaluation.matching import shared_classes
from medseg_training.evaluation.report import (
    report,
    results_for_card,
    summaries,
    write_evaluation,
)
from medseg_training.evaluation.scoring import (
    Evaluation,
    EvaluationOptions,
    evaluate_job,
)
from medseg_training.evaluation.statistics import ALL, resampled_means, summarise_values
from napari_medseg.engine.measure.metrics import official_scores, scores
from napari_medseg.engine.results import finished
from napari_medseg.engine.with_model.job import segment
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.zoo import architectures
from napari_medseg.zoo.cards import ModelCard

from ...engine.pretrained import BrightNet, write_pretrained
from ..data import small

INPUT = {"size": list(small.SHAPE), "scaling": {"kind": "divide", "by": 255}}
THREE = {"classes": ("bright", "dark"), "output": {"activation": "softmax"}}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """Finds what is brighter than half."""
    monkeypatch.setitem(architectures.NETS, "BrightNet", "tests.engine.pretrained")
    return write_pretrained(tmp_path / "models", "bright", BrightNet(), input=INPUT)


def bright_data(root: Path, shift: int = 2) -> Path:
    """Bright squares whose references are moved a little; in two cases one mask is empty."""
    for i in range(8):
        image = np.full(small.SHAPE, 20 + i, np.uint8)
        labels = np.zeros(small.SHAPE, np.uint8)
        if i != 6:
            image[4:14, 4:16] = 200
        if i != 7:
            labels[4:14, 4 + i % 3 * shift : 16 + i % 3 * shift] = 1
        small.save_picture(root / "images" / f"case{i}.png", image)
        small.save_picture(root / "masks" / f"case{i}.png", labels)
    names = [f"case{i}" for i in range(8)]
    content = {"train": names[:1], "val": names[1:2], "test": names[2:]}
    (root / "split.json").write_text(json.dumps(content))
    described = {"labels": {"background": 0, "bright": 1}, "spacing": [2.0, 0.5]}
    (root / "dataset.json").write_text(json.dumps(described))
    return root


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Eight pictures, six of them held out."""
    return read_dataset(bright_data(tmp_path / "Prüfung 1"))


def measured(
    model: ModelCard, data: Dataset, chosen: Chosen, options: EvaluationOptions | None = None
) -> Evaluation:
    """Measure on some cases."""
    return finished(evaluate_job(model, data, chosen, options))


def evaluated(model: ModelCard, data: Dataset, **options: Any) -> Evaluation:
    """Measure on the held-out cases."""
    return measured(model, data, choose_cases(data, "test"), EvaluationOptions(**options))


def test_the_figures_are_those_of_what_the_app_finds(model: ModelCard, data: Dataset) -> None:
    table = evaluated(model, data).table.set_index("case")
    assert list(table.index) == [f"case{i}" for i in range(2, 8)]
    for i in (2, 3, 4):
        image = read_image(data.root / "images" / f"case{i}.png").data
        wanted = read_labels(data.root / "masks" / f"case{i}.png").labels
        expected = scores(segment(image, model).labels, wanted, (2.0, 0.5))
        for measure in ("dice", "iou", "hd95", "assd"):
            assert table.loc[f"case{i}", measure] == pytest.approx(expected[measure])
    assert table.loc["case3", "reference_volume"] == pytest.approx(120.0)
    assert set(table["volume_unit"]) == {"mm²"}
    assert set(table["distance_unit"]) == {"mm"}


def test_empty_masks_are_not_defined_and_counted(model: ModelCard, data: Dataset) -> None:
    evaluation = evaluated(model, data)
    table = evaluation.table.set_index("case")
    assert table.loc["case6", ["dice", "hd95"]].isna().tolist() == [False, True]
    assert table.loc["case7", "dice"] == 0.0
    found = summaries(evaluation)["hd95"]["bright"]
    assert (found.n, found.undefined) == (4, 2)


def test_the_official_convention_can_be_had(model: ModelCard, data: Dataset) -> None:
    table = evaluated(model, data, official=True).table.set_index("case")
    one, none = np.ones((3, 3)), np.zeros((3, 3))
    for case, pair in {"case6": (none, one), "case7": (one, none)}.items():
        for measure, value in official_scores(*pair).items():
            assert table.loc[case, measure] == value
    assert set(table["distance_unit"]) == {"pixels"}


def test_a_volume_is_measured_in_ml(model: ModelCard, tmp_path: Path) -> None:
    root = tmp_path / "volumes"
    labels = np.zeros((3, *small.SHAPE), np.uint8)
    labels[1, 4:14, 4:14] = 1
    small.save_nifti(root / "imagesTr" / "v1_0000.nii.gz", labels * np.uint8(200), spacing=2.0)
    small.save_nifti(root / "labelsTr" / "v1.nii.gz", labels, spacing=2.0)
    content = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "bright": 1},
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(content))
    dataset = read_dataset(root)
    evaluation = measured(model, dataset, choose_cases(dataset, "all"))
    (row,) = evaluation.table.to_dict("records")
    assert row["dice"] == 1.0
    assert (row["reference_volume"], row["volume_unit"]) == (0.8, "ml")
    assert evaluation.worst[0].plane == 1


def test_a_case_that_cannot_be_read_is_told_and_the_rest_is_measured(
    model: ModelCard, data: Dataset
) -> None:
    (data.root / "images" / "case3.png").write_bytes(b"")
    evaluation = evaluated(model, data)
    ((name, reason),) = evaluation.failures
    assert name == "case3"
    assert "is empty (0 bytes)" in reason
    assert evaluation.table["case"].nunique() == 5
    assert "case3 could not be measured" in report(evaluation)
    assert "1 of the 6 cases could not be measured" in str(results_for_card(evaluation)["protocol"])


def test_a_case_with_values_the_model_does_not_take_is_told_and_the_rest_is_measured(
    data: Dataset, model: ModelCard, tmp_path: Path
) -> None:
    window = {"size": list(small.SHAPE), "scaling": {"kind": "window", "low": 0, "high": 255}}
    card = write_pretrained(tmp_path / "models", "window", BrightNet(), input=window)
    (data.root / "images" / "case3.png").unlink()
    tifffile.imwrite(data.root / "images" / "case3.tif", np.full(small.SHAPE, 5000, np.uint16))
    evaluation = evaluated(card, read_dataset(data.root))
    assert [name for name, _ in evaluation.failures] == ["case3"]
    assert evaluation.table["case"].nunique() == 5


def test_the_exit_says_that_cases_are_missing(
    model: ModelCard, data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data.root / "images" / "case3.png").write_bytes(b"")
    folder, root, results = str(model.folder), str(data.root), tmp_path / "results.json"
    for given in (
        ["evaluate", folder, root, "--results", str(results)],
        ["compare-models", folder, folder, root],
    ):
        assert main(given) == 2
        assert "1 of the 6 cases could not be measured" in capsys.readouterr().err
    assert json.loads(results.read_text(encoding="utf-8"))["dice"]["bright"] > 0


def test_the_card_says_that_cases_may_have_been_trained_on(
    model: ModelCard, data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = choose_cases(data, "all")
    protocol = str(results_for_card(measured(model, data, chosen))["protocol"])
    assert "These include cases that the model may have been trained on." in protocol
    assert main(["evaluate", str(model.folder), str(data.root), "--split", "all"]) == 0
    assert f"⚠ {chosen.caution}" in capsys.readouterr().out


def test_progress_is_told_and_closing_cancels(model: ModelCard, data: Dataset) -> None:
    job = evaluate_job(model, data, choose_cases(data, "test"))
    step = next(job)
    assert (step.done, step.total) == (0, 6)
    job.close()


def test_the_report_of_one_case_claims_no_spread(model: ModelCard, data: Dataset) -> None:
    text = report(measured(model, data, choose_cases(data, "val")))
    assert "+0.0 %" in text
    assert "nan" not in text


def test_the_report_is_one_file_that_loads_nothing(
    model: ModelCard, data: Dataset, tmp_path: Path
) -> None:
    card = replace(model, title="Bright <things> & more")
    out = tmp_path / "out"
    csv, html = write_evaluation(out, evaluated(card, data))
    text = html.read_text(encoding="utf-8")
    assert "Bright &lt;things&gt; &amp; more on Prüfung 1" in text
    assert "Worst cases" in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    table = pd.read_csv(csv)
    assert len(table) == 6
    assert table["dice"].mean() == pytest.approx(
        summaries(evaluated(card, data))["dice"]["bright"].mean
    )


def test_a_single_case_is_told_as_one(data: Dataset) -> None:
    alone = replace(data, test=data.test[:1])
    assert choose_cases(alone, "test").title == "the 1 held-out test case"
    assert choose_cases(data, "all").title == "all of 8 cases"


def test_what_goes_into_the_card(model: ModelCard, data: Dataset) -> None:
    results = results_for_card(evaluated(model, data))
    assert "the 6 held-out test cases" in str(results["protocol"])
    kept = json.loads(json.dumps(results))
    assert kept["dice"]["bright"] > 0.5
    spread = kept["dice_spread"]["bright"]
    assert spread["cases"] == 6
    assert spread["low"] <= kept["dice"]["bright"] <= spread["high"]


def test_classes_are_matched_by_name(model: ModelCard, data: Dataset) -> None:
    three = replace(model, **THREE)
    named = replace(data, class_names=("background", "Dark", "stranger"))
    match = shared_classes(three, named)
    assert match.names == ("background", "Dark")
    assert match.of_model[[0, 1, 2]].tolist() == [0, 0, 1]
    assert match.of_data[[0, 1, 2]].tolist() == [0, 1, 0]
    merged = shared_classes(model, named, merge=True)
    assert merged.of_data[[1, 2]].tolist() == [1, 1]
    with pytest.raises(EvaluationError, match="no class has the same name"):
        shared_classes(three, replace(data, class_names=("background", "a", "b")))
    with pytest.raises(EvaluationError, match="The data has no class 'z'"):
        shared_classes(model, data, ["z"])


def test_cases_are_chosen_by_split(data: Dataset) -> None:
    assert choose_cases(data, "val").names == ("case1",)
    assert len(choose_cases(data, "all").names) == 8
    assert choose_cases(data, "all").caution
    with pytest.raises(EvaluationError, match="There is no fold 3"):
        choose_cases(data, "val", 3)
    with pytest.raises(EvaluationError, match="no held-out cases"):
        choose_cases(replace(data, test=()), "test")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="export the run first"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("command", ["evaluate {}", "compare-models skin-lesion {}"])
def test_a_model_that_needs_examples_is_told_where_to_go(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.format("universeg-open").split(), str(tmp_path)]) == 2
    assert "needs examples" in (said := capsys.readouterr().err) and "evaluate-in-context" in said
    assert main(["evaluate-in-context", "skin-lesion", str(tmp_path)]) == 2
    assert "takes no examples" in capsys.readouterr().err


def test_a_model_that_needs_examples_is_refused_in_python(data: Dataset) -> None:
    with pytest.raises(ValueError, match="needs examples"):
        measured(find_model("universeg-open"), data, choose_cases(data, "test"))


def _table(values: dict[str, list[float]], patients: list[str]) -> pd.DataFrame:
    rows = [
        {"case": f"c{i}", "patient": patients[i], "class": name, "distance_unit": "mm"}
        | dict.fromkeys(("dice", "iou", "hd95", "assd"), value)
        for name, column in values.items()
        for i, value in enumerate(column)
    ]
    return pd.DataFrame(rows)


def _two(model: ModelCard, data: Dataset, first: list[float], second: list[float]) -> Any:
    chosen = choose_cases(data, "test")
    patients = [f"p{i}" for i in range(len(first))]
    sides = [
        Evaluation(
            replace(model, title=title),
            "data",
            chosen,
            ("a",),
            _table({"a": values}, patients),
            EvaluationOptions(),
        )
        for title, values in (("one", first), ("two", second))
    ]
    return compared(*sides)


def test_a_difference_beyond_chance_is_told_with_its_interval(
    model: ModelCard, data: Dataset
) -> None:
    rng = np.random.default_rng(0)
    first = rng.uniform(0.4, 0.9, 30).tolist()
    second = [value + 0.03 + 0.01 * rng.standard_normal() for value in first]
    comparison = _two(model, data, first, second)
    found = comparison.differences["dice"]["a"]
    assert found.mean == pytest.approx(0.03, abs=0.005)
    assert 0.02 < found.low < found.mean < found.high < 0.04
    assert comparison.verdict().startswith("two has the higher Dice: by 0.0")
    swapped = _two(model, data, second, first)
    assert swapped.verdict().startswith("two") is False
    assert swapped.differences["dice"]["a"].mean == pytest.approx(-found.mean)


def test_chance_is_called_chance(model: ModelCard, data: Dataset) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.uniform(0.4, 0.9, (2, 12)).tolist()
    verdict = _two(model, data, first, second).verdict()
    assert verdict.startswith("On these 12 cases no difference in Dice can be told from chance")


def test_pairs_with_an_undefined_figure_are_left_out(model: ModelCard, data: Dataset) -> None:
    nan = float("nan")
    found = _two(model, data, [0.5, nan, 0.7], [0.6, 0.9, nan]).differences["dice"]["a"]
    assert (found.n, found.undefined) == (1, 2)
    assert found.mean == pytest.approx(0.1)


def test_all_figures_of_a_row_are_over_the_same_cases(
    model: ModelCard, data: Dataset, tmp_path: Path
) -> None:
    """What is defined of one model alone lies far off, and must not be in any figure."""
    nan = float("nan")
    values = (
        {"a": [1.0, 2.0, 3.0, 30.0, nan], "b": [1.0, nan, 1.0, 1.0, nan]},
        {"a": [2.0, 3.0, 4.0, nan, 50.0], "b": [3.0, 70.0, 3.0, 3.0, nan]},
    )
    patients = [f"p{i}" for i in range(5)]
    sides = [
        Evaluation(
            replace(model, title=title),
            "data",
            choose_cases(data, "test"),
            ("a", "b"),
            _table(columns, patients),
            EvaluationOptions(),
        )
        for title, columns in zip(("one", "two"), values, strict=True)
    ]
    _, html = write_comparison(tmp_path, compared(*sides))
    _, _, distances = html.read_text(encoding="utf-8").partition("<h2>HD95 (mm)</h2>")
    cells = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr.*?</tr>", distances)]
    rows = {row[0]: (*(text.split()[0] for text in row[1:4]), row[5]) for row in cells[1:4]}
    assert rows == {
        "a": ("2.00", "3.00", "+1.00", "3 of 5"),
        "b": ("1.00", "3.00", "+2.00", "3 of 5"),
        ALL: ("1.50", "3.00", "+1.50", "4 of 5"),
    }


def test_the_bootstrap_draws_patients_not_cases() -> None:
    """Forty equal cases of one patient are one observation, which makes the interval wider."""
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(size=8), 40)[:, None]
    alone = resampled_means(values, [str(i) for i in range(320)]).std()
    grouped = resampled_means(values, [str(i // 40) for i in range(320)]).std()
    assert grouped == pytest.approx(values[::40].std() / np.sqrt(8), rel=0.05)
    assert grouped > 4 * alone


def test_of_few_patients_no_interval_is_given(model: ModelCard, data: Dataset) -> None:
    comparison = _two(model, data, [0.5, 0.6], [0.6, 0.7])
    assert "of too few patients" in comparison.verdict()


def test_the_mean_of_classes_is_the_mean_of_their_means() -> None:
    values = np.array([[1.0, 0.0], [np.nan, 0.5], [0.5, 0.2]])
    found = summarise_values(values, ["a", "b", "c"], ["x", "y"])
    assert found["x"].mean == 0.75
    assert found[ALL].mean == pytest.approx((0.75 + 0.7 / 3) / 2)


def test_the_comparison_is_written(model: ModelCard, data: Dataset, tmp_path: Path) -> None:
    comparison = _two(model, data, [0.5, 0.6, 0.7], [0.6, 0.7, 0.9])
    csv, html = write_comparison(tmp_path / "out", comparison)
    assert {"dice_first", "dice_second"} <= set(pd.read_csv(csv).columns)
    assert "two against one" in html.read_text(encoding="utf-8")


def test_two_models_of_one_title_are_told_apart(
    model: ModelCard, data: Dataset, tmp_path: Path
) -> None:
    found = _two(model, data, [0.5, 0.6, 0.7, 0.5, 0.4], [0.6, 0.7, 0.9, 0.7, 0.5])

    def of(**sides: dict[str, Any]) -> Comparison:
        cards = {side: replace(model, title="UNet", **what) for side, what in sides.items()}
        return replace(
            found, **{side: replace(getattr(found, side), card=cards[side]) for side in cards}
        )

    named = of(first={"name": "plain-1"}, second={"name": "plain-2"})
    text = write_comparison(tmp_path, named)[1].read_text(encoding="utf-8")
    assert "<h1>UNet (plain-2) against UNet (plain-1)</h1>" in text
    assert "<th>UNet (plain-1)</th><th>UNet (plain-2)</th>" in text
    assert "better: UNet (plain-1) ←  → UNet (plain-2)" in text
    assert named.verdict().startswith("UNet (plain-2) has the higher Dice")
    assert "over UNet (plain-1) on" in named.verdict()
    folders = [tmp_path / name / "run" / "export" for name in "ab"]
    same_name = of(first={"folder": folders[0]}, second={"folder": folders[1]})
    assert same_name.titles == ("UNet (a/run/export)", "UNet (b/run/export)")
    assert of(first={}, second={}).titles == ("UNet (first)", "UNet (second)")


def test_the_commands_print_and_write(
    model: ModelCard, data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, root, out = str(model.folder), str(data.root), str(tmp_path / "out")
    results = tmp_path / "results.json"
    given = ["evaluate", folder, root, "--json", "--out", out, "--results", str(results)]
    assert main(given) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "held-out test cases" in json.loads(results.read_text(encoding="utf-8"))["protocol"]
    assert printed["dice"]["bright"]["n"] == 6
    assert (tmp_path / "out" / "report.html").is_file()
    assert main(["compare-models", folder, folder, root, "--out", out]) == 0
    assert "no difference in Dice" in capsys.readouterr().out
    assert (tmp_path / "out" / "comparison.html").is_file()
    assert main(["compare-models", folder, folder, root, "--split", "val"]) == 0
    said = capsys.readouterr().out
    assert "+0.0000, 1 case\n" in said and "nan" not in said, "one case has no interval"
    assert main(["evaluate", folder, root]) == 0
    assert " 6 cases (no HD95 in 2)" in capsys.readouterr().out
    assert main(["evaluate", folder, str(tmp_path)]) == 2
    assert "is no data set" in capsys.readouterr().err
