"""Units of length: what files and layers call them, and those that a `Geometry` is told in."""

from __future__ import annotations

from collections.abc import Sequence

PIXEL = "pixel"
_IN_UM = {
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer"), 1.0),
    **dict.fromkeys(("nm", "nanometer"), 1e-3),
    **dict.fromkeys(("å", "angstrom"), 1e-4),
    **dict.fromkeys(("pm", "picometer"), 1e-6),
}
_IN_MM = {
    **dict.fromkeys(("mm", "millimeter"), 1.0),
    **dict.fromkeys(("cm", "centimeter"), 10.0),
    **dict.fromkeys(("dm", "decimeter"), 100.0),
    **dict.fromkeys(("m", "meter"), 1000.0),
    **dict.fromkeys(("inch", "in", '"'), 25.4),
}
_KNOWN = {
    **{name: ("um", factor) for name, factor in _IN_UM.items()},
    **{name: ("mm", factor) for name, factor in _IN_MM.items()},
    **dict.fromkeys((PIXEL, "px"), (PIXEL, 1.0)),
}
_IN_S = {
    **dict.fromkeys(("us", "usec", "microsecond"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond"), 1e-3),
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("min", "minute"), 60.0),
    **dict.fromkeys(("h", "hour"), 3600.0),
}
_BETWEEN = {("um", "mm"): 1e-3, ("mm", "um"): 1e3}


def known_unit(name: str) -> tuple[str, float] | None:
    """Give the unit of the app that is nearest to a unit, and how many of it that is.

    Parameters
    ----------
    name : str
        As a file or the library pint has it, such as ``"nm"`` or ``"nanometer"``.

    Returns
    -------
    tuple of (str, float) or None
        ``"mm"``, ``"um"`` or ``"pixel"``; None where it is no length.
    """
    return _KNOWN.get(name.strip().lower())


def factor_to(name: str, unit: str) -> float | None:
    """Give what a length is multiplied with to be in a unit of the app; None where it cannot be."""
    found = known_unit(name)
    if found is None:
        return None
    known, factor = found
    between = 1.0 if known == unit else _BETWEEN.get((known, unit))
    return None if between is None else factor * between


def in_seconds(unit: str) -> float | None:
    """Give how many seconds a unit of time is; None where it is none."""
    return _IN_S.get(unit.replace("\u00b5", "u"))


def common_unit(names: Sequence[str], first: str = "") -> tuple[str, tuple[float, ...]] | None:
    """Give one unit for the lengths of several axes, and what each is multiplied with.

    Parameters
    ----------
    names : sequence of str
        Unit of each axis, as `known_unit` takes it.
    first : str
        Taken where all can be told in it; else it is um where all are that small, or mm.

    Returns
    -------
    tuple of (str, tuple of float) or None
        None where one is no length, or some are pixels and some are not.
    """
    own = {known[0] for name in names if (known := known_unit(name))}
    for unit in (first, "um" if own == {"um"} else "mm", PIXEL):
        factors = [factor for name in names if (factor := factor_to(name, unit)) is not None]
        if len(factors) == len(names):
            return unit, tuple(factors)
    return None


def short(unit: str) -> str:
    """Give a unit of a `Geometry` as the columns of tables name it: pixels are ``px``."""
    return "px" if unit == PIXEL else unit


def written(unit: str) -> str:
    """Give a unit, its square or its cube, as people read it: ``um2`` is µm²."""
    return unit.replace("um", "µm").replace("2", "²").replace("3", "³")
