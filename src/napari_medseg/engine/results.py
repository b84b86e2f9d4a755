"""What methods give back, and what they say while they work."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.notes import plain

if TYPE_CHECKING:
    from napari_medseg.engine.planes import Planes


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Parameters
    ----------
    done, total : int
        Finished and expected steps; ``0 <= done <= total``.
    message : str
        What is going on, in words for the user.
    preview : object, optional
        What can be shown already; each job documents its own.
    """

    done: int
    total: int
    message: str = ""
    preview: Any = None


def counted(n: int, word: str, plural: str = "") -> str:
    """Say how many there are of something, such as ``1 row`` or ``1,200 objects``."""
    return f"{n:,} {word if n == 1 else plural or word + 's'}"


def duration(seconds: float) -> str:
    """Say a time in words, such as ``12 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def byte_count(n_bytes: float) -> str:
    """Say how many bytes there are, such as ``1.2 MB``."""
    if n_bytes < 1e5:
        return f"{n_bytes / 1e3:.1f} kB"
    if n_bytes < 1e9:
        megabytes = n_bytes / 1e6
        return f"{megabytes:.1f} MB" if megabytes < 100 else f"{megabytes:.0f} MB"
    return f"{n_bytes / 1e9:.1f} GB"


def typed(words: Sequence[str]) -> str:
    """Give a command as it is typed at a terminal of this system, quoted where that is needed."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


@dataclass(frozen=True)
class Provenance:
    """What made these voxels.

    Parameters
    ----------
    method : str
        ``"by-example"``, ``"segment"``, ``"cluster"``, ...
    model : str
        Name of the model in the zoo, or of the algorithm.
    weights_sha256 : str
        Hash of the weight file; empty where a method has no weights.
    parameters : mapping
        Everything else that decides the result; values JSON can hold.
    software : str
        Package and version.
    created : str
        Time in UTC, ISO 8601.
    """

    method: str
    model: str = ""
    weights_sha256: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    software: str = ""
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as a dictionary that JSON can hold."""
        return asdict(self)


def made_from(
    volume: Planes,
    order: Sequence[int],
    method: str,
    model: str,
    parameters: Mapping[str, Any],
    weights_sha256: str = "",
) -> Provenance:
    """Give the provenance of what a method made of an image, with how the image was looked at.

    Parameters
    ----------
    volume : Planes
        The image.
    order : sequence of int
        The planes that were worked on.
    method, model, weights_sha256
        As in `Provenance`.
    parameters : mapping
        What else decides the result.
    """
    from napari_medseg import __version__

    query = {
        "value_range": list(volume.value_range),
        "axis": volume.axis,
        "planes": list(order) if volume.is_volume else None,
    }
    software = f"napari-medseg {__version__}"
    return Provenance(method, model, weights_sha256, plain({**parameters, **query}), software)


def check_seed(seed: int) -> None:
    """Make sure that a number can start everything that is drawn at random.

    Raises
    ------
    ValueError
        If it is no whole number that torch and NumPy both take.
    """
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ValueError(f"The seed must be a whole number from 0 to 2**63 - 1, not {seed!r}.")


HIGHEST_VALUE = 2**16 - 1
"""Of a label; files hold a name for every value up to the highest one that a class has."""


def check_values(values: Sequence[int]) -> None:
    """Make sure that classes can have these label values.

    Raises
    ------
    ValueError
        If one is the background's, above `HIGHEST_VALUE`, or that of two classes.
    """
    twice = next((value for value in values if list(values).count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"Two classes cannot have one label value: {twice} is there twice.")
    for value in values:
        if not 1 <= value <= HIGHEST_VALUE:
            raise ValueError(
                f"A class cannot have the label value {value}: choose 1 to {HIGHEST_VALUE}; 0 is "
                "the background."
            )


@dataclass(frozen=True)
class Segmentation:
    """Labels for an image, and how sure the method is of them.

    Parameters
    ----------
    labels : ndarray of unsigned integers, shape (H, W) or (Z, H, W)
        Class index per pixel; 0 is background.
    probabilities : ndarray of float32, shape (C, H, W) or (C, Z, H, W), optional
        Probability of each class of ``class_names`` but the background, in [0, 1], at the
        resolution of the image.
    class_names : tuple of str
        Names of classes 1, 2, ...; index 0 of the tuple is ``"background"``.
    provenance : Provenance
        What made it.
    """

    labels: NDArray[np.unsignedinteger]
    probabilities: NDArray[np.float32] | None
    class_names: tuple[str, ...]
    provenance: Provenance

    def renumbered(self, values: Sequence[int]) -> Segmentation:
        """Give the same with other label values: of class 1, 2, ... in this order.

        Values in between, which no class has, have an empty name.

        Raises
        ------
        ValueError
            If a value cannot be used, is that of two classes, or there is not one for every class.
        """
        check_values(values)
        highest = max(values, default=0)
        table = np.array([0, *values], np.min_scalar_type(highest))
        names = ["background", *[""] * highest]
        for value, name in zip(values, self.class_names[1:], strict=True):
            names[value] = name
        return replace(self, labels=table[self.labels], class_names=tuple(names))


@dataclass(frozen=True)
class PlanePreview:
    """One finished plane of a volume, or the image itself.

    Parameters
    ----------
    index : int
        Which plane; 0 for a 2-D image.
    probabilities : ndarray of float32, shape (C, H, W)
        As in `Segmentation`, for this plane alone.
    labels : ndarray of unsigned integers, shape (H, W), optional
        What the method makes of them, before any cleaning up.
    """

    index: int
    probabilities: NDArray[np.float32]
    labels: NDArray[np.unsignedinteger] | None = None


@dataclass(frozen=True)
class PlaneLabels:
    """One finished plane too large to keep its probabilities; fields as in `PlanePreview`."""

    index: int
    labels: NDArray[np.unsignedinteger]


Job = Generator[Progress, None, Segmentation]
"""A long job: yields `Progress`, returns a `Segmentation`; closing it cancels it."""

Step = TypeVar("Step")
Said = TypeVar("Said")
Result = TypeVar("Result")


def retold(
    part: Generator[Step, None, Result], tell: Callable[[Step], Said]
) -> Generator[Said, None, Result]:
    """Pass a part of a job on, each of its steps told in another way; gives what it returns.

    Parameters
    ----------
    part : generator
        Closed with this one.
    tell : callable
        Gives what is said instead of a step.
    """
    try:
        while True:
            yield tell(next(part))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        part.close()


def told(
    part: Generator[Any, None, Result], progress: Progress
) -> Generator[Progress, None, Result]:
    """Tell the same progress at every step of a part of a job; gives what the part returns."""
    return (yield from retold(part, lambda _: progress))


def finished(job: Generator[Any, None, Result]) -> Result:
    """Run a job to its end and give its result."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            result: Result = end.value
            return result
