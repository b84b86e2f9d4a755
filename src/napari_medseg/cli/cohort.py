"""Cohorts: many images in one call, spread over a dask cluster, with a report to go on from."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import typer

from napari_medseg.cli.report import WrongRequest, run_each, say
from napari_medseg.io.atomic import atomic_write

if TYPE_CHECKING:
    from distributed import Client

REPORT = "cohort.json"
_SECONDS = 10.0
"""At most so much work is done again after the computer went off."""
_MEMORY = 4 << 30
"""What a process of a local cluster is reckoned to need, in bytes."""

Entry = dict[str, Any]
Work = Callable[[Path], Entry]


@dataclass(frozen=True)
class Cohort:
    """How to get through many images.

    Parameters
    ----------
    scheduler : str, optional
        Address of a dask scheduler, or ``"local"`` or ``"local:N"`` for (N) processes on this
        computer; ``None`` does one image after the other in this process.
    resume : bool
        Whether to keep what an earlier call that was decided by the same has finished.
    options : dict of str
        All that decides the results, the content of files given by name included, to compare with
        that of an earlier call.
    """

    scheduler: str | None = None
    resume: bool = False
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, context: typer.Context, decided: Mapping[str, Any]) -> Cohort:
        """Take what the call says, and what was decided by it, by the settings and by files."""
        given = dict(context.params)
        scheduler, resume = given.pop("scheduler"), given.pop("resume")
        for name in ("inputs", "out", "json_"):
            given.pop(name)
        deciding = {**given, **decided}
        return cls(scheduler, resume, {name: str(value) for name, value in deciding.items()})


def run_cohort(
    command: str,
    inputs: Sequence[Path],
    out: Path,
    work: Work,
    json_: bool,
    cohort: Cohort,
) -> None:
    """Do the work for each input; one that fails does not stop the others.

    The report in ``cohort.json`` says of every input what came of it, or why it failed. It is kept
    for more than one input and up to date within seconds, so that a call with `Cohort.resume`
    continues where one was stopped. What calls that were decided by the same, earlier or at the
    same time, say there of other inputs stays.

    Parameters
    ----------
    command : str
        Its name in the report.
    inputs : sequence of Path
        What to work on.
    out : Path
        Folder of the results and the report.
    work : callable
        Gives the entry of the report for an input, with its ``output``; must be picklable by
        cloudpickle where there is a scheduler.
    json_ : bool
        Whether to print the report.
    cohort : Cohort
        See there.

    Raises
    ------
    WrongRequest
        Where the scheduler cannot be used.
    """
    work = partial(_noted, work=work)
    report = _Report(out / REPORT, command, cohort.options)
    finished = report.finished() if cohort.resume else {}
    left = [path for path in inputs if os.path.abspath(path) not in finished]
    if cohort.resume:
        say(f"{len(inputs) - len(left)} of {len(inputs)} inputs were done before.")
    before = [path for path in inputs if os.path.abspath(path) in finished]
    keep = partial(report.keep, left) if len(inputs) > 1 or cohort.scheduler else None
    with ExitStack() as stack:
        order: Iterable[Path] = left
        if cohort.scheduler and left:
            client = stack.enter_context(_connected(cohort.scheduler, len(left)))
            order, work = _spread(client, left, work)
        run_each(
            command,
            chain(before, order),
            lambda path: finished.get(os.path.abspath(path)) or work(path),
            json_,
            keep,
        )


@dataclass
class _Report:
    path: Path
    command: str
    options: dict[str, str]
    _written: float = field(default=0.0, init=False)

    def finished(self) -> dict[str, Entry]:
        """Give what is done by input: decided by the same, from a file that is the same."""
        try:
            old = self._read()
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise WrongRequest(
                f"{self.path} is damaged; remove it to do the whole cohort again."
            ) from error
        if not self._is_of_same(old):
            say(f"{self.path} is of another call{self._other_in(old)}: all is done again.")
            return {}
        return {
            os.path.abspath(entry["input"]): entry
            for entry in old["results"]
            if Path(entry["output"]).exists() and entry["changed"] == _changed(entry["input"])
        }

    def _read(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return content

    def _is_of_same(self, old: dict[str, Any]) -> bool:
        return (old.get("command"), old.get("options")) == (self.command, self.options)

    def _other_in(self, old: dict[str, Any]) -> str:
        """Say by name what decided the earlier results otherwise."""
        names = sorted(self.options.keys() | old["options"].keys())
        other = [name for name in names if self.options.get(name) != old["options"].get(name)]
        return f" (other {', '.join(other)})" if old["command"] == self.command else ""

    def keep(
        self,
        left: Sequence[Path],
        results: list[Entry],
        failed: list[dict[str, str]],
        done: bool,
    ) -> None:
        """Write the report, unless that has just been done and there is more to come.

        What it says of inputs that are not among those that were left to do stays.
        """
        if not done and time.monotonic() - self._written < _SECONDS:
            return
        inputs = {os.path.abspath(path) for path in left}
        kept_results, kept_failed = self._others(inputs, results)
        content = {
            "command": self.command,
            "options": self.options,
            "results": [*kept_results, *results],
            "failed": [*kept_failed, *failed],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        atomic_write(self.path, lambda file: file.write_text(text, encoding="utf-8"))
        self._written = time.monotonic()

    def _others(
        self, inputs: set[str], results: list[Entry]
    ) -> tuple[list[Entry], list[dict[str, str]]]:
        """Give what the report says of other inputs, as far as their results still stand."""
        try:
            old = self._read()
        except (FileNotFoundError, ValueError):
            return [], []
        if not self._is_of_same(old):
            return [], []
        inputs = inputs | {os.path.abspath(entry["input"]) for entry in results}
        written = {Path(entry["output"]).name for entry in results}
        done, failed = (
            [entry for entry in old[key] if os.path.abspath(entry["input"]) not in inputs]
            for key in ("results", "failed")
        )
        names = [Path(entry["output"]).name for entry in done]
        stand = [name not in written and self.path.with_name(name).exists() for name in names]
        return [entry for entry, stands in zip(done, stand, strict=True) if stands], failed


def _noted(path: Path, work: Work) -> Entry:
    """Work on an input, and note as what it was found before."""
    changed = _changed(path)
    return {**work(path), "changed": changed}


def _changed(path: str | Path) -> int | list[int]:
    """When a file was changed last, in nanoseconds; 0 where there is none.

    Of a folder: when anything in it was, how many files it holds, and their bytes together.
    """
    try:
        if not os.path.isdir(path):
            return os.stat(path).st_mtime_ns
        files = [file.stat() for file in Path(path).rglob("*") if file.is_file()]
        newest = max((file.st_mtime_ns for file in files), default=0)
        return [newest, len(files), sum(file.st_size for file in files)]
    except OSError:
        return 0


@contextmanager
def _connected(scheduler: str, most: int) -> Iterator[Client]:
    """Connect to a scheduler, or start processes on this computer for as long as it takes."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise WrongRequest(
            "Spreading work needs dask: pip install 'napari-medseg[cohort]'."
        ) from error
    with ExitStack() as stack:
        if scheduler.partition(":")[0] == "local":
            workers = min(most, _workers(scheduler))
            say(f"Working in {workers} process{'' if workers == 1 else 'es'}.")
            cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0
            )
            scheduler = stack.enter_context(cluster).scheduler_address
        try:
            client = stack.enter_context(Client(scheduler, timeout=10))
        except (OSError, ValueError) as error:
            raise WrongRequest(f"No dask scheduler answers at {scheduler}: {error}") from error
        yield client


def _workers(scheduler: str) -> int:
    wanted = scheduler.partition(":")[2]
    if not wanted:
        fits = int(psutil.virtual_memory().available // _MEMORY)
        return max(1, min(os.cpu_count() or 1, fits))
    if not wanted.isdecimal() or int(wanted) < 1:
        raise WrongRequest(f"--scheduler {scheduler}: say how many processes, such as local:4.")
    return int(wanted)


def _spread(client: Client, inputs: Sequence[Path], work: Work) -> tuple[Iterator[Path], Work]:
    """Start all work; give the inputs as they are done, and what gives or raises their outcome."""
    from distributed import KilledWorker, as_completed

    futures = client.map(work, inputs, pure=False)
    by_key = {future.key: path for future, path in zip(futures, inputs, strict=True)}
    by_path = dict(zip(inputs, futures, strict=True))

    def outcome(path: Path) -> Entry:
        try:
            entry: Entry = by_path.pop(path).result()
        except KilledWorker as error:
            raise MemoryError(
                "The processes that worked on it were ended, most likely for want of memory; "
                "use fewer of them (--scheduler local:1)."
            ) from error
        return entry

    return (by_key[future.key] for future in as_completed(futures)), outcome
