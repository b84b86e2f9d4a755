"""The dock Export labels, in a real window: what fits first, what is written, and the proof."""

from __future__ import annotations

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from napari.layers import Layer
from pydicom.uid import UltrasoundMultiFrameImageStorage
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QDialogButtonBox, QMessageBox

from napari_medseg.io import label_formats as formats
from napari_medseg.io.formats.dicom.seg_reading import read_segmentation
from napari_medseg.io.formats.dicom.seg_writing import write_dicom_seg
from napari_medseg.io.formats.nnunet import cases_of
from napari_medseg.io.images import read_image
from napari_medseg.io.label_formats import FORMATS
from napari_medseg.io.labels import read_labels
from napari_medseg.io.layers import read_layers
from napari_medseg.io.volume import read_volume
from napari_medseg.session.layers.channels import channel_layer, channels_of
from napari_medseg.session.layers.empty_labels import empty_labels
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.owners import are_of_two_patients, note_owner
from napari_medseg.widgets.export_labels import ExportLabels
from napari_medseg.widgets.parts.export.term_dialog import TermDialog
from napari_medseg.widgets.parts.export.term_table import OTHER_CODE
from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper

from ..io.dicom_phantoms import SHAPE, block, rotated, write_photo, write_series
from .by_example import click, press_and_wait
from .dialogs import when_shown

pytestmark = pytest.mark.gui

LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1, 2, 3], LABELS[3:5, 4:8, 2:6] = 1, 2
NAMES = ["background", "left kidney", "lesion"]


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "series", directions=rotated())


@pytest.fixture
def dock(viewer, series, qtbot) -> ExportLabels:
    """The dock on a DICOM series with two classes painted."""
    image = viewer.add_layer(Layer.create(*read_layers(str(series.folder))[0]))
    names = {"medseg": {"class_names": NAMES}}
    viewer.add_labels(LABELS.copy(), name="kidneys", metadata=names, **geometry_of(image))
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    qtbot.wait(1)
    return dock


def said(dock: ExportLabels, kind: str) -> str:
    assert dock.message.kind == kind, dock.message.text()
    return dock.message.text()


def titles(dock: ExportLabels) -> list[str]:
    return [dock.format.itemText(row) for row in range(dock.format.count())]


def test_dicom_images_get_a_dicom_seg_that_lies_on_them(dock, series, tmp_path, qtbot):
    assert titles(dock)[:2] == ["DICOM-SEG", "NIfTI"]
    assert dock.target.path.name == "segmentation.dcm"
    assert "6 files of the layer" in dock.dicom.images.text()
    assert "6 × 12 × 10 voxels of 2.5 × 0.7 × 0.8 mm" in dock.plan.text()
    is_what = dock.dicom.terms.cellWidget(1, 1)
    is_what.setCurrentText("Cyst")
    is_what.activated.emit(is_what.currentIndex())
    dock.target.point_to(tmp_path / "out.dcm")
    press_and_wait(qtbot, dock.button)
    assert "saved and read back: 2 classes, 33 voxels, geometry equal" in said(dock, "done")
    found = read_segmentation(tmp_path / "out.dcm", read_image(series.folder))
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.class_names == tuple(NAMES)
    kidney, cyst = pydicom.dcmread(tmp_path / "out.dcm").SegmentSequence
    assert cyst.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Cyst"
    modifier = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert modifier[0].CodeMeaning == "Left"
    assert dock.folder_button.isVisibleTo(dock)


def test_an_image_that_is_gone_is_named_as_gone(dock, series, tmp_path, qtbot):
    gone = sorted(series.folder.iterdir())[2]
    gone.unlink()
    dock.target.point_to(tmp_path / "out.dcm")
    click(qtbot, dock.button)
    qtbot.waitUntil(lambda: dock.message.kind == "problem", timeout=60_000)
    assert f"{gone.name} is not there any more" in dock.message.text()


