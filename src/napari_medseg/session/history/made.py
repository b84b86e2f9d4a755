"""How a labels layer was made: its steps, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from napari_medseg.engine.results import counted
from napari_medseg.session.history.accepted import accepted_steps
from napari_medseg.session.history.inputs import Inputs
from napari_medseg.session.layers.notes import notes_of

if TYPE_CHECKING:
    from napari.layers import Layer

METHODS = {
    "by-example": "Segmented by example",
    "segment": "Segmented with a model",
    "cluster": "Clustered",
}
_MODES = {
    "keep": "labels that were there were kept",
    "overwrite_class": "labels of the same class were replaced",
    "overwrite_all": "all labels there were replaced",
}
_CLUSTERING = {
    "s3net": "S3-Net as published",
    "s3net-improved": "S3-Net, improved",
    "kmeans": "k-means",
    "otsu": "Otsu's threshold",
}


@dataclass(frozen=True)
class MadeStep:
    """Something a method wrote into a layer.

    Parameters
    ----------
    method, model, weights_sha256, parameters, software, created
        As in `napari_medseg.engine.results.Provenance`.
    planes : sequence
        Which planes of the layer were accepted, as `PlaneKey`; empty for all that were made.
    accepted_with : mapping
        What was decided when it was accepted: threshold, cleaning up, the pixel clicked, ...
    inputs : Inputs, optional
        What it was made from, as long as that is known.
    """

    method: str
    model: str = ""
    weights_sha256: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    software: str = ""
    created: str = ""
    planes: Sequence[Sequence[int | None]] = ()
    accepted_with: Mapping[str, Any] = field(default_factory=dict)
    inputs: Inputs | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any], inputs: Inputs | None = None) -> MadeStep:
        """Read an entry of a layer's history, or of a file's."""
        known = {name: entry[name] for name in cls.__dataclass_fields__ if entry.get(name)}
        return cls(**{"method": "", **known, "inputs": inputs})

    @property
    def decided(self) -> dict[str, Any]:
        """All parameters, those that were changed at accepting as they were then."""
        return {**self.parameters, **self.accepted_with}

    @property
    def is_cleaned(self) -> bool:
        """Whether pieces and holes were looked at, for which all planes count together."""
        post = self.decided.get("post") or {}
        return post.get("min_size", 0) > 1 or bool(post.get("largest") or post.get("fill_holes"))

    @property
    def positions(self) -> list[int] | None:
        """The planes that have to be worked on again; None for all there are."""
        made = self.parameters.get("planes")
        if made is None or not self.planes or self.is_cleaned:
            return None if made is None else sorted(int(plane) for plane in made)
        at, axis = self.parameters.get("at"), int(self.parameters.get("axis", 0))
        free = [i for i, index in enumerate(at) if index is None] if at else range(3)
        return sorted({int(key[free[axis]] or 0) for key in self.planes})


def steps_of(layer: Layer) -> list[MadeStep]:
    """Give what methods wrote into a labels layer, oldest first; nothing if all was painted."""
    notes = notes_of(layer)
    earlier = notes.get("provenance") or {}
    entries = [*earlier.get("accepted", ())]
    if earlier.get("method"):
        entries.append(earlier)
    elif isinstance(earlier.get("provenance"), Mapping):
        entries.insert(0, earlier["provenance"])
    steps = [MadeStep.of(entry, notes.get("made_from")) for entry in entries]
    return steps + [MadeStep.of(entry, inputs) for entry, inputs, _ in accepted_steps(layer)]


def title_of(step: MadeStep) -> str:
    """Say in a few words what was done, and when."""
    what = METHODS.get(step.method, step.method or "Made by another program")
    return f"{what}, {_when(step.created)}" if step.created else what


def words_of(step: MadeStep) -> list[str]:
    """Say in plain sentences how a step was made."""
    sentences = [_by_what(step), _on_what(step), _how(step), _accepted(step)]
    return [sentence for sentence in sentences if sentence]


def _by_what(step: MadeStep) -> str:
    if step.method == "cluster":
        made = f"By {_CLUSTERING.get(step.model, step.model)}"
        made += f", seed {step.parameters.get('seed')}" if step.model != "otsu" else ""
        stopped = step.parameters.get("stop_after")
        made += f", cancelled after {stopped} iterations" if stopped else ""
    else:
        weights = f" (weights {step.weights_sha256[:8]})" if step.weights_sha256 else ""
        made = f"With the model “{step.model}”{weights}" if step.model else "By a method"
    device = step.parameters.get("device")
    ran = f", on {device}" if device and device != "auto" else ""
    return f"{made}{ran}{f', {step.software}' if step.software else ''}."


def _on_what(step: MadeStep) -> str:
    parts = []
    if step.positions is not None:
        planes = "plane" if len(step.positions) == 1 else "planes"
        axis = step.parameters.get("axis", 0)
        parts.append(f"{planes} {compact(step.positions)} along axis {axis}")
    if step.parameters.get("rectangle"):
        top, left, bottom, right = step.parameters["rectangle"]
        parts.append(f"rows {top} to {bottom - 1} and columns {left} to {right - 1}")
    if step.parameters.get("value_range"):
        low, high = step.parameters["value_range"]
        parts.append(f"values {low:g} to {high:g} seen as black to white")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _how(step: MadeStep) -> str:
    decided, parts = step.decided, []
    if decided.get("threshold") is not None:
        parts.append(f"threshold {decided['threshold']:.3g}")
    post = decided.get("post") or {}
    if post.get("min_size", 0) > 1:
        parts.append(f"pieces of fewer than {post['min_size']} pixels dropped")
    if post.get("largest"):
        parts.append("largest piece of each class only")
    if post.get("fill_holes"):
        parts.append("holes filled")
    if decided.get("flips"):
        parts.append("averaged over mirror images")
    if decided.get("ensemble", 1) > 1:
        parts.append(f"averaged over {decided['ensemble']} subsets of the examples")
    if step.inputs is not None and step.inputs.support is not None:
        parts.append(f"as {counted(len(step.inputs.support), 'example')} showed")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _accepted(step: MadeStep) -> str:
    given = step.accepted_with
    parts = []
    if "at" in given and "cluster" in given:
        what = "one connected piece of cluster" if given.get("piece") else "cluster"
        row, column = given["at"]
        parts.append(
            f"you took {what} {given['cluster']} at row {row}, column {column} as class "
            f"{given.get('class')}"
        )
    elif given:
        parts.append("you accepted it")
    if given.get("mode") in _MODES:
        parts.append(_MODES[given["mode"]])
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def compact(planes: Sequence[int]) -> str:
    """Write a list of planes shortly: ``3,5-9``."""
    runs: list[list[int]] = []
    for plane in sorted(planes):
        if runs and plane == runs[-1][-1] + 1:
            runs[-1].append(plane)
        else:
            runs.append([plane])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _when(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%d %b %Y %H:%M")
    except ValueError:
        return created
