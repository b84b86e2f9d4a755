"""Take the screenshots of the manual: ``python docs/take_screenshots.py`` (on Linux under Xvfb)."""

from __future__ import annotations

from pathlib import Path

from napari_medseg.widgets.tour import Tour

IMAGES = Path(__file__).parent / "images"


def heart() -> None:
    """Play journey A on the heart: two painted planes, then the volume."""
    tour = Tour("cardiac_mr")
    dock, jobs = tour.dock, tour.dock.jobs
    middle = len(tour.truth) // 2
    tour.paint(middle - 2)
    tour.picture(IMAGES / "by-example-1-paint.png")
    tour.press(jobs.add)
    tour.go_to(middle)
    tour.press(jobs.plane)
    tour.picture(IMAGES / "by-example-2-proposal.png")
    dock.answers.reject()
    tour.add_example(middle + 2)
    tour.press(jobs.check)
    tour.go_to(middle)
    tour.press(jobs.volume, until=lambda: n_proposed(tour) >= 3)
    tour.go_to(middle - 1)
    tour.picture(IMAGES / "by-example-3-volume.png")
    tour.wait_for(jobs.volume)
    dock.answers.accept()
    tour.picture(IMAGES / "by-example-4-accepted.png")
    dock.details.expand(animate=False)
    tour.picture(IMAGES / "by-example-5-details.png")
    tour.close()


def skin() -> None:
    """Segment colour photographs, in the light theme, and adapt to them."""
    tour = Tour("skin_lesions", theme="light")
    for plane in (3, 1, 6):
        tour.add_example(plane)
    tour.go_to(4)
    tour.press(tour.dock.jobs.plane)
    tour.picture(IMAGES / "by-example-6-photo.png")
    tour.dock.answers.reject()
    tour.press(tour.dock.jobs.adapt)
    tour.picture(IMAGES / "by-example-7-adapted.png")
    tour.close()


def n_proposed(tour: Tour) -> int:
    """Count the planes that are proposed so far."""
    proposal = tour.dock.case.proposal
    return 0 if proposal is None else len(proposal.positions)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    heart()
    skin()
    print(f"Screenshots in {IMAGES}")
