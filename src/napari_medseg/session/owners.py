"""Which image labels were made on, so that no other one of the same size is taken for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary, ref

from napari_medseg.session.layer_kinds import is_derived

if TYPE_CHECKING:
    from napari.layers import Image, Layer

AnyLayer = TypeVar("AnyLayer", bound="Layer")

_owners: WeakKeyDictionary[Layer, ref[Image]] = WeakKeyDictionary()


def note_owner(layer: Layer, image: Image) -> None:
    """Note that a layer was made on an image; what was noted first stays."""
    if owner_of(layer) is None:
        _owners[layer] = ref(image)


def owner_of(layer: Layer) -> Image | None:
    """Give the image that a layer was made on; None where that is not known or it is gone."""
    found = _owners.get(layer)
    return found() if found is not None else None


def may_belong(layer: Layer, image: Image) -> bool:
    """Tell whether a layer was made on an image, or may have been."""
    return owner_of(layer) in (None, image)


def likeliest(layers: Iterable[AnyLayer]) -> AnyLayer | None:
    """Give the first that is no result, those seen before those hidden; None if there is none."""
    candidates = [layer for layer in layers if not is_derived(layer)]
    return next((layer for layer in candidates if layer.visible), next(iter(candidates), None))


def image_for(labels: Layer, fitting: Iterable[Image]) -> Image | None:
    """Give the image that labels were made on, or the likeliest if none of these is known to be."""
    images = list(fitting)
    owner = owner_of(labels)
    return owner if owner in images else likeliest(images)
