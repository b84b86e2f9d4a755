"""Recipes as files: read one by name or path, change values, check it, write it down whole."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from medseg_training.in_context.recipe import Recipe
from medseg_training.schema import SEEN, RunConfig

FOLDER = Path(__file__).parent / "recipes"
CONFIG_FILE = "config.json"
_KEPT = (
    *(f"data.{name}" for name in ("fold", "splits", "classes", "merge", *SEEN)),
    "net",
    "optimiser.kind",
)
"""Values without which the weights and the figures of a run mean something else."""

KINDS: dict[str, type[BaseModel]] = {"segmentation": RunConfig, "in-context": Recipe}
"""The schema of each kind of recipe."""


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names the value and says what is expected."""


def recipe_names() -> list[str]:
    """Give the names of the recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find_recipe(name: str) -> Path:
    """Give the file of a recipe: a path, or the name of one that comes with the package.

    Raises
    ------
    RecipeError
        When there is neither.
    """
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path
    if name in recipe_names():
        return FOLDER / f"{name}.toml"
    raise RecipeError(
        f"There is no recipe {name!r}; give a TOML file, or one of {', '.join(recipe_names())}."
    )


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> RunConfig | Recipe:
    """Read a TOML recipe and change it by `section.key=value` (values written as in TOML).

    Raises
    ------
    RecipeError
        When the file or a value is not usable.
    """
    return build_recipe(read_content(path, overrides))


def read_content(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a recipe without checking its values.

    Raises
    ------
    RecipeError
        When it is no TOML, or an override is not written as `section.key=value`.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} is no valid TOML: {error}.") from error
    for override in overrides:
        _apply(content, override)
    return content


def build_recipe(content: Mapping[str, Any]) -> RunConfig | Recipe:
    """Check a recipe given as nested dictionaries.

    Raises
    ------
    RecipeError
        Naming the first value that cannot be used.
    """
    kind = str(content.get("kind", "segmentation"))
    if kind not in KINDS:
        raise RecipeError(f"Recipe value kind: {kind!r} is none of {', '.join(KINDS)}.")
    try:
        checked = KINDS[kind].model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise RecipeError(f"A recipe has no value {where}; check its name.") from error
        said = first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
        of = f"Recipe value {where}" if where else "The recipe is incomplete"
        raise RecipeError(f"{of}: {said}.") from error
    assert isinstance(checked, RunConfig | Recipe)
    return checked


def read_config(run: Path, overrides: Sequence[str] = ()) -> RunConfig | Recipe:
    """Read the checked values that a run folder holds, and change some by `section.key=value`.

    Raises
    ------
    RecipeError
        When there are none, or a change is not usable, or of what a run began with.
    """
    try:
        content = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{run / CONFIG_FILE} cannot be read; is this a run folder?") from error
    if not overrides:
        return build_recipe(content)
    before = build_recipe(content)
    for override in overrides:
        _apply(content, override)
    after = build_recipe(content)
    for key in _KEPT:
        if _value_of(before, key) != _value_of(after, key):
            raise RecipeError(f"A run goes on with the {key} it began with; begin another run.")
    return after


def _value_of(config: RunConfig | Recipe, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def _apply(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise RecipeError(f"{override!r} is no change of the recipe; write section.key=value.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise RecipeError(f"Recipe value {section} is no table; {override!r} cannot be set.")
    content[last] = value
