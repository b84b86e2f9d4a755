"""Saving so that a file is either the old one or the new one, whole, never half of either.

Everything is first written beside its target under a hidden name, forced to the disk, read back,
and only then given its name. A power cut or a killed process leaves at worst a hidden file, which
the next command or the next saving of a folder there removes (`sweep_stale`).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_medseg.io.leftovers import hidden_name, sweep_stale

COMPOUND_SUFFIXES = (".nii.gz", ".ome.tif", ".ome.tiff", ".seg.nrrd", ".tar.gz")


class SaveError(OSError):
    """A file could not be saved; the message is one sentence that says why and what to do."""


def split_suffix(name: str) -> tuple[str, str]:
    """Give the stem and the suffix of a file name, ``.nii.gz`` and ``.ome.tif`` in one piece."""
    for suffix in COMPOUND_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    return os.path.splitext(name)


def atomic_write(
    path: str | os.PathLike[str],
    write: Callable[[Path], object],
    verify: Callable[[Path], object] | None = None,
) -> Path:
    """Write a file completely or not at all, replacing one of that name.

    Parameters
    ----------
    path : path-like
        Where the file shall be. A symbolic link is followed, so that it stays a link.
    write : callable
        Called with a temporary path in the same folder, with the suffix of `path`; writes the file.
    verify : callable, optional
        Called with the temporary path after writing; reads the file back and raises where it is not
        what was meant.

    Returns
    -------
    Path
        Where the file is now.

    Raises
    ------
    SaveError
        With one sentence, where the folder is missing or read-only, the disk is full, or the file
        does not read back. What was at `path` is then untouched and no stray file is left.
    """
    with replacing(path) as temporary:
        write(temporary)
        if verify is not None:
            with reading_back(temporary, path):
                verify(temporary)
    return Path(os.path.realpath(path))


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path` that becomes it when the block ends well.

    What `atomic_write` does in one call, for writing in steps: an exception in the block, and
    closing the generator that the block stands in, leave what was there untouched.

    Parameters
    ----------
    path : path-like
        Where the file shall be.

    Yields
    ------
    Path
        In the same folder, with the same suffix; the block writes it.

    Raises
    ------
    SaveError
        As `atomic_write`.
    """
    target = Path(os.path.realpath(path))
    with _beside(target) as temporary:
        yield temporary
        force_to_disk(temporary)
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)


