"""`by-example --adapt` gives what the Python call gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import napari_medseg as medseg
from napari_medseg.cli import app
from napari_medseg.engine.by_example.adapt import album as adapt_album
from napari_medseg.engine.by_example.adapt import job as adapt
from napari_medseg.engine.by_example.options import MOST_EFFORT
from napari_medseg.io.labels import read_labels
from napari_medseg.session.history.inputs import Files
from napari_medseg.session.history.made import MadeStep
from napari_medseg.session.history.remake import command_of, python_of
from napari_medseg.zoo import architectures
from tests.engine.by_example.adapt.test_adapt import ring_plane
from tests.engine.conftest import write_model
from tests.engine.intensity_net import IntensityNet


def test_the_command_adapts_as_the_call_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapt, "ROUNDS", 1)
    monkeypatch.setattr(adapt, "STEPS_PER_ROUND", 3)
    monkeypatch.setattr(adapt_album, "SMALL", 32)
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "IntensityNet", "tests.engine.intensity_net")
    (tmp_path / "models").mkdir()
    write_model(tmp_path / "models", "intensity", IntensityNet(), input={"size": [64, 64]})
    support = medseg.SupportSet()
    for seed in range(4):
        support.add(*ring_plane(seed))
    support.save(tmp_path / "examples")
    image = ring_plane(9)[0]
    Image.fromarray(image).save(tmp_path / "plane.png")

    arguments = ["by-example", str(tmp_path / "plane.png"), "--support", str(tmp_path / "examples")]
    arguments += ["-m", "intensity", "--device", "cpu", "-o", str(tmp_path / "out"), "--adapt"]
    arguments += ["--adapt-effort", "2"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output

    options = {"model": "intensity", "device": "cpu", "adapt_effort": 2}
    called = medseg.segment_by_example(image, support, adapt=True, **options)
    plain = medseg.segment_by_example(image, support, adapt=False, **options)
    written = read_labels(tmp_path / "out" / "plane.png").labels
    assert np.array_equal(written, called.labels)
    assert not np.array_equal(written, plain.labels)


@pytest.mark.parametrize("effort", [0, MOST_EFFORT + 1])
def test_an_effort_that_is_not_offered_is_refused(tmp_path: Path, effort: int) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "plane.png")
    arguments = ["by-example", str(tmp_path / "plane.png"), "--support", str(tmp_path / "none")]
    arguments += ["-o", str(tmp_path / "out"), "--adapt", "--adapt-effort", str(effort)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert f"between 1 and {MOST_EFFORT}" in done.output


def test_what_was_adapted_is_made_again_adapted() -> None:
    longer = MadeStep("by-example", "intensity", parameters={"adaptation": {"effort": 3}})
    adapted = MadeStep("by-example", "intensity", parameters={"adaptation": {"sha256": "0"}})
    assert "--adapt --adapt-effort 3" in command_of(longer, Files())
    assert "adapt_effort=3" in python_of(longer, Files())
    assert "effort" not in command_of(adapted, Files())
    plain = MadeStep("by-example", "intensity", parameters={"adaptation": None, "threshold": 0.5})
    assert "--adapt" in command_of(adapted, Files())
    assert "adapt=True" in python_of(adapted, Files())
    assert "adapt" not in command_of(plain, Files())
