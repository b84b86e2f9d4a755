"""What is done for all labels of a viewer, whichever dock is open.

Locks are kept from the brush, what is painted is written to a journal, and what was left unsaved
by a program that ended is offered when its image is opened again.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psygnal import Signal as PsygnalSignal
from qtpy.QtCore import QObject, QTimer, Signal

from napari_medseg.session.journal.recognise import image_hash, image_of, place_of
from napari_medseg.session.journal.store import JournalStore, journal_folder
from napari_medseg.session.journal.writer import Journal
from napari_medseg.session.layers.geometry_of import lay_on_its_image
from napari_medseg.session.layers.layer_kinds import is_image, is_labels_of_user
from napari_medseg.session.lock_guard import LockGuard
from napari_medseg.session.settings import Settings, settings, settings_changed
from napari_medseg.widgets.parts.keeper.restore import Restore
from napari_medseg.widgets.parts.keeper.warm_up import warm_up

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer
    from napari.viewer import Viewer

    from napari_medseg.session.by_example.examples import Examples

_log = logging.getLogger(__name__)

_keepers: dict[int, LabelKeeper] = {}


class LabelKeeper:
    """Looks after the labels of one viewer, until the viewer or the program ends.

    Parameters
    ----------
    viewer : napari viewer
        Its own, not the proxy that plugins get.
    """

    restored = PsygnalSignal(object)
    """A labels layer came back."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)
        self._guards: dict[int, LockGuard] = {}
        self._hashes: weakref.WeakKeyDictionary[Layer, str] = weakref.WeakKeyDictionary()
        self._hashing = threading.Lock()
        self._bridge = _Bridge()
        self._examples: list[Examples] = []
        self.journal: Journal | None = None
        self.restore = Restore(viewer, self)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        settings_changed.connect(self._on_settings)
        self._on_settings(settings())

    @classmethod
    def of(cls, viewer: Viewer) -> LabelKeeper:
        """Give the one that looks after a viewer; the first call brings it in."""
        key = id(viewer)
        if key not in _keepers:
            warm_up()
            keeper = _keepers[key] = cls(viewer)
            weakref.finalize(viewer, _let_go, key)
            keeper.restore.look()
        return _keepers[key]

    def keep_examples(self, examples: Examples) -> None:
        """Write down the examples of a dock, and offer those that were left behind."""
        self._examples = [*self._examples, examples]
        if self.journal is not None:
            self.journal.watch_examples(examples)
        self.restore.look()

    def to_be_saved(self, layer: Labels) -> Callable[[], None]:
        """Take note of what labels hold now; call what this gives once that has been saved."""
        journal = self.journal
        if journal is None:
            return lambda: None
        changes = journal.changes(layer)
        return lambda: journal.saved(layer, changes)

    def leave_examples(self, examples: Examples) -> None:
        """Take note that a dock is closed; what was written of its examples stays."""
        self._examples = [other for other in self._examples if other is not examples]
        if self.journal is not None:
            self.journal.unwatch_examples(examples)

    def warn(self, sentence: str) -> None:
        """Tell the user, who may have no dock open."""
        self._bridge.problem.emit(sentence)

    def hash_of(self, image: Layer) -> str:
        """Give the hash of an image's pixels; slow at the first call, in any thread.

        Empty where they cannot be read, as of a file that is gone: paint is kept all the same.
        """
        with self._hashing:
            if image not in self._hashes:
                try:
                    self._hashes[image] = image_hash(image)
                except Exception as error:
                    _log.warning("An image could not be read to know it again", exc_info=error)
                    return ""
            return self._hashes[image]

    @property
    def examples(self) -> tuple[Examples, ...]:
        """The examples of the docks that have any."""
        return tuple(self._examples)

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any], Any]) -> None:
        """Do some work in a thread, and then something with its result on the GUI thread."""
        bridge = self._bridge

        def run() -> None:
            result = work()
            bridge.call.emit(lambda: then(result))

        threading.Thread(target=run, name="unsaved labels", daemon=True).start()

    def close(self) -> None:
        """Write what is left, and look after nothing any more."""
        settings_changed.disconnect(self._on_settings)
        for guard in self._guards.values():
            guard.close()
        self._guards.clear()
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    def _on_settings(self, now: Settings) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        if self.journal is not None and not now.autosave:
            self.journal.close()
            self.journal = None
        elif self.journal is not None:
            self.journal.store.limit_mb = now.autosave_limit_mb
            self.journal.store.days = now.autosave_days
        elif now.autosave:
            store = JournalStore(journal_folder(), now.autosave_limit_mb, now.autosave_days)
            dims = viewer.dims
            self.journal = Journal(
                store, self._image_of, lambda: (dims.point, dims.order, dims.ndisplay)
            )
            self.journal.problem.connect(self._bridge.problem.emit)
            for examples in self._examples:
                self.journal.watch_examples(examples)
        for layer in viewer.layers:
            self._take(layer)

    def _image_of(self, labels: Labels) -> tuple[str, str]:
        viewer = self._viewer()
        image: Image | None = None if viewer is None else image_of(labels, list(viewer.layers))
        return ("", "") if image is None else (self.hash_of(image), place_of(image))

    def _on_inserted(self, event: Any) -> None:
        self._take(event.value)
        if is_image(event.value):
            self.restore.look()

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        guard = self._guards.pop(id(layer), None)
        if guard is not None:
            guard.close()
            if self.journal is not None:
                self.journal.unwatch(layer)

    def _take(self, layer: Layer) -> None:
        if not is_labels_of_user(layer):
            return
        if id(layer) not in self._guards:
            viewer = self._viewer()
            if layer.source.path and viewer is not None:
                lay_on_its_image(layer, filter(is_image, viewer.layers))
            guard = LockGuard(layer, _as_soon_as_possible)
            guard.kept.connect(self._bridge.kept.emit)
            self._guards[id(layer)] = guard
        if self.journal is not None:
            self.journal.watch(layer)


class _Bridge(QObject):
    """Brings what happens in other threads to the GUI thread."""

    call = Signal(object)
    problem = Signal(str)
    kept = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.call.connect(self._run)
        self.problem.connect(self._warn)
        self.kept.connect(self._inform)

    def _run(self, work: Callable[[], Any]) -> None:
        work()

    def _warn(self, sentence: str) -> None:
        from napari.utils.notifications import show_warning

        show_warning(sentence)

    def _inform(self, sentence: str) -> None:
        from napari.utils.notifications import show_info

        show_info(sentence)


def _as_soon_as_possible(work: Callable[[], None]) -> None:
    QTimer.singleShot(0, work)


def _let_go(key: int) -> None:
    keeper = _keepers.pop(key, None)
    if keeper is not None:
        keeper.close()
