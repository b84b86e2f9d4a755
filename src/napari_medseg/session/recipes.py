"""The recipes that a person can choose from, read without starting torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class RecipeChoice:
    """A recipe of the training package.

    Parameters
    ----------
    name : str
        What the command line calls it.
    title : str
        What it is called for people: the first line of its file.
    content : mapping
        Its values, as the file gives them.
    """

    name: str
    title: str
    content: Mapping[str, Any]

    @property
    def citation(self) -> str:
        """The paper that it follows."""
        return str(self.content.get("citation", ""))

    @property
    def net(self) -> str:
        """Name of its net in the zoo."""
        return str(self.content.get("net", {}).get("name", ""))


def segmentation_recipes() -> list[RecipeChoice]:
    """Give the recipes that train a net on one data set, in order of title."""
    choices = []
    for file in (files("medseg_training") / "recipes").iterdir():
        if file.name.endswith(".toml"):
            text = file.read_text(encoding="utf-8")
            content = tomllib.loads(text)
            if content.get("kind", "segmentation") == "segmentation":
                title = text.splitlines()[0].lstrip("# ").rstrip(".")
                choices.append(RecipeChoice(file.name.removesuffix(".toml"), title, content))
    return sorted(choices, key=lambda choice: choice.title)
