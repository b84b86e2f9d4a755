"""Tables of results in files that spreadsheets open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medseg.io.atomic import atomic_write

if TYPE_CHECKING:
    import pandas as pd


def write_table(path: str | os.PathLike[str], table: pd.DataFrame) -> Path:
    """Write a table as CSV, read it back and compare.

    Parameters
    ----------
    path : path-like
        Where; a file of that name is replaced.
    table : DataFrame
        Its columns become the first line; numbers keep all their digits, NaN becomes empty.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SaveError
        With one sentence, where it cannot be written; what was there is untouched.
    """
    # With the mark at its start spreadsheets read names with umlauts and accents rightly.
    content = table.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")

    def verify(written: Path) -> None:
        if written.read_bytes() != content:
            raise ValueError("its content differs from the table")

    return atomic_write(path, lambda file: file.write_bytes(content), verify)
