"""What libraries say of a file is hushed in the thread that reads it, and nowhere else."""

from __future__ import annotations

import logging
import warnings
from threading import Event, Thread

import pytest

from napari_medseg.io.findings import Finding, FindingWarning, hearing, tell
from napari_medseg.io.hush import hushed

TILT = Finding("tilt", "The planes are tilted.")


def overlapping() -> None:
    """Enter in two threads, and leave first what was entered first."""
    inside, entered, left = Event(), Event(), Event()

    def first() -> None:
        with hushed("pydicom"):
            inside.set()
            entered.wait()
        left.set()

    def second() -> None:
        inside.wait()
        with hushed("pydicom"):
            entered.set()
            left.wait()

    threads = [Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_overlap_leave_nothing_hushed(caplog):
    before = list(warnings.filters)
    overlapping()
    assert list(warnings.filters) == before
    logging.getLogger("pydicom").warning("heard")
    assert "heard" in caplog.text
    with pytest.warns(FindingWarning):
        tell([TILT])


def test_only_the_thread_that_asked_is_hushed(caplog):
    said: list[BaseException] = []

    def speak() -> None:
        logging.getLogger("pydicom").warning("elsewhere")
        try:
            warnings.warn("elsewhere", UserWarning, stacklevel=1)
        except UserWarning as error:
            said.append(error)

    with hushed("pydicom"):
        logging.getLogger("pydicom").warning("here")
        warnings.warn("here", UserWarning, stacklevel=1)
        other = Thread(target=speak)
        other.start()
        other.join()
    assert [str(error) for error in said] == ["elsewhere"]
    assert caplog.messages == ["elsewhere"]


def test_a_category_alone_is_hushed():
    with hushed(category=DeprecationWarning):
        warnings.warn("here", DeprecationWarning, stacklevel=1)
        with pytest.raises(UserWarning):
            warnings.warn("here", UserWarning, stacklevel=1)


def test_filters_that_come_back_hush_nothing():
    with warnings.catch_warnings():
        hush = hushed()
        hush.__enter__()
        kept = warnings.catch_warnings()
        kept.__enter__()
        hush.__exit__(None, None, None)
        kept.__exit__(None, None, None)
        with pytest.raises(UserWarning):
            warnings.warn("heard", UserWarning, stacklevel=1)


def test_findings_are_heard_by_who_listens_and_warned_of_otherwise():
    with hearing() as sentences:
        tell([TILT])
    assert sentences == [TILT.sentence]
    with pytest.warns(FindingWarning, match="tilted"):
        tell([TILT])


def test_only_warnings_that_begin_so_are_hushed():
    with hushed(category=UserWarning, beginning="An emptied"):
        warnings.warn("An emptied cluster", UserWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="another"):
            warnings.warn("another", UserWarning, stacklevel=1)


def test_who_listens_inside_another_who_listens_takes_nothing_away():
    with hearing() as outer:
        with hearing() as inner:
            tell([TILT])
        tell([TILT, TILT])
    assert (len(inner), len(outer)) == (1, 2)
    with pytest.warns(FindingWarning):
        tell([TILT])


def test_filters_that_another_thread_brought_back_go_with_the_next_one():
    with warnings.catch_warnings():
        for _ in range(5):
            with hushed("pydicom"):
                kept = list(warnings.filters)
            warnings.filters[:] = kept  # as by `catch_warnings` of another thread that overlaps
        with hushed("pydicom"):
            pass
        assert len(warnings.filters) == len(kept) - 1
