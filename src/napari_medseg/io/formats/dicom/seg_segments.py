"""How classes become the segments of a DICOM-SEG: numbers, coded terms, and what made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.atomic import SaveError
from napari_medseg.io.extras import import_extra
from napari_medseg.io.formats.dicom.headers import text
from napari_medseg.io.formats.dicom.terms import ClassTerm, Code, term_for
from napari_medseg.io.label_counts import counts_of

if TYPE_CHECKING:
    from pydicom import Dataset

LONGEST_WORD = 64  # of the representations LO and PN
_MOST_SEGMENTS = 65_535
_OWN_FIELDS = ("method", "weights_sha256", "created")  # of a provenance, beside its parameters
_LEARNED = Code("123109", "DCM", "Artificial Intelligence")


@dataclass(frozen=True)
class Segment:
    """A class on its way into a file: its number there, its label value, its name and term."""

    number: int
    value: int
    name: str
    term: ClassTerm


def segments_of(
    labels: NDArray[Any],
    class_names: Sequence[str],
    terms: Mapping[int, ClassTerm],
    labelmap: bool = False,
    check: Callable[[], None] = lambda: None,
) -> list[Segment]:
    """Give the segments that a label map becomes; `check` is called now and then and may raise.

    A segment has the number of its label where the standard allows: it wants masks numbered from 1
    without a gap, so classes are numbered anew where one in between has neither voxels nor a name.

    Raises
    ------
    ValueError
        Where there is no label, or there are more than a file can hold.
    """
    present = list(counts_of(labels, check))
    if not present:
        raise ValueError("There is nothing labelled; paint or accept something first.")
    highest = max(present)
    if highest > _MOST_SEGMENTS:
        raise ValueError(
            f"DICOM-SEG holds labels up to {_MOST_SEGMENTS}, these go up to {highest}; save "
            "them as NIfTI."
        )
    names = {value: str(name) for value, name in enumerate(class_names) if value and name}
    without_gap = all(value in names or value in present for value in range(1, highest))
    described = range(1, highest + 1) if without_gap and not labelmap else present
    segments = []
    for number, value in enumerate(described, 1):
        name = (names.get(value) or f"class {value}")[:LONGEST_WORD]
        term = terms.get(value) or term_for(name)
        segments.append(Segment(value if labelmap else number, value, name, term))
    return segments


def numbered(labels: NDArray[Any], segments: Sequence[Segment]) -> NDArray[np.unsignedinteger]:
    """Give labels as segment numbers; the same array where they agree."""
    if all(segment.number == segment.value for segment in segments):
        return labels
    table = np.zeros(max(segment.value for segment in segments) + 1, np.uint16)
    for segment in segments:
        table[segment.value] = segment.number
    return table[labels]


def description(segment: Segment, made: Mapping[str, Any], with_time: bool) -> Dataset:
    """Give a segment as highdicom wants it.

    Parameters
    ----------
    segment : Segment
        Which.
    made : mapping
        The provenance of the labels.
    with_time : bool
        Whether to say when they were made.
    """
    highdicom = import_highdicom()
    method = _method(made)
    described: Dataset = highdicom.seg.SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.name,
        segmented_property_category=_coded(segment.term.category),
        segmented_property_type=_coded(segment.term.type),
        algorithm_type=_algorithm_type(made),
        algorithm_identification=_algorithm(method, made, with_time) if method else None,
    )
    if segment.term.side is not None:  # highdicom has no parameter for it
        kind = described.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_coded(segment.term.side)]
    return described


def provenance_of(header: Dataset) -> dict[str, Any]:
    """Give what a DICOM-SEG says of the method that made it, as a provenance; empty for paint.

    Proposals that a person accepted stand under ``"accepted"``, as in the notes of a layer.
    """
    for segment in header.get("SegmentSequence") or []:
        found = segment.get("SegmentationAlgorithmIdentificationSequence")
        if not found:
            continue
        entries = _parameters(text(found[0], "AlgorithmParameters"))
        name_of = "model" if "method" in entries else "method"
        made: dict[str, Any] = {
            name_of: text(found[0], "AlgorithmName"),
            "software": text(found[0], "AlgorithmVersion"),
        }
        made |= {name: entries.pop(name) for name in _OWN_FIELDS if name in entries}
        made |= {"parameters": entries} if entries else {}
        semi = text(segment, "SegmentAlgorithmType") == "SEMIAUTOMATIC"
        return {"accepted": [made]} if semi else made
    return {}


def _parameters(written: str) -> dict[str, str]:
    """Give the entries of a list such as ``a=1,b=2``; a part without a name belongs to the last."""
    entries: dict[str, str] = {}
    last = ""
    for part in written.split(","):
        name, is_entry, value = part.partition("=")
        if is_entry:
            last = name.strip()
            entries[last] = value
        elif last:
            entries[last] += f",{part}"
    return entries


def import_highdicom() -> ModuleType:
    """Give highdicom.

    Raises
    ------
    SaveError
        Where it is not installed.
    """
    return import_extra("highdicom", "medical", "DICOM-SEG needs", SaveError)


def _algorithm_type(made: Mapping[str, Any]) -> str:
    if made.get("accepted"):
        return "SEMIAUTOMATIC"  # a person looked at it, and may have painted too
    return "AUTOMATIC" if _method(made) else "MANUAL"


def _method(made: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the last method that wrote into the labels; empty where they were painted by hand."""
    if made.get("method"):
        return made
    accepted = made.get("accepted") or []
    last = accepted[-1] if accepted else {}
    found = last if last.get("method") else last.get("provenance") or made.get("provenance") or {}
    return found if isinstance(found, Mapping) else {}


def _algorithm(method: Mapping[str, Any], made: Mapping[str, Any], with_time: bool) -> Any:
    parameters = {str(k): str(v) for k, v in (method.get("parameters") or {}).items()}
    if method.get("model") and method.get("method"):
        parameters["method"] = str(method["method"])
    if method.get("weights_sha256"):
        parameters["weights_sha256"] = str(method["weights_sha256"])
    if method.get("created") and with_time:
        parameters["created"] = str(method["created"])
    return import_highdicom().AlgorithmIdentificationSequence(
        name=str(method.get("model") or method.get("method") or "unknown")[:LONGEST_WORD],
        family=_coded(_LEARNED),
        version=str(method.get("software") or made.get("software") or "unknown")[:LONGEST_WORD],
        parameters=parameters or None,
    )


def _coded(code: Code) -> Any:
    return import_highdicom().sr.CodedConcept(code.value, code.scheme, code.meaning)
