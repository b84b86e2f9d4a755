"""The options that commands share: what they are called, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli.cohort import Cohort
from napari_medseg.cli.images import Excerpt, Request
from napari_medseg.cli.outputs import Format

if TYPE_CHECKING:
    from napari_medseg.engine.postprocess import PostProcess

_VIEW = "Which part of a volume, and how bright"
_FINE = "Fine points"
_CLEAN = "Cleaning up"
_MANY = "Many images"

_LAST_PLANE = 1_000_000
"""A list of planes that goes further is a slip of the keys; it would fill the memory."""


class Device(StrEnum):
    """Where a net runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Images = Annotated[
    list[Path],
    typer.Argument(help="Images and volumes: PNG, JPEG, BMP, TIFF, NIfTI, DICOM, OME-Zarr."),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder for the label maps.", metavar="OUT")]
To = Annotated[
    Format | None, typer.Option(help="Kind of label map; PNG for planes, NIfTI for volumes.")
]
Json = Annotated[bool, typer.Option("--json", help="Print a report as JSON.")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Spread many images over a dask cluster; local, or local:4, for this computer.",
        metavar="ADDRESS",
        rich_help_panel=_MANY,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Keep what an earlier call with the same options has finished.",
        rich_help_panel=_MANY,
    ),
]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Write probabilities too, as OME-TIFF.")
]
Objects = Annotated[
    bool,
    typer.Option(
        "--objects",
        help="Write the objects too, each with a number of its own, also where they touch.",
    ),
]
Series = Annotated[
    str | None,
    typer.Option(help="Which series of a DICOM folder: its place in the list, or its UID."),
]
OnDevice = Annotated[
    Device | None, typer.Option("--device", help="Where the net runs; as set in Settings.")
]
Axis = Annotated[
    int,
    typer.Option(
        min=0,
        max=2,
        help="Axis along which volumes are cut into planes.",
        rich_help_panel=_VIEW,
    ),
]
PlaneList = Annotated[
    str | None,
    typer.Option(
        "--planes", help="Only these planes, such as 3,5-9.", metavar="LIST", rich_help_panel=_VIEW
    ),
]
Range = Annotated[
    str | None,
    typer.Option(
        "--value-range",
        help="Values of the image that become black and white; found out by default.",
        metavar="LOW,HIGH",
        rich_help_panel=_VIEW,
    ),
]
Flips = Annotated[
    bool,
    typer.Option(
        "--flips",
        help="Average over mirror images; four times the work.",
        rich_help_panel=_FINE,
    ),
]
Largest = Annotated[
    bool,
    typer.Option("--largest", help="Keep the largest piece of each class.", rich_help_panel=_CLEAN),
]
FillHoles = Annotated[
    bool, typer.Option("--fill-holes", help="Fill enclosed holes.", rich_help_panel=_CLEAN)
]
MinSize = Annotated[
    int,
    typer.Option(min=0, help="Drop pieces of fewer pixels (voxels).", rich_help_panel=_CLEAN),
]
Values = Annotated[
    str | None,
    typer.Option(
        help="Label value of each class, such as 3,1: all different, up to 65535; 1, 2, ... by "
        "default.",
        metavar="LIST",
        rich_help_panel=_FINE,
    ),
]


@dataclass(frozen=True)
class Looking:
    """Which part of an image is looked at."""

    series: Series = None
    axis: Axis = 0
    planes: PlaneList = None
    value_range: Range = None

    def excerpt(self) -> Excerpt:
        """Give it as it is used.

        Raises
        ------
        ValueError
            With one sentence, where a list cannot be read.
        """
        return Excerpt(self.axis, parsed_planes(self.planes), parsed_range(self.value_range))


@dataclass(frozen=True)
class Cleaning:
    """What is done to a label map before it is written."""

    largest: Largest = False
    fill_holes: FillHoles = False
    min_size: MinSize = 0

    def steps(self) -> PostProcess:
        """Give it as the engine takes it."""
        from napari_medseg.engine.postprocess import PostProcess

        return PostProcess(self.min_size, self.largest, self.fill_holes)


@dataclass(frozen=True)
class Saving:
    """Where label maps go, as what, and how to get through many images."""

    out: Out
    to: To = None
    scheduler: Scheduler = None
    resume: Resume = False
    json_: Json = False

    def request(
        self,
        context: typer.Context,
        looking: Looking,
        decided: Mapping[str, Any],
        *,
        probabilities: bool = False,
        objects: bool = False,
        values: tuple[int, ...] = (),
    ) -> Request:
        """Give what becomes of the images.

        Parameters
        ----------
        context : typer.Context
            Of the call.
        looking : Looking
            What is looked at.
        decided : mapping
            What decides the results, as the engine is asked for them, files by their content.
        probabilities, objects : bool
            Whether they are written too.
        values : tuple of int
            Label value of each class; empty for 1, 2, ...

        Raises
        ------
        ValueError
            With one sentence, where an option cannot be read.
        """
        excerpt, cohort = looking.excerpt(), Cohort.of(context, decided)
        further = (probabilities, objects)
        return Request(self.out, self.to, looking.series, *further, excerpt, values, cohort)


def parsed_planes(text: str | None) -> list[int] | None:
    """Give the planes of a list such as ``"3,5-9"``.

    Raises
    ------
    ValueError
        With one sentence, where it is no such list.
    """
    if text is None:
        return None
    planes: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"--planes {text} is no list of planes; write it like 3,5-9.")
        if dash and int(last) < int(first):
            raise ValueError(f"--planes {text} must give the lower plane first: {last}-{first}.")
        if int(last or first) > _LAST_PLANE:
            raise ValueError(f"--planes {text} is beyond the last plane of any image.")
        planes += range(int(first), int(last or first) + 1)
    if len(set(planes)) < len(planes):
        raise ValueError(f"--planes {text} names a plane twice; name each once.")
    return planes


def parsed_range(text: str | None) -> tuple[float, float] | None:
    """Give the two numbers of a text such as ``"-160,240"``.

    Raises
    ------
    ValueError
        With one sentence, where these are not two finite numbers, the lower first.
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"--value-range {text} is not two numbers like -160,240.") from error
    if not (isfinite(low) and isfinite(high)):
        raise ValueError(f"--value-range {text} has no end; give two numbers like -160,240.")
    if not low < high:
        raise ValueError(f"--value-range {text} must give the lower value first.")
    return low, high


def parsed_numbers(text: str, count: int, option: str, like: str) -> tuple[int, ...]:
    """Give so many whole numbers of a text.

    Raises
    ------
    ValueError
        With one sentence, where it holds anything else.
    """
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isdecimal() for part in parts):
        wanted = "a whole number" if count == 1 else f"{count} whole numbers"
        raise ValueError(f"{option} {text} is not {wanted} like {like}.")
    return tuple(int(part) for part in parts)
