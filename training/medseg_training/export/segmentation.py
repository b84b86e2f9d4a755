"""From the run of a net that segments by itself to a model folder."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from medseg_training import nets
from medseg_training.export.files import (
    ExportError,
    page_head,
    read_json,
    run_mark,
    stated,
    write_model,
)
from medseg_training.run import checkpoints
from medseg_training.run.run_folder import FACTS_FILE, METRICS_FILE
from medseg_training.schema import DataOptions, RunConfig
from napari_medseg.zoo.architectures import known_nets
from napari_medseg.zoo.cards import WEIGHTS_FILE, ModelCard
from napari_medseg.zoo.checkpoints import check_card, plain_name
from napari_medseg.zoo.specs import InputSpec


def export_segmentation(
    run: Path,
    config: RunConfig,
    folder: Path,
    *,
    name: str = "",
    title: str = "",
    results: Mapping[str, Any] | None = None,
    note: str = "",
    half: bool = False,
    **fields: Any,
) -> ModelCard:
    """Write the best weights of a run as a model folder; see `medseg_training.export.export_run`.

    The card's input description is the one that the training prepared its images after.
    """
    facts = read_json(run / FACTS_FILE)
    if facts["net"] not in known_nets():
        raise ExportError(
            f"The app knows no net {facts['net']!r}, so it could not run this model; its weights "
            f"are in {run / 'checkpoints' / checkpoints.BEST}."
        )
    weights, step = checkpoints.load_trained(run / "checkpoints")
    content = to_safetensors({key: _stored(value, half) for key, value in weights.items()})
    given = {"name": name, "title": title}
    card = ModelCard(
        file=WEIGHTS_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        training={"run": run_mark(run), **_training(config, facts, step, note)},
        results=dict(results or _validation(run, config)),
        **(_known(run, config, facts) | {k: v for k, v in given.items() if v} | fields),
    )
    check_card(card)
    if not all(bool(torch.isfinite(v).all()) for v in weights.values() if v.is_floating_point()):
        raise ExportError(f"The weights of {run} are not finite.")
    return write_model(card, content, readme(card), folder)


def check_exportable(run: Path, config: RunConfig, facts: Mapping[str, Any]) -> None:
    """Make sure, before a training, that what it trains could be exported.

    Raises
    ------
    CardError
        With one sentence, where its card would be refused.
    """
    check_card(ModelCard(file=WEIGHTS_FILE, sha256="0" * 64, **_known(run, config, facts)))


def _known(run: Path, config: RunConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of the card that are known before the training."""
    sigmoid = nets.facts_of(config.net).sigmoid
    return {
        "name": plain_name(run.resolve().name),
        "title": config.title or f"{facts['net']} trained on {facts['dataset']}",
        "kind": "pretrained",
        "net": facts["net"],
        "net_options": facts["net_options"],
        "classes": tuple(facts["classes"]),
        "input": input_entry(config.data, facts),
        "output": {"activation": "sigmoid" if sigmoid else "softmax"},
        **stated(config.card, config.citation),
    }


def input_entry(data: DataOptions, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give the card's input entry: just what the training did to its images."""
    scaling: dict[str, Any] = data.scaling.model_dump()
    if data.scaling.kind == "divide":
        scaling = {"kind": "divide", "by": data.scaling.high}
    entry = {
        "size": list(data.size),
        "fit": data.fit,
        "multiple": facts["multiple"],
        "channels": facts["channels"],
        "order": data.order,
        "scaling": scaling,
    }
    if data.mean:
        entry |= {"mean": list(data.mean), "std": list(data.std)}
    return entry


def readme(card: ModelCard) -> str:
    """Give the page that a person reads beside the weights."""
    training = card.training
    lines = [
        *page_head(
            card,
            f"Segments {', '.join(card.classes)}. {card.description}".rstrip()
            + f"\n\n**Input:** {InputSpec.of(card).in_words}.",
            f"{card.net}, {training['parameters']:,} parameters. "
            f"Licence: {card.licence or 'not stated'}.",
        ),
        f"{training['steps']:,} steps of `medseg_training` on {training['dataset']}: "
        f"{training['cases']['train']} cases to learn from, {training['cases']['validation']} to "
        f"choose the best weights by. Loss: {training['loss']}. Seed {training['seed']}. "
        f"{training.get('note', '')}".rstrip(),
    ]
    if card.results:
        lines += ["", "## How good it is", "", str(card.results.get("protocol", "")), ""]
        spread = card.results.get("dice_spread", {})
        lines += [
            f"* {name}: Dice {value}{_spread_words(spread.get(name, {}))}"
            for name, value in card.results.get("dice", {}).items()
        ]
    return "\n".join(lines) + "\n"


def _spread_words(spread: Mapping[str, float]) -> str:
    """Say how much a mean varies over its cases and how sure it is, as far as a card tells."""
    if "sd" not in spread:
        return ""
    sure = ", too few patients for an interval"
    if "low" in spread:
        sure = f", 95 % interval of the mean {spread['low']:.3f} to {spread['high']:.3f}"
    return f" (standard deviation {spread['sd']:.3f} over {spread['cases']} cases{sure})"


def _stored(value: torch.Tensor, half: bool) -> torch.Tensor:
    """Give a tensor as it is stored; float16 only where nothing overflows."""
    value = value.contiguous()
    if not half or value.dtype != torch.float32:
        return value
    small = value.half()
    return small if bool(torch.isfinite(small).all()) else value


def _training(config: RunConfig, facts: Mapping[str, Any], steps: int, note: str) -> dict[str, Any]:
    net = nets.build(facts["net"], facts["net_options"])
    loss = config.loss.model_dump() | {"selfreg": config.selfreg.model_dump()}
    if not config.selfreg.used:
        del loss["selfreg"]
    return {
        "steps": steps,
        "seed": config.seed,
        "parameters": sum(p.numel() for p in net.parameters()),
        "dataset": facts["dataset"],
        "cases": facts["cases"],
        "planes": facts["planes"],
        "fold": config.data.fold,
        "loss": ", ".join(f"{key} {value}" for key, value in loss.items()),
        "batch_size": config.trainer.batch_size * config.trainer.accumulate,
        "optimiser": config.optimiser.model_dump(),
        "schedule": config.schedule.kind,
        "augmentation": config.augment.preset,
        **({"note": note} if note else {}),
    }


def _validation(run: Path, config: RunConfig) -> dict[str, Any]:
    """Give the best validation of a run, until somebody evaluates the model."""
    path = run / METRICS_FILE
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows:
        return {}
    best = max(rows, key=lambda row: float(row["dice"]))
    per_class = {
        key.removeprefix("classes "): round(float(value), 4)
        for key, value in best.items()
        if key.startswith("classes ") and value
    }
    return {
        "protocol": f"Mean Dice over the validation cases of fold {config.data.fold}, by which the "
        f"weights were chosen, at {config.data.size[0]} × {config.data.size[1]} pixels.",
        "dice": {"mean": round(float(best["dice"]), 4), **per_class},
        "step": int(best["step"]),
    }
