"""Tables of results: as people read them, and in files that spreadsheets open."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.io.atomic import atomic_write
from napari_medseg.io.units import written

if TYPE_CHECKING:
    import pandas as pd

_SHORT = {"dice": "Dice", "iou": "IoU", "hd95": "HD95", "assd": "ASSD", "xor": "XOR", "hm": "HM"}
_DISTANCES = ("hd95", "assd")
_UNIT = re.compile(r"_(mm2|um2|px2|mm3|um3|px3|mm|um|px|ml)$")


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


def heading(name: str, units: str = "") -> str:
    """Give the name of a column as people read it: ``volume_ml`` is “volume (ml)”.

    Parameters
    ----------
    name : str
        As in the data frame.
    units : str
        Of the distances whose columns do not name any.
    """
    if name in _SHORT:
        unit = f" ({written(units)})" if units and name in _DISTANCES else ""
        return _SHORT[name] + unit
    found = _UNIT.search(name)
    words = name[: found.start()] if found else name
    unit = f" ({written(found[1])})" if found else ""
    return words.replace("_", " ") + unit


def shown(value: Any) -> str:
    """Give a value as people read it."""
    if isinstance(value, str):
        return value
    number = float(value)
    if number != number:
        return "–"
    if number == int(number) and not isinstance(value, float):
        return f"{int(number):,}"
    return f"{number:.4g}" if abs(number) < 1000 else f"{number:,.0f}"


def as_text(table: pd.DataFrame, units: str = "") -> str:
    """Give a table as lines of text, with headings and numbers as people read them."""
    columns = {heading(str(name), units): table[name].map(shown) for name in table.columns}
    if table.empty:  # of which pandas tells how it is built
        return " ".join(columns)
    return table.assign(**columns)[list(columns)].to_string(index=False)