def test_a_class_can_have_any_code(dock, series, tmp_path, qtbot):
    types = dock.dicom.terms.cellWidget(1, 1)

    def write_code(dialog: TermDialog) -> None:
        ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
        dialog.code.setText("")
        assert not ok.isEnabled() and "needs a scheme" in dialog.problem.text()
        dialog.code.setText("126926005")
        dialog.meaning.setText("Neoplasm of brain")
        dialog.category.setCurrentText("Morphologically Abnormal Structure")
        click(qtbot, ok)

    def choose_other() -> None:
        types.setCurrentIndex(types.findText(OTHER_CODE))
        types.activated.emit(types.currentIndex())

    when_shown(TermDialog, write_code)
    choose_other()
    assert types.currentText() == "Neoplasm of brain"
    when_shown(TermDialog, lambda dialog: dialog.reject())
    choose_other()
    assert types.currentText() == "Neoplasm of brain"
    dock.target.point_to(tmp_path / "out.dcm")
    press_and_wait(qtbot, dock.button)
    _, tumour = pydicom.dcmread(tmp_path / "out.dcm").SegmentSequence
    (kind,) = tumour.SegmentedPropertyTypeCodeSequence
    (category,) = tumour.SegmentedPropertyCategoryCodeSequence
    assert (kind.CodeValue, kind.CodeMeaning) == ("126926005", "Neoplasm of brain")
    assert category.CodeMeaning == "Morphologically Abnormal Structure"


@pytest.mark.parametrize("key", ["nifti", "ome-tiff"])
def test_other_formats_carry_place_names_and_provenance(dock, series, tmp_path, qtbot, key):
    dock.set_format(FORMATS[key])
    dock.target.point_to(tmp_path / "out")
    press_and_wait(qtbot, dock.button)
    said(dock, "done")
    found = read_labels(tmp_path / f"out{FORMATS[key].suffixes[0]}")
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_allclose(
        found.geometry.affine, read_image(series.folder).geometry.affine, atol=1e-4
    )
    assert found.class_names == tuple(NAMES)


def test_a_file_that_is_there_is_replaced_only_when_the_user_says_so(
    dock, tmp_path, qtbot, monkeypatch
):
    dock.set_format(FORMATS["nifti"])
    target = tmp_path / "out.nii.gz"
    target.write_bytes(b"mine")
    dock.target.point_to(target)
    asked = []

    def answer(button):
        return lambda parent, title, question: asked.append(question) or button

    monkeypatch.setattr(QMessageBox, "question", answer(QMessageBox.StandardButton.No))
    click(qtbot, dock.button)
    assert target.read_bytes() == b"mine" and not dock.button.is_running
    assert asked == ["“out.nii.gz” is there already. Replace it?"]
    monkeypatch.setattr(QMessageBox, "question", answer(QMessageBox.StandardButton.Yes))
    press_and_wait(qtbot, dock.button)
    np.testing.assert_array_equal(read_labels(target).labels, LABELS)


def test_the_files_of_the_image_are_never_replaced(dock, series, tmp_path):
    first = sorted(series.folder.iterdir())[0]
    for target in (first, tmp_path / "new.dcm"):
        dock.target.point_to(target)
        is_image = target == first
        assert dock.button.isEnabled() is not is_image
        assert ("the image itself" in dock.button.toolTip()) is is_image


def test_what_cannot_be_written_is_said_in_a_sentence(dock, tmp_path, qtbot):
    dock.set_format(FORMATS["nifti"])
    dock.target.point_to(tmp_path / "none" / "out.nii.gz")
    assert not dock.button.isEnabled() and "does not exist" in dock.button.toolTip()
    dock.target.point_to(tmp_path / "out.nii.gz")
    dock.target.line.setText(str(tmp_path / "wrong.txt"))
    with qtbot.waitSignal(dock.button.failed, timeout=20_000):
        dock.button.start()
    assert said(dock, "problem").endswith("End the name with .nii.gz or .nii.")
    dock.set_format(FORMATS["dicom-seg"])
    dock.target.point_to(tmp_path / "out.dcm")
    dock.viewer.layers["kidneys"].data_setitem(np.nonzero(LABELS), 0)
    with qtbot.waitSignal(dock.button.ended, timeout=20_000):
        click(qtbot, dock.button)
    assert "nothing labelled" in said(dock, "problem")
    assert not (tmp_path / "out.dcm").exists()


def test_nnunet_cases_are_numbered(dock, tmp_path, qtbot):
    dock.set_format(FORMATS["nnunet"])
    dock.target.point_to(tmp_path / "wrong name")
    assert "three digits" in dock.button.toolTip()
    dataset = tmp_path / "Dataset007_Kidney"
    dock.target.point_to(dataset)
    for _ in range(2):
        press_and_wait(qtbot, dock.button)
        said(dock, "done")
    assert cases_of(dataset) == ["case_001", "case_002"]


