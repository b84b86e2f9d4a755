"""Saving a file or folder in steps, so that it can be cancelled in between however slow the disk.

What is saved is the old file or the new one, whole, as `io.atomic` has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from napari_medseg.io.atomic import force_to_disk, reading_back, replacing
from napari_medseg.io.steps import Step, Steps, in_background


def save_in_steps(
    path: str | os.PathLike[str],
    write: Callable[[Path], Steps[None]],
    compare: Callable[[Path], Steps[None]],
    opened: Callable[[str | os.PathLike[str]], AbstractContextManager[Path]] = replacing,
) -> Steps[Path]:
    """Write beside the path, force it to the disk, read it back, and only then let it replace.

    Parameters
    ----------
    path : path-like
        Where the file or folder shall be.
    write : callable
        Called with a temporary path; writes it in steps.
    compare : callable
        Called with that path; raises where it is not what was meant.
    opened : callable
        `replacing` for a file, or what `replacing_folder` gives for a folder.

    Returns
    -------
    Path
        Where it is now.

    Raises
    ------
    SaveError
        As `atomic_write`; what was at `path` is then untouched, as where the steps are closed.
    """
    with opened(path) as temporary:
        yield from write(temporary)
        yield from in_background(partial(force_to_disk, temporary), "Waiting for the disk", 1, 1)
        yield Step(1, 1, "Reading back and comparing")
        with reading_back(temporary, path):
            yield from compare(temporary)
    return Path(os.path.realpath(path))
