"""Let a job take its time without making Cancel wait.

A step of a job can last longer than a person wants to wait: a large net on a slow processor, the
first import of torch. The job is driven in a thread of its own, and how far it is told again and
again meanwhile, so that whoever drives this generator can end it between any two words.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from napari_medseg.engine.devices import limit_threads
from napari_medseg.engine.results import Progress
from napari_medseg.session.settings import settings

HEARTBEAT = 0.1
"""Seconds after which the last progress is told again."""

_FAREWELL = 0.3
"""Seconds that are waited at most for the thread to notice that it is no longer wanted."""

_LAST_STEP = 10.0
"""Seconds that a program that ends waits for it: ended in the middle of a step it would abort."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Returned:
    value: Any


@dataclass(frozen=True)
class _Raised:
    error: BaseException


def in_background(
    job: Generator[Progress, None, Result], stop: threading.Event | None = None
) -> Generator[Progress, None, Result]:
    """Drive a job in a thread of its own, at the latest a tenth of a second from word to word.

    Parameters
    ----------
    job : generator
        Yields `Progress`, returns its result.
    stop : threading.Event, optional
        Set when this generator is closed; a job that looks at it can end in the middle of a step.

    Yields
    ------
    Progress
        What the job yields; while it is silent, its last words without the preview.

    Returns
    -------
    object
        What the job returns; its errors are raised here.
    """
    stop = stop or threading.Event()
    words: SimpleQueue[Any] = SimpleQueue()
    thread = threading.Thread(target=_drive, args=(job, words, stop), daemon=True, name="job")
    latest = Progress(0, 1, "Starting")
    thread.start()
    try:
        while True:
            try:
                word = words.get(timeout=HEARTBEAT)
            except Empty:
                yield latest
                continue
            if isinstance(word, _Returned):
                result: Result = word.value
                return result
            if isinstance(word, _Raised):
                raise word.error
            latest = replace(word, preview=None)
            yield word
    finally:
        stop.set()
        thread.join(_FAREWELL)
        if thread.is_alive():
            atexit.register(thread.join, _LAST_STEP)


def _drive(job: Generator[Progress, None, Any], words: SimpleQueue[Any], stop: Any) -> None:
    try:
        # Here, because torch keeps the number for each thread.
        limit_threads(settings().threads)
        while not stop.is_set():
            words.put(next(job))
    except StopIteration as end:
        words.put(_Returned(end.value))
    except BaseException as error:
        words.put(_Raised(error))
    finally:
        job.close()