def test_a_picture_gets_a_png_first_and_dicom_wants_a_folder(viewer, series, tmp_path, qtbot):
    viewer.add_image(np.zeros(SHAPE[1:]), name="skin")
    viewer.add_labels(LABELS[3], name="Patient X / lesion")
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    assert titles(dock)[0] == "PNG" and dock.images.currentText() == "skin"
    assert dock.target.path.name == "Patient_X_lesion.png"
    dock.set_format(FORMATS["dicom-seg"])
    assert "choose their folder" in dock.button.toolTip()
    dock.dicom.choose_folder(series.folder)
    assert dock.button.isEnabled(), dock.button.toolTip()


def test_what_no_dicom_seg_can_refer_to_gets_another_format_first(viewer, tmp_path):
    film = {"SOPClassUID": UltrasoundMultiFrameImageStorage, "NumberOfFrames": 1}
    file = write_photo(tmp_path / "film.dcm", np.zeros((*SHAPE[1:], 3), np.uint8), **film)
    (image,) = viewer.open(str(file), plugin="napari-medseg")
    viewer.add_layer(empty_labels(image))
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    assert dock.format.format is not FORMATS["dicom-seg"] and dock.button.isEnabled()
    model = dock.format.model()
    assert isinstance(model, QStandardItemModel)
    item = model.item(dock.format.findText("DICOM-SEG"))
    assert not item.isEnabled() and "old kind" in item.toolTip()


def test_labels_without_paint_are_written_but_the_dock_says_so(viewer, tmp_path, qtbot):
    viewer.add_labels(np.zeros((20, 30), np.uint8), name="forgotten")
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    dock.target.point_to(tmp_path / "forgotten.png")
    press_and_wait(qtbot, dock.button)
    assert dock.message.kind == "problem"
    assert "Nothing is painted" in dock.message.text()


def test_layers_that_come_and_go_are_followed(dock, viewer):
    model = dock.format.model()
    assert isinstance(model, QStandardItemModel)
    png = dock.format.findText("PNG")
    assert not model.item(png).isEnabled() and "volume" in model.item(png).toolTip()
    viewer.layers.clear()
    assert "Make or open labels" in dock.button.toolTip()
    assert "Make or open labels" in dock.message.text()
    viewer.add_labels(LABELS[3], name="plane")
    assert dock.labels.currentText() == "plane" and titles(dock)[0] == "PNG"
    viewer.window.remove_dock_widget(dock.parent())
    viewer.layers.clear()
    viewer.add_labels(np.zeros((3, 4, 8, 8), np.uint8))
    viewer.dims.set_current_step(0, 1)


def test_labels_go_with_the_patient_they_were_made_on(dock, viewer, tmp_path):
    image, labels = dock.images.choices[0], dock.labels.choices[0]
    note_owner(labels, image)
    other = write_series(tmp_path / "other", directions=rotated(), patient="Roe^Richard")
    later = viewer.add_layer(Layer.create(*read_layers(str(other.folder))[0]))
    viewer.layers.selection.active = labels
    dock._choose_labels(labels)
    assert dock._image is image, "not the topmost of its size"
    dock._choose_image(later)
    assert dock.button.isEnabled()
    far = write_series(tmp_path / "far", directions=rotated(), corner=(0.0, 0.0, 500.0))
    dock._choose_image(viewer.add_layer(Layer.create(*read_layers(str(far.folder))[0])))
    assert not dock.button.isEnabled()
    assert "lies elsewhere than the one the labels were made on" in dock.button.toolTip()
    assert dock.plan.text() == dock.button.toolTip()


def opened(viewer, folder) -> Layer:
    return viewer.add_layer(Layer.create(*read_layers(str(folder))[0]))


def test_labels_whose_image_was_closed_go_with_no_other_patient(dock, viewer, series, tmp_path):
    image, labels = dock.images.choices[0], dock.labels.choices[0]
    note_owner(labels, image)
    other = write_series(tmp_path / "other", directions=rotated(), PatientID="ROE-2")
    later = opened(viewer, other.folder)
    viewer.layers.selection.active = labels
    viewer.layers.remove(image)
    assert dock._labels is labels and dock._image is None
    assert "which is not the image above" in dock.plan.text()
    assert dock.format.format is not formats.DICOM_SEG
    dock._choose_image(later)
    assert not dock.button.isEnabled()
    assert "of another patient than the image" in dock.plan.text()
    again = opened(viewer, series.folder)
    dock._choose_labels(labels)
    assert dock._image is again.__wrapped__, "the same file, opened again"


