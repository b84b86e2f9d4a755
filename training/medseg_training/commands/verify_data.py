"""`verify-data`: everything that is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be said on the command line."""
    parser.add_argument("data", type=Path, help="the folder of the data set")
    parser.add_argument(
        "--kind",
        choices=("auto", "folders", "nnunet", "decathlon", "slices"),
        default="auto",
        help="convention of the folder; auto looks at it",
    )
    parser.add_argument("--folds", type=Path, help="write the split here, as splits_final.json")


def run(options: argparse.Namespace) -> None:
    """Print what the data set is and every problem of every case.

    Raises
    ------
    DatasetError
        When it cannot be trained on.
    """
    from medseg_training.data.dataset import DatasetError, read_dataset
    from medseg_training.data.splits import folds_of, write_folds
    from medseg_training.data.verify import verify_dataset
    from napari_medseg.engine.results import counted, finished

    dataset = read_dataset(options.data, options.kind)
    patients = {case.patient for case in dataset.trainable}
    print(
        f"{dataset.name} ({dataset.kind}): {len(dataset.cases)} cases, {len(dataset.trainable)} to "
        f"train and validate on from {len(patients)} patients, {len(dataset.test)} held out; "
        f"classes: {', '.join(dataset.class_names[1:])}; channels: "
        f"{', '.join(dataset.channel_names)}."
    )
    problems = finished(verify_dataset(dataset))
    for problem in problems:
        print(f"{problem.severity}: {problem}")
    count = Counter(problem.severity for problem in problems)
    if count["error"]:
        raise DatasetError(
            f"{counted(count['error'], 'error')} and {counted(count['warning'], 'warning')}: "
            "mend the errors before training."
        )
    folds = folds_of(dataset)
    for number, fold in enumerate(folds):
        print(f"fold {number}: {len(fold.train)} to train on, {len(fold.val)} to validate on")
    if options.folds:
        write_folds(options.folds, folds)
    print(f"No errors, {counted(count['warning'], 'warning')}.")
