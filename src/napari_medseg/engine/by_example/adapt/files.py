"""An adaptation beside the examples in their folder: weights as safetensors, the rest as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_medseg.engine.by_example.adapt.adaptation import Adaptation, Gain, Shares
from napari_medseg.engine.by_example.support import SupportError
from napari_medseg.zoo.weights import WeightsError, parse_safetensors

FILE = "adaptation.safetensors"
VERSION = 3
"""Of what an adaptation is made of: one of another version could not be used as it was meant."""

DAMAGED = (
    f"The nets adapted to these examples ({FILE}) are damaged or belong to others: adapt again."
)
OTHER_VERSION = (
    f"The nets adapted to these examples ({FILE}) were made by another version of this program: "
    "adapt again."
)


def write_adaptation(adaptation: Adaptation, folder: Path) -> dict[str, Any]:
    """Write the weights into a folder, as float16, and give the entry for its JSON file."""
    from safetensors.torch import save

    tensors = {
        f"{number}.{key}": (value.half() if value.is_floating_point() else value).contiguous()
        for number, member in enumerate(adaptation.members)
        for key, value in member.items()
    }
    content = save(tensors)
    (folder / FILE).write_bytes(content)
    file_hash = hashlib.sha256(content).hexdigest()
    return {
        "version": VERSION,
        **adaptation.as_dict(),
        "file": FILE,
        "file_sha256": file_hash,
    }


def read_adaptation(entry: Mapping[str, Any], folder: Path) -> Adaptation:
    """Read what `write_adaptation` wrote.

    Raises
    ------
    SupportError
        If weights or entry are damaged, or of another version.
    """
    if entry.get("version") != VERSION:
        raise SupportError(OTHER_VERSION)
    try:
        content = (folder / FILE).read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["file_sha256"]:
            raise SupportError(DAMAGED)
        members: dict[str, dict[str, Any]] = {str(n): {} for n in range(int(entry["members"]))}
        for name, value in parse_safetensors(content, FILE).items():
            number, _, key = name.partition(".")
            members[number][key] = value
        gain = entry["gain"]
        adaptation = Adaptation(
            str(entry["support_sha256"]),
            str(entry["model_sha256"]),
            tuple(int(value) for value in entry["classes"]),
            bool(entry["colours"]),
            tuple(members.values()),
            tuple(Shares(**share) for share in entry["shares"]),
            None if gain is None else Gain(**gain),
            int(entry["steps"]),
            int(entry["seed"]),
            int(entry["effort"]),
        )
    except (OSError, KeyError, IndexError, TypeError, ValueError, WeightsError) as error:
        raise SupportError(DAMAGED) from error
    if adaptation.sha256 != entry["sha256"]:
        raise SupportError(DAMAGED)
    return adaptation
