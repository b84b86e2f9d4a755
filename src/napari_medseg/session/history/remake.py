"""A step as the command, and as the Python call, that makes it again to the byte."""

from __future__ import annotations

from typing import Any

from napari_medseg.engine.results import typed
from napari_medseg.session.history.inputs import Files
from napari_medseg.session.history.made import METHODS, MadeStep, compact

IMAGE, EXAMPLES, RESULTS = "IMAGE", "EXAMPLES", "results"
"""What stands for a file that is not there yet."""

_ENGINE = {"by-example": "segment_by_example", "segment": "segment", "cluster": "cluster"}
_OPTIONS = {
    "by-example": ("threshold", "refine", "colour", "ensemble", "flips", "seed"),
    "segment": ("threshold", "flips", "precision", "runtime"),
    "cluster": (
        "seed",
        "focus",
        "clusters",
        "enough",
        "iterations",
        "size",
        "train_sampling",
        "stop_after",
    ),
}
_USUAL = {
    "flips": False,
    "ensemble": 1,
    "adapt_effort": 1,
    "focus": "none",
    "train_sampling": False,
    "stop_after": 0,
    "runtime": "torch",
}
"""What holds wherever nothing is said, in the command as in Python."""
_ONLY_S3NET = ("seed", "enough", "iterations", "size", "train_sampling", "stop_after")
_REFINE = {"auto": "auto", True: "always", False: "never"}


def why_not(step: MadeStep) -> str:
    """Say why a step cannot be made again; empty if it can."""
    if step.method not in METHODS:
        return "Only what this plugin's own methods made can be made again."
    if not step.parameters:
        return "It was cancelled before all that decides it was known; run it again to the end."
    return ""


def missing_from(step: MadeStep, files: Files) -> list[str]:
    """Name the inputs that are in no file yet."""
    examples = step.method == "by-example" and files.support is None
    return ["the image"] * (files.image is None) + ["the examples"] * examples


def command_of(step: MadeStep, files: Files) -> str:
    """Give the command that makes a step again, into a folder `RESULTS`.

    Parameters
    ----------
    step : MadeStep
        One for which `why_not` says nothing.
    files : Files
        Where its inputs lie; placeholders stand for what is in no file.
    """
    words = ["napari-medseg", step.method, str(files.image or IMAGE)]
    if step.method == "by-example":
        words += ["--support", str(files.support or EXAMPLES)]
    words += ["-o", RESULTS]
    words += ["--method" if step.method == "cluster" else "-m", step.model]
    if files.series:
        words += ["--series", files.series]
    for name, value in _arguments(step).items():
        words += _words(name, value)
    words += _taken_words(step)
    return typed(words)


def python_of(step: MadeStep, files: Files) -> str:
    """Give the Python lines that make a step again, as the array ``labels``; see `command_of`."""
    series = f", {files.series!r}" if files.series else ""
    lines = [
        "import napari_medseg as medseg",
        "",
        f"image = medseg.read_image({str(files.image or IMAGE)!r}{series})",
    ]
    given = ["image.data"]
    if step.method == "by-example":
        lines.append(f"support = medseg.SupportSet.load({str(files.support or EXAMPLES)!r})")
        given.append("support")
    arguments = {"method" if step.method == "cluster" else "model": step.model}
    arguments |= _arguments(step)
    values = arguments.pop("values", None)
    given += [f"{name}={_shown(name, value)}" for name, value in arguments.items()]
    given.append("rgb=image.rgb")
    lines += [f"result = medseg.{_ENGINE[step.method]}("]
    lines += [f"    {argument}," for argument in given]
    lines += [")"]
    if values is not None:
        lines.append(f"result = result.renumbered({tuple(values)})")
    return "\n".join([*lines, *_taken_lines(step)]) + "\n"


def _arguments(step: MadeStep) -> dict[str, Any]:
    """Give what decides the result, by the names of the Python call."""
    decided = step.decided
    chosen = {name: decided[name] for name in _OPTIONS[step.method] if name in decided}
    chosen["device"] = step.parameters.get("device", "auto")
    if step.parameters.get("adaptation"):
        chosen["adapt"] = True
        chosen["adapt_effort"] = step.parameters["adaptation"].get("effort", 1)
    if step.parameters.get("tile"):
        chosen["tile"] = step.parameters["tile"][0]
    if step.is_cleaned:
        chosen["post"] = dict(decided["post"])
    values = decided.get("values")
    if step.method == "segment" and values and list(values) != list(range(1, len(values) + 1)):
        chosen["values"] = list(values)
    chosen["axis"] = int(step.parameters.get("axis", 0))
    chosen["planes"] = step.positions
    for name in ("value_range", "rectangle"):
        if step.parameters.get(name):
            chosen[name] = tuple(step.parameters[name])
    if step.model in ("kmeans", "otsu"):
        unused = {*_ONLY_S3NET} - ({"seed"} if step.model == "kmeans" else set())
        chosen = {name: value for name, value in chosen.items() if name not in unused}
    return {
        name: value
        for name, value in chosen.items()
        if value is not None and _USUAL.get(name) != value
    }


def _words(name: str, value: Any) -> list[str]:
    """Write an argument of the Python call as an option of the command."""
    option = f"--{name.replace('_', '-')}"
    if name == "refine":
        return [option, _REFINE[value]]
    if name == "precision":
        return ["--bfloat16"] if value == "bfloat16" else []
    if name == "post":
        flags = [f"--{key.replace('_', '-')}" for key in ("largest", "fill_holes") if value[key]]
        return [*flags, *(["--min-size", str(value["min_size"])] if value["min_size"] > 1 else [])]
    if name == "planes":
        return [option, compact(value)]
    if isinstance(value, bool):
        return [option] if value else []
    if isinstance(value, (tuple, list)):
        # An equals sign, because the first number may begin with a minus.
        return [f"{option}={','.join(repr(part) for part in value)}"]
    return [option, repr(value) if isinstance(value, float) else str(value)]


def _shown(name: str, value: Any) -> str:
    if name == "post":
        fields = ", ".join(f"{key}={part!r}" for key, part in value.items())
        return f"medseg.PostProcess({fields})"
    return repr(value)


def _taken(step: MadeStep) -> dict[str, Any] | None:
    """Give what was clicked among clusters."""
    given = step.accepted_with
    if step.method == "cluster" and "cluster" in given:
        return {"at": given["at"], "piece": given["piece"], "class": given["class"]}
    taken = step.parameters.get("take")
    return dict(taken) if taken else None


def _taken_words(step: MadeStep) -> list[str]:
    taken = _taken(step)
    if taken is None:
        return []
    pixel = ",".join(str(int(i)) for i in taken["at"])
    piece = ["--piece"] if taken["piece"] else []
    return ["--take", pixel, *piece, "--label", str(taken["class"])]


def _taken_lines(step: MadeStep) -> list[str]:
    taken = _taken(step)
    if taken is None:
        return ["labels = result.labels"]
    axis, planes = int(step.parameters.get("axis", 0)), step.positions
    at = "..." if planes is None else f"({'slice(None), ' * axis}{planes[0]},)"
    row, column = (int(i) for i in taken["at"])
    return [
        f"plane = {at}",
        "labels = result.labels * 0",
        f"taken = medseg.pick_cluster(result.labels[plane], {row}, {column}, "
        f"piece={bool(taken['piece'])})",
        f"labels[plane][taken] = {int(taken['class'])}",
    ]
