"""Finds what was left unsaved, offers it with a picture, and brings it back."""

from __future__ import annotations

import contextlib
import logging
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.engine.by_example.support import SupportExample, SupportSet
from napari_medseg.session.journal.recognise import find_place
from napari_medseg.session.journal.restore import (
    RestoredLabels,
    layer_of,
    picture_of,
    read_examples_journal,
    read_labels_journal,
)
from napari_medseg.session.journal.store import JournalStore, Unsaved, journal_folder
from napari_medseg.session.layers.layer_kinds import is_image, is_labels_of_user
from napari_medseg.session.layers.owners import note_owner
from napari_medseg.session.settings import settings
from napari_medseg.widgets.parts.keeper.restore_offer import RestoreOffer

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """Something that can come back.

    Parameters
    ----------
    entry : Unsaved
        The journal.
    labels, examples :
        What is in it; one of the two.
    image : napari Image, optional
        The open image that the labels belong to.
    file : Path, optional
        Where that image can be opened, if it is not open.
    picture : SupportExample, optional
        What to show of it.
    amount : str
        How much it is, in words.
    """

    entry: Unsaved
    labels: RestoredLabels | None = None
    examples: SupportSet | None = None
    image: Image | None = None
    file: Path | None = None
    picture: SupportExample | None = None
    amount: str = ""