def test_a_name_that_was_used_is_not_proposed_for_other_labels(dock, viewer, tmp_path, qtbot):
    dock.format.choose(formats.NIFTI)
    dock.refresh()
    dock.target.point_to(tmp_path / "A_final.nii.gz")
    press_and_wait(qtbot, dock.button)
    assert dock.target.path.name == "A_final.nii.gz", "may be written again"
    copy = viewer.add_labels(LABELS.copy(), name="later", **geometry_of(dock._labels))
    dock._choose_labels(copy)
    assert dock.target.path.name != "A_final.nii.gz"
    dock.target.point_to(tmp_path / "B_final.nii.gz")
    dock._choose_labels(next(layer for layer in dock.labels.choices if layer is not dock._labels))
    assert dock.target.path.name == "B_final.nii.gz", "typed since"


def test_an_owner_of_other_axes_is_compared_by_what_is_shown(viewer, tmp_path):
    values = np.zeros((2, 3, 8, 9), np.uint16)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values, photometric="minisblack", metadata={"axes": "CZYX"})
    whole = Layer.create(*read_layers(str(path))[0])
    channel = channel_layer(whole, channels_of(whole)[0])
    labels = empty_labels(channel)
    labels.data[1, 2, 3] = 1
    for layer in (whole, channel, labels):
        viewer.add_layer(layer)
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    assert dock._image is channel
    dock._choose_image(whole)
    assert dock.button.isEnabled(), dock.button.toolTip()
    assert "c = 0 of 2" in dock.plan.text(), "of the image, as the labels have no channels"
    dock._choose_labels(labels)
    viewer.layers.remove(channel)
    assert dock._image is None, "the whole file is not that channel"


@pytest.mark.parametrize("key", ["nifti", "ome-tiff", "ome-zarr", "nnunet"])
def test_of_labels_over_time_the_point_of_time_shown_is_written(viewer, tmp_path, qtbot, key):
    file = tmp_path / "beating.nii.gz"
    values = np.arange(6 * 5 * 4 * 3, dtype=np.int16).reshape(6, 5, 4, 3)
    scan = nibabel.Nifti1Image(values, np.diag([0.5, 0.7, 2.0, 1]))
    scan.header.set_xyzt_units("mm", "sec")
    nibabel.save(scan, file)
    (image,) = viewer.open(str(file), plugin="napari-medseg")
    labels = viewer.add_layer(empty_labels(image))
    labels.data[1, 3, 4, 5] = labels.data[2, 0, 4, 5] = 1
    viewer.dims.set_current_step(0, 0)
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    assert dock.plan.text().startswith("Exports the point of time shown: t = 0 of 3.")
    viewer.dims.set_current_step(0, 1)
    assert dock.plan.text().startswith("Exports the point of time shown: t = 1 of 3.")
    assert "4 × 5 × 6 voxels of 2 × 0.7 × 0.5 mm" in dock.plan.text()
    dock.set_format(FORMATS[key])
    target = dock.target.path
    if key == "nnunet":
        dock.target.point_to(tmp_path / "Dataset001_Beating")
        target = tmp_path / "Dataset001_Beating" / "labelsTr" / "case_001.nii.gz"
    else:
        assert target.name.startswith("beating_labels_t1.") and target.parent == tmp_path
    press_and_wait(qtbot, dock.button)
    assert "1 class, 1 voxel, geometry equal" in said(dock, "done")
    found = read_labels(target)
    np.testing.assert_array_equal(found.labels, np.asarray(labels.data)[1])
    np.testing.assert_allclose(found.geometry.spacing, (2.0, 0.7, 0.5), rtol=1e-6)
    if key == "nnunet":
        picture = tmp_path / "Dataset001_Beating" / "imagesTr" / "case_001_0000.nii.gz"
        np.testing.assert_array_equal(read_image(picture).data, image.data[1])
    if key == "nifti":
        np.testing.assert_array_equal(nibabel.load(target).affine, nibabel.load(file).affine)


