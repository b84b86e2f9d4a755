"""All values of a recipe as a form that the recipe's own schema makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

from napari_medseg.widgets.parts.value_editors import Editor, values_of

_HIDDEN = ("kind", "title", "citation", "device", "data.root", "data.kind", "start.model")
"""Values that are chosen elsewhere in the dock, or that are not for choosing."""


class RecipeForm(QWidget):
    """Shows a recipe's values and tells which were changed.

    Parameters
    ----------
    schema : pydantic model
        What a recipe may hold.
    surface : sequence of str
        Keys of the values that are not shown here; their editors are in `editors`, to be shown
        elsewhere.
    """

    changed = Signal()

    def __init__(self, schema: type[BaseModel], surface: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._schema = schema
        self._recipe: Mapping[str, Any] = {}
        self.editors = {
            value.key: Editor(value, self.changed.emit)
            for value in values_of(schema)
            if value.key not in _HIDDEN
        }
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        groups: dict[str, QFormLayout] = {}
        for key, editor in self.editors.items():
            if key in surface:
                continue
            section, _, name = key.rpartition(".")
            if section not in groups:
                groups[section] = self._group(section, column)
            groups[section].addRow(QLabel(_words(name)), editor.widget)

    def show_recipe(self, recipe: Mapping[str, Any]) -> None:
        """Show the values of a recipe; those that it does not name have their defaults."""
        self._recipe = recipe
        for key, editor in self.editors.items():
            editor.set(_found(recipe, key, editor.value.default))

    def changes(self) -> dict[str, Any]:
        """Give the values that differ from the recipe's."""
        found = {}
        for key, editor in self.editors.items():
            value, before = editor.get(), _found(self._recipe, key, editor.value.default)
            if value is None and before in ("", (), {}, None):
                continue
            if _plain(value) != _plain(before):
                found[key] = value
        return found

    def problem(self, others: Mapping[str, Any]) -> str:
        """Say in a sentence which value cannot be used; empty if all can.

        Parameters
        ----------
        others : mapping
            Values by ``section.key`` that are chosen elsewhere, such as ``data.root``.
        """
        content = _nested({**_flat(self._recipe), **self.changes(), **others})
        try:
            self._schema.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = " › ".join(_words(str(part)) for part in first["loc"])
            return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}."
        return ""

    def _group(self, section: str, column: QVBoxLayout) -> QFormLayout:
        group = QGroupBox(_words(section.replace(".", " › ")) or "General")
        form = QFormLayout(group)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        column.addWidget(group)
        return form


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _found(content: Mapping[str, Any], key: str, default: Any) -> Any:
    value: Any = content
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def _plain(value: Any) -> Any:
    """Give lists for tuples, since a recipe's file knows only those."""
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _flat(content: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{section}{name}.")
        else:
            flat[f"{section}{name}"] = value
    return flat


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, last = key.split(".")
        inside = content
        for section in sections:
            inside = inside.setdefault(section, {})
        inside[last] = value
    return content
