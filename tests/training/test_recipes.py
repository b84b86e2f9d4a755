"""Every recipe that ships can be used, and wrong ones are refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from medseg_training.in_context.recipe import Recipe
from medseg_training.recipe_files import (
    RecipeError,
    build_recipe,
    find_recipe,
    read_config,
    read_recipe,
    recipe_names,
)
from medseg_training.schedules import Schedule
from medseg_training.schema import RunConfig, ScheduleOptions

NAMED = {"finetune": ["start.model=lungs"]}


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_is_valid_and_says_where_its_values_come_from(name: str) -> None:
    path = find_recipe(name)
    assert isinstance(read_recipe(path, NAMED.get(name, ())), RunConfig | Recipe)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert any(line.startswith("# Sources:") for line in lines)


def test_values_are_changed_as_they_are_written_in_toml() -> None:
    changes = ["data.root=/some where/Übung", "data.size=[64, 96]", "trainer.ema=0.9"]
    config = read_recipe(find_recipe("unet"), changes)
    assert isinstance(config, RunConfig)
    assert config.data.root == "/some where/Übung"
    assert config.data.size == (64, 96)
    assert config.trainer.ema == 0.9


def test_the_home_folder_may_be_written_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")
    config = read_recipe(find_recipe("unet"), ["data.root=~/x", "start.backbone=~/y.pth"])
    assert isinstance(config, RunConfig)
    assert (config.data.root, config.start.backbone) == ("/home/ada/x", "/home/ada/y.pth")
    tasks = read_recipe(find_recipe("in_context"), ["data.root=~/x"])
    assert tasks.data.root == "/home/ada/x"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("trainer.epochs=0", "trainer.epochs: it must be greater than 0"),
        ("trainer.epoch=1", "no value trainer.epoch"),
        ("net.name=", "recipe is incomplete: name a net"),
        ("kind=other", "none of segmentation, in-context"),
        ("seed.a=1", "seed is no table"),
        ("epochs", "section.key=value"),
        ("data.size=[0, 0]", r"data\.size\.0: it must be greater than or equal to 8"),
        ("data.mean=[0.5]", "data: .*for every channel"),
        ("data={root='x', mean=[0.5, 0.5], std=[1, 1]}", "data: .*for every channel"),
        ("data={root='x', channels=3, mean=[0.5], std=[1]}", "for 1 channels, not for 3"),
        ("data.std=[0]", r"data\.std\.0: it must be greater than 0"),
        ("trainer.batch_size=1000000", r"trainer\.batch_size: it must be less than or equal"),
        ("data={root='x', mean=[nan], std=[1]}", r"data\.mean\.0: it must be a finite number"),
        ("data.scaling={low=-5, high=150}", r"data\.scaling: percentiles lie between 0 and 100"),
        ("data.scaling={kind='window', low=5, high=5}", r"data\.scaling: high must lie above 5"),
        ("data.scaling={kind='divide', high=0}", r"data\.scaling: high must lie above 0"),
        ("augment.hole_side=[0, 3]", r"augment\.hole_side\.1: it must be less than or equal to 1"),
        ("augment.scale_range=[1, inf]", r"augment\.scale_range\.1: it must be a finite number"),
        ("optimiser.betas=[2, 3]", r"optimiser\.betas\.0: it must be less than 1"),
        ("optimiser.weight_decay=inf", r"optimiser\.weight_decay: it must be a finite number"),
        ("loss={dice=0, cross_entropy=0}", "loss: .*needs a weight above 0"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(change: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        read_recipe(find_recipe("unet"), [change])


def test_wrong_values_of_an_in_context_recipe_are_refused_too() -> None:
    for change, sentence in (
        ("optimiser.betas=[2, 3]", r"optimiser\.betas\.0: it must be less than 1"),
        ("task_warp.rotation=inf", r"task_warp\.rotation: it must be a finite number"),
    ):
        with pytest.raises(RecipeError, match=sentence):
            read_recipe(find_recipe("in_context"), [change])


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("a = [")
    for path, sentence in (
        (tmp_path / "bad.toml", "no valid TOML"),
        (tmp_path / "none.toml", "cannot be read"),
    ):
        with pytest.raises(RecipeError, match=sentence):
            read_recipe(path)
    with pytest.raises(RecipeError, match="is this a run folder"):
        read_config(tmp_path)


def test_every_value_of_the_schema_has_a_sentence_or_speaks_for_itself() -> None:
    schema = RunConfig.model_json_schema()
    for part in ("DataOptions", "NetOptions", "SelfRegOptions", "StartOptions"):
        fields = schema["$defs"][part]["properties"]
        silent = [name for name, field in fields.items() if "description" not in field]
        assert set(silent) <= {"scaling", "taps"}


def test_a_start_has_one_source() -> None:
    content = {"data": {"root": "a"}, "start": {"model": "a", "backbone": "b"}}
    with pytest.raises(RecipeError, match="not from both"):
        build_recipe(content)


def test_the_schedules_of_the_papers() -> None:
    poly = Schedule(ScheduleOptions(kind="poly"), 100)
    assert [poly.factor(step) for step in (0, 50)] == pytest.approx([1.0, 0.5**0.9])
    cosine = Schedule(ScheduleOptions(kind="cosine", warm_up=4), 100)
    assert cosine.factor(0) == pytest.approx(0.25, abs=1e-3)
    assert cosine.factor(50) == pytest.approx(0.5)
    plateau = Schedule(ScheduleOptions(kind="plateau", patience=2), 100)
    for loss in (1.0, 0.5, 0.6, 0.6, 0.6):
        assert plateau.factor(0) == 1.0
        plateau.observe(loss)
    assert plateau.factor(0) == pytest.approx(0.1)
    again = Schedule(ScheduleOptions(kind="plateau", patience=2), 100)
    again.load_state_dict(plateau.state_dict())
    assert again.factor(7) == pytest.approx(0.1)
