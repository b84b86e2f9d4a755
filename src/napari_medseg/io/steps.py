"""How far a writer is; files know nothing of docks, so these are plain tuples.

A writer that may take long is a generator of steps that returns its result. Closing it in between
cancels it and leaves what was on the disk before.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")


class Step(NamedTuple):
    """Finished and expected steps, and what is going on, in words for the user."""

    done: int
    total: int
    message: str


Steps = Generator[Step, None, Result]


def finish(steps: Steps[Result]) -> Result:
    """Run a writer to its end and give its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
