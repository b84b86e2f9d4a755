"""What the data sets are called that bundled models were trained on."""

from __future__ import annotations

import re

DATA_NAMES = {
    "derm_lesion": "ISIC 2016 and 2017",
    "endo_larynx": "vocalfolds (Laves et al.)",
    "fundus_vessel": "CHASE_DB1, FIVES and HRF",
    "mri_hippocampus": "Medical Segmentation Decathlon, Task 4",
    "nuclei_fluo": "Data Science Bowl 2018 and Kromp et al.",
    "nuclei_stained": "Data Science Bowl 2018",
    "us_breast": "BUSI and BUS-BRA",
    "us_fetal_head": "HC18",
    "xr_chest_lungs": "Montgomery and Shenzhen",
}
"""By the name of the folder, which is what the training wrote on their cards."""

_FOLDER = re.compile(rf"(?<!\w)(?:{'|'.join(DATA_NAMES)})(?!\w)")


def with_data_names(text: str) -> str:
    """Give a text of a card with the proper names of data sets instead of their folders'."""
    return _FOLDER.sub(lambda found: DATA_NAMES[found[0]], text)
