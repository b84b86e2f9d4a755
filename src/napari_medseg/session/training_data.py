"""What is in a folder of training data, found out before anything runs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_medseg.engine.results import Progress

_SHOWN = 5

KINDS = {
    "By itself": "auto",
    "Images and masks": "folders",
    "nnU-Net": "nnunet",
    "Medical Decathlon": "decathlon",
    "Synapse / ACDC slices": "slices",
}
"""What a person calls each convention of folders, and what the command line does."""


@dataclass(frozen=True)
class FoundData:
    """A data set in short.

    Parameters
    ----------
    folder : Path
        Where it is.
    summary : str
        Cases, patients, classes, channels and the split, in a sentence or two.
    errors, warnings : tuple of str
        One sentence each; with errors it cannot be trained on as it is.
    """

    folder: Path
    summary: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def look_job(folder: Path, kind: str = "auto") -> Generator[Progress, None, FoundData]:
    """List a data set, read all of it once, and tell what is wrong with it.

    Raises
    ------
    ValueError
        With one sentence, where the folder is no data set.
    """
    from medseg_training.data.dataset import DatasetError, read_dataset
    from medseg_training.data.splits import folds_of
    from medseg_training.data.verify import verify_dataset

    yield Progress(0, 1, "Listing the files")
    dataset = read_dataset(folder, kind)  # type: ignore[arg-type]
    problems = yield from verify_dataset(dataset)
    patients = {case.patient for case in dataset.trainable}
    sentences = [
        f"{dataset.name}: {_count(len(dataset.trainable), 'case')} of "
        f"{_count(len(patients), 'patient')}, {_classes(dataset.class_names[1:])}."
    ]
    errors = [str(problem) for problem in problems if problem.severity == "error"]
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
    warnings = [str(problem) for problem in problems if problem.severity == "warning"]
    return FoundData(folder, " ".join(sentences), tuple(errors), tuple(warnings))


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def _classes(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return f"{_count(len(names), 'class').replace('classs', 'classes')}: {listed}"
