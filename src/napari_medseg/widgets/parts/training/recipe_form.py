"""All values of a recipe as a form that the recipe's own schema makes, to be searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_medseg.widgets.parts.training.fold import Fold
from napari_medseg.widgets.parts.training.value_editors import Editor, values_of

_HIDDEN = ("kind", "title", "citation", "device", "data.root", "data.kind", "start.model")
"""Values that are chosen elsewhere in the dock, or that are not for choosing."""
_NAME_WIDTH = 130


class RecipeForm(QWidget):
    """Shows a recipe's values and tells which were changed.

    Parameters
    ----------
    schema : pydantic model
        What a recipe may hold.
    surface : sequence of str
        Keys of the values that are not shown here; their editors are in `editors`, to be shown
        elsewhere.

    Attributes
    ----------
    search
        The line that a value is looked for in.
    sections
        The parts of the form by the table of the recipe; the first holds what is in none.
    """

    changed = Signal()

    def __init__(self, schema: type[BaseModel], surface: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._schema = schema
        self._recipe: Mapping[str, Any] = {}
        self.editors = {
            value.key: Editor(value, self._on_edit)
            for value in values_of(schema)
            if value.key not in _HIDDEN
        }
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a value, such as rate or size")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._look_for)
        self.nothing = QLabel("No value has this name.")
        self.nothing.hide()
        self.rows: dict[str, QWidget] = {}
        self.sections: dict[str, Fold] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.search)
        column.addWidget(self.nothing)
        for key in self.editors:
            if key not in surface:
                self._add_row(key, column)
        self._title_sections()

    def show_recipe(self, recipe: Mapping[str, Any]) -> None:
        """Show the values of a recipe; those that it does not name have their defaults."""
        self._recipe = recipe
        for key, editor in self.editors.items():
            editor.set(_found(recipe, key, editor.value.default))
        self._title_sections()

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

    def _on_edit(self) -> None:
        self._title_sections()
        self.changed.emit()

    def _add_row(self, key: str, column: QVBoxLayout) -> None:
        section, _, name = key.rpartition(".")
        if section not in self.sections:
            inside = QWidget()
            rows = QVBoxLayout(inside)
            rows.setContentsMargins(14, 0, 0, 4)
            rows.setSpacing(3)
            self.sections[section] = Fold("", inside)
            column.addWidget(self.sections[section])
        row, label, editor = QWidget(), QLabel(_words(name)), self.editors[key].widget
        label.setFixedWidth(_NAME_WIDTH)
        label.setToolTip(editor.toolTip())
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(label)
        beside.addWidget(editor, 1)
        self.rows[key] = row
        inside_layout = self.sections[section].inside.layout()
        assert inside_layout is not None
        inside_layout.addWidget(row)

    def _look_for(self, text: str) -> None:
        """Show the values whose name or explanation holds every word, in sections that are open."""
        words = text.lower().replace(".", " ").split()
        hits = {key for key in self.rows if all(word in self._about(key) for word in words)}
        for key, row in self.rows.items():
            row.setVisible(key in hits)
        for section, fold in self.sections.items():
            found = any(key.rpartition(".")[0] == section for key in hits)
            fold.setVisible(found)
            fold.open(bool(words) and found)
        self.nothing.setVisible(not hits)

    def _about(self, key: str) -> str:
        explained = self.editors[key].value.info.description or ""
        return f"{key} {_words(key)} {explained}".lower().replace(".", " ")

    def _title_sections(self) -> None:
        """Name each section, with the number of its values that differ from the recipe's."""
        changed = [key.rpartition(".")[0] for key in self.changes() if key in self.rows]
        for section, fold in self.sections.items():
            title = _words(section.replace(".", " › ")) or "General"
            count = changed.count(section)
            fold.heading.setText(f"{title} ({count} changed)" if count else title)


def _words(name: str) -> str:
    text = name.replace("_", " ").replace("selfreg", "SelfReg")
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
