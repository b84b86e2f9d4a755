"""Measure a candidate against a reference so that the ratio survives a busy machine.

Both run alternately in one process, so that whatever else the machine does falls on both; the
median of each is compared. Two clocks are offered: CPU time of the process at one thread, which
hardly sees other processes, and wall time at two threads, which is what a user waits for. Peak
memory is measured in a fresh process each, so that nothing that ran before is counted.

Import this module before torch: it makes idle OpenMP threads sleep instead of spin, without which
wall times on a shared machine mean nothing.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gc
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

Clock = Literal["cpu", "wall"]
_CLOCKS: dict[Clock, Callable[[], float]] = {"cpu": time.process_time, "wall": time.perf_counter}
_THREADS: dict[Clock, int] = {"cpu": 1, "wall": 2}
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Comparison:
    """What a reference and a candidate cost, in seconds or bytes."""

    reference: float
    candidate: float

    @property
    def ratio(self) -> float:
        """How many times cheaper the candidate is."""
        return self.reference / self.candidate


def alternate(
    reference: Callable[[], Any],
    candidate: Callable[[], Any],
    *,
    clock: Clock = "cpu",
    repeats: int = 5,
) -> Comparison:
    """Time both in turns and give the median seconds of each.

    Parameters
    ----------
    reference, candidate
        Do the work once; what they return is dropped.
    clock
        "cpu": CPU time of the whole process at one thread; "wall": elapsed time at two threads.
    repeats
        How often each is timed, after one call of each that is not.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(_THREADS[clock])
    seconds: tuple[list[float], list[float]] = ([], [])
    try:
        reference()
        candidate()
        for _ in range(repeats):
            for work, spent in zip((reference, candidate), seconds, strict=True):
                start = _CLOCKS[clock]()
                work()
                spent.append(_CLOCKS[clock]() - start)
    finally:
        torch.set_num_threads(threads)
    return Comparison(statistics.median(seconds[0]), statistics.median(seconds[1]))


def peak_memory(
    reference: Callable[..., Callable[[], Any]],
    candidate: Callable[..., Callable[[], Any]],
    *arguments: Any,
) -> Comparison:
    """Give the bytes by which memory grew at its peak while each ran once, each in a fresh process.

    Parameters
    ----------
    reference, candidate
        Module-level functions that prepare (weights, inputs: not counted) and return the work.
    arguments
        What both are called with; must be picklable.
    """
    return Comparison(*(_peak_of(prepare, arguments) for prepare in (reference, candidate)))


def _peak_of(prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> int:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure_peak, args=(sender, prepare, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError(f"{prepare.__name__} ended before it was measured") from None
    finally:
        process.join()


def _measure_peak(
    sender: Any, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    work = prepare(*arguments)
    gc.collect()
    before = _reset_peak()
    result = work()
    sender.send(_peak() - before)
    del result


def _reset_peak() -> int:
    """Forget the peak so far where the system can (Linux); give what to subtract in bytes."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")
    return _peak()


def _peak() -> int:
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def print_seconds(title: str, comparison: Comparison, *, target: float | None = None) -> None:
    """Print one line: both times, the ratio, and whether it reaches the target."""
    _print_line(
        title,
        f"{comparison.reference:8.3f} s",
        f"{comparison.candidate:8.3f} s",
        comparison,
        target,
    )


def print_bytes(title: str, comparison: Comparison, *, target: float | None = None) -> None:
    """Print one line: both peaks in MB, the ratio, and whether it reaches the target."""
    reference, candidate = (
        f"{value / 1e6:7.0f} MB" for value in (comparison.reference, comparison.candidate)
    )
    _print_line(title, reference, candidate, comparison, target)


def _print_line(
    title: str, reference: str, candidate: str, comparison: Comparison, target: float | None
) -> None:
    verdict = ""
    if target is not None:
        verdict = f"  target {target:g}x {'reached' if comparison.ratio >= target else 'MISSED'}"
    print(f"{title:<44} {reference} {candidate} {comparison.ratio:6.2f}x{verdict}", flush=True)
