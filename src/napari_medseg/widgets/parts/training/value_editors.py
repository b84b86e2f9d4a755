"""Editors for the values of a checked schema: each field gives its kind, limits and explanation."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QSpinBox, QWidget

from napari_medseg.session.training.command import as_toml

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Value:
    """One value of a schema: ``section.key``, its field, and its default."""

    key: str
    info: FieldInfo

    @property
    def default(self) -> Any:
        """What it is where nothing is said; empty where something must be said."""
        default = self.info.get_default(call_default_factory=True)
        return "" if default is PydanticUndefined else default

    @property
    def kind(self) -> Any:
        """Its type, without the limits that are written around it."""
        return self.info.annotation


def values_of(schema: type[BaseModel], section: str = "") -> Iterator[Value]:
    """Give every value of a schema, those of nested tables as ``section.key``."""
    for name, info in schema.model_fields.items():
        key = f"{section}{name}"
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from values_of(kind, f"{key}.")
        else:
            yield Value(key, info)


class Editor:
    """A widget with a value in it.

    Parameters
    ----------
    value : Value
        What it edits.
    changed : callable
        Called when a person changed it.
    """

    def __init__(self, value: Value, changed: Callable[[], None]) -> None:
        self.value = value
        self.widget, self._get, self._set = _made(value, changed)
        self.widget.setObjectName(value.key)
        tip = f"{value.info.description or ''}\n{value.key}".strip()
        self.widget.setToolTip(tip)

    def get(self) -> Any:
        """Give the value that stands there."""
        return self._get()

    def set(self, value: Any) -> None:
        """Show a value, without announcing it."""
        with QSignalBlocker(self.widget):
            self._set(value)


def _made(
    value: Value, changed: Callable[[], None]
) -> tuple[QWidget, Callable[[], Any], Callable[[Any], None]]:
    if value.kind is bool:
        check = QCheckBox()
        check.toggled.connect(changed)
        return check, check.isChecked, check.setChecked
    if get_origin(value.kind) is Literal:
        box = QComboBox()
        for choice in get_args(value.kind):
            box.addItem(str(choice), choice)
        box.currentIndexChanged.connect(changed)
        return box, box.currentData, lambda chosen: box.setCurrentIndex(box.findData(chosen))
    if value.kind is int:
        spin = QSpinBox()
        spin.setRange(_least(value.info), _LARGEST)
        spin.valueChanged.connect(changed)
        return spin, spin.value, spin.setValue
    line = QLineEdit()
    line.textChanged.connect(changed)
    read = str if value.kind is str else _parsed
    return line, lambda: read(line.text().strip()), lambda given: line.setText(_shown(given))


def _least(info: FieldInfo) -> int:
    for limit in info.metadata:
        if hasattr(limit, "ge"):
            return int(limit.ge)
        if hasattr(limit, "gt"):
            return int(limit.gt) + 1
    return -_LARGEST


def _shown(value: Any) -> str:
    if value is None or value == () or value == {}:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value
    return as_toml(value)


def _parsed(text: str) -> Any:
    """Read a number, list or table; what is none of them stays text, which the schema refuses."""
    if not text:
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
