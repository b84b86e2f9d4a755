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
    def kind(self) -> str:
        """What is trained: ``"segmentation"``, or ``"in-context"`` on a folder of tasks."""
        return str(self.content.get("kind", "segmentation"))

    @property
    def citation(self) -> str:
        """The paper that it follows."""
        return str(self.content.get("citation", ""))

    @property
    def net(self) -> str:
        """Name of its net in the zoo; empty where it takes that of a model."""
        if self.kind == "in-context":
            return "UniverSeg"
        return str(self.content.get("net", {}).get("name", ""))


def all_recipes() -> list[RecipeChoice]:
    """Give the recipes in order of title, those that train on a folder of tasks last."""
    choices = []
    for file in (files("medseg_training") / "recipes").iterdir():
        if file.name.endswith(".toml"):
            text = file.read_text(encoding="utf-8")
            title = text.splitlines()[0].lstrip("# ").rstrip(".")
            choice = RecipeChoice(file.name.removesuffix(".toml"), title, tomllib.loads(text))
            choices.append(choice)
    return sorted(choices, key=lambda choice: (choice.kind == "in-context", choice.title))
