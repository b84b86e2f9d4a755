"""Models that come and go: the jobs behind Download, Import, Export and Remove."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_medseg.engine.results import Progress, byte_count, retold
from napari_medseg.session.background import in_background

if TYPE_CHECKING:
    from napari_medseg.zoo.cards import ModelCard
    from napari_medseg.zoo.downloads import Downloaded
    from napari_medseg.zoo.inspection import Inspection

CHECKPOINTS = "Checkpoints (*.pt *.pth *.safetensors)"

Result = TypeVar("Result")
Steps = Generator[Progress, None, Result]


def download_model_job(card: ModelCard) -> Steps[ModelCard]:
    """Download the weights of a published model, check and install them; returns its card.

    Raises
    ------
    DownloadError, WeightsError
        With a sentence that says what to do.
    """
    return (yield from in_background(_download(card)))


def inspect_job(path: str) -> Steps[Inspection]:
    """Look into a checkpoint; returns what it is."""
    return (yield from in_background(_inspect(path)))


def import_job(
    path: Path, net: str, net_options: Mapping[str, Any], fields: Mapping[str, Any]
) -> Steps[ModelCard]:
    """Import a checkpoint with the card that was filled in; returns the card.

    The dialog says when a model of that name is replaced.
    """

    def work() -> ModelCard:
        from napari_medseg.zoo.checkpoints import import_checkpoint

        return import_checkpoint(path, net, net_options=net_options, replaces=True, **fields)

    return (yield from _single("Checking and saving the weights", work))


def replaced_by_folder(folder: str) -> ModelCard | None:
    """Give the model here that one in a folder would replace by other weights, if any."""
    from napari_medseg.zoo.exchange import replaced_by

    return replaced_by(folder)


def import_folder_job(folder: str) -> Steps[ModelCard]:
    """Take in a model folder that somebody exported, or that a training made.

    The user was asked where a model is replaced.
    """

    def work() -> ModelCard:
        from napari_medseg.zoo.exchange import import_model

        return import_model(folder, replaces=True)

    return (yield from _single("Checking and saving the model", work))


def export_job(name: str, folder: str) -> Steps[Path]:
    """Write a model as a folder; returns where."""

    def work() -> Path:
        from napari_medseg.zoo.exchange import export_model

        return export_model(name, folder)

    return (yield from _single("Writing the model and reading it back", work))


def remove_job(name: str) -> Steps[Path]:
    """Remove a model of the user's; returns the folder that is no more."""

    def work() -> Path:
        from napari_medseg.zoo.exchange import remove_model

        return remove_model(name)

    return (yield from _single("Removing the model", work))


def _download(card: ModelCard) -> Steps[ModelCard]:
    yield Progress(0, 1, f"Asking for {card.title}")
    from napari_medseg.zoo.downloads import download_job

    return (yield from retold(download_job(card), _downloaded))


def _downloaded(step: Downloaded) -> Progress:
    total = max(step.total, step.done)
    of = f" of {byte_count(total)}" if step.total else ""
    words = f"Downloaded {byte_count(step.done)}{of}"
    # In kilobytes: Qt counts no further than 2 billion.
    return Progress(step.done // 1000, max(1, total // 1000), words)


def _inspect(path: str) -> Steps[Inspection]:
    yield Progress(0, 1, "Looking into the file")
    from napari_medseg.zoo.inspection import inspect_checkpoint

    return inspect_checkpoint(path)


def _single(message: str, work: Callable[[], Result]) -> Steps[Result]:
    def job() -> Steps[Result]:
        yield Progress(0, 1, message)
        return work()

    return (yield from in_background(job()))
