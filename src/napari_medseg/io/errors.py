"""What reading says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class ReadError(OSError, ValueError):
    """A file could not be read; the message is one sentence that says why and what to do."""


class ChoiceError(ReadError):
    """The files are whole, but which part of them is meant is not said, or is not there."""


class DamagedFileError(ReadError):
    """One file of several is damaged; the others may be whole.

    Parameters
    ----------
    sentence : str
        What is wrong with it.
    file : Path
        Which.
    """

    def __init__(self, sentence: str, file: Path) -> None:
        super().__init__(sentence)
        self.file = file


def guarded(file: Path, read: Callable[[], T]) -> T:
    """Call `read` and turn whatever a decoder raises into one sentence about the file.

    Raises
    ------
    ReadError
        Where `read` raised anything but a lack of memory.
    """
    try:
        return read()
    except (ReadError, MemoryError):
        raise
    except PermissionError as error:
        raise ReadError(f"You may not read {file.name}; ask its owner for the right to.") from error
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ReadError(
            f"{file.name} cannot be read, it is damaged or not what its name says ({reason})."
        ) from error
