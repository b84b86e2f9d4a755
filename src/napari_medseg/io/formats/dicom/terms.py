"""What classes are called in DICOM: coded terms of SNOMED CT, with a default for common names.

DICOM names the category and the type of a segment by codes, so that "Leber", "liver" and "LIVER_1"
mean the same to every archive. The table holds what is segmented most; codes and meanings are those
of the standard's context groups 7150 (categories), 7166, 7192 and 7159 (types) and 244 (sides).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """A coded term: value, scheme (``"SCT"`` for SNOMED CT) and meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class ClassTerm:
    """What a class is.

    Parameters
    ----------
    category : Code
        Such as anatomical structure.
    type : Code
        Such as kidney.
    side : Code, optional
        Left, right, or both.
    """

    category: Code
    type: Code
    side: Code | None = None


def _sct(value: str, meaning: str) -> Code:
    return Code(value, "SCT", meaning)


ANATOMY = _sct("91723000", "Anatomical Structure")
TISSUE = _sct("85756007", "Tissue")
ABNORMAL = _sct("49755003", "Morphologically Abnormal Structure")
OBJECT = _sct("260787004", "Physical object")
CATEGORIES = (ANATOMY, TISSUE, ABNORMAL, OBJECT)
SIDES = (
    _sct("7771000", "Left"),
    _sct("24028007", "Right"),
    _sct("51440002", "Right and left"),
)

_ANATOMY = {
    "10200004": "Liver",
    "78961009": "Spleen",
    "64033007": "Kidney",
    "15776009": "Pancreas",
    "69695003": "Stomach",
    "28231008": "Gallbladder",
    "23451007": "Adrenal gland",
    "32849002": "Esophagus",
    "38848004": "Duodenum",
    "30315005": "Small intestine",
    "71854001": "Colon",
    "34402009": "Rectum",
    "89837001": "Bladder",
    "41216001": "Prostate",
    "35039007": "Uterus",
    "39607008": "Lung",
    "44567001": "Trachea",
    "80891009": "Heart",
    "87878005": "Left ventricle",
    "53085002": "Right ventricle",
    "15825003": "Aorta",
    "12738006": "Brain",
    "113305005": "Cerebellum",
    "119238007": "Brain stem",
    "2748008": "Spinal cord",
    "51282000": "Vertebra",
    "71341001": "Femur",
    "76752008": "Breast",
    "69748006": "Thyroid",
    "81745001": "Eye",
    "5665001": "Retina",
    "38199008": "Tooth",
}
_TISSUES = {
    "85756007": "Tissue",
    "55603005": "Fat",
    "91727004": "Muscle",
    "3138006": "Bone",
    "39937001": "Skin",
    "87612001": "Blood",
    "51114001": "Artery",
    "29092000": "Vein",
    "59820001": "Blood vessel",
    "59441001": "Lymph node",
}
_ABNORMAL = {
    "52988006": "Lesion",
    "108369006": "Neoplasm",
    "27925004": "Nodule",
    "4147007": "Mass",
    "367643001": "Cyst",
    "79654002": "Edema",
    "6574001": "Necrosis",
    "50960005": "Hemorrhage",
    "44132006": "Abscess",
}
TERMS = {
    meaning: ClassTerm(category, _sct(value, meaning))
    for category, table in ((ANATOMY, _ANATOMY), (TISSUE, _TISSUES), (ABNORMAL, _ABNORMAL))
    for value, meaning in table.items()
}
"""The terms that are offered, by meaning."""

_SYNONYMS = {
    "tumor": "Neoplasm",
    "tumour": "Neoplasm",
    "cancer": "Neoplasm",
    "metastasis": "Neoplasm",
    "melanoma": "Neoplasm",
    "skin lesion": "Lesion",
    "oedema": "Edema",
    "haemorrhage": "Hemorrhage",
    "bleeding": "Hemorrhage",
    "oesophagus": "Esophagus",
    "urinary bladder": "Bladder",
    "thyroid gland": "Thyroid",
    "brainstem": "Brain stem",
    "bowel": "Small intestine",
    "vessel": "Blood vessel",
    "adipose tissue": "Fat",
    "lv": "Left ventricle",
    "rv": "Right ventricle",
    "left ventricular cavity": "Left ventricle",
    "right ventricular cavity": "Right ventricle",
}
UNKNOWN = TERMS["Tissue"]
"""What a class is where its name says nothing: the general term, which is never wrong."""


def term_for(name: str) -> ClassTerm:
    """Give the term that a class name suggests; `UNKNOWN` where it suggests none.

    Case, numbers, underscores and plurals do not count, and "left" and "right" give the side.
    """
    words = re.sub(r"[^a-z]+", " ", name.lower()).strip()
    found = _known(words)
    if found is not None:
        return found
    for side, word in zip(SIDES, ("left", "right", "both"), strict=True):
        rest = re.sub(rf"\b{word}\b", "", words).strip()
        found = _known(re.sub(r" +", " ", rest)) if rest != words else None
        if found is not None:
            return ClassTerm(found.category, found.type, side)
    return UNKNOWN


def parse_term(text: str) -> ClassTerm:
    """Give the term that a person wrote: a known meaning, or ``SCHEME:CODE:MEANING``.

    Raises
    ------
    ValueError
        With one sentence, where it is neither.
    """
    found = term_for(text)
    if found is not UNKNOWN or text.strip().lower() == "tissue":
        return found
    parts = text.split(":", 2)
    if len(parts) == 3:
        return custom_term(UNKNOWN.category, *parts)
    raise ValueError(
        f"“{text}” is no term that is known here; take one of {', '.join(sorted(TERMS))}, or "
        "write a code as SCT:10200004:Liver."
    )


def custom_term(category: Code, scheme: str, value: str, meaning: str) -> ClassTerm:
    """Give a term that is not in the table.

    Parameters
    ----------
    category : Code
        One of `CATEGORIES`.
    scheme, value, meaning : str
        As DICOM stores them: up to 16 characters each for scheme and value, up to 64 for meaning.

    Raises
    ------
    ValueError
        With one sentence, where something is missing or too long.
    """
    scheme, value, meaning = scheme.strip(), value.strip(), meaning.strip()
    if not (scheme and value and meaning):
        raise ValueError("A code needs a scheme, a code and a meaning, such as SCT:10200004:Liver.")
    if len(scheme) > 16 or len(value) > 16 or len(meaning) > 64 or "\\" in scheme + value + meaning:
        raise ValueError(
            "DICOM holds 16 characters of a scheme and of a code, 64 of a meaning, and no \\."
        )
    return ClassTerm(category, Code(value, scheme, meaning))


def _known(words: str) -> ClassTerm | None:
    by_words = {meaning.lower(): term for meaning, term in TERMS.items()}
    for form in (words, words.removesuffix("s"), words.removesuffix("es")):
        if form in by_words:
            return by_words[form]
        if form in _SYNONYMS:
            return TERMS[_SYNONYMS[form]]
    return None
