"""Models come and go in the dock Segment with a model: cards, search, import, download, export."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt

from napari_medseg.widgets.parts.with_model.cards import EMPTY
from napari_medseg.widgets.parts.with_model.import_dialog import ImportDialog
from napari_medseg.zoo import architectures, published
from napari_medseg.zoo.inspection import inspect_checkpoint
from napari_medseg.zoo.registry import get_card
from tests.engine.pretrained import BrightNet, write_pretrained
from tests.zoo.nets import small_net

from .by_example import click, press_and_wait
from .with_model import install_bright, install_two, open_model_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_with_model import SegmentWithModel

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty zoo folder."""
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "BrightNet", "tests.engine.pretrained")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def dock(viewer: Viewer) -> SegmentWithModel:
    viewer.add_image(np.zeros((3, 32, 32), np.uint8), name="Cardiac MR")
    return open_model_dock(viewer)


def names(dock: SegmentWithModel) -> list[str]:
    return [view.card.name for view in dock.cards.shown]


def filled_in(found, **lines: str):
    """Fill in the card as a person does, and press Import."""
    dialog = ImportDialog(found)
    for name, text in lines.items():
        getattr(dialog, name).setText(text)
    assert dialog.import_button.isEnabled(), dialog.import_button.toolTip()
    draft = dialog.draft()
    dialog.deleteLater()
    return draft


def test_without_a_model_the_dock_says_what_to_do(dock: SegmentWithModel) -> None:
    bundled = [view.card for view in dock.cards.views if view.card.kind == "pretrained"]
    if any(card.state == "present" for card in bundled):
        pytest.skip("models that need no examples come with the package")
    assert dock.cards.empty.text() == EMPTY
    assert not dock.cards.empty.isHidden()
    assert "Import" in dock.jobs.plane.toolTip()
    assert dock.zoo.import_button.isEnabled()
    assert "not for diagnosis" in dock.warning.text()


def test_cards_are_ordered_by_fit_searched_and_chosen_with_keys(
    dock: SegmentWithModel, qtbot: QtBot, models: Path
) -> None:
    install_two(models)
    install_bright(models)
    dock.show_zoo()
    order = [name for name in names(dock) if not name.startswith("universeg")]
    assert order.index("bright") < order.index("two"), "made for MRI, and the image is MRI"
    view = next(view for view in dock.cards.views if view.card.name == "bright")
    assert "Made for MRI (phantom)" in view.fit.reason
    dock.cards.choose("bright")
    assert not view.more.isHidden()
    for words in ("0.91", "Anything real.", "CC0", "tiles of 32 × 32", "Size"):
        assert words in view.more.text()
    dock.cards.search.setText("bright dark two")
    assert names(dock) == ["two"]
    assert dock.cards.chosen.name == "bright", "what is hidden stays chosen"
    dock.cards.search.setText("no such organ")
    assert "No model" in dock.cards.empty.text()
    dock.cards.search.clear()
    first = dock.cards.shown[0]
    first.setFocus()
    qtbot.keyClick(first, Qt.Key.Key_Down)
    assert dock.cards.chosen.name == dock.cards.shown[1].card.name
    qtbot.mouseClick(dock.cards.shown[0], Qt.MouseButton.LeftButton)
    assert dock.cards.chosen.name == dock.cards.shown[0].card.name


def test_only_a_model_that_is_known_to_fit_is_chosen_unasked(
    dock: SegmentWithModel, models: Path
) -> None:
    install_two(models)
    install_bright(models)
    dock.show_zoo()
    assert dock.cards.chosen is None, "MRI of what?"
    assert "choose one that is" in dock.message.text()
    assert not dock.jobs.plane.isEnabled()
    brain = dock.viewer.add_image(np.zeros((4, 40, 40), np.float32), name="MR head")
    dock.case.set_image(brain)
    assert dock.cards.chosen.name == "hippocampus"
    heart = dock.viewer.add_image(np.zeros((4, 40, 40), np.float32), name="MR heart")
    dock.case.set_image(heart)
    assert dock.cards.chosen is None, "it is made for another part of the body"
    dock.cards.choose("two")
    dock.case.set_image(brain)
    assert dock.cards.chosen.name == "two", "what the user has chosen stays"


