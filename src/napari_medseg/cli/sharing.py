"""Options that several commands share: declared once, as the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def sharing(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the fields of the dataclasses among its parameters as options.

    Parameters
    ----------
    command : callable
        Its parameters are typer's; one that is annotated with a dataclass stands for the fields of
        that class, which are annotated as options are, and gets an instance of it.

    Returns
    -------
    callable
        What typer shall call.
    """
    signature = inspect.signature(command, eval_str=True)
    shared: dict[str, type] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        parameters += _parameters(shared[name]) if name in shared else [parameter]

    @wraps(command)
    def call(**given: Any) -> None:
        for name, group in shared.items():
            values = {field.name: given.pop(field.name) for field in fields(group)}
            given[name] = group(**values)
        command(**given)

    # Typer reads the signature; it must not look through the wrapper at the command's own.
    del call.__wrapped__
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
