"""The journal of a program: what is painted is on the disk half a second later.

Strokes are noted on the GUI thread, which costs microseconds; one thread looks at what changed and
appends it to a file per labels layer. A journal is deleted when its labels were saved or when the
user has no more use for it, never because the program ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_medseg.session.journal.examples import ExamplesJournal
from napari_medseg.session.journal.labels import LabelsJournal
from napari_medseg.session.journal.records import JournalFile
from napari_medseg.session.journal.store import JournalStore
from napari_medseg.session.layers.notes import noted

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_medseg.session.by_example.examples import Examples

WAIT = 0.5
"""Seconds between a stroke and its writing, in which more may come."""

_log = logging.getLogger(__name__)
_Part = LabelsJournal | ExamplesJournal


class Journal:
    """Watches labels layers and examples, and writes down what changes.

    Parameters
    ----------
    store : JournalStore
        Where to.
    image_of : callable
        Gives the hash of the image that labels belong to, and of its file's place; called in the
        writer's thread.
    seen_at : callable
        Gives where the viewer's sliders stand, in anything that can be compared. napari tells of
        Undo in the same way as of a turn of a slider, after which nothing needs looking at.
    """

    problem = Signal(str)
    """It could not write, with a sentence; emitted in the writer's thread, once."""

    def __init__(
        self,
        store: JournalStore,
        image_of: Callable[[Labels], tuple[str, str]],
        seen_at: Callable[[], object] = lambda: None,
    ) -> None:
        self.store = store
        self._image_of = image_of
        self._seen_at = seen_at
        self._last_seen: dict[int, object] = {}
        self._parts: dict[int, _Part] = {}
        self._files: dict[int, JournalFile | None] = {}
        self._leaving: list[tuple[_Part, JournalFile | None]] = []
        self._told = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._writing = threading.RLock()
        self._listing = threading.Lock()
        self._thread: threading.Thread | None = None
        noted.changed.connect(self._on_noted)

    # -- what is watched, all on the GUI thread ---------------------------------------------------

    def watch(self, layer: Labels) -> None:
        """Write down every change of a labels layer from now on."""
        if id(layer) in self._parts:
            return
        part = LabelsJournal(layer, self._image_of)
        self._parts[id(layer)] = part
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_set)
        self._last_seen[id(layer)] = self._seen_at()
        layer.events.set_data.connect(self._on_set)

    def note_now(self, layer: Labels) -> None:
        """Write down what a layer that is watched holds now."""
        part = self._parts.get(id(layer))
        if isinstance(part, LabelsJournal):
            part.note_anything()
            self._start()

    def unwatch(self, layer: Labels) -> None:
        """Write what is left and look away; what was written stays."""
        part = self._parts.get(id(layer))
        if not isinstance(part, LabelsJournal):
            return
        layer.events.paint.disconnect(self._on_paint)
        layer.events.data.disconnect(self._on_set)
        layer.events.set_data.disconnect(self._on_set)
        self._last_seen.pop(id(layer), None)
        self._leave(id(layer), part)

    def watch_examples(self, examples: Examples) -> None:
        """Write down the examples of a dock, now and when they change."""
        part = ExamplesJournal(examples)
        self._parts[id(examples)] = part
        examples.changed.connect(self._on_examples)
        examples.classes_changed.connect(self._on_examples)
        self._on_examples()

    def unwatch_examples(self, examples: Examples) -> None:
        """Write what is left of the examples of a dock that closes; they can come back."""
        part = self._parts.get(id(examples))
        if isinstance(part, ExamplesJournal):
            examples.changed.disconnect(self._on_examples)
            examples.classes_changed.disconnect(self._on_examples)
            self._leave(id(examples), part)

    def _leave(self, key: int, part: _Part) -> None:
        # What comes back gets a journal of its own, whatever the writer does with this one.
        with self._listing:
            del self._parts[key]
            self._leaving.append((part, self._files.pop(key, None)))
        self._start()

    def changes(self, layer: Labels) -> int:
        """Count the changes of a layer since it is watched."""
        part = self._parts.get(id(layer))
        return part.changes if isinstance(part, LabelsJournal) else 0

    def saved(self, layer: Labels, changes: int) -> None:
        """Forget what was written of labels that are in a file of the user's now.

        Parameters
        ----------
        layer : napari Labels
            The labels.
        changes : int
            What `changes` gave when they were copied to be saved; nothing is forgotten if they
            have changed since.
        """
        part = self._parts.get(id(layer))
        if not isinstance(part, LabelsJournal) or part.changes != changes:
            return
        with self._writing:
            # A new one also where nothing was written yet: what is due by now is in the file.
            self._parts[id(layer)] = LabelsJournal(layer, self._image_of)
            file = self._files.pop(id(layer), None)
            if file is not None:
                file.remove()

    def _on_paint(self, event: Any) -> None:
        part = self._parts.get(id(event.source))
        if isinstance(part, LabelsJournal):
            part.note_stroke(event.value)
            self._start()

    def _on_set(self, event: Any) -> None:
        """Note Undo, Redo and what other plugins do."""
        key, seen = id(event.source), self._seen_at()
        moved = self._last_seen.get(key, seen) != seen
        self._last_seen[key] = seen
        part = self._parts.get(key)
        if isinstance(part, LabelsJournal) and part.has_begun and not moved:
            part.note_anything()
            self._start()

    def _on_noted(self, layer: Labels) -> None:
        part = self._parts.get(id(layer))
        if isinstance(part, LabelsJournal):
            part.note_notes()
            self._start()

    def _on_examples(self) -> None:
        for part in list(self._parts.values()):
            if isinstance(part, ExamplesJournal):
                part.note()
        self._start()

    # -- writing -----------------------------------------------------------------------------

    def flush(self) -> bool:
        """Write everything that is due, now; gives whether all of it is on the disk."""
        written = []
        with self._writing:
            for key, part in list(self._parts.items()):
                if part.is_due:
                    file, done = self._write(part, self._files.get(key))
                    self._keep_file(key, part, file)
                    written.append(done)
            while self._leaving:
                part, file = self._leaving.pop()
                if part.is_due:
                    file, done = self._write(part, file)
                    written.append(done)
                if file is not None:
                    file.close()
                    if isinstance(part, ExamplesJournal):
                        self.store.release(file.path)
        return all(written)

    def _keep_file(self, key: int, part: _Part, file: JournalFile | None) -> None:
        """Remember the file of a part, also of one that left while its file was made."""
        with self._listing:
            if self._parts.get(key) is part:
                self._files[key] = file
                return
            for place, (leaving, _) in enumerate(self._leaving):
                if leaving is part:
                    self._leaving[place] = part, file

    def close(self) -> None:
        """Write what is left and end; what was written stays for the next start."""
        noted.changed.disconnect(self._on_noted)
        for part in list(self._parts.values()):
            if isinstance(part, LabelsJournal):
                self.unwatch(part.layer)
            else:
                self.unwatch_examples(part.examples)
        self.flush()
        self._closing.set()
        self._wake.set()
        for file in self._files.values():
            if file is not None:
                file.close()
        self._parts.clear()
        self._files.clear()
        self.store.close()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            if self._closing.wait(WAIT):
                return
            self._wake.clear()
            self.flush()

    def _write(self, part: _Part, file: JournalFile | None) -> tuple[JournalFile | None, bool]:
        """Write what is due of a part; gives its file, made at the first writing, and success.

        Whatever goes wrong here must not keep other layers from being written.
        """
        try:
            file = file or JournalFile(self.store.new_path())
            if file.size <= self.store.limit_mb * 2**20:
                part.write(file)
                return file, True
            self._tell(
                "What you paint is no longer kept for after a crash: it needs more than "
                f"{self.store.limit_mb} MB. Save your labels, or raise the limit in the settings."
            )
        except Exception as error:
            _log.warning("The journal could not be written", exc_info=error)
            told = error.strerror if isinstance(error, OSError) else "the log says why"
            reason = told or "the disk cannot be written"
            self._tell(f"What you paint is not kept for after a crash: {reason}. Save your labels.")
        return file, False

    def _tell(self, sentence: str) -> None:
        if not self._told:
            self._told = True
            self.problem.emit(sentence)
