"""What a person at a terminal is told of a run."""

from __future__ import annotations

from pathlib import Path

from medseg_training.words import Narrator


def test_the_best_of_before_counts_after_a_resume() -> None:
    narrator = Narrator(Path("run"))
    narrator.line({"event": "started", "step": 5, "steps": 9, "best": 0.75})
    line = narrator.line({"event": "validation", "step": 6, "dice": 0.5})
    assert line.endswith("Dice 0.500 (best 0.750)")
