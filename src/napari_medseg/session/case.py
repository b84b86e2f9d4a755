"""What a person works on: an image, her labels, the examples, and what is proposed."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_medseg.engine.results import Progress, Provenance, finished
from napari_medseg.engine.scaling import ValueRange
from napari_medseg.session.by_example.examples import Examples
from napari_medseg.session.edits import Mode, why_not_writable
from napari_medseg.session.history.accepted import write_and_record_job
from napari_medseg.session.history.inputs import Inputs
from napari_medseg.session.layers.empty_labels import empty_labels
from napari_medseg.session.layers.notes import note, noted, notes_of
from napari_medseg.session.layers.owners import note_owner
from napari_medseg.session.layers.stack import PlaneKey, Stack, full_resolution, shape_of
from napari_medseg.session.locks import Locks
from napari_medseg.session.proposal import PlaneProposal, Proposal, require_something
from napari_medseg.session.reopening import Reopening
from napari_medseg.session.undo_step import steps_to_redo

if TYPE_CHECKING:
    from napari.layers import Image, Labels

NO_IMAGE = "Open an image first: drop a file on the window."


class Case:
    """The state behind the dock; it keeps layers themselves, never their names."""

    image_changed = Signal()
    labels_changed = Signal()
    proposal_changed = Signal()
    """A proposal was opened, grew by a plane, lost a part, or was closed."""
    approved_changed = Signal()
    locked_changed = Signal()
    """A class was locked or opened."""

    def __init__(self) -> None:
        self.examples = Examples()
        self.image: Image | None = None
        self.labels: Labels | None = None
        self.proposal: Proposal | None = None
        self.mode = Mode.KEEP
        self.known_ranges: dict[Any, ValueRange] = {}
        self._reopening = Reopening()
        self._has_names = False  # whether the labels call their classes as the examples do
        self.examples.classes_changed.connect(self._note_class_names)
        self.examples.changed.connect(self._join_class_names)
        noted.changed.connect(self._hear_of_note)

    def forget_listeners(self) -> None:
        """Tell nobody any more what changes, since whoever listened is gone."""
        examples = self.examples
        for signal in (
            self.image_changed,
            self.labels_changed,
            self.proposal_changed,
            self.approved_changed,
            self.locked_changed,
            examples.changed,
            examples.scores_changed,
            examples.adaptation_changed,
            examples.classes_changed,
        ):
            signal.disconnect()
        noted.changed.disconnect(self._hear_of_note)

    def set_image(self, image: Image | None) -> None:
        """Turn to another image; an open proposal belongs to the old one and is dropped."""
        if image is self.image:
            return
        self.reject()
        self.image = image
        self.known_ranges = {}
        self.image_changed.emit()

    def set_labels(self, labels: Labels | None) -> None:
        """Choose the layer that is painted in and that accepted labels are written into."""
        if labels is self.labels:
            return
        self.labels = labels
        self._reopening.forget()
        self._join_class_names()
        self.labels_changed.emit()

    def new_labels(self) -> Labels:
        """Make an empty labels layer that lies exactly where the image lies, and choose it.

        Raises
        ------
        ValueError
            If there is no image.
        """
        labels = empty_labels(self._require_image())
        self.set_labels(labels)
        return labels

    def labels_to_write(self) -> Labels:
        """Give the labels that are written into, made if need be; they are the image's from now on.

        Raises
        ------
        ValueError
            If there is no image.
        """
        labels = self.labels if self.labels is not None else self.new_labels()
        note_owner(labels, self._require_image())
        return labels

    def why_other_names(self) -> str:
        """Say that the labels name a class unlike the examples; empty if they do not."""
        unlike = self.examples.unlike(notes_of(self.labels).get("class_names") or ())
        if self.labels is None or not unlike:
            return ""
        return f"“{self.labels.name}” calls {unlike}: for another task remove the examples first."

    def fits(self, labels: Labels) -> bool:
        """Tell whether a labels layer has the image's size."""
        return self.image is not None and shape_of(labels) == shape_of(self.image)

    def paint(self, stack: Stack) -> NDArray[np.integer]:
        """Copy what is painted on the plane on display.

        Raises
        ------
        ValueError
            If there is no labels layer, it does not fit the image, or nothing is painted there.
        """
        if self.labels is None:
            raise ValueError("There is nothing painted yet: press New labels and paint first.")
        if not self.fits(self.labels):
            raise ValueError(
                f"“{self.labels.name}” has another size than the image; choose or make labels that "
                "fit it."
            )
        mask = np.array(full_resolution(self.labels)[stack.index(stack.position)])
        if not mask.any():
            raise ValueError("This plane has no paint: paint the class on it, then add it.")
        return mask

    # -- proposal -----------------------------------------------------------------------------

    def open_proposal(self, stack: Stack, values: Iterable[int], threshold: float) -> Proposal:
        """Start a proposal; one that is open for the same planes and classes is continued."""
        values = tuple(values)
        current = self.proposal
        if current is None or not current.stack.same_planes(stack) or current.values != values:
            self.proposal = Proposal(stack, values, threshold)
            self.proposal_changed.emit()
        assert self.proposal is not None
        return self.proposal

    def propose(self, plane: PlaneProposal) -> None:
        """Take the prediction of one plane into the open proposal, if there still is one."""
        if self.proposal is not None:
            self.proposal.put(plane)
            self.proposal_changed.emit()

    def accept(self, positions: Iterable[int] | None = None) -> int:
        """Write proposed planes into the user's labels, at once; see `accept_job`."""
        return finished(self.accept_job(positions))

    def accept_job(self, positions: Iterable[int] | None = None) -> Generator[Progress, None, int]:
        """Write proposed planes into the user's labels as one undo step; all of them unless told.

        A job of short steps for the GUI thread; what is proposed meanwhile stays proposed.

        Returns
        -------
        int
            How many voxels changed.

        Raises
        ------
        ValueError
            If the labels cannot be written, or would have to be made for nothing; the proposal
            stays open then.
        """
        proposal = self._require_proposal()
        planes = proposal.cuts(positions)
        if not planes:
            raise ValueError("Nothing is proposed on this plane.")
        if self.labels is None:
            yield from require_something(planes)
        return (yield from self._accept_parts(proposal, planes, {}))

    def accept_component(self, position: int, row: int, column: int) -> int | None:
        """Write the one piece under a pixel; gives the voxels changed, None if nothing is there."""
        proposal = self._require_proposal()
        piece = proposal.component(position, row, column)
        if piece is None:
            return None
        planes = proposal.cuts([position])
        return finished(self._accept_parts(proposal, planes, {position: piece}))

    def propose_undone(self) -> bool:
        """Propose again what was accepted and then undone; gives whether there was anything.

        To be called when labels are redrawn, of which an undo is no other sign.
        """
        # What a person erased looks like what was undone, but leaves nothing to redo.
        if self.labels is None or not steps_to_redo(self.labels):
            return False
        found = self._reopening.undone(self.labels, self.proposal)
        if found is not None:
            self.proposal = found
            self.proposal_changed.emit()
        return found is not None

    def accept_redone(self) -> None:
        """Propose no longer what was accepted, undone and then redone; called as the above."""
        redone = None if self.labels is None else self._reopening.redone(self.labels)
        if redone is not None and redone is self.proposal:
            if not redone.positions:
                self.proposal = None
            self.proposal_changed.emit()

    def reject(self) -> None:
        """Drop the proposal; the labels are not touched."""
        self._reopening.forget()
        if self.proposal is not None:
            self.proposal = None
            self.proposal_changed.emit()

    def why_not_acceptable(self) -> str:
        """Say why a proposal cannot be written into the labels; empty if it can."""
        if self.labels is None:
            return ""
        if not self.fits(self.labels):
            return f"“{self.labels.name}” has another size than the image."
        return why_not_writable(self.labels)

    def _accept_parts(
        self,
        proposal: Proposal,
        planes: Mapping[int, NDArray[np.unsignedinteger]],
        pieces: Mapping[int, NDArray[np.bool_]],
    ) -> Generator[Progress, None, int]:
        """Write planes, or only pieces of some, and close what was written of the proposal."""
        decisions = dict(proposal.decisions)
        if proposal.values != tuple(range(1, len(proposal.values) + 1)):
            decisions["values"] = list(proposal.values)
        kept = {position: proposal.kept(position) for position in planes}
        written = yield from write_and_record_job(
            self.labels_to_write(),
            proposal.stack,
            planes,
            proposal.provenance or Provenance("by-example"),
            mode=self.mode,
            classes=proposal.values,
            class_names=self.examples.class_names,
            parameters=decisions,
            inputs=Inputs.of(self._require_image(), proposal.stack, proposal.support),
            within=pieces,
        )
        for position in planes:
            proposal.discard(position, pieces.get(position))
        self._reopening.remember(proposal, kept, written)
        if not proposal.positions and proposal is self.proposal:
            self.proposal = None
        self.proposal_changed.emit()
        return written.voxels

    # -- what is locked -------------------------------------------------------------------------

    @property
    def locks(self) -> Locks:
        """What nobody shall change in the labels: approved planes, locked classes."""
        return Locks.of(self.labels)

    @property
    def approved(self) -> Collection[PlaneKey]:
        """Planes of the labels that nobody shall change any more."""
        return self.locks.planes

    def set_approved(self, key: PlaneKey, approved: bool) -> None:
        """Lock a plane of the labels, or open it again."""
        if self.labels is None:
            return
        planes = {*self.locks.planes, key} if approved else {*self.locks.planes} - {key}
        replace(self.locks, planes=frozenset(planes)).put(self.labels)
        self.approved_changed.emit()

    def set_locked(self, value: int, locked: bool) -> None:
        """Lock a class of the labels against brush and method, or open it again."""
        if self.labels is None:
            return
        classes = {*self.locks.classes, value} if locked else {*self.locks.classes} - {value}
        replace(self.locks, classes=frozenset(classes)).put(self.labels)
        self.locked_changed.emit()

    def _join_class_names(self) -> None:
        """Let the labels have the names of the examples, or without examples keep their own."""
        names = notes_of(self.labels).get("class_names") or ()
        self.examples.adopt_class_names(names)
        self._has_names = self.examples.is_named_by(names)
        if self._has_names:
            self._note_class_names()

    def _note_class_names(self) -> None:
        """Keep the names with the labels, so that they are saved with them."""
        names = notes_of(self.labels).get("class_names") or ()
        if self.labels is not None and (self._has_names or self.examples.is_named_by(names)):
            note(self.labels, "class_names", list(self.examples.class_names))

    def _hear_of_note(self, layer: Labels, name: str, before: Any) -> None:
        """Follow another dock that named, added or removed a class of the same labels."""
        if layer is self.labels and name == "class_names":
            names = notes_of(layer)[name]
            self._has_names = False
            self.examples.follow_class_names(before or (), names)
            self._has_names = self.examples.is_named_by(names)

    def _require_image(self) -> Image:
        if self.image is None:
            raise ValueError(NO_IMAGE)
        return self.image

    def _require_proposal(self) -> Proposal:
        if self.proposal is None:
            raise ValueError("Nothing is proposed: predict a plane first.")
        return self.proposal
