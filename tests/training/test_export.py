"""A run becomes a model that the zoo loads, and its card tells what it is."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from medseg_training.__main__ import main
from medseg_training.build import build_trainer
from medseg_training.evaluation.choice import find_model
from medseg_training.export import ExportError, export_run
from medseg_training.export.in_context import DESCRIPTION
from medseg_training.export.segmentation import readme
from medseg_training.in_context.recipe import Recipe
from medseg_training.in_context.report import Report
from medseg_training.trainer import Trainer
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import is_bundled, list_models
from napari_medseg.zoo.weights import load_net


@pytest.fixture
def trainer(small_recipe: Callable[..., Recipe], task_root: Path, tmp_path: Path) -> Trainer:
    manifest = [{"task": "grey_one", "original": "Discs", "licence": "CC0, verify", "n": 6}]
    (task_root / "manifest.json").write_text(json.dumps(manifest))
    trainer = build_trainer(small_recipe(), tmp_path / "run")
    trainer.fit()
    return trainer


def test_the_zoo_loads_the_exported_average(trainer: Trainer, tmp_path: Path) -> None:
    export_run(trainer.run.path, tmp_path / "model", name="small")
    net = load_net(ModelCard.from_folder(tmp_path / "model"))
    for key, value in trainer.trained.state_dict().items():
        assert torch.allclose(net.state_dict()[key], value, rtol=1e-3, atol=1e-6)


def test_the_card_names_data_and_licences(trainer: Trainer, tmp_path: Path) -> None:
    card = export_run(trainer.run.path, tmp_path / "model", name="small")
    data = {source["task"]: source for source in card.training["data"]}
    assert data["grey_one"]["licence"] == "CC0"
    assert data["colours"]["licence"] == "not stated"
    assert card.training["stages"] == [{"steps": 12, "size": 32}]
    text = (tmp_path / "model" / "README.md").read_text()
    assert "Discs" in text
    assert str(tmp_path) not in text + card.to_json()


def test_the_sources_of_a_run_stay_whole_when_the_disk_is_full(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str, *_: object, **__: object) -> int:
        path.write_bytes(text[:10].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="disk is full"):
        trainer.method.describe(trainer.run.path)
    assert len(json.loads((trainer.run.path / "sources.json").read_text())) == 3


def test_the_card_says_what_recipe_and_command_line_say_and_nothing_of_bundled_weights(
    trainer: Trainer, tmp_path: Path
) -> None:
    run = trainer.run.path
    card = export_run(run, tmp_path / "model")
    assert (card.name, card.title) == ("run", "UniverSeg, trained here: run")
    assert card.licence == "as the data that it was trained on allows"
    assert (card.description, card.modalities) == (DESCRIPTION, ())
    assert {source["pairs"] for source in card.training["data"]} == {6}
    stated = {"modalities": ("CT",), "description": "For discs.", "licence": "CC0"}
    card = export_run(run, tmp_path / "model", name="discs", **stated)
    assert {key: getattr(card, key) for key in stated} == stated
    assert find_model(str(run), "in-context").name == "run"


def test_figures_of_two_measurements_are_written_where_they_are(
    trainer: Trainer, tmp_path: Path
) -> None:
    figures = {"net": {"colours": {"1": 0.5, "4": 0.6}}, "mean": {"colours": {"16": 0.4}}}
    results = Report((1, 4, 16), queries=2, draws=1, dice=figures).as_results()
    export_run(trainer.run.path, tmp_path / "model", results=results)
    page = (tmp_path / "model" / "README.md").read_text()
    assert "| net (1 task) | 0.500 | 0.600 |  |" in page
    assert "| mean (1 task) |  |  | 0.400 |" in page


def test_another_model_in_the_folder_stays(trainer: Trainer, tmp_path: Path) -> None:
    export_run(trainer.run.path, tmp_path / "model")
    shutil.copytree(trainer.run.path, tmp_path / "other run")
    events = tmp_path / "other run" / "events.jsonl"
    events.write_text('{"event": "started"}\n' + events.read_text())
    kept = (tmp_path / "model" / "model.safetensors").read_bytes()
    with pytest.raises(ExportError, match="holds another model, 'run'"):
        export_run(tmp_path / "other run", tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == kept
    assert export_run(trainer.run.path, tmp_path / "model", name="renamed").name == "renamed"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is this a run folder"):
        export_run(tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_measuring_and_exporting_from_the_command_line(
    trainer: Trainer, task_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, figures = tmp_path / "model", tmp_path / "results.json"
    assert main(["export", str(trainer.run.path), "--to", str(model)]) == 0
    tables = tmp_path / "results.md"
    arguments = ["--support", "1", "3", "--size", "32", "--draws", "1", "--unet-seconds", "0.05"]
    arguments += ["--markdown", str(tables), "--results", str(figures)]
    arguments += ["--methods", "net", "app", "mean", "nearest", "unet"]
    assert main(["evaluate-in-context", str(model), str(task_root), *arguments]) == 0
    results = json.loads(figures.read_text())
    assert results["support"] == [1, 3]
    assert len(results["mean"]) == 5
    assert all(0 <= v <= 1 for row in results["mean"].values() for v in row.values())
    assert "grey_two" in tables.read_text()
    assert (
        main(["evaluate-in-context", str(model), str(task_root), *arguments, "--draws", "2"]) == 2
    )
    others = json.dumps(results | {"weights": "other"})
    figures.write_text(others)
    assert main(["evaluate-in-context", str(model), str(task_root), *arguments]) == 2
    assert figures.read_text() == others, "figures of other weights are not lost"
    figures.write_text(json.dumps(results))
    exported = ["export", str(trainer.run.path), "--to", str(model), "--results", str(figures)]
    assert main(exported) == 0
    assert ModelCard.from_folder(model).results["mean"] == results["mean"]
    page = (model / "README.md").read_text()
    assert "unseen tasks" not in page and "never trained or tuned on" not in page
    assert "was trained or tuned on colours, grey_one, grey_two" in page
    assert "never seen" not in tables.read_text()


def test_wrong_requests_give_one_sentence(
    tmp_path: Path, recipe_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.toml")]) == 2
    assert main([str(recipe_path), "optimiser.rate=-1"]) == 2
    assert main([str(recipe_path), "no change"]) == 2
    assert main([str(recipe_path), f"data.root={tmp_path}"]) == 2
    assert main([str(recipe_path), "seed=-1"]) == 2
    said = capsys.readouterr().err
    assert "cannot be read" in said
    assert "optimiser.rate" in said
    assert "seed: it must be greater than or equal to 0" in said
    assert "section.key=value" in said
    assert "no folders" in said
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate-in-context", "universeg-open", str(tmp_path), "--support", "0"])
    assert "must be at least 1" in capsys.readouterr().err


def test_the_pages_of_bundled_models_are_those_that_export_writes() -> None:
    cards = [card for card in list_models() if is_bundled(card) and card.kind == "pretrained"]
    assert len(cards) == 9
    for card in cards:
        page = (card.weights_path.parent / "README.md").read_text(encoding="utf-8")
        assert page == readme(card)
        assert page.count("standard deviation") == len(card.results["dice"])
