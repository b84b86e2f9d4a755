"""How far a writer is; files know nothing of docks, so these are plain tuples.

A writer that may take long is a generator of steps that returns its result. Closing it in between
cancels it and leaves what was on the disk before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Event, Thread
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")
_LOOK_EVERY = 0.1  # seconds
_PATIENCE = 0.5  # seconds that a cancelled piece of work gets to end by itself


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


def as_part(steps: Steps[Result], part: int, parts: int, message: str) -> Steps[Result]:
    """Run a writer as one of several alike, counting on over all of them."""
    try:
        while True:
            step = next(steps)
            yield Step(part * step.total + step.done, parts * step.total, message)
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        steps.close()


class CancelledError(Exception):
    """What a piece of work meets in `in_background` when nobody wants its result any more."""


def in_background(
    work: Callable[[Callable[[], None]], Result], message: str, done: int = 0, total: int = 1
) -> Steps[Result]:
    """Do in a thread what a library does in one go, so that it can be cancelled all the same.

    Closing the generator does not wait for the thread longer than a moment. What it still computes
    then is dropped, so `work` must change nothing that outlives it but a temporary file.

    Parameters
    ----------
    work : callable
        Gets a function that raises `CancelledError` once the generator is closed; to be called
        now and then where that is possible.
    message : str
        What is going on.
    done, total : int
        What the steps say meanwhile.
    """
    closed = Event()
    results: list[Result] = []
    errors: list[BaseException] = []

    def check() -> None:
        if closed.is_set():
            raise CancelledError

    def run() -> None:
        try:
            results.append(work(check))
        except BaseException as error:  # raised again where it is waited for
            errors.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join(_LOOK_EVERY)
        while thread.is_alive():
            yield Step(done, total, message)
            thread.join(_LOOK_EVERY)
    finally:
        closed.set()
        thread.join(_PATIENCE)
    if errors:
        raise errors[0]
    return results[0]
