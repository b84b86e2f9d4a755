"""The kinds of file that labels leave as, and which of them suit an image."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelFormat:
    """A kind of file.

    Parameters
    ----------
    key : str
        What the command line calls it.
    title : str
        What the dock calls it.
    suffixes : tuple of str
        Endings of its name, the usual one first; none for a dataset folder.
    purpose : str
        What it is good for, in a few words.
    """

    key: str
    title: str
    suffixes: tuple[str, ...]
    purpose: str


DICOM_SEG = LabelFormat(
    "dicom-seg", "DICOM-SEG", (".dcm",), "for the archive (PACS): lies on the images in any viewer"
)
NIFTI = LabelFormat(
    "nifti", "NIfTI", (".nii.gz", ".nii"), "for research programs, on the grid of the image"
)
OME_TIFF = LabelFormat(
    "ome-tiff", "OME-TIFF", (".ome.tif", ".ome.tiff"), "for microscopy programs and Fiji"
)
OME_ZARR = LabelFormat(
    "ome-zarr", "OME-Zarr", (".ome.zarr", ".zarr"), "a folder, for very large images"
)
PNG = LabelFormat("png", "PNG", (".png",), "one plane, the class number in each pixel")
NNUNET = LabelFormat(
    "nnunet", "nnU-Net dataset", (), "adds image and labels as a case to train with"
)
FORMATS = {format_.key: format_ for format_ in (DICOM_SEG, NIFTI, OME_TIFF, OME_ZARR, PNG, NNUNET)}
_FIRST = {
    "dicom": (DICOM_SEG, NIFTI),
    "nifti": (NIFTI,),
    "ome-zarr": (OME_ZARR, OME_TIFF),
    "tiff": (OME_TIFF, OME_ZARR),
}


def suited(ndim: int, kind: str) -> list[LabelFormat]:
    """Give the formats, those first that suit labels of so many axes on an image of a kind.

    Parameters
    ----------
    ndim : int
        2 or 3.
    kind : str
        ``"dicom"``, ``"nifti"``, ``"ome-zarr"``, ``"tiff"``, or anything else.
    """
    usual = (PNG, OME_TIFF, NIFTI) if ndim == 2 else (NIFTI, OME_TIFF, OME_ZARR)
    first = (*_FIRST.get(kind, ()), *usual)
    return sorted(
        FORMATS.values(), key=lambda f: first.index(f) if f in first else len(first) + (f is PNG)
    )


def why_not(
    format_: LabelFormat, ndim: int, has_dicom: bool, has_image: bool, no_seg: str = ""
) -> str:
    """Say in a sentence why labels cannot leave in this format; empty if they can.

    `no_seg` says why no DICOM-SEG can belong to the DICOM images, where none can.
    """
    if format_ is PNG and ndim == 3:
        return "A PNG holds one plane; these labels are a volume."
    if format_ is DICOM_SEG and not has_dicom:
        return "DICOM-SEG belongs to DICOM images: choose their folder."
    if format_ is DICOM_SEG and no_seg:
        return no_seg
    if format_ is NNUNET and not has_image:
        return "An nnU-Net case is an image and its labels: choose the image."
    return ""
