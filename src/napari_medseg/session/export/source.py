"""The files of the image that labels belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medseg.session.layers.notes import notes_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels

_KINDS = {".nii": "nifti", ".nii.gz": "nifti", ".zarr": "ome-zarr", ".ome.zarr": "ome-zarr"}
_KINDS |= dict.fromkeys((".tif", ".tiff", ".ome.tif", ".ome.tiff"), "tiff")


@dataclass(frozen=True)
class Source:
    """The files of the image that labels belong to.

    Parameters
    ----------
    kind : str
        ``"dicom"``, ``"nifti"``, ``"ome-zarr"``, ``"tiff"``, or empty.
    files : tuple of Path
        Of DICOM every file, or the folder; else the one file; none where it is not known.
    series : str
        Series instance UID of DICOM images, where the folder holds several.
    """

    kind: str = ""
    files: tuple[Path, ...] = ()
    series: str = ""

    @classmethod
    def of_path(cls, path: Path) -> Source:
        """Tell what a file or folder is by its name."""
        from napari_medseg.io.atomic import split_suffix
        from napari_medseg.io.formats.dicom.headers import DICOM_SUFFIXES, is_dicom

        suffix = split_suffix(path.name)[1].lower()
        kind = _KINDS.get(suffix, "")
        if not kind and (suffix in DICOM_SUFFIXES or path.is_dir() or is_dicom(path)):
            kind = "dicom"
        return cls(kind, (path,))

    def holds(self, path: Path) -> bool:
        """Tell whether a path is one of these files, or lies among the images of a folder."""
        from napari_medseg.io.formats.dicom.headers import is_dicom, is_segmentation, read_header

        if not path.exists():
            return False
        several = len(self.files) > 1  # of a series only those of that name are looked at
        alike = [f for f in self.files if not several or f.name.lower() == path.name.lower()]
        if any(file.exists() and file.samefile(path) for file in alike):
            return True
        folders = [file.resolve() for file in alike if file.is_dir()]
        among = any(folder in path.resolve().parents for folder in folders)
        return among and is_dicom(path) and not is_segmentation(read_header(path))


def source_of(layer: Image | Labels) -> Source:
    """Give the files that a layer came from, as far as is known."""
    noted = notes_of(layer).get("source") or {}
    planes = noted.get("planes") or ()
    if noted.get("kind") == "dicom" and planes:
        files = dict.fromkeys(Path(str(file)) for file, _ in planes)
        return Source("dicom", tuple(files), str(noted.get("series", "")))
    path = layer.source.path or noted.get("path")
    return Source.of_path(Path(path)) if path else Source(str(noted.get("kind", "")))
