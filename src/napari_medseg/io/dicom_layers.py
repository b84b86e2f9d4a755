"""What of a DICOM folder becomes layers: its image, and the segmentations painted on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_medseg.io.errors import DamagedFileError, ReadError, guarded
from napari_medseg.io.findings import Finding
from napari_medseg.io.formats.dicom.headers import is_segmentation, read_header, text
from napari_medseg.io.formats.dicom.seg_reading import read_segmentation, referenced_series
from napari_medseg.io.formats.dicom.series import (
    Choose,
    Damage,
    Folder,
    Series,
    scan_files,
    scan_folder,
)
from napari_medseg.io.formats.dicom.volume import read_series
from napari_medseg.io.images import ImageFile
from napari_medseg.io.label_file import LabelFile
from napari_medseg.io.volume import checked, read_volume


def dicom_images(
    paths: Sequence[Path], choose: Choose | None = None, opened: Sequence[ImageFile] = ()
) -> list[ImageFile | LabelFile]:
    """Give the image of a folder or of files, and the segmentations that belong to it.

    Of several series it is the one that `choose` gives; without it the largest, with a finding
    that tells of the others. A damaged file does not keep the others from being shown: there is a
    finding that names it, and where it leaves a gap the rest is single planes and no volume.

    Parameters
    ----------
    paths : sequence of Path
        One folder, one file, or the files of a series.
    choose : callable, optional
        Called where there are several series; None from it means that nothing shall be opened.
    opened : sequence of ImageFile
        Images that are there already: segmentations that come without their image are laid on one
        of them where they lie on it.

    Returns
    -------
    list
        The image, then its segmentations, each on the grid of the image where it lies on that.

    Raises
    ------
    ReadError
        With one sentence, where something cannot be read.
    """
    first = paths[0]
    if len(paths) == 1 and first.is_file():
        return [_segments_alone(first, opened)] if _is_segmentation(first) else [_one_file(first)]
    found = scan_folder(first) if first.is_dir() else scan_files(paths)
    if not found.series:
        return [_on_one_of(file, opened) for file in found.segmentations]
    several = len(found.series) > 1
    chosen = choose(found.series) if choose and several else found.series[0]
    if chosen is None:
        return []
    image = checked(
        guarded(first, lambda: _without_damaged(chosen)),
        first if first.is_dir() else first.parent,
    )
    if several and choose is None:
        image = _with_findings(image, [_others(len(found.series) - 1)])
    image = _with_findings(image, [d.finding() for d in found.damaged if d.may_belong_to(chosen)])
    return [image, *_segmentations(found, chosen, image)]


def dicom_together(
    paths: Sequence[Path], choose: Choose | None = None, opened: Sequence[ImageFile] = ()
) -> list[ImageFile | LabelFile]:
    """Give what folders and files hold that are opened at once, as `dicom_images` does for one.

    A segmentation among the files lies on the image that it was painted on, of a folder or opened.
    """
    folders = [path for path in paths if path.is_dir()]
    found = [each for folder in folders for each in dicom_images([folder], choose)]
    images = [*opened, *(each for each in found if isinstance(each, ImageFile))]
    by_series = {image.source.get("series"): image for image in images}
    alone = []
    for file in (path for path in paths if not path.is_dir()):
        belongs = bool(images) and _is_segmentation(file)
        uid = referenced_series(file) if belongs else ""
        image = by_series.get(uid) if uid else None
        if image is None:
            alone.append(file)
        else:
            found.append(_laid_on(file, image))
    return [*found, *(dicom_images(alone, choose, opened) if alone else [])]


def _others(count: int) -> Finding:
    return Finding(
        "other series",
        f"This is the largest of {count + 1} series here; open a folder of one series for another.",
    )


def _with_findings(image: ImageFile, findings: Sequence[Finding]) -> ImageFile:
    return replace(image, findings=(*image.findings, *findings))


def _without_damaged(series: Series) -> ImageFile:
    """Read a series, leaving out files that turn out to be damaged when they are decoded.

    Raises
    ------
    ReadError
        Where nothing is left, or something else is wrong.
    """
    missing: list[Finding] = []
    while True:
        try:
            return _with_findings(read_series(series, planes_if_uneven=True), missing)
        except DamagedFileError as error:
            left = tuple(frame for frame in series.frames if frame.file != error.file)
            if not left:
                raise
            missing.append(Damage(str(error)).finding())
            series = replace(series, frames=left)


def _one_file(file: Path) -> ImageFile:
    return read_volume(file, planes_if_uneven=True)


def _segmentations(found: Folder, chosen: Series, image: ImageFile) -> list[LabelFile]:
    """Give the segmentations of an image, on its grid where they lie on it."""
    belonging = (file for file in found.segmentations if referenced_series(file) == chosen.uid)
    return [_laid_on(file, image) for file in belonging]


def _laid_on(file: Path, image: ImageFile) -> LabelFile:
    try:
        return read_segmentation(file, image)
    except ReadError:
        return read_segmentation(file)


def _on_one_of(file: Path, images: Sequence[ImageFile]) -> LabelFile:
    """Give a segmentation on the first image of its space that it lies on, else on its own grid."""
    space = text(read_header(file), "FrameOfReferenceUID")
    for image in images:
        if image.source.get("frame_of_reference") in (None, "", space):
            try:
                return read_segmentation(file, image)
            except ReadError:
                continue
    return read_segmentation(file)


def _is_segmentation(file: Path) -> bool:
    return is_segmentation(read_header(file))


def _segments_alone(file: Path, opened: Sequence[ImageFile]) -> LabelFile:
    """Give a segmentation on its image where that lies beside it, else on one that is open."""
    wanted = referenced_series(file)
    beside = scan_files(sorted(path for path in file.parent.iterdir() if path.is_file()))
    for series in beside.series:
        if series.uid == wanted:
            try:
                return read_segmentation(file, read_series(series, planes_if_uneven=True))
            except ReadError:
                continue
    return _on_one_of(file, opened)
