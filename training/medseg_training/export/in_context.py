"""From the run of an in-context net to a model folder: weights, model card, a page to read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors

from medseg_training import checkpoints
from medseg_training.export.files import ExportError, page_head, read_json, write
from medseg_training.in_context.recipe import Recipe
from medseg_training.words import counted
from napari_medseg.zoo.cards import CARD_FILE, ModelCard

WEIGHTS_FILE = "model.safetensors"

CITATION = (
    "Butoi, V. I., Gonzalez Ortiz, J. J., Ma, T., Sabuncu, M. R., Guttag, J., Dalca, A. V.: "
    "UniverSeg: Universal Medical Image Segmentation. ICCV 2023."
)
DESCRIPTION = (
    "Segments a structure in a medical image after the examples that you paint, without being "
    "trained for it: microscopy, dermoscopy, endoscopy, X-ray, ultrasound, CT, MRI."
)
NOT_FOR = (
    "No medical device: never use it for a diagnosis or a treatment decision without a qualified "
    "person checking every contour. Weak on targets that cover under one percent of the image."
)
LICENCE = "CC BY-SA 4.0"
"""Two of the bundled model's training sets are under it; its weights are shared alike."""


NAME = "universeg-open"


def export_in_context(
    run: Path,
    recipe: Recipe,
    folder: Path,
    *,
    name: str = NAME,
    title: str = "UniverSeg, trained on open data",
    licence: str = LICENCE,
    results: Mapping[str, Any] | None = None,
    note: str = "",
) -> ModelCard:
    """Write the moving average of a run as a model folder; the card comes last.

    Weights are float16 on disk under the official keys. Results that an existing card of the folder
    holds are dropped unless they are given again: they belong to other weights. `note` says what
    the recipe does not, such as changes on the way.

    Raises
    ------
    ExportError, CheckpointError
        When the run folder is incomplete or its weights are not finite.
    """
    state = checkpoints.load(run / "checkpoints")
    weights = {key: value.half().contiguous() for key, value in state["average"].items()}
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise ExportError(f"The weights of {run} are not finite in half precision.")
    content = to_safetensors(weights)
    sources = read_json(run / "sources.json")
    card = ModelCard(
        name=name,
        title=title,
        kind="in-context",
        net="UniverSeg",
        net_options={"encoder_blocks": list(recipe.encoder_blocks)},
        file=WEIGHTS_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        modalities=tuple(sorted({source["modality"] for source in sources})),
        input={"size": [128, 128], "channels": 1, "range": [0.0, 1.0]},
        description=DESCRIPTION,
        not_for=NOT_FOR,
        licence=licence,
        citation=CITATION,
        training=_training(recipe, int(state["step"]), sources) | ({"note": note} if note else {}),
        results=dict(results or {}),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / WEIGHTS_FILE, content)
    write(folder / "README.md", readme(card).encode())
    write(folder / CARD_FILE, card.to_json().encode())
    return card


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
    header = f"| mean Dice on unseen tasks | {columns} |"
    lines = [str(results["protocol"]), "", header, "|---" * (len(counts) + 1) + "|"]
    for method, values in results["mean"].items():
        name = f"{method} ({results['tasks_measured'][method]} tasks)"
        lines.append(f"| {name} | " + " | ".join(f"{values[str(n)]:.3f}" for n in counts) + " |")
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
