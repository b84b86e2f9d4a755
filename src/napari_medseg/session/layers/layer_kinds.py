"""Which layers the docks work with."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

from napari.layers import Image, Labels, Layer

_NOT_OF_USER = "medseg_proposal"
_DERIVED = "medseg_result"
_REFERENCE = re.compile(r"right answer|truth|reference|expert|(?<![a-z])gt(?![a-z])", re.IGNORECASE)


def is_image(layer: Layer) -> TypeGuard[Image]:
    """Tell whether a layer can be segmented."""
    return isinstance(layer, Image) and layer.ndim >= 2


def is_labels_of_user(layer: Layer) -> TypeGuard[Labels]:
    """Tell whether a layer holds labels that are the user's, not a proposal."""
    return isinstance(layer, Labels) and _NOT_OF_USER not in layer.metadata


def is_named_as_reference(layer: Layer) -> bool:
    """Tell whether the name of a layer says that others are to be compared with it."""
    return _REFERENCE.search(layer.name) is not None


def is_derived(layer: Layer) -> bool:
    """Tell whether a layer is a result, such as probabilities or numbered objects.

    A person may choose it for anything; by itself no dock segments it or writes into it.
    """
    return _DERIVED in layer.metadata


def derived() -> dict[str, Any]:
    """Give the metadata of a layer that is a result."""
    return {_DERIVED: True}


def not_of_user() -> dict[str, Any]:
    """Give the metadata of a labels layer that only shows something: no dock takes it for work."""
    return {_NOT_OF_USER: True}
