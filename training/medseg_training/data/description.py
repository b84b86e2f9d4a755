"""``dataset.json`` beside folders of images and masks: what its files cannot say themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg_training.data.dataset import DatasetError

FILE = "dataset.json"


@dataclass(frozen=True)
class Description:
    """What a data set says about itself.

    Parameters
    ----------
    name : str
        Its name; empty where it has none.
    classes : mapping
        Name of each value in the masks.
    channel_names : tuple of str
        Of the images.
    spacing : tuple of float
        Distance of pixels in mm, in the order of the array's axes.
    """

    name: str = ""
    classes: Mapping[int, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    spacing: tuple[float, ...] = ()


def read_description(root: Path) -> Description:
    """Read ``dataset.json`` of a folder; all of it may be missing.

    Its entries are those of nnU-Net: ``name``, ``labels`` {name: value}, ``channel_names``
    {"0": name}, and beyond these ``spacing`` [mm].

    Raises
    ------
    DatasetError
        With one sentence, where it is no JSON or says what cannot be.
    """
    if not (root / FILE).exists():
        return Description()
    content = read_json(root / FILE)
    try:
        return Description(
            str(content.get("name", "")),
            classes_by_value(mapping(content.get("labels", {}), root / FILE, "labels")),
            tuple(str(name) for name in dict(content.get("channel_names", {})).values()),
            tuple(float(step) for step in content.get("spacing", ())),
        )
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{root / FILE} cannot be used: {error}") from error


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises
    ------
    DatasetError
        With one sentence, where it does not.
    """
    content = read_any_json(file)
    if not isinstance(content, dict):
        raise DatasetError(f"{file} must hold one JSON object, in braces.")
    return content


def mapping(entry: Any, file: Path, name: str) -> Mapping[str, Any]:
    """Give an entry of a file that must be an object.

    Raises
    ------
    DatasetError
        With one sentence, where it is none.
    """
    if not isinstance(entry, dict):
        raise DatasetError(f"The entry {name!r} of {file} must be an object, in braces.")
    return entry


def read_any_json(file: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    DatasetError
        With one sentence, where it cannot be read.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file} cannot be read: {error}.") from error


def classes_by_value(labels: Mapping[str, Any]) -> dict[int, str]:
    """Turn nnU-Net's ``labels`` {name: value} round; those of the Decathlon are that already.

    Raises
    ------
    DatasetError
        Where a class is a region of several values, or pixels are to be ignored: neither can be
        trained on here.
    """
    if labels and all(k.isdecimal() and isinstance(v, str) for k, v in labels.items()):
        return {0: "background"} | {int(value): name for value, name in labels.items()}
    classes: dict[int, str] = {}
    for name, value in labels.items():
        if not isinstance(value, int):
            raise DatasetError(
                f"The class {name!r} is a region of several values ({value}); training on regions "
                "is not possible here, give every class a value of its own."
            )
        if name == "ignore":
            raise DatasetError(
                "The data set marks pixels to be ignored, which is not possible here; give them a "
                "class or the background."
            )
        if value in classes:
            raise DatasetError(f"The classes {classes[value]!r} and {name!r} have one value.")
        classes[value] = str(name)
    if classes and 0 not in classes:
        classes[0] = "background"
    return classes