def test_labels_count_as_saved_once_all_their_paint_is(viewer, tmp_path, qtbot, monkeypatch):
    saved = []
    keeper = LabelKeeper.of(viewer.__wrapped__)
    monkeypatch.setattr(keeper, "to_be_saved", lambda layer: lambda: saved.append(layer.name))
    labels = np.zeros((2, 3, 8, 9), np.uint8)
    labels[0, 1, 4, 5] = 1
    data = viewer.add_labels(labels, name="beats").data
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    viewer.dims.set_current_step(0, 0)
    dock.target.point_to(tmp_path / "beat.nii.gz")
    press_and_wait(qtbot, dock.button)
    assert saved == ["beats"]
    data[1, 1, 4, 5] = 1
    dock.target.point_to(tmp_path / "again.nii.gz")
    press_and_wait(qtbot, dock.button)
    assert saved == ["beats"], "the other point of time is in no file"


def test_of_planes_over_time_the_one_shown_is_written(viewer, tmp_path, qtbot):
    labels = np.zeros((3, 8, 9), np.uint8)
    labels[2, 4, 5] = 1
    units = ("s", "um", "um")
    placed = {"axis_labels": ("t", "y", "x"), "scale": (2, 0.5, 0.5), "units": units}
    viewer.add_labels(labels, name="film", **placed)
    viewer.dims.set_current_step(0, 2)
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    assert titles(dock)[0] == "PNG" and dock.target.path.name == "film_t2.png"
    dock.set_format(FORMATS["ome-tiff"])
    dock.target.point_to(tmp_path / "film.ome.tif")
    press_and_wait(qtbot, dock.button)
    found = read_labels(tmp_path / "film.ome.tif")
    np.testing.assert_array_equal(found.labels, labels[2])
    assert (found.geometry.spacing, found.geometry.units) == ((0.5, 0.5), "um")


def test_a_phase_of_a_series_is_written_as_dicom_seg_of_its_own_images(viewer, tmp_path, qtbot):
    one = write_series(tmp_path / "phases")
    first = pydicom.dcmread(one.files[0])
    same = {"SeriesInstanceUID": first.SeriesInstanceUID}
    same |= {"StudyInstanceUID": first.StudyInstanceUID}
    same |= {"FrameOfReferenceUID": first.FrameOfReferenceUID}
    late = write_series(tmp_path / "phases" / "late", stored=block() + 5, **same)
    for file in late.files:
        header = pydicom.dcmread(file)
        header.InstanceNumber += 100
        header.save_as(file)
    (image,) = viewer.open(str(tmp_path / "phases"), plugin="napari-medseg")
    assert image.data.shape == (2, *SHAPE)
    labels = viewer.add_layer(empty_labels(image))
    labels.data[1, 3, 4, 5] = 1
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    viewer.dims.set_current_step(0, 1)
    assert dock.format.format.title == "DICOM-SEG"
    assert dock.target.path.name == "segmentation_t1.dcm"
    dock.target.point_to(tmp_path / "phase.dcm")
    press_and_wait(qtbot, dock.button)
    assert "geometry equal" in said(dock, "done")
    (entry,) = pydicom.dcmread(tmp_path / "phase.dcm").ReferencedSeriesSequence
    named = {item.ReferencedSOPInstanceUID for item in entry.ReferencedInstanceSequence}
    assert named <= {pydicom.dcmread(file).SOPInstanceUID for file in late.files}


def test_the_menu_opens_the_dock(viewer):
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Export labels")
    assert isinstance(dock, ExportLabels)


def test_labels_that_came_with_a_folder_go_with_no_other_patient(viewer, series, tmp_path):
    geometry = read_volume(series.folder).geometry
    write_dicom_seg(series.folder / "segments.dcm", LABELS, geometry, series.files)
    image, labels = viewer.open(str(series.folder), plugin="napari-medseg")
    other = write_series(tmp_path / "other", directions=rotated(), PatientID="ROE-2")
    later = opened(viewer, other.folder)
    copy = viewer.add_layer(Layer.create(*labels.as_layer_data_tuple()))
    assert not any(are_of_two_patients(layer, image) for layer in (labels, copy))
    assert all(are_of_two_patients(layer, later) for layer in (labels, copy))
    dock = ExportLabels(viewer)
    viewer.window.add_dock_widget(dock, name="Export labels", area="right")
    dock._choose_labels(labels)
    dock._choose_image(later)
    assert not dock.button.isEnabled()
    assert "of another patient than the image" in dock.plan.text()
