"""Which image labels were made on, so that no other one of the same size is taken for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, ref

from napari_medseg.session.layers.layer_kinds import is_derived
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.stack import shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Layer

AnyLayer = TypeVar("AnyLayer", bound="Layer")


@dataclass(frozen=True)
class _Owner:
    """The image itself, its name and its source: it may be closed and opened again."""

    image: ref[Image]
    name: str
    source: Mapping[str, Any]


_SAME = ("path", "sample", "series", "channel", "named")
"""What an image that was closed is known by when it is opened again."""

_NUMBERED = re.compile(r" \[\d+\]$")  # as napari does where a name is taken

_owners: WeakKeyDictionary[Layer, _Owner] = WeakKeyDictionary()


def note_owner(layer: Layer, image: Image) -> None:
    """Note that a layer was made on an image; what was noted first stays.

    An image that was closed and opened again takes its own place.
    """
    if owner_of(layer) is None and may_belong(layer, image):
        _owners[layer] = _Owner(ref(image), image.name, _source(image))


def note_same_owner(layer: Layer, other: Layer) -> None:
    """Note that a layer was made on the image that another one was made on, if that is known."""
    if other in _owners:
        _owners[layer] = _owners[other]


def has_owner(layer: Layer) -> bool:
    """Tell whether it is known on which image a layer was made, be it open or not."""
    return layer in _owners


def owner_of(layer: Layer) -> Image | None:
    """Give the image that a layer was made on; None where that is not known or it is gone."""
    found = _owners.get(layer)
    return found.image() if found is not None else None


def owner_name(layer: Layer) -> str:
    """Give the name of the image that a layer was made on; empty where that is not known."""
    found = _owners.get(layer)
    image = owner_of(layer)
    return image.name if image is not None else found.name if found is not None else ""


def may_belong(layer: Layer, image: Image) -> bool:
    """Tell whether a layer was made on an image, or may have been."""
    found = _owners.get(layer)
    if found is None or found.image() is image:
        return True
    noted, given = found.source, _source(image)
    return all(noted.get(key) == given.get(key) for key in _SAME)


def likeliest(layers: Iterable[AnyLayer]) -> AnyLayer | None:
    """Give the first that is no result, those seen before those hidden; None if there is none."""
    candidates = [layer for layer in layers if not is_derived(layer)]
    return next((layer for layer in candidates if layer.visible), next(iter(candidates), None))


def image_for(labels: Layer, fitting: Iterable[Image]) -> Image | None:
    """Give the image that labels were made on; where that is not known, the likeliest of these.

    None where it is known and none of these.
    """
    images = list(fitting)
    owner = owner_of(labels)
    if owner in images:
        return owner
    return likeliest(image for image in images if may_belong(labels, image))


def are_of_two_patients(labels: Layer, image: Image) -> bool:
    """Tell whether labels, or the image they were made on, name another patient than an image."""
    from napari_medseg.io.formats.dicom import patients

    # The path of a layer may be that of a folder, which names no patient.
    own = notes_of(labels).get("file") or labels.source.path
    files = [Path(own) if own else None]
    if not may_belong(labels, image):
        files.append(patients.first_file(_owners[labels].source))
    given = patients.first_file(_source(image))
    return any(patients.are_of_two_patients(file, given) for file in files)


def _source(image: Image) -> dict[str, Any]:
    """Give the source that was noted with an image, and what else it came from.

    One that this package did not read has a name and a size too: other readers make several layers
    of one file.
    """
    noted = dict(notes_of(image).get("source") or {})
    found = {"path": str(image.source.path or ""), "sample": image.source.sample} | noted
    named = (_NUMBERED.sub("", image.name), shape_of(image))
    return found | {"named": None if noted.get("path") else named}