def write_once(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Write a file where there is none; of several programs that do so at once, one wins.

    Parameters
    ----------
    path : path-like
        Where the file shall be; one that is there stays as it is.
    write : callable
        As in `atomic_write`.

    Raises
    ------
    SaveError
        As `atomic_write`.
    """
    target = Path(os.path.realpath(path))
    with _beside(target) as temporary:
        write(temporary)
        force_to_disk(temporary)
        try:
            os.link(temporary, target)
        except OSError:  # it is there by now, or the disk knows no links
            if not target.exists():
                temporary.rename(target)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a hidden path in the folder of a file, which is gone after the block, come what may."""
    _check_folder(target)
    if target.is_dir():
        raise SaveError(f"{target} is a folder; give the name of a file.")
    stem, suffix = split_suffix(target.name)
    temporary = target.with_name(hidden_name(stem, "tmp", suffix))
    try:
        yield temporary
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


@contextmanager
def reading_back(temporary: Path, path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever is raised while a file is read back into the sentence why it was not saved."""
    try:
        yield
    except Exception as error:
        name = os.path.basename(os.path.realpath(path))
        reason = str(error).replace(temporary.name, name)
        raise SaveError(
            f"{name} was not saved, because it did not read back as it was written: {reason}"
        ) from error


def atomic_folder(
    path: str | os.PathLike[str],
    write: Callable[[Path], object],
    verify: Callable[[Path], object] | None = None,
    *,
    may_replace: Callable[[Path], bool] | None = None,
) -> Path:
    """Write a folder completely or not at all.

    Parameters
    ----------
    path : path-like
        Where the folder shall be.
    write : callable
        Called with an empty temporary folder beside `path`; fills it.
    verify : callable, optional
        Called with the filled folder; raises where it is not what was meant.
    may_replace : callable, optional
        Called with `path` where that is a folder with something in it; says whether all of it may
        go. Without it only an empty folder is replaced, so that a slip in a file dialog cannot
        delete somebody's documents.

    Returns
    -------
    Path
        Where the folder is now.

    Raises
    ------
    SaveError
        As `atomic_write`, and where the folder there may not be replaced; it is then untouched.
    """
    with replacing_folder(path, may_replace) as temporary:
        write(temporary)
        if verify is not None:
            with reading_back(temporary, path):
                verify(temporary)
    return Path(os.path.realpath(path))


@contextmanager
def replacing_folder(
    path: str | os.PathLike[str], may_replace: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """Give an empty temporary folder beside `path` that becomes it when the block ends well.

    As `replacing`, for folders; `may_replace` and what is raised as in `atomic_folder`.
    """
    target = Path(os.path.realpath(path))
    _check_folder(target)
    sweep_stale(target.parent)
    if target.exists() and not target.is_dir():
        raise SaveError(f"{target} is a file; give the name of a folder.")
    if target.is_dir() and any(target.iterdir()) and not (may_replace and may_replace(target)):
        raise SaveError(f"The folder {target} holds other things; choose a new or an empty folder.")
    temporary = target.with_name(hidden_name(target.name, "tmp"))
    try:
        temporary.mkdir()
        yield temporary
        force_to_disk(temporary)
        _swap_folders(temporary, target)
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync_folder(target.parent)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder to save in, and those that it lies in, where they are missing; give it.

    Raises
    ------
    SaveError
        With one sentence, where it cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise SaveError(
            f"The folder {folder} cannot be made, because a file has its place; choose another one."
        ) from error
    except OSError as error:
        raise _explained(error, Path(error.filename or folder)) from error
    return folder


def remove_folder(path: str | os.PathLike[str]) -> None:
    """Remove a folder with all that is in it, whole or not at all.

    Raises
    ------
    SaveError
        With one sentence, where it must stay; nothing in it is gone then.
    """
    folder = Path(path)
    doomed = folder.with_name(hidden_name(folder.name, "tmp"))
    try:
        folder.rename(doomed)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SaveError(f"{folder} was not removed: {reason}.") from error
    shutil.rmtree(doomed, ignore_errors=True)


def _swap_folders(new: Path, target: Path) -> None:
    """Put `new` where `target` is; put `target` back if that fails."""
    if not target.exists():
        new.rename(target)
        return
    old = target.with_name(hidden_name(target.name, "old"))
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _check_folder(target: Path) -> None:
    if not target.parent.is_dir():
        raise SaveError(
            f"{target.name} was not saved: the folder {target.parent} does not exist; create it or "
            "choose another one."
        )


def _explained(error: OSError, target: Path) -> SaveError:
    """Turn what the system says into a sentence for the person who saves."""
    if isinstance(error, SaveError):
        return error
    folder = target.parent
    reasons = {
        errno.ENOSPC: f"the disk is full; free some space in {folder} or choose another disk.",
        errno.EDQUOT: f"your quota is used up; free some space in {folder} or choose another disk.",
        errno.EROFS: f"{folder} is read-only; choose another folder.",
        errno.EACCES: f"you may not write in {folder}; choose another folder.",
        errno.EPERM: f"you may not write in {folder}; choose another folder.",
        errno.ENAMETOOLONG: "its name is too long; choose a shorter one.",
    }
    reason = reasons.get(error.errno or 0, error.strerror or str(error))
    explained = SaveError(f"{target.name} was not saved: {reason}")
    explained.errno = error.errno
    return explained


def _sync_file(path: Path) -> None:
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can open a folder."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def force_to_disk(path: Path, check: Callable[[], None] = lambda: None) -> None:
    """Wait until a file, or all that is in a folder, is on the disk.

    Parameters
    ----------
    path : Path
        What was written.
    check : callable
        Called before each file, and may raise to give it up.
    """
    if not path.is_dir():
        _sync_file(path)
        return
    for root, _, files in os.walk(path, topdown=False):
        for name in files:
            check()
            _sync_file(Path(root, name))
        _sync_folder(Path(root))
