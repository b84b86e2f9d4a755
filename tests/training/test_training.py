"""A net of the zoo is trained on a folder of images: it learns, and survives what happens to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from medseg_training.build import build_trainer
from medseg_training.dry_run import dry_run
from medseg_training.export import ExportError, export_run
from medseg_training.recipe_files import RecipeError, read_config
from medseg_training.run import checkpoints
from medseg_training.schema import RunConfig
from medseg_training.trainer import Trainer, TrainingError
from napari_medseg.engine.with_model.job import segment
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.weights import load_net
from tests.engine.pretrained import BrightNet

ConfigFactory = Callable[..., RunConfig]
Start = Callable[..., Trainer]


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def state_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in trainer.trained.state_dict().items()}


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def start(small_config: ConfigFactory, tmp_path: Path) -> Iterator[Start]:
    """Build a trainer: `start("run", "recipe", section__key=value)`."""
    made: list[Trainer] = []

    def build(name: str = "run", recipe: str = "unet", **changes: object) -> Trainer:
        config = small_config(recipe, **changes)
        made.append(build_trainer(config, tmp_path / name))
        return made[-1]

    yield build
    for trainer in made:
        trainer.method.close()


def test_it_learns_and_the_app_finds_what_it_learnt(
    start: Start, image_folder: Path, tmp_path: Path
) -> None:
    trainer = start(
        trainer__epochs=25, optimiser__kind="adamw", optimiser__rate=1e-2, trainer__ema=0.9
    )
    trainer.fit()
    log = events(tmp_path / "run")
    assert [e["event"] for e in (log[0], log[-1])] == ["started", "finished"]
    found = [e["dice"] for e in log if e["event"] == "validation"]
    assert max(found) > 0.8
    assert log[-1]["best"] == pytest.approx(max(found), abs=1e-4)
    card = export_run(tmp_path / "run", tmp_path / "model")
    assert card.results["dice"]["mean"] == pytest.approx(max(found), abs=1e-3)
    fold = json.loads((tmp_path / "run" / "splits_final.json").read_text())[0]
    scores = []
    for case in fold["val"]:
        image = np.asarray(Image.open(image_folder / "images" / f"{case}.png"))
        truth = np.asarray(Image.open(image_folder / "masks" / f"{case}.png"))
        labels = segment(image, card).labels
        for c in (1, 2):
            both = (labels == c) & (truth == c)
            scores.append(2 * both.sum() / ((labels == c).sum() + (truth == c).sum()))
    assert np.mean(scores) > 0.8, "at full size the outlines of such small things count for more"


def test_the_run_folder_tells_everything(start: Start, tmp_path: Path) -> None:
    start(trainer__epochs=1).fit()
    run = tmp_path / "run"
    config = json.loads((run / "config.json").read_text())
    assert config["optimiser"]["rate"] == 0.01
    rows = (run / "metrics.csv").read_text().splitlines()
    assert rows[0].startswith("step,epoch,dice,loss,classes ")
    assert len(rows) == 2
    assert (run / "previews" / "validation-000003.png").read_bytes().startswith(b"\x89PNG")
    training = next(e for e in events(run) if e["event"] == "train")
    assert 0 <= training["waiting_for_data"] <= 1
    assert training["seconds_left"] >= 0
    assert {"torch", "python", "gpus"} <= json.loads((run / "env.json").read_text()).keys()


def test_the_commands_of_a_run_can_be_typed_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start().run
    for words in (["train", "unet", "data.root=/My Data"], ["train", "--resume", "r"]):
        monkeypatch.setattr("sys.argv", ["medseg_training", *words])
        folder.describe()
    assert (tmp_path / "run" / "command.txt").read_text().splitlines() == [
        "python -m medseg_training train unet 'data.root=/My Data'",
        "python -m medseg_training train --resume r",
    ]


def test_the_card_describes_the_input_that_was_trained_on(start: Start, tmp_path: Path) -> None:
    trainer = start(
        trainer__epochs=1,
        data__channels=3,
        data__order="bgr",
        data__mean=(0.1, 0.2, 0.3),
        data__std=(0.5, 0.5, 0.5),
        data__scaling={"kind": "divide", "high": 255.0, "low": 0.0},
    )
    trainer.fit()
    card = export_run(tmp_path / "run", tmp_path / "model")
    from napari_medseg.zoo.specs import InputSpec

    assert InputSpec.of(card) == trainer.method.task.input  # type: ignore[attr-defined]
    assert_equal(load_net(card).state_dict(), checkpoints.load_trained(trainer.run.checkpoints)[0])
    half = export_run(tmp_path / "run", tmp_path / "half", half=True)
    assert half.size_bytes < 0.6 * card.size_bytes


@pytest.mark.parametrize("recipe", ["unet_selfreg", "condseg_stage1"])
def test_resume_is_exact(recipe: str, start: Start) -> None:
    changes: dict[str, object] = {"trainer__ema": 0.9, "trainer__accumulate": 2}
    if recipe == "unet_selfreg":
        changes |= {"selfreg__variant": "published", "schedule__warm_up": 3}
    else:
        changes |= {"net__options": {"backbone": "resnet18"}, "data__merge": "both"}
        changes |= {"schedule__patience": 0, "trainer__epochs": 2}
    whole = start("whole", recipe, **changes)
    whole.fit()
    first = start("halves", recipe, **changes)
    first.method.train_mode()
    for _ in range(3):
        first.advance()
        first.step += 1
        if first.step % first.plan.validate_every == 0:
            first.validate()
    first.save()
    second = start("halves", recipe, **changes)
    second.resume()
    second.fit()
    assert_equal(state_of(whole), state_of(second))
    assert whole.best == second.best


def test_a_run_that_goes_on_keeps_its_division_whatever_came_to_the_data(
    start: Start, small_config: ConfigFactory, tmp_path: Path, image_folder: Path
) -> None:
    data = shutil.copytree(image_folder, tmp_path / "data")
    config = small_config("unet", trainer__epochs=1, data__root=str(data))
    start(trainer__epochs=1, data__root=str(data)).fit()
    division = (tmp_path / "run" / "splits_final.json").read_text()
    for part in ("images", "masks"):
        for file in sorted((data / part).glob("*.png"))[:3]:
            shutil.copy(file, file.with_name(f"new_{file.name}"))
    build_trainer(config, tmp_path / "run", resumes=True).method.close()
    assert (tmp_path / "run" / "splits_final.json").read_text() == division
    with pytest.raises(RecipeError, match=r"goes on with the data\.fold it began with"):
        read_config(tmp_path / "run", ["data.fold=1"])
    with pytest.raises(RecipeError, match=r"goes on with the data\.size it began with"):
        read_config(tmp_path / "run", ["data.size=[48, 48]"])
    assert read_config(tmp_path / "run", ["trainer.epochs=7"]).trainer.epochs == 7


def test_accumulated_batches_are_one_large_batch(start: Start) -> None:
    steps = []
    for batch_size, parts in ((4, 1), (2, 2)):
        trainer = start(
            f"run{parts}",
            "swin_unet",
            trainer__batch_size=batch_size,
            trainer__accumulate=parts,
            net__options={"channels": 32, "depths": [1, 1, 1, 1], "drop_path": 0.0},
            loss__dice=0.0,
            loss__cross_entropy=1.0,
        )
        trainer.advance()
        steps.append(torch.cat([p.detach().flatten() for p in trainer.net.parameters()]))
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_no_number_ends_the_run_with_the_last_good_state(
    start: Start, tmp_path: Path
) -> None:
    trainer = start()
    trainer.save()
    with torch.no_grad():
        next(trainer.net.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"loss of step 0 .* resume from the last checkpoint"):
        trainer.fit()
    state = checkpoints.load(tmp_path / "run" / "checkpoints")
    assert all(bool(v.isfinite().all()) for v in state["net"].values())


def test_before_the_first_checkpoint_there_is_nothing_to_resume_from(start: Start) -> None:
    trainer = start()
    with torch.no_grad():
        next(trainer.net.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"lower optimiser\.rate and begin the run again"):
        trainer.fit()


def own_net(self: BrightNet, x: torch.Tensor) -> torch.Tensor:
    """What a net of another package gives: logits for the background and two classes."""
    return torch.cat([self.weight[0] * x, 1 - x, x], 1)


def fails(self: BrightNet, x: torch.Tensor) -> torch.Tensor:
    raise KeyError("boom")


@pytest.mark.parametrize(
    ("forward", "error", "sentence"),
    [
        (fails, ValueError, "BrightNet of the package tests .* raised KeyError: 'boom'"),
        (
            lambda self, x: own_net(self, x)[..., ::2, ::2],
            ValueError,
            r"BrightNet .* gives \(4, 3, 16, 16\) instead of \(4, 3, 32, 32\)",
        ),
        (
            lambda self, x: own_net(self, x) / (1 if self.training else 0),
            TrainingError,
            "After 3 steps the loss on the cases to validate on is nan",
        ),
    ],
)
def test_what_a_net_of_another_package_does_wrong_is_told(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forward: Callable[..., torch.Tensor],
    error: type[Exception],
    sentence: str,
) -> None:
    monkeypatch.setattr(BrightNet, "forward", forward)
    options = {"n_classes": "$classes", "in_channels": "$channels"}
    trainer = start(net__name="tests.engine.pretrained:BrightNet", net__options=options)
    with pytest.raises(error, match=sentence):
        trainer.fit()
    assert "NaN" not in (tmp_path / "run" / "events.jsonl").read_text()


def test_weights_that_a_gradient_broke_are_never_written(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start()
    trainer.save()
    weight = next(trainer.net.parameters())
    # The loss is 0, its slope is infinite.
    monkeypatch.setattr(trainer.method, "terms", lambda _: {"root": (weight * 0).sum().sqrt()})
    trainer.advance()
    for write in (trainer.save, trainer.validate):
        with pytest.raises(TrainingError, match="weights are no finite numbers"):
            write()
    folder = tmp_path / "run" / "checkpoints"
    assert all(bool(v.isfinite().all()) for v in checkpoints.load(folder)["net"].values())
    assert not (folder / checkpoints.BEST).exists()


def test_too_little_memory_names_a_batch_that_may_fit(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start()

    def fails(_batch: object) -> dict[str, torch.Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(trainer.method, "terms", fails)
    with pytest.raises(TrainingError, match=r"batch_size=2 and trainer.accumulate=2"):
        trainer.fit()


def test_it_stops_early_when_nothing_improves(start: Start, tmp_path: Path) -> None:
    start(trainer__epochs=50, trainer__early_stop=2, optimiser__rate=1e-12).fit()
    log = events(tmp_path / "run")
    assert log[-1]["event"] == "finished"
    assert log[-1]["step"] < 40


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint_before(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start()
    trainer.save()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(OSError, match="disk is full"):
        trainer.save()
    monkeypatch.undo()
    assert checkpoints.load(tmp_path / "run" / "checkpoints")["step"] == 0


def test_the_pace_is_that_of_training_whenever_it_is_measured_between(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start()
    trainer.plan = replace(trainer.plan, steps=9, steps_per_epoch=9, log_every=4, validate_every=3)
    now = 0.0

    def lasts(work: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def worked(*given: object) -> Any:
            nonlocal now
            now += seconds
            return work(*given)

        return worked

    monkeypatch.setattr("medseg_training.trainer.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(trainer.method, "terms", lasts(trainer.method.terms, 1.0))
    monkeypatch.setattr(trainer.method, "validate", lasts(trainer.method.validate, 100.0))
    trainer.fit()
    told = [e for e in events(tmp_path / "run") if e["event"] == "train"]
    assert {e["seconds_per_step"] for e in told} == {1.0}
    assert [(e["step"], e["seconds_left"]) for e in told] == [(4, 5), (8, 1), (9, 0)]


def test_bfloat16_and_float16_train_too(start: Start) -> None:
    from medseg_training.gradients import chosen_precision

    assert chosen_precision("auto", torch.device("cpu")) is torch.float32
    trainer = start("run", "unet_selfreg", trainer__precision="bfloat16")
    trainer.advance()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trainer.net.parameters())


def test_a_dry_run_learns_a_batch_by_heart(start: Start) -> None:
    first, last = dry_run(start(optimiser__kind="adamw", optimiser__rate=1e-2))
    assert last < first


def test_fine_tuning_takes_net_input_and_weights_of_a_model(start: Start, tmp_path: Path) -> None:
    trainer = start("first", trainer__epochs=1, data__size=(48, 32))
    trainer.fit()
    export_run(tmp_path / "first", tmp_path / "model")
    tuned = start(
        "tuned",
        "finetune",
        start__model=str(tmp_path / "model"),
        start__freeze_encoder=True,
        data__merge="anything",
        data__size=(48, 32),
    )
    before = state_of(tuned)
    given = load_net(ModelCard.from_folder(tmp_path / "model")).state_dict()
    fresh = [
        key
        for key in before
        if before[key].shape != given[key].shape or not torch.equal(before[key], given[key])
    ]
    assert fresh == ["outc.conv.weight", "outc.conv.bias"], "the classes are others"
    tuned.fit()
    after = state_of(tuned)
    frozen = [key for key in after if key.startswith(("inc.", "down"))]
    assert frozen
    assert all(torch.equal(before[key], after[key]) for key in frozen)
    assert not torch.equal(
        before["up4.conv.double_conv.0.weight"], after["up4.conv.double_conv.0.weight"]
    )


@pytest.mark.slow  # importing MONAI alone takes seconds
def test_a_net_of_another_package_is_regularised_by_naming_its_modules(
    start: Start, tmp_path: Path
) -> None:
    pytest.importorskip("monai")
    trainer = start("run", "selfreg_monai", trainer__epochs=1)
    trainer.fit()
    training = next(e for e in events(tmp_path / "run") if e["event"] == "train")
    assert training["terms"].keys() == {"segmentation", "consistency", "distillation"}
    with pytest.raises(ExportError, match="knows no net"):
        export_run(tmp_path / "run", tmp_path / "model")


def test_condseg_is_regularised_too(start: Start) -> None:
    taps = {
        "encoder": ["layer0", "layer1", "layer2", "layer3"],
        "decoder": ["decoder_large", "decoder_middle", "decoder_small"],
        "final": "output_block.c2",
    }
    trainer = start(
        "run",
        "condseg_stage2",
        net__options={"backbone": "resnet18", "width": 16},
        data__merge="both",
        selfreg={"consistency": 0.015, "distillation": 0.015, "taps": taps},
    )
    terms = trainer.method.terms(trainer.method.batch(0, 0))
    assert terms.keys() == {"mask", "fg", "bg", "comp", "consistency", "distillation"}


@pytest.mark.parametrize(("backbone", "multiple"), [("resnet18", 16), ("pvt_v2_b2", 32)])
def test_the_tiles_of_condseg_are_those_of_its_backbone(
    start: Start, backbone: str, multiple: int
) -> None:
    options = {"backbone": backbone, "width": 16}
    trainer = start(
        "run", "condseg_stage2", net__options=options, data__merge="both", data__fit="tile"
    )
    assert trainer.method.task.input.multiple == multiple  # type: ignore[attr-defined]
    assert trainer.method.cautions[0].endswith("give the run of the first stage as start.backbone.")


def test_the_second_stage_takes_the_encoder_of_the_first(start: Start, tmp_path: Path) -> None:
    small: dict[str, object] = {"data__merge": "both", "trainer__epochs": 1}
    first = start("first", "condseg_stage1", net__options={"backbone": "resnet18"}, **small)
    first.fit()
    second = start(
        "second",
        "condseg_stage2",
        net__options={"backbone": "resnet18", "width": 16},
        start__backbone=str(tmp_path / "first"),
        **small,
    )
    assert second.method.cautions == ()
    learnt = checkpoints.load_trained(tmp_path / "first" / "checkpoints")[0]
    assert torch.equal(
        second.net.state_dict()["layer3.0.conv1.weight"], learnt["layer3.0.conv1.weight"]
    )
    rates = [group["lr"] for group in second.optimiser.param_groups]
    assert rates == pytest.approx([1e-5, 1e-4])


def test_swin_unet_starts_from_an_imagenet_checkpoint_of_swin_t(
    start: Start, tmp_path: Path
) -> None:
    small = {"channels": 32, "depths": [1, 1, 1, 1]}
    plain = start("plain", "swin_unet", net__options=small)
    published = {
        key: value + 1
        for key, value in plain.net.state_dict().items()
        if key.startswith(("patch_embed.", "layers."))
    }
    torch.save({"model": published}, tmp_path / "swin_tiny.pth")
    trainer = start(
        "run", "swin_unet", net__options=small, start__backbone=str(tmp_path / "swin_tiny.pth")
    )
    state = trainer.net.state_dict()
    key = "layers.2.blocks.0.attn.qkv.weight"
    assert torch.equal(state[key], published[key])
    assert torch.equal(state["layers_up.1.blocks.0.attn.qkv.weight"], published[key])


def test_tensorboard_reads_the_curves_back(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    start(trainer__tensorboard=True, trainer__epochs=1).fit()
    curves = EventAccumulator(str(tmp_path / "run" / "tb"))
    curves.Reload()
    assert set(curves.Tags()["scalars"]) == {
        "train/segmentation",
        "train/rate",
        "validation/dice",
        "validation/loss",
    }
    log = [e for e in events(tmp_path / "run") if e["event"] == "train"]
    drawn = curves.Scalars("train/segmentation")
    assert [point.step for point in drawn] == [e["step"] for e in log]
    assert [point.value for point in drawn] == pytest.approx([e["loss"] for e in log], abs=1e-5)


def test_without_tensorboard_a_sentence_says_what_to_install(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"install napari-medseg\[train\]"):
        start("other", trainer__tensorboard=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data__classes": ["liver"]}, "has no class 'liver'"),
        ({"data__fold": 9}, "no fold 9"),
        ({"net__name": "Unet"}, "no net 'Unet'"),
        ({"net__name": "medseg_training.nope:Net"}, "cannot be built"),
        ({"net__options": {"wdth": 4}}, "net UNet cannot be built: .*'wdth'[.]$"),
        ({"net__options": {"width": 0}}, "net UNet cannot be built: .*, not 0[.]$"),
        ({"net__name": "json:loads", "net__options": {"s": "["}}, "built: .*char 1[)][.]$"),
        ({"start__model": "nothing"}, "no weights at 'nothing'"),
        ({"loss__kind": "condseg-stage2"}, "UNet is trained with loss.kind=dice-ce"),
        ({"start__backbone": __file__}, "is no checkpoint"),
        ({"data__mean": [0.4] * 3, "data__std": [0.2] * 3}, "given for 3 channels, .* has 1"),
        ({"data__classes": ["class 1"] * 2}, "names two classes 'class 1'"),
        ({"net__options": {"width": 4, "n_classes": 5}}, "gives 5 maps, so 4 classes"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(
    start: Start, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        start(**changes)


@pytest.fixture
def own_data(image_folder: Path, tmp_path: Path) -> Path:
    """A copy of the images with a division: ten to train on, five to validate on."""
    data = shutil.copytree(image_folder, tmp_path / "data")
    names = sorted(path.stem for path in (data / "images").iterdir())
    (data / "split.json").write_text(json.dumps({"train": names[:10], "val": names[10:]}))
    return data


def paint_over(data: Path, cases: range, values: tuple[int, ...]) -> None:
    """Make these classes of some cases background."""
    for index in cases:
        file = data / "masks" / f"{index:03}.png"
        labels = np.array(Image.open(file))
        Image.fromarray(np.where(np.isin(labels, values), 0, labels)).save(file)


def test_one_picture_on_both_sides_is_not_trained_on(start: Start, own_data: Path) -> None:
    shutil.copy(own_data / "images" / "003.png", own_data / "images" / "012.png")
    with pytest.raises(ValueError, match=r"003 and 012 are one picture, on both sides"):
        start(data__root=str(own_data))


def test_masks_without_any_class_are_not_trained_on(start: Start, own_data: Path) -> None:
    paint_over(own_data, range(10), (1, 2))
    with pytest.raises(ValueError, match="No mask of the cases to train on shows any class"):
        start(data__root=str(own_data))


def test_a_class_that_cannot_be_learned_is_told_in_the_log(
    start: Start, own_data: Path, tmp_path: Path
) -> None:
    paint_over(own_data, range(10), (2,))
    start(data__root=str(own_data), trainer__epochs=1).fit()
    said = [e["message"] for e in events(tmp_path / "run") if e["event"] == "warning"]
    assert said[0].startswith("Only cases to validate on show the class 'class 2'")


def test_a_run_that_goes_on_needs_the_classes_it_began_with(
    start: Start, small_config: ConfigFactory, own_data: Path, tmp_path: Path
) -> None:
    changes = {"data__root": str(own_data), "trainer__epochs": 1}
    start(**changes).fit()
    paint_over(own_data, range(15), (2,))
    with pytest.raises(ValueError, match="run was begun with class 1, class 2"):
        build_trainer(small_config(**changes), tmp_path / "run", resumes=True)


def test_a_decay_that_is_not_used_is_told(start: Start) -> None:
    trainer = start(optimiser__kind="muon", optimiser__weight_decay=0.1)
    assert trainer.method.cautions == (
        "Muon has no weight decay here: optimiser.weight_decay is not used.",
    )


def test_a_run_that_goes_on_may_begin_to_average(
    start: Start, small_config: ConfigFactory, tmp_path: Path
) -> None:
    first = start(trainer__epochs=1)
    first.fit()
    config = small_config(trainer__epochs=1, trainer__ema=0.9)
    trainer = build_trainer(config, tmp_path / "run", resumes=True)
    trainer.resume()
    assert_equal(state_of(trainer), state_of(first))
    trainer.method.close()


def test_a_run_that_goes_on_takes_what_was_changed_of_the_optimiser(
    start: Start, small_config: ConfigFactory, tmp_path: Path
) -> None:
    start(trainer__epochs=1).fit()
    config = small_config(trainer__epochs=1, optimiser__weight_decay=0.125)
    trainer = build_trainer(config, tmp_path / "run", resumes=True)
    trainer.resume()
    assert {group["weight_decay"] for group in trainer.optimiser.param_groups} == {0.125}
    assert all("momentum_buffer" in s or "exp_avg" in s for s in trainer.optimiser.state.values())
    trainer.method.close()


def test_condseg_says_what_to_do_with_several_classes(start: Start) -> None:
    with pytest.raises(ValueError, match=r"data\.merge"):
        start("run", "condseg_stage1", net__options={"backbone": "resnet18"})