class Restore:
    """Looks for unsaved work whenever an image or a dock is opened.

    Parameters
    ----------
    viewer : napari viewer
        Where it comes back.
    keeper : LabelKeeper
        Knows the images, and writes the journal of what came back.
    """

    def __init__(self, viewer: Viewer, keeper: LabelKeeper) -> None:
        self._viewer = weakref.ref(viewer)
        self._keeper = keeper
        self._put_off: set[Path] = set()
        self._wanted: Path | None = None
        self._again = self._looking = False
        self.offers: list[Offer] = []
        self.bar: RestoreOffer | None = None

    def look(self) -> None:
        """Look in the background for what could come back now."""
        viewer = self._viewer()
        if viewer is None:
            return
        if self._looking:
            self._again = True
            return
        self._looking = True
        layers, folders = list(viewer.layers), _folders_opened()
        self._keeper.in_thread(lambda: self._find(layers, folders), self._show)

    def accept(self, offer: Offer) -> None:
        """Bring something back; of an image that is not open, open that first."""
        viewer = self._viewer()
        if viewer is None:
            return
        if offer.file is not None:
            self._wanted = offer.entry.path
            self._drop(offer)
            viewer.open(str(offer.file), plugin="napari-medseg" if _is_ours(offer.file) else None)
            return
        if offer.labels is not None:
            self._bring_labels(viewer, offer, offer.labels)
        elif offer.examples is not None and not self._bring_examples(offer.examples):
            return
        self._drop(offer)
        journal = self._keeper.journal
        if journal is not None:
            # The old journal goes only when the new one holds the same.
            self._keeper.in_thread(
                journal.flush, lambda written: offer.entry.discard() if written else None
            )

    def discard(self, offer: Offer) -> None:
        """Delete something for good."""
        offer.entry.discard()
        self._drop(offer)

    def put_off(self, offer: Offer) -> None:
        """Say no more of it until the program is started anew."""
        self._put_off.add(offer.entry.path)
        self._drop(offer)

    def _bring_labels(self, viewer: Viewer, offer: Offer, labels: RestoredLabels) -> None:
        name = "labels" if offer.image is None else f"{offer.image.name} labels"
        layer = layer_of(labels, f"{name} (restored)")
        if offer.image is not None:
            note_owner(layer, offer.image)
        viewer.add_layer(layer)
        viewer.layers.selection.active = layer
        self._keeper.restored.emit(layer)
        if self._keeper.journal is not None:
            self._keeper.journal.note_now(layer)

    def _bring_examples(self, examples: SupportSet) -> bool:
        """Add examples to those of the dock that was opened last; gives whether they are there."""
        docks = self._keeper.examples
        if not docks:
            self._keeper.warn("Open Segment by example first: the examples come back there.")
            return False
        try:
            docks[-1].load(examples)
        except ValueError as error:
            self._keeper.warn(str(error))
            return False
        return True

    # -- in the background ------------------------------------------------------------------------

    def _find(self, layers: list[Layer], folders: list[str]) -> list[Offer]:
        journal, now = self._keeper.journal, settings()
        if journal is not None:
            journal.flush()  # a dock may just have been closed
        store = JournalStore(journal_folder(), now.autosave_limit_mb, now.autosave_days)
        with contextlib.suppress(OSError):  # another program may tidy up, too
            store.tidy()
        found = (
            self._offer(entry, layers, folders)
            for entry in store.unsaved()
            if entry.path not in self._put_off
        )
        offers = [offer for offer in found if offer is not None]
        return sorted(offers, key=lambda offer: offer.labels is None)

    def _offer(self, entry: Unsaved, layers: list[Layer], folders: list[str]) -> Offer | None:
        try:
            if entry.head["kind"] == "examples":
                return self._examples_offer(entry)
            return self._labels_offer(entry, layers, folders)
        except Exception as error:
            # One journal that cannot be read must not hide the others.
            _log.warning("“%s” cannot be offered", entry.path, exc_info=error)
            return None

    def _examples_offer(self, entry: Unsaved) -> Offer | None:
        if not self._keeper.examples:
            return None
        examples = read_examples_journal(entry.path)
        if examples is None:
            entry.discard()
            return None
        known = {e.example.content_hash for own in self._keeper.examples for e in own.entries}
        if {example.content_hash for example in examples} <= known:
            return None
        return Offer(entry, examples=examples, picture=examples.examples[-1])

    def _labels_offer(
        self, entry: Unsaved, layers: list[Layer], folders: list[str]
    ) -> Offer | None:
        wanted = entry.head["image"]
        images = [layer for layer in layers if is_image(layer)]
        image = next((i for i in images if wanted and self._keeper.hash_of(i) == wanted), None)
        file = None
        if wanted and image is None:
            file = find_place(entry.head["place"], folders)
            if file is None:
                return None
        labels = read_labels_journal(entry.path)
        if labels is None:
            entry.discard()
            return None
        if any(_holds(layer, labels) for layer in layers):
            return None
        picture = picture_of(labels, image)
        return Offer(entry, labels, None, image, file, picture, labels.in_words)

    # -- on the screen ---------------------------------------------------------------------------

    def _show(self, offers: list[Offer]) -> None:
        self._looking = False
        self.offers = [offer for offer in offers if offer.entry.path not in self._put_off]
        wanted = next((o for o in offers if o.entry.path == self._wanted and o.image), None)
        if wanted is not None:
            self._wanted = None
            self.accept(wanted)
        self._refresh()
        if self._again:
            self._again = False
            self.look()

    def _drop(self, offer: Offer) -> None:
        self.offers = [other for other in self.offers if other is not offer]
        self._refresh()

    def _refresh(self) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        # A window closed in the meantime has no docks, and napari cannot be asked whether it was.
        with contextlib.suppress(AttributeError):
            self._show_bar(viewer)

    def _show_bar(self, viewer: Viewer) -> None:
        if self.bar is not None and (not self.offers or self.bar.offer is not self.offers[0]):
            bar, self.bar = self.bar, None
            viewer.window.remove_dock_widget(bar)
            bar.deleteLater()
        if self.offers and self.bar is None:
            self.bar = RestoreOffer(self.offers[0], len(self.offers))
            self.bar.accepted.connect(self.accept)
            self.bar.discarded.connect(self.discard)
            self.bar.put_off.connect(self.put_off)
            viewer.window.add_dock_widget(self.bar, name="Unsaved work", area="top")


def _holds(layer: Layer, labels: RestoredLabels) -> bool:
    if not is_labels_of_user(layer) or layer.multiscale:
        return False
    data = layer.data
    same = isinstance(data, np.ndarray) and data.shape == labels.labels.shape
    return same and bool(np.array_equal(data, labels.labels))


def _folders_opened() -> list[str]:
    """Give the folders that napari remembers to have opened files from."""
    from napari.settings import get_settings

    return list(get_settings().application.open_history)


def _is_ours(path: Path) -> bool:
    from napari_medseg.io.layers import get_reader

    return get_reader(str(path)) is not None
