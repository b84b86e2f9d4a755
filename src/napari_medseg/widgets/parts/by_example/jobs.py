"""The buttons of the dock Segment by example that start jobs, and what becomes of the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_medseg.engine.by_example.adapt.job import adapt_job
from napari_medseg.engine.by_example.disagreement import PlaneToCheck
from napari_medseg.engine.by_example.leave_one_out import leave_one_out
from napari_medseg.engine.by_example.support import SupportExample, SupportSet, why_doubtful
from napari_medseg.engine.results import Progress, counted
from napari_medseg.session.by_example.examples import Origin
from napari_medseg.session.by_example.jobs import (
    check_plane_job,
    example_job,
    load_job,
    planned_provenance,
    predict_job,
    save_job,
)
from napari_medseg.session.by_example.prediction import Prediction
from napari_medseg.session.layers.query import Query
from napari_medseg.session.layers.stack import Stack, show_plane
from napari_medseg.session.proposal import PlaneProposal
from napari_medseg.widgets.parts.by_example.details import Details
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.proposals.plane_jobs import PlaneJobs
from napari_medseg.widgets.parts.workbench import Workbench


class ByExampleJobs(PlaneJobs):
    """Add, check, adapt, save and load examples; predict, and find what to look at.

    Parameters
    ----------
    bench : Workbench
        What is worked on, and where.
    details : Details
        How predictions are made.
    threshold : callable
        Gives the threshold that is set now.
    """

    def __init__(self, bench: Workbench, details: Details, threshold: Callable[[], float]) -> None:
        super().__init__(bench, "Predict this plane", "Predict the volume")
        self._details, self._threshold = details, threshold
        self._origin: Origin | None = None
        self._checked: tuple[SupportExample, ...] = ()
        self._checked_stack: Stack | None = None
        self._arrivals: Prediction | None = None
        self.add = JobButton("Add example", self._make_example)
        self.check = JobButton("Check", self._make_check, bench.gate)
        self.next_plane = JobButton("Next plane to check", self._make_next_plane, bench.gate)
        self.next_plane.set_idle(
            "Next plane to check", "Go to the plane where the examples disagree the most"
        )
        self.adapt = JobButton("Adapt to my examples", self._make_adaptation, bench.gate)
        self.save = JobButton("Save…", self._make_save)
        self.load = JobButton("Load…", self._make_load)
        self._connect()

    @property
    def buttons(self) -> tuple[JobButton, ...]:
        """All its buttons."""
        examples = (self.add, self.check, self.adapt, self.save, self.load)
        return (*examples, self.plane, self.volume, self.next_plane)

    # -- examples -------------------------------------------------------------------------------

    def _make_example(self) -> AnyJob:
        stack = self._bench.required_stack()
        mask = self._case.paint(stack)
        image = self._case.image
        assert image is not None
        self._origin = Origin(image, stack.key(stack.position))
        name = image.name if stack.axis is None else f"plane {stack.position}"
        return example_job(self._query(stack), mask, name)

    def _on_example(self, example: SupportExample) -> None:
        before = len(self._case.examples)
        try:
            self._case.examples.add(example, self._origin)
        except ValueError as error:
            self._message.problem(str(error))
            return
        if len(self._case.examples) <= before:
            self._message.done("The example of this plane was replaced.")
        else:
            self._message.done(f"Example added. {self._where_next()}")

    def _where_next(self) -> str:
        stack = self._bench.stack()
        has_more = stack is not None and stack.n_planes > 1
        return f"{'Go to another plane' if has_more else 'Open another image'} and predict it."

    def _make_check(self) -> AnyJob:
        support = self._case.examples.support()
        self._checked = tuple(support)
        return leave_one_out(support, self._details.options(self._threshold()))

    def _on_check_step(self, progress: Progress) -> None:
        for example, score in zip(self._checked, progress.preview or (), strict=False):
            self._case.examples.set_score(example, score)

    def _make_adaptation(self) -> AnyJob:
        support = self._case.examples.support()
        return adapt_job(support, self._details.options(self._threshold()))

    def _make_save(self) -> AnyJob | None:
        folder = self.ask_where_to_save()
        return save_job(self._case.examples.support(), folder) if folder else None

    def _on_saved(self, folder: Path) -> None:
        saved = counted(len(self._case.examples), "example")
        self._message.done(f"{saved} saved in “{folder.name}”.")

    def _make_load(self) -> AnyJob | None:
        folder = self.ask_what_to_load()
        return load_job(folder) if folder else None

    def _on_loaded(self, support: SupportSet) -> None:
        try:
            added = self._case.examples.load(support)
        except ValueError as error:
            self._message.problem(str(error))
            return
        loaded = _told_loaded(added, len(support) - added)
        if support.adaptation_problem:
            self._message.problem(f"{loaded} {support.adaptation_problem}")
        else:
            needed = "Open an image and predict" if self._case.image is None else "Predict"
            self._message.done(f"{loaded} {needed} a plane.")

    def ask_where_to_save(self) -> str:
        """Let the user name a folder; empty if she would rather not."""
        title = "Save the examples as a folder"
        return str(QFileDialog.getSaveFileName(self._bench.dock, title, "examples")[0])

    def ask_what_to_load(self) -> str:
        """Let the user choose a folder; empty if she would rather not."""
        return str(
            QFileDialog.getExistingDirectory(self._bench.dock, "Load examples from a folder")
        )

    # -- predictions ----------------------------------------------------------------------------

    def _make_plane(self) -> AnyJob:
        stack = self._bench.required_stack()
        if self._is_approved(stack, stack.position):
            raise ValueError("This plane is approved: untick Approved to predict it again.")
        return self._make_prediction(stack, [stack.position], fresh=False)

    def _make_volume(self) -> AnyJob:
        stack = self._bench.required_stack()
        painted = self._case.examples.positions_in(self._case.image, stack)
        positions = self._open_planes(stack, painted or [stack.position], without=painted)
        if not positions:
            raise ValueError("All planes are examples or approved: nothing is left to predict.")
        return self._make_prediction(stack, positions, fresh=True)

    def _make_next_plane(self) -> AnyJob:
        stack = self._bench.required_stack()
        painted = self._case.examples.positions_in(self._case.image, stack)
        approved = [i for i in range(stack.n_planes) if self._is_approved(stack, i)]
        options = self._details.options(self._threshold())
        self._checked_stack = stack
        support = self._case.examples.support()
        return check_plane_job(self._query(stack), [*painted, *approved], support, options)

    def _on_next_plane(self, found: PlaneToCheck | None) -> None:
        image, stack = self._case.image, self._checked_stack
        if image is None or stack is None or not stack.same_planes(self._bench.required_stack()):
            return
        if found is None:
            self._message.done("The examples agree on every plane that was looked at.")
            return
        show_plane(image, self._bench.viewer.dims, stack.key(found.index))
        self._message.hint(
            f"Plane {found.index}: halves of the examples disagree on "
            f"{100 * found.disagreement:.0f} % of what they find. Correct it and add it."
        )

    def _make_prediction(self, stack: Stack, positions: list[int], fresh: bool) -> AnyJob:
        support = self._case.examples.support()
        options = self._details.options(self._threshold())
        query = self._query(stack)
        provenance = planned_provenance(options, support, query, positions)
        n_classes = len(support.class_names) - 1
        self._arrivals = Prediction(self._case, stack, n_classes, fresh, provenance, support)
        return predict_job(query, positions, support, options)

    def _on_step(self, progress: Progress) -> None:
        if isinstance(progress.preview, PlaneProposal) and self._arrivals is not None:
            self._arrivals.take(progress.preview, self._threshold())

    def _on_proposed(self, result: Any) -> None:
        proposal = self._case.proposal
        if self._arrivals is None or not self._arrivals.is_wanted or proposal is None:
            return
        self._arrivals.finish(result.provenance)
        image = self._case.image
        doubt = why_doubtful(self._case.examples.support(), image is not None and image.rgb)
        if doubt:
            self._message.problem(doubt)
            return
        self._tell_proposed(
            any(proposal.labels(position).any() for position in proposal.positions),
            "Nothing was found: lower the threshold or add an example.",
        )

    # -- wiring ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        results: dict[JobButton, Callable[[Any], None]] = {
            self.add: self._on_example,
            self.check: lambda _: self._message.done("Every example was predicted by the others."),
            self.next_plane: self._on_next_plane,
            self.save: self._on_saved,
            self.load: self._on_loaded,
        }
        for button, result in results.items():
            button.succeeded.connect(result)
        self.check.progressed.connect(self._on_check_step)

    def _query(self, stack: Stack) -> Query:
        image = self._case.image
        assert image is not None
        displayed = self._details.displayed.isChecked()
        return Query.of(image, stack, self._case.known_ranges, displayed)


def _told_loaded(added: int, known: int) -> str:
    """Say how many examples are new, and how many were here before."""
    if not known:
        return f"{counted(added, 'example')} loaded."
    were = "was" if known == 1 else "were"
    if not added:
        return f"No example is new: {counted(known, 'example')} {were} there already."
    return f"{counted(added, 'example')} loaded; {known} {were} there already."
