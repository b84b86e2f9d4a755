"""What a person must know about a label map is found when its file is read."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from napari_medseg.cli import app
from napari_medseg.io.findings import FindingWarning
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.io.layers import read_layers

from .dicom_phantoms import SHAPE, Phantom, write_series

TOLD = "4 voxels of “part 1” went to “part 2”"


@pytest.fixture
def series(tmp_path: Path) -> Phantom:
    return write_series(tmp_path / "series")


def segments(series: Phantom, path: Path, masks: list[np.ndarray]) -> Path:
    """Write a DICOM-SEG of masks, which may overlap."""
    tissue, made_by = codes.SCT.Tissue, ("maker", "model", "1", "1")
    described = [
        highdicom.seg.SegmentDescription(n, f"part {n}", tissue, tissue, "MANUAL")
        for n in range(1, len(masks) + 1)
    ]
    images = [pydicom.dcmread(file) for file in series.files]
    uids = generate_uid(), 5, generate_uid(), 1
    highdicom.seg.Segmentation(
        images, np.stack(masks, axis=-1), "BINARY", described, *uids, *made_by
    ).save_as(path)
    return path


def box(first: int, last: int) -> np.ndarray:
    """Rows of four pixels."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, first:last, 2:6] = 1
    return mask


def test_voxels_of_segments_that_overlap_are_counted(series, tmp_path):
    file = segments(series, tmp_path / "seg.dcm", [box(2, 5), box(4, 7)])
    for image in (None, read_image(series.folder)):
        found = read_labels(file, image)
        assert [np.count_nonzero(found.labels == n) for n in (1, 2)] == [8, 12]
        (finding,) = found.findings
        assert finding.code == "overlap"
        assert TOLD in finding.sentence
    apart = segments(series, tmp_path / "apart.dcm", [box(2, 5), box(5, 7)])
    assert read_labels(apart).findings == ()


def test_each_voxel_is_said_to_belong_to_whom_it_went_in_the_end(series, tmp_path):
    file = segments(series, tmp_path / "seg.dcm", [box(2, 4)] * 2 + [box(2, 3)])
    sentence = read_labels(file).findings[0].sentence
    for loser, winner in ((1, 2), (1, 3), (2, 3)):
        assert f"4 voxels of “part {loser}” went to “part {winner}”" in sentence
    many = segments(series, tmp_path / "many.dcm", [box(2, 3)] * 7)
    assert "and so on, 24 in all" in read_labels(many).findings[0].sentence


def test_commands_and_the_reader_tell_of_overlaps(series, tmp_path):
    file = segments(series, series.folder / "seg.dcm", [box(2, 5), box(4, 7)])
    with pytest.warns(FindingWarning, match=TOLD):
        layers = read_layers(str(series.folder))
    notes = layers[-1][1]["metadata"]["medseg"]
    assert TOLD in notes["findings"][0]
    for command in (
        ("measure", file),
        ("compare", file, file),
        ("objects", file, "-o", tmp_path / "objects.nii.gz"),
        ("export", file, "--like", series.folder, "--to", "nifti", "-o", tmp_path / "l.nii.gz"),
    ):
        done = CliRunner().invoke(app, [str(part) for part in command])
        assert done.exit_code == 0, done.output
        assert f"{file}: Segments of this file overlap" in done.stderr
        assert TOLD in done.stderr
