"""Packages that only some kinds of files need, and that a small installation lacks."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from napari_medseg.io.errors import ReadError


def import_extra(
    package: str, extra: str, needed_by: str, error: type[Exception] = ReadError
) -> ModuleType:
    """Give a package that an extra of this one brings.

    Parameters
    ----------
    package : str
        Its name, both to import it and for the person who reads the error.
    extra : str
        Which extra brings it.
    needed_by : str
        What cannot do without it, with the verb: "NIfTI files need".
    error : type of Exception
        What is raised where it is missing, with a sentence that says what to install.
    """
    try:
        return import_module(package)
    except ImportError:
        raise error(
            f"{needed_by} the package {package}; install it with "
            f"pip install 'napari-medseg[{extra}]'."
        ) from None
