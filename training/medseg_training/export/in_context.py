"""From the run of an in-context net to a model folder: weights, model card, a page to read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from medseg_training.export.files import (
    ExportError,
    page_head,
    read_json,
    run_mark,
    stated,
    write_model,
)
from medseg_training.in_context.recipe import Recipe
from medseg_training.in_context.report import UNSEEN
from medseg_training.in_context.sources import NOT_STATED
from medseg_training.run import checkpoints
from medseg_training.run.run_folder import SOURCES_FILE
from napari_medseg.engine.results import counted
from napari_medseg.zoo.cards import WEIGHTS_FILE, ModelCard
from napari_medseg.zoo.checkpoints import plain_name

CITATION = (
    "Butoi, V. I., Gonzalez Ortiz, J. J., Ma, T., Sabuncu, M. R., Guttag, J., Dalca, A. V.: "
    "UniverSeg: Universal Medical Image Segmentation. ICCV 2023."
)
DESCRIPTION = "Segments a structure in an image after the examples that you paint."
LICENCE = "as the data that it was trained on allows"
"""Of a model whose recipe states none; the licence of each data set is in the card."""


def export_in_context(
    run: Path,
    recipe: Recipe,
    folder: Path,
    *,
    name: str = "",
    title: str = "",
    results: Mapping[str, Any] | None = None,
    note: str = "",
    **fields: Any,
) -> ModelCard:
    """Write the weights of a run as a model folder; see `medseg_training.export.export_run`.

    They are its moving average where it has one, float16 on disk under the official keys.

    Raises
    ------
    ExportError, CheckpointError
        When the run folder is incomplete or its weights are not finite.
    """
    state = checkpoints.load(run / "checkpoints")
    trained = state.get("average", state["net"])
    weights = {key: value.half().contiguous() for key, value in trained.items()}
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise ExportError(f"The weights of {run} are not finite in half precision.")
    content = to_safetensors(weights)
    sources = read_json(run / SOURCES_FILE)
    kinds = tuple(sorted({source["modality"] for source in sources} - {NOT_STATED}))
    own = stated(recipe.card, CITATION)
    usual = {"modalities": kinds, "licence": LICENCE, "description": DESCRIPTION}
    own |= {key: own[key] or value for key, value in usual.items()}
    name = name or plain_name(run.resolve().name)
    card = ModelCard(
        name=name,
        title=title or recipe.title or f"UniverSeg, trained here: {name}",
        kind="in-context",
        net="UniverSeg",
        net_options={"encoder_blocks": list(recipe.encoder_blocks)},
        file=WEIGHTS_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        input={"size": [128, 128], "channels": 1, "range": [0.0, 1.0]},
        training={
            "run": run_mark(run),
            **_training(recipe, int(state["step"]), sources),
            **({"note": note} if note else {}),
        },
        results=dict(results or {}),
        **(own | fields),
    )
    return write_model(card, content, readme(card), folder)


def readme(card: ModelCard) -> str:
    """Give the page that a person reads beside the weights."""
    training = card.training
    lines = [
        *page_head(
            card,
            card.description,
            f"{card.net} with {training['parameters']:,} parameters, official keys, "
            f"float16 on disk. Licence {card.licence}.",
        ),
        f"{training['steps']:,} steps of `medseg_training`, seed {training['seed']}, weights "
        "averaged over steps; sizes "
        + ", ".join(f"{s['size']} ({s['steps']:,} steps)" for s in training["stages"])
        + f". {100 * training['real']:.0f} % real tasks, {100 * training['synthetic']:.0f} % "
        f"synthetic ones, {100 * training['phantoms']:.0f} % phantoms. {training.get('note', '')}",
        "",
        "| data set | kind | pairs | licence as stated by its distributor |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {s['original']} | {s['modality']} | {s['pairs']} | {s['licence']} |"
        for s in training["data"]
    ]
    if card.results:
        lines += ["", "## How good it is", "", *_result_lines(card.results)]
    return "\n".join(lines) + "\n"


def _result_lines(results: Mapping[str, Any]) -> list[str]:
    counts = results["support"]
    columns = " | ".join(counted(n, "example") for n in counts)
    unseen = " on unseen tasks" if UNSEEN in results["protocol"] else ""
    header = f"| mean Dice{unseen} | {columns} |"
    lines = [str(results["protocol"]), "", header, "|---" * (len(counts) + 1) + "|"]
    for method, values in results["mean"].items():
        name = f"{method} ({counted(results['tasks_measured'][method], 'task')})"
        cells = (f"{values[str(n)]:.3f}" if str(n) in values else "" for n in counts)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _training(recipe: Recipe, steps: int, sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from napari_medseg.nets.universeg import UniverSeg

    net = UniverSeg(encoder_blocks=recipe.encoder_blocks)
    return {
        "steps": steps,
        "seed": recipe.seed,
        "parameters": sum(p.numel() for p in net.parameters()),
        "stages": _stages_done(recipe, steps),
        "real": recipe.data.real,
        "synthetic": recipe.data.synthetic,
        "phantoms": recipe.data.phantoms,
        "left_out": list(recipe.data.leave_out),
        "data": [dict(source) for source in sources],
    }


def _stages_done(recipe: Recipe, steps: int) -> list[dict[str, int]]:
    """Give how many steps were made at each image size."""
    done = []
    for stage in recipe.stages:
        made = min(stage.steps, steps)
        if made > 0:
            done.append({"steps": made, "size": stage.size})
        steps -= stage.steps
    return done
