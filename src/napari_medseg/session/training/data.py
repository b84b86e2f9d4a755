"""What is in a folder of training data, found out before anything runs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_medseg.engine.results import Progress, counted

if TYPE_CHECKING:
    from medseg_training.data.dataset import Dataset
    from medseg_training.in_context.tasks import ImageTask

_SHOWN = 5
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".npz")
"""Files that hold one plane each."""

TASKS = "tasks"
KINDS = {
    "Recognise the kind by itself": "auto",
    "Images and masks": "folders",
    "nnU-Net": "nnunet",
    "Medical Decathlon": "decathlon",
    "Synapse / ACDC slices": "slices",
    "Tasks, to segment by example": TASKS,
}
"""What a person calls each convention of folders, and what the command line does."""

RecipeKind = Literal["segmentation", "in-context"]


@dataclass(frozen=True)
class FoundData:
    """A data set in short, or a folder of tasks.

    Parameters
    ----------
    folder : Path
        Where it is.
    summary : str
        Cases, patients, classes, channels and the split, in a sentence or two.
    errors, warnings : tuple of str
        One sentence each; with errors it cannot be trained on as it is.
    trains : {"segmentation", "in-context"}
        What kind of recipe trains on it.
    planes : int
        Planes to train on; 0 where that is not known, as for volumes.
    """

    folder: Path
    summary: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trains: RecipeKind = "segmentation"
    planes: int = 0


def look_job(folder: Path, kind: str = "auto") -> Generator[Progress, None, FoundData]:
    """List a data set, read all of it once, and tell what is wrong with it.

    Raises
    ------
    ValueError
        With one sentence, where the folder is no data set.
    """
    from medseg_training.data.dataset import DatasetError, read_dataset

    yield Progress(0, 1, "Listing the files")
    tasks = _task_folders(folder)
    if kind == TASKS:
        return (yield from _look_at_tasks(folder, tasks))
    try:
        dataset = read_dataset(folder, kind)  # type: ignore[arg-type]
    except DatasetError:
        if kind != "auto" or not tasks:
            raise
        return (yield from _look_at_tasks(folder, tasks))
    return (yield from _look_at_cases(folder, dataset))


def _look_at_cases(folder: Path, dataset: Dataset) -> Generator[Progress, None, FoundData]:
    from medseg_training.data.dataset import DatasetError
    from medseg_training.data.splits import folds_of
    from medseg_training.data.verify import verify_dataset

    problems = yield from verify_dataset(dataset)
    patients = {case.patient for case in dataset.trainable}
    sentences = [
        f"{dataset.name}: {counted(len(dataset.trainable), 'case')} of "
        f"{counted(len(patients), 'patient')}, {_classes(dataset.class_names[1:])}."
    ]
    errors = [str(problem) for problem in problems if problem.severity == "error"]
    planes = 0
    try:
        fold = folds_of(dataset)[0]
    except DatasetError as error:
        if str(error) not in errors:
            errors.append(str(error))
    else:
        held_out = f", {len(dataset.test)} held out as test" if dataset.test else ""
        sentences.append(
            f"{len(fold.train)} to train on, {len(fold.val)} to validate on{held_out}."
        )
        flat = all(case.images[0].suffix.lower() in _PICTURES for case in dataset.trainable)
        planes = len(fold.train) if flat else 0
    warnings = [str(problem) for problem in problems if problem.severity == "warning"]
    return FoundData(
        folder, " ".join(sentences), tuple(errors), tuple(warnings), "segmentation", planes
    )


def _task_folders(folder: Path) -> list[Path]:
    """Give the folders in a folder that hold images and masks of their own."""
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if (f / "images").is_dir() and (f / "masks").is_dir())


def _look_at_tasks(folder: Path, tasks: list[Path]) -> Generator[Progress, None, FoundData]:
    """Read every task once; each has to be usable."""
    if not tasks:
        raise ValueError(
            f"{folder.name} holds no tasks: expected folders in it, each with images/ and masks/."
        )
    from medseg_training.in_context.tasks import TaskFolderError, read_task

    found: list[ImageTask] = []
    errors = []
    for done, task in enumerate(tasks):
        yield Progress(done, len(tasks), f"Reading {task.name}")
        try:
            found.append(read_task(task))
        except TaskFolderError as error:
            errors.append(str(error))
    images = sum(len(task.pairs) for task in found)
    names = [f"{task.name} ({counted(len(task.pairs), 'image')})" for task in found[:_SHOWN]]
    listed = ", ".join(names) + (" …" if len(found) > _SHOWN else "")
    summary = f"{counted(len(found), 'task')} with {counted(images, 'image')}: {listed}."
    return FoundData(folder, summary, tuple(errors), (), "in-context")


def _classes(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return f"{counted(len(names), 'class', 'classes')}: {listed}"