def test_a_model_made_elsewhere_appears_by_itself(
    dock: SegmentWithModel, qtbot: QtBot, models: Path
) -> None:
    install_bright(models)
    qtbot.waitUntil(lambda: "bright" in names(dock), timeout=30_000)


def test_a_checkpoint_is_imported_with_the_card_that_was_filled_in(
    dock: SegmentWithModel, qtbot: QtBot, tmp_path: Path
) -> None:
    torch.save({"model": small_net().state_dict()}, tmp_path / "best.pth")
    dock.zoo.ask_file = lambda: str(tmp_path / "best.pth")
    dock.zoo.ask_card = partial(
        filled_in, name="my-net", title="My net", classes="left, right", licence="mine"
    )
    with qtbot.waitSignal(dock.zoo.zoo_changed, timeout=60_000):
        dock.zoo.import_button.menu().actions()[0].trigger()
    assert dock.cards.chosen.name == "my-net"
    card = get_card("my-net")
    assert (card.title, card.classes, card.licence) == ("My net", ("left", "right"), "mine")
    assert dock.jobs.plane.isEnabled(), dock.jobs.plane.toolTip()


def test_a_wrong_file_is_refused_with_the_reason(
    dock: SegmentWithModel, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "photo.pth").write_bytes(b"no checkpoint")
    dock.zoo.ask_file = lambda: str(tmp_path / "photo.pth")
    with qtbot.waitSignal(dock.zoo.inspect.ended, timeout=60_000):
        dock.zoo.import_button.menu().actions()[0].trigger()
    assert "photo.pth" in dock.message.text()
    assert "is no checkpoint" in dock.message.text()
    dock.zoo.ask_model_folder = lambda: str(tmp_path)
    with qtbot.waitSignal(dock.zoo.take_folder.failed, timeout=60_000):
        dock.zoo.import_button.menu().actions()[1].trigger()
    assert "model.json" in dock.message.text()


def test_what_does_not_fit_is_listed_and_cannot_be_imported(qtbot: QtBot, tmp_path: Path) -> None:
    state = small_net().state_dict()
    state["surplus.weight"] = state.pop("inc.double_conv.3.weight")
    torch.save(state, tmp_path / "net.pth")
    dialog = ImportDialog(inspect_checkpoint(tmp_path / "net.pth"))
    qtbot.addWidget(dialog)
    assert "does not fit UNet" in dialog.verdict.text()
    for words in ("Missing (1):\ninc.double_conv.3.weight", "Unexpected (1):\nsurplus.weight"):
        assert words in dialog.listing.toPlainText()
    assert not dialog.import_button.isEnabled()
    assert dialog.import_button.toolTip()


def test_the_dialog_says_what_is_wrong_while_it_is_filled_in(qtbot: QtBot, tmp_path: Path) -> None:
    torch.save(small_net("ConDSeg ResNet-18").state_dict(), tmp_path / "net.pth")
    dialog = ImportDialog(inspect_checkpoint(tmp_path / "net.pth"))
    qtbot.addWidget(dialog)
    assert "✓ All" in dialog.verdict.text()
    assert dialog.colours.currentText() == "colours, blue first"
    assert dialog.import_button.isEnabled()
    dialog.classes.setText("polyp, instrument")
    assert "1 classes must be named" in dialog.message.text()
    assert not dialog.import_button.isEnabled()
    dialog.classes.setText("polyp")
    dialog.name.setText("no name!")
    assert "use letters" in dialog.message.text()
    dialog.name.setText("universeg-open")
    assert "another name" in dialog.message.text()
    dialog.name.setText("polyps")
    dialog.scaling.setCurrentText("raw values from … to …")
    dialog.low.setValue(300)
    dialog.high.setValue(100)
    assert "lower to a higher" in dialog.message.text()
    dialog.high.setValue(400)
    stated = dialog.draft().fields["input"]
    assert stated["scaling"] == {"kind": "window", "low": 300.0, "high": 400.0}
    assert (stated["channels"], stated["order"], stated["size"]) == (3, "bgr", [256, 256])


