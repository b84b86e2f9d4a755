"""Keeping what libraries say from screen and log, in one thread and no other.

`warnings.catch_warnings` changes the filters of the whole process and puts the earlier ones back:
of two threads that overlap in it, the last one brings back for good what the other had set.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import get_ident
from typing import Any, cast


class _InThisThread:
    """Stands in a filter of warnings for the pattern of a message; fits what one thread says."""

    def __init__(self, beginning: str) -> None:
        self.thread: int | None = get_ident()
        self.beginning = beginning

    @property
    def is_over(self) -> bool:
        """Whether nobody is meant any more."""
        return self.thread is None

    def match(self, text: str) -> bool:
        return get_ident() == self.thread and text.startswith(self.beginning)


@contextmanager
def hushed(*loggers: str, category: type[Warning] = Warning, beginning: str = "") -> Iterator[None]:
    """Keep warnings of a category, and what loggers are told, from whoever listens.

    Parameters
    ----------
    *loggers : str
        Names of loggers; those below them are not meant.
    category : type
        Of the warnings.
    beginning : str
        Of their text.
    """
    here = _InThisThread(beginning)
    thread = here.thread

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    entry = ("ignore", here, category, None, 0)
    filters = cast("list[Any]", warnings.filters)
    for left in [old for old in filters if isinstance(old[1], _InThisThread) and old[1].is_over]:
        with suppress(ValueError):
            filters.remove(left)
    filters.insert(0, entry)
    for name in loggers:
        logging.getLogger(name).addFilter(elsewhere)
    try:
        yield
    finally:
        here.thread = None  # the entry may come back with filters that another thread had kept
        with suppress(ValueError):
            cast("list[Any]", warnings.filters).remove(entry)
        for name in loggers:
            logging.getLogger(name).removeFilter(elsewhere)
