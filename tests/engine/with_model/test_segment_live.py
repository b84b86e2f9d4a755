"""What a window needs of the job: planes as they are finished, and an end in the middle of one."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_medseg.engine import canvas
from napari_medseg.engine.postprocess import PostProcess
from napari_medseg.engine.results import PlaneLabels, PlanePreview
from napari_medseg.engine.with_model.job import segment, segment_job
from napari_medseg.engine.with_model.net_runner import Stopped
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.zoo import architectures
from napari_medseg.zoo.cards import ModelCard
from tests.engine.conftest import disc
from tests.engine.pretrained import BrightNet, write_pretrained


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    monkeypatch.setitem(architectures.NETS, "BrightNet", "tests.engine.pretrained")
    stated = {"size": [32, 32], "fit": "tile", "scaling": {"kind": "divide", "by": 255}}
    return write_pretrained(tmp_path, "m", BrightNet(), input=stated)


@pytest.fixture
def volume() -> np.ndarray:
    ring = disc((60, 90), (30, 50), 15) & ~disc((60, 90), (30, 50), 5)
    return np.where(np.stack([ring] * 3), 220, 30).astype(np.uint8)


def test_previews_come_without_keeping_probabilities(card: ModelCard, volume: np.ndarray) -> None:
    options = SegmentOptions(card, keep_probabilities=False)
    shown = [step.preview for step in segment_job(volume, options, previews=True) if step.preview]
    expected = segment(volume, card)
    assert [preview.index for preview in shown] == [0, 1, 2]
    for preview in shown:
        assert isinstance(preview, PlanePreview)
        np.testing.assert_array_equal(preview.labels, expected.labels[preview.index])
        np.testing.assert_array_equal(
            preview.probabilities, expected.probabilities[:, preview.index]
        )
    silent = segment_job(volume, options)
    assert not any(step.preview for step in silent)


def test_of_huge_planes_only_the_labels_are_shown(
    card: ModelCard, volume: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "PREVIEW_PIXELS", 1000)
    options = SegmentOptions(card, keep_probabilities=False)
    shown = [step.preview for step in segment_job(volume, options, previews=True) if step.preview]
    assert all(isinstance(preview, PlaneLabels) for preview in shown)
    np.testing.assert_array_equal(
        np.stack([preview.labels for preview in shown]), segment(volume, card).labels
    )


def test_it_stops_before_the_next_layer(card: ModelCard, volume: np.ndarray) -> None:
    stop = threading.Event()
    job = segment_job(volume, SegmentOptions(card), stop=stop)
    next(job)
    stop.set()
    with pytest.raises(Stopped):
        next(job)
    assert torch.is_inference_mode_enabled() is False


def test_the_only_plane_asked_about_is_cleaned_up_as_a_plane(
    card: ModelCard, volume: np.ndarray
) -> None:
    post = PostProcess(fill_holes=True)
    found = segment(volume, card, planes=[1], post=post).labels
    alone = segment(volume[1], card, post=post).labels
    np.testing.assert_array_equal(found[1], alone)
    assert found[1].sum() > segment(volume, card, planes=[1]).labels.sum(), "the hole is closed"
    assert not found[[0, 2]].any()
