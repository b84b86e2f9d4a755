"""How commands speak: messages and progress on stderr, JSON on stdout, and the exit status."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from napari_medseg.io.errors import ChoiceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_medseg.engine.results import Progress
    from napari_medseg.io.findings import Finding

FAILED, WRONG = 1, 2
LABEL_MAP = "A label map: PNG, TIFF, NIfTI, OME-Zarr of ours, or DICOM-SEG."
Result = TypeVar("Result")


class WrongRequest(ValueError):
    """An input cannot be what was asked for, which only reading it could tell."""


def say(message: str) -> None:
    """Print a line for the person at the terminal."""
    typer.echo(message, err=True)


def about(path: Path, sentence: str) -> str:
    """Give a sentence that says which file it is about, and says it once."""
    if str(path) in sentence:
        return sentence
    if sentence.startswith(f"{path.name} "):
        return f"{path}{sentence[len(path.name) :]}"
    return f"{path}: {sentence}"


def refuse(message: str) -> NoReturn:
    """Leave, because the request was wrong; nothing has been started."""
    say(f"napari-medseg: {message}")
    raise typer.Exit(WRONG)


def fail(message: str) -> NoReturn:
    """Leave, because the job failed."""
    say(f"napari-medseg: {message}")
    raise typer.Exit(FAILED)


def check_files(*paths: Path) -> None:
    """Refuse the request where one of these is no file."""
    for path in paths:
        if path.is_dir() and _is_empty(path):
            refuse(f"{path} is a folder with nothing in it; check the name.")
        if path.is_dir():
            refuse(f"{path} is a folder; give the files in it.")
        if not path.is_file():
            refuse(f"There is no such file: {path}; check the name.")


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:  # nobody may look into it
        return False


def check_label_maps(*paths: Path) -> None:
    """Refuse the request where one of these is no file, and no OME-Zarr, which is a folder."""
    zarrs = {path for path in paths if path.is_dir() and path.suffix.lower() == ".zarr"}
    check_files(*(path for path in paths if path not in zarrs))


def say_findings(path: Path, findings: Iterable[Finding], but: Collection[Finding] = ()) -> None:
    """Print what was found in a file and puts measurements or positions at stake.

    What another file was told of already (`but`) is not said again.
    """
    from napari_medseg.io.findings import warnings_of

    for sentence in warnings_of(finding for finding in findings if finding not in but):
        say(about(path, sentence))


def sentence_of(error: Exception) -> str:
    """Give what went wrong in a sentence; a fault of ours is also shown in full on stderr."""
    if isinstance(error, MemoryError):
        return str(error) or "There is not enough memory for it; close other programs."
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    traceback.print_exception(error)
    return f"A fault of the program ({type(error).__name__}: {error}); please report it."


def run_each(
    command: str,
    inputs: Iterable[Path],
    work: Callable[[Path], dict[str, Any]],
    json_: bool,
    keep: Callable[[list[dict[str, Any]], list[dict[str, str]], bool], None] | None = None,
) -> None:
    """Do the work for each input and report it; one that fails does not stop the others.

    Parameters
    ----------
    command : str
        Its name in the report.
    inputs : iterable of Path
        One after the other.
    work : callable
        Gives the entry of the report for an input, with its ``output``.
    json_ : bool
        Whether to print the report.
    keep : callable, optional
        Called after each input and in the end with results, failures and whether it is the end.
    """
    results: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    wrong = 0
    try:
        for path in inputs:
            try:
                results.append(work(path))
            except Exception as error:
                sentence = sentence_of(error)
                wrong += isinstance(error, (WrongRequest, ChoiceError))
                failed.append({"input": str(path), "error": sentence})
                say(about(path, sentence))
            else:
                say(f"{path} -> {results[-1]['output']}")
            if keep:
                keep(results, failed, False)
    finally:
        if keep:
            keep(results, failed, True)
    if json_:
        print_json({"command": command, "results": results, "failed": failed})
    if failed:
        count = len(failed) + len(results)
        say(f"{len(failed)} of {count} inputs failed.")
        raise typer.Exit(WRONG if wrong == count else FAILED)


def print_json(document: Any) -> None:
    """Print the one JSON document of this run."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Refuse the request with the sentence of an error of these kinds."""
    try:
        yield
    except kinds as error:
        refuse(str(error))


def run_job(job: Generator[Progress, None, Result], title: str) -> Result:
    """Run a job to its end and give its result, under a bar where stderr is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=None)
        while True:
            try:
                step = next(job)
            except StopIteration as stop:
                return stop.value
            bar.update(
                task, completed=step.done, total=step.total, description=f"{title}: {step.message}"
            )
