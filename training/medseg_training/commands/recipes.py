"""`recipes`: what can be trained, and every value that can be changed."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be said on the command line."""
    parser.add_argument("recipe", nargs="?", help="show every value of this one, as TOML")


def run(options: argparse.Namespace) -> None:
    """Print the recipes, or the text of one.

    Raises
    ------
    RecipeError
        When there is no such recipe.
    """
    from medseg_training.recipe_files import find_recipe, recipe_names

    if options.recipe:
        print(find_recipe(options.recipe).read_text(encoding="utf-8"), end="")
        return
    for name in recipe_names():
        lines = find_recipe(name).read_text(encoding="utf-8").splitlines()
        print(f"{name:24} {lines[0].removeprefix('# ')}")
