"""A DICOM-SEG holds labels where they were painted, and of the patient only what it may."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.sr._concepts_dict import concepts
from pydicom.uid import (
    OphthalmicPhotography8BitImageStorage,
    UltrasoundMultiFrameImageStorage,
    XRayAngiographicImageStorage,
)

from napari_medseg.engine.results import Provenance
from napari_medseg.io.atomic import SaveError
from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom import deidentify
from napari_medseg.io.formats.dicom.deidentify import moved_date, pseudonym_key, pseudonym_of
from napari_medseg.io.formats.dicom.seg_writing import SegOptions, write_dicom_seg
from napari_medseg.io.formats.dicom.source import why_no_segmentation
from napari_medseg.io.formats.dicom.terms import (
    CATEGORIES,
    SIDES,
    TERMS,
    UNKNOWN,
    parse_term,
    term_for,
)
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels
from napari_medseg.io.user_folders import data_folder

from .dicom_phantoms import (
    PATIENT_ID,
    PATIENT_NAME,
    SHAPE,
    Phantom,
    changed,
    patient_position,
    rotated,
    write_enhanced,
    write_photo,
    write_series,
)

NAMES = ("background", "left kidney", "Läsion")
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1, 2, 3] = 1
LABELS[3:5, 4:8, 2:6] = 2
MADE_BY = Provenance("by-example", "universeg-open", "ab" * 32, {"threshold": 0.5}, "medseg 1.0")


@pytest.fixture(autouse=True)
def key_folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDSEG_DATA", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Phantom:
    folder = tmp_path_factory.mktemp("series")
    return write_series(folder, directions=rotated(), shuffled=True, reversed_numbers=True)


def marked_positions(path, number: int) -> NDArray[np.float64]:
    """Where the voxels of a segment lie, by the formula of the standard alone, pixel by pixel."""
    found = pydicom.dcmread(path)
    shared = found.SharedFunctionalGroupsSequence[0]
    pose = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    frames = found.pixel_array.reshape(-1, found.Rows, found.Columns)
    positions = []
    for group, frame in zip(found.PerFrameFunctionalGroupsSequence, frames, strict=True):
        if found.SegmentationType == "BINARY":
            segment = group.get("SegmentIdentificationSequence") or shared.get(
                "SegmentIdentificationSequence"
            )
            frame = frame * segment[0].ReferencedSegmentNumber
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for row, column in zip(*np.nonzero(frame == number), strict=True):
            across = pose[:3] * between_columns * column
            positions.append(corner + across + pose[3:] * between_rows * row)
    return np.array(sorted(map(tuple, positions)))


def expected_positions(series: Phantom, labels, number: int) -> NDArray[np.float64]:
    found = [patient_position(series.files[k], r, c) for k, r, c in np.argwhere(labels == number)]
    return np.array(sorted(map(tuple, found)))


@pytest.mark.parametrize("labelmap", [False, True])
@pytest.mark.parametrize("with_geometry", [False, True])
def test_every_voxel_lies_where_the_image_has_it(tmp_path, series, labelmap, with_geometry):
    image = read_image(series.folder)
    path = write_dicom_seg(
        tmp_path / "seg.dcm",
        LABELS,
        image.geometry if with_geometry else None,
        [series.folder],
        SegOptions(labelmap=labelmap),
        MADE_BY,
        NAMES,
    )
    for number in (1, 2):
        found = marked_positions(path, number)
        expected = expected_positions(series, LABELS, number)
        assert np.abs(np.sort(found, axis=0) - np.sort(expected, axis=0)).max() < 1e-3


def test_planes_of_one_name_are_refused_and_highdicom_logs_nothing(tmp_path, series, caplog):
    caplog.set_level("DEBUG")
    write_dicom_seg(tmp_path / "a.dcm", LABELS, None, [series.folder])
    assert [one.message for one in caplog.records if one.name.startswith("highdicom")] == []
    twins = write_series(tmp_path / "twins")
    changed(twins.files[4], SOPInstanceUID=pydicom.dcmread(twins.files[1]).SOPInstanceUID)
    with pytest.raises(ReadError, match="say that they are the same image"):
        write_dicom_seg(tmp_path / "seg.dcm", LABELS, None, [twins.folder])


def test_labels_stored_in_another_order_are_turned_onto_the_images(tmp_path, series):
    affine = read_image(series.folder).geometry.affine
    flip = np.diag([-1.0, 1.0, -1.0, 1.0])
    flip[0, 3], flip[2, 3] = SHAPE[0] - 1, SHAPE[2] - 1
    turned = Geometry.from_affine((affine @ flip)[:, [2, 0, 1, 3]])
    stored = LABELS[::-1, :, ::-1].transpose(2, 0, 1)
    path = write_dicom_seg(tmp_path / "seg.dcm", stored, turned, [series.folder])
    expected = expected_positions(series, LABELS, 1)
    np.testing.assert_allclose(marked_positions(path, 1), expected, atol=1e-3)


def test_tilted_gantry_enhanced_file_and_photo(tmp_path):
    tilted = write_series(tmp_path / "tilted", tilt=15.0)
    path = write_dicom_seg(tmp_path / "a.dcm", LABELS, None, [tilted.folder])
    expected = expected_positions(tilted, LABELS, 1)
    np.testing.assert_allclose(marked_positions(path, 1), expected, atol=1e-3)
    straight = write_series(tmp_path / "straight")
    enhanced = write_enhanced(tmp_path / "enhanced.dcm", straight)
    path = write_dicom_seg(tmp_path / "b.dcm", LABELS, None, [enhanced])
    expected = expected_positions(straight, LABELS, 1)
    np.testing.assert_allclose(marked_positions(path, 1), expected, atol=1e-3)
    photo = write_photo(tmp_path / "photo.dcm", np.zeros((*SHAPE[1:], 3), np.uint8))
    path = write_dicom_seg(tmp_path / "c.dcm", LABELS[3], None, [photo])
    found = pydicom.dcmread(path)
    np.testing.assert_array_equal(found.pixel_array, LABELS[3] == 2)
    assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == (
        pydicom.dcmread(photo).SOPInstanceUID
    )


def test_segments_say_what_they_are_and_what_made_them(tmp_path, series):
    path = write_dicom_seg(
        tmp_path / "s.dcm", LABELS, None, series.files, None, MADE_BY.as_dict(), NAMES
    )
    kidney, lesion = pydicom.dcmread(path).SegmentSequence
    assert (kidney.SegmentLabel, lesion.SegmentLabel) == ("left kidney", "Läsion")
    kind = kidney.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodeMeaning) == ("64033007", "Kidney")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert kidney.SegmentAlgorithmType == "AUTOMATIC"
    algorithm = kidney.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "universeg-open"
    assert "threshold=0.5" in algorithm.AlgorithmParameters
    assert "ab" * 32 in algorithm.AlgorithmParameters


def test_what_made_them_is_read_back(tmp_path, series):
    made = MADE_BY.as_dict()
    for given in (made, {"accepted": [made]}, {}):
        path = write_dicom_seg(tmp_path / "s.dcm", LABELS, None, series.files, None, given, NAMES)
        found = read_labels(path).provenance
        assert list(found.get("accepted", [])) == [] or list(given) == ["accepted"]
        last = found["accepted"][0] if "accepted" in found else found
        for field in ("model", "method", "weights_sha256", "created", "software"):
            assert last.get(field) == (made[field] if given else None)
        expected = {name: str(value) for name, value in made["parameters"].items()}
        assert last.get("parameters", {}) == (expected if given else {})


@pytest.mark.parametrize(
    ("made", "kind"),
    [(None, "MANUAL"), ({"accepted": [MADE_BY.as_dict()]}, "SEMIAUTOMATIC")],
)
def test_paint_and_accepted_proposals_are_told_apart(tmp_path, series, made, kind):
    path = write_dicom_seg(tmp_path / "s.dcm", LABELS, None, series.files, None, made, NAMES)
    assert {s.SegmentAlgorithmType for s in pydicom.dcmread(path).SegmentSequence} == {kind}


def test_numbers_stay_where_the_standard_allows(tmp_path, series):
    sparse = LABELS * np.uint8(3)
    names = ("background", "a", "b", "c", "d", "e", "f")

    def numbers(**how) -> dict[int, str]:
        options = SegOptions(labelmap=how.pop("labelmap", False))
        path = write_dicom_seg(tmp_path / "s.dcm", sparse, None, series.files, options, **how)
        found = pydicom.dcmread(path).SegmentSequence
        return {int(s.SegmentNumber): s.SegmentLabel for s in found if s.SegmentNumber}

    assert numbers(class_names=names) == dict(enumerate(names[1:], 1))
    assert numbers() == {1: "class 3", 2: "class 6"}
    assert numbers(labelmap=True) == {3: "class 3", 6: "class 6"}


def test_what_does_not_belong_together_is_refused_in_a_sentence(tmp_path, series):
    target = tmp_path / "s.dcm"
    geometry = read_image(series.folder).geometry
    other = Geometry.from_affine(geometry.affine + np.eye(4)[:, [3, 3, 3, 0]] * 0.4)
    with pytest.raises(ValueError, match="nothing labelled"):
        write_dicom_seg(target, LABELS * 0, None, series.files)
    with pytest.raises(ValueError, match="on which they"):
        write_dicom_seg(target, LABELS[1:], None, series.files)
    with pytest.raises(ValueError, match="do not lie on the voxels"):
        write_dicom_seg(target, LABELS, other, series.files)
    with pytest.raises(ReadError, match="no DICOM images"):
        write_dicom_seg(target, LABELS, None, [tmp_path])
    with pytest.raises(SaveError, match="does not exist"):
        write_dicom_seg(tmp_path / "none" / "s.dcm", LABELS, None, series.files)
    assert not list(tmp_path.iterdir())


def test_a_missing_slice_is_named_as_the_reason(tmp_path):
    series = write_series(tmp_path / "series")
    where = read_image(series.folder).geometry
    sorted(series.files)[2].unlink()
    with pytest.raises(ValueError, match=r"5\.00 mm between planes 2 and 3.*may be missing"):
        write_dicom_seg(tmp_path / "seg.dcm", LABELS, where, [series.folder])
    assert not (tmp_path / "seg.dcm").exists()


@pytest.mark.parametrize("thickness", [3.0, 4.0, 5.0])
@pytest.mark.parametrize("apart", [5.0, 0.625])
def test_planes_lie_where_they_say_however_thick_they_are(tmp_path, thickness, apart):
    series = write_series(tmp_path / "series", spacing=(apart, 0.7, 0.8))
    path = write_dicom_seg(tmp_path / "seg.dcm", LABELS, None, [series.folder])
    header = pydicom.dcmread(path)
    measures = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices
    measures.SliceThickness = thickness
    for group in header.PerFrameFunctionalGroupsSequence:
        corner = group.PlanePositionSequence[0].ImagePositionPatient
        corner[2] = round(corner[2], 2)  # as scanners write it
    header.save_as(path)
    found = read_labels(path)
    assert not found.findings
    labelled = np.flatnonzero(LABELS.any(axis=(1, 2)))
    np.testing.assert_array_equal(found.labels, LABELS[labelled[0] : labelled[-1] + 1])
    assert found.geometry.spacing == pytest.approx((apart, 0.7, 0.8), abs=4e-3)


@pytest.mark.parametrize("planes", [[0, 5], [0, 2, 5]])
def test_planes_that_were_not_labelled_are_still_there(tmp_path, planes):
    series = write_series(tmp_path / "series", spacing=(5.0, 0.7, 0.8))
    labels = np.zeros(SHAPE, np.uint8)
    labels[planes, 2:5, 3:6] = 1
    path = write_dicom_seg(tmp_path / "seg.dcm", labels, None, [series.folder])
    header = pydicom.dcmread(path)
    del header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    header.save_as(path)
    found = read_labels(path)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.geometry.spacing == pytest.approx((5.0, 0.7, 0.8), abs=1e-3)
    assert [finding.code for finding in found.findings] == ["distance unknown"]


@pytest.mark.parametrize("labelmap", [False, True])
@pytest.mark.parametrize("deidentify", [False, True])
def test_images_without_a_thickness_can_be_labelled(tmp_path, labelmap, deidentify):
    phantom = write_series(tmp_path / "a", SliceThickness=None)
    options = SegOptions(labelmap=labelmap, deidentify=deidentify)
    path = write_dicom_seg(tmp_path / "s.dcm", LABELS, None, phantom.files, options)
    found = read_labels(path, read_image(phantom.folder))
    np.testing.assert_array_equal(found.labels, LABELS)
    shared = pydicom.dcmread(path).SharedFunctionalGroupsSequence[0]
    assert "SliceThickness" not in shared.PixelMeasuresSequence[0]


def test_any_entry_may_be_missing_or_empty_or_its_lack_is_told_in_a_sentence(tmp_path):
    (file,) = write_series(tmp_path / "a", stored=np.ones((1, 4, 4), np.int16)).files
    labels, whole = np.ones((1, 4, 4), np.uint8), pydicom.dcmread(file)
    refused = set()
    for keyword in [entry.keyword for entry in whole if entry.keyword != "PixelData"]:
        for is_missing in (True, False):
            header = pydicom.dcmread(file)
            header[keyword].value = None
            if is_missing:
                del header[keyword]
            header.save_as(tmp_path / "one.dcm")
            try:
                write_dicom_seg(tmp_path / "s.dcm", labels, None, [tmp_path / "one.dcm"])
            except ReadError:
                refused.add(keyword)
    assert refused >= {"FrameOfReferenceUID", "PixelSpacing"}
    assert not refused & {"SliceThickness", "PatientName", "SeriesNumber", "Modality"}


def test_frames_of_an_old_kind_of_file_are_refused_in_a_sentence(tmp_path):
    phantom = write_series(tmp_path / "a")
    stored = np.zeros(SHAPE, np.int16).tobytes()
    file = changed(phantom.files[0], NumberOfFrames=len(phantom.files), PixelData=stored)
    with pytest.raises(ReadError, match=r"old kind.*NIfTI"):
        write_dicom_seg(tmp_path / "s.dcm", LABELS, None, [file])


@pytest.mark.parametrize(
    ("kind", "frames"),
    [
        (UltrasoundMultiFrameImageStorage, 1),
        (XRayAngiographicImageStorage, 1),
        (OphthalmicPhotography8BitImageStorage, None),
    ],
)
def test_a_film_of_one_frame_is_refused_as_one_of_several_is(tmp_path, kind, frames):
    film = {"SOPClassUID": kind, "NumberOfFrames": frames}
    file = write_photo(tmp_path / "film.dcm", np.zeros((*SHAPE[1:], 3), np.uint8), **film)
    with pytest.raises(ReadError, match=r"old kind.*NIfTI"):
        write_dicom_seg(tmp_path / "s.dcm", LABELS[3], None, [file])
    assert "old kind" in why_no_segmentation([file])


def test_why_there_can_be_no_segmentation_is_known_before_one_is_written(tmp_path, series):
    assert why_no_segmentation(series.files) == why_no_segmentation([]) == ""
    assert why_no_segmentation([tmp_path / "gone.dcm"]) == ""
    bare = write_series(tmp_path / "bare", SOPInstanceUID=None)
    assert "no SOPInstanceUID" in why_no_segmentation(bare.files)


@pytest.mark.parametrize("tag", ["StudyInstanceUID", "SOPInstanceUID"])
def test_images_that_nothing_can_refer_to_are_refused(tmp_path, tag):
    phantom = write_series(tmp_path / "a", **{tag: None})
    with pytest.raises(ValueError, match=f"no {tag}.*NIfTI"):
        write_dicom_seg(tmp_path / "s.dcm", np.ones(SHAPE, np.uint8), None, phantom.files)
    assert not (tmp_path / "s.dcm").exists()


def test_two_series_in_a_folder_need_a_choice(tmp_path):
    one = write_series(tmp_path / "a")
    write_series(tmp_path / "b")
    with pytest.raises(ReadError, match="2 series"):
        write_dicom_seg(tmp_path / "s.dcm", LABELS, None, [tmp_path])
    uid = pydicom.dcmread(one.files[0]).SeriesInstanceUID
    write_dicom_seg(tmp_path / "s.dcm", LABELS, None, [tmp_path], SegOptions(series=uid))
    found = pydicom.dcmread(tmp_path / "s.dcm")
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == uid


def test_a_file_that_reads_back_otherwise_is_not_kept(tmp_path, series, monkeypatch):
    target = write_dicom_seg(tmp_path / "s.dcm", LABELS, None, series.files)
    before = target.read_bytes()
    save = pydicom.Dataset.save_as

    def damaged(dataset, path, **options):
        dataset.PixelData = bytes(len(dataset.PixelData))
        save(dataset, path, **options)

    monkeypatch.setattr(pydicom.Dataset, "save_as", damaged)
    with pytest.raises(SaveError, match="voxels in the file differ"):
        write_dicom_seg(target, LABELS, None, series.files)
    assert target.read_bytes() == before and list(tmp_path.iterdir()) == [target]


def test_the_patient_stays_out_when_asked(tmp_path, series):
    plain = write_dicom_seg(tmp_path / "p.dcm", LABELS, None, series.files)
    assert pydicom.dcmread(plain).PatientName == PATIENT_NAME
    options = SegOptions(deidentify=True)
    path = write_dicom_seg(tmp_path / "d.dcm", LABELS, None, series.files, options, MADE_BY)
    written = path.read_bytes().upper()
    for trace in ("PLANTED", PATIENT_ID, "19700101", "20200102", "PHANTOM"):
        assert trace.encode() not in written
    found = pydicom.dcmread(path)
    assert found.PatientIdentityRemoved == "YES" and found.PatientBirthDate == ""
    assert found.StudyInstanceUID == pydicom.dcmread(plain).StudyInstanceUID
    again = write_dicom_seg(tmp_path / "e.dcm", LABELS, None, series.files, options)
    assert pydicom.dcmread(again).PatientID == found.PatientID != ""
    assert pydicom.dcmread(again).StudyDate == found.StudyDate != ""


def test_pseudonyms_follow_from_the_key_alone(tmp_path):
    patient = pydicom.Dataset()
    patient.PatientID = PATIENT_ID
    key = pseudonym_key(tmp_path / "a")
    assert key == pseudonym_key(tmp_path / "a") != pseudonym_key(tmp_path / "b")
    assert (tmp_path / "a" / "pseudonyms.key").stat().st_mode & 0o077 == 0
    assert pseudonym_of(patient, key) != pseudonym_of(patient, pseudonym_key(tmp_path / "b"))
    assert moved_date("20200301", 366) == "20190301" and moved_date("", 5) == ""


def test_of_programs_that_make_the_key_at_once_all_have_the_same(tmp_path, monkeypatch):
    write, keys = deidentify._write_key, []

    def late(path):
        monkeypatch.setattr(deidentify, "_write_key", write)
        keys.append(pseudonym_key(tmp_path / "a"))
        write(path)

    monkeypatch.setattr(deidentify, "_write_key", late)
    assert [pseudonym_key(tmp_path / "a")] == keys


def test_a_key_is_found_where_it_was_kept_earlier(tmp_path, monkeypatch):
    def folder(name: str, appauthor: str | bool | None = None):
        return tmp_path / ("earlier" if appauthor is False else "now") / name

    monkeypatch.delenv("NAPARI_MEDSEG_DATA")
    monkeypatch.setattr("platformdirs.user_data_path", folder)
    key = pseudonym_key()
    assert key == pseudonym_key(data_folder()) and not (tmp_path / "earlier").exists()
    earlier = pseudonym_key(tmp_path / "earlier" / "napari-medseg")
    assert pseudonym_key() == earlier != key


def test_terms_are_those_of_the_standard():
    known: dict[str, set[str]] = {}
    for entries in concepts["SCT"].values():
        for value, (meaning, _) in entries.items():
            known.setdefault(value, set()).add(meaning.lower())
    terms = [term.type for term in TERMS.values()]
    for code in (*terms, *CATEGORIES):
        assert code.meaning.lower() in known[code.value]
    for side in SIDES:
        assert any(meaning.startswith(side.meaning.lower()) for meaning in known[side.value])


@pytest.mark.parametrize(
    ("name", "meaning", "side"),
    [
        ("LIVER_1", "Liver", None),
        ("Left kidney", "Kidney", "Left"),
        ("kidney_right", "Kidney", "Right"),
        ("left ventricle", "Left ventricle", None),
        ("Lungs", "Lung", None),
        ("tumour", "Neoplasm", None),
        ("class 3", "Tissue", None),
        ("", "Tissue", None),
    ],
)
def test_names_suggest_terms(name, meaning, side):
    term = term_for(name)
    assert term.type.meaning == meaning
    assert (term.side.meaning if term.side else None) == side


def test_terms_can_be_written_by_hand():
    assert parse_term("SCT:1234:Thing").type.value == "1234"
    assert parse_term("tissue") is UNKNOWN
    with pytest.raises(ValueError, match="no term that is known"):
        parse_term("thingummy")