def test_export_remove_and_import_of_the_folder(
    dock: SegmentWithModel, qtbot: QtBot, tmp_path: Path, models: Path
) -> None:
    card = install_bright(models)
    dock.show_zoo(choose="bright")
    dock.zoo.ask_where_to_export = lambda: str(tmp_path / "out")
    press_and_wait(qtbot, dock.zoo.export)
    assert (tmp_path / "out" / "bright" / "model.json").is_file()
    dock.zoo.ask_remove = lambda card: False
    click(qtbot, dock.zoo.remove)
    assert "bright" in names(dock)
    dock.zoo.ask_remove = lambda card: True
    press_and_wait(qtbot, dock.zoo.remove)
    assert "bright" not in names(dock)
    assert not card.folder.exists()
    dock.zoo.ask_model_folder = lambda: str(tmp_path / "out" / "bright")
    with qtbot.waitSignal(dock.zoo.zoo_changed, timeout=60_000):
        dock.zoo.import_button.menu().actions()[1].trigger()
    assert dock.cards.chosen.name == "bright"


def test_a_folder_of_other_weights_replaces_a_model_only_after_asking(
    dock: SegmentWithModel, qtbot: QtBot, tmp_path: Path, models: Path
) -> None:
    here = install_bright(models)
    newer = BrightNet()
    newer.weight.data *= 0.5
    there = write_pretrained(tmp_path, "bright", newer)
    dock.show_zoo(choose="bright")
    dock.zoo.ask_model_folder = lambda: str(there.folder)
    asked = []
    dock.zoo.ask_replace = lambda card: bool(asked.append(card.sha256))
    take_in = dock.zoo.import_button.menu().actions()[1].trigger
    take_in()
    assert asked == [here.sha256]
    assert get_card("bright").sha256 == here.sha256
    dock.zoo.ask_replace = lambda card: True
    with qtbot.waitSignal(dock.zoo.zoo_changed, timeout=60_000):
        take_in()
    assert get_card("bright").sha256 == there.sha256


class Server:
    """Serves a checkpoint on this computer, in two parts; the second when it is told to."""

    def __init__(self, content: bytes) -> None:
        self.go, owner = threading.Event(), self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = len(content) // 2
                try:
                    self.wfile.write(content[:half])
                    self.wfile.flush()
                    owner.go.wait(30)
                    self.wfile.write(content[half:])
                except OSError:
                    pass  # the other side has gone

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/net.pt"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A model that can be downloaded from a server on this computer."""
    torch.save(small_net("UniverSeg").state_dict(), tmp_path / "net.pt")
    content = (tmp_path / "net.pt").read_bytes()
    server = Server(content)
    sha256 = hashlib.sha256(content).hexdigest()
    source = {"url": server.url, "file": "net.pt", "sha256": sha256, "note": "Read me first."}
    monkeypatch.setitem(published.SOURCES, "universeg-v1", source)
    yield server
    server.close()


def test_a_download_shows_its_terms_tells_how_far_it_is_and_can_be_cancelled(
    viewer: Viewer, qtbot: QtBot, far: Server, models: Path
) -> None:
    dock = open_model_dock(viewer)
    dock.cards.choose("universeg-v1")
    asked = []
    dock.zoo.ask_terms = lambda card: bool(asked.append(card.source["note"])) or len(asked) > 1
    click(qtbot, dock.zoo.download)
    assert asked == ["Read me first."]
    assert not dock.zoo.download.is_running, "she did not agree"
    click(qtbot, dock.zoo.download)
    qtbot.waitUntil(lambda: "Downloaded" in dock.progress.words.text(), timeout=30_000)
    with qtbot.waitSignal(dock.zoo.download.cancelled, timeout=30_000):
        click(qtbot, dock.zoo.download)
    assert "Cancelled" in dock.message.text()
    assert not list(models.glob("universeg*"))
    far.go.set()
    press_and_wait(qtbot, dock.zoo.download)
    assert dock.cards.chosen.state == "present"
    assert "on this computer now" in dock.message.text()


def test_offline_the_dock_says_how_to_bring_the_file(
    dock: SegmentWithModel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {"url": "http://127.0.0.1:9/far.pt", "file": "far.pt", "sha256": "", "note": ""}
    monkeypatch.setitem(published.SOURCES, "universeg-v1", nowhere)
    dock.show_zoo(choose="universeg-v1")
    dock.zoo.ask_terms = lambda card: True
    press_and_wait(qtbot, dock.zoo.download)
    for words in ("offline", "http://127.0.0.1:9/far.pt", "Import"):
        assert words in dock.message.text()
