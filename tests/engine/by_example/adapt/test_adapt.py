"""Adapting to examples: better or unchanged, measured on what was left out, repeatable, kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_medseg.engine.by_example.adapt import album as adapt_album
from napari_medseg.engine.by_example.adapt import fit as adapt_fit
from napari_medseg.engine.by_example.adapt import job as adapt
from napari_medseg.engine.by_example.adapt import shares as adapt_choice
from napari_medseg.engine.by_example.adapt import views as adapt_views
from napari_medseg.engine.by_example.adapt.adaptation import (
    Adaptation,
    Gain,
    Opinions,
    Shares,
    in_words,
)
from napari_medseg.engine.by_example.adapt.album import Album, folds
from napari_medseg.engine.by_example.adapt.fit import Member
from napari_medseg.engine.by_example.adapt.job import adapt_job, album_of
from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.by_example.job import segment_by_example
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.prepare import prepare
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.results import Progress, finished
from tests.engine.conftest import disc

FINDS = ByExampleOptions(model="intensity", device="cpu", refine=False)


@pytest.fixture(autouse=True)
def short_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "ROUNDS", 2)
    monkeypatch.setattr(adapt, "STEPS_PER_ROUND", 5)
    monkeypatch.setattr(adapt, "MEMBERS", 2)
    monkeypatch.setattr(adapt_album, "SMALL", 32)


def ring_plane(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two bright discs of equal brightness, of which only the left one is wanted.

    By brightness alone nobody can tell them apart; the masks of the other examples can.
    """
    rng = np.random.default_rng(seed)
    wanted = disc((64, 64), (rng.uniform(30, 34), rng.uniform(16, 20)), 8)
    other = disc((64, 64), (rng.uniform(30, 34), rng.uniform(44, 48)), 8)
    image = rng.normal(60, 5, (64, 64)) + 120 * (wanted | other)
    return image.clip(0, 255).astype(np.uint8), wanted.astype(np.uint8)


@pytest.fixture
def ambiguous() -> SupportSet:
    examples = SupportSet(class_names=("background", "left disc"))
    for seed in range(4):
        examples.add(*ring_plane(seed))
    return examples


def test_what_the_net_cannot_know_is_learned_from_the_examples(ambiguous: SupportSet) -> None:
    image, mask = ring_plane(9)
    before = segment_by_example(image, ambiguous, **vars(FINDS))
    after = segment_by_example(image, ambiguous, **{**vars(FINDS), "adapt": True})
    assert dice(before.labels == 1, mask == 1) < 0.75
    assert dice(after.labels == 1, mask == 1) > 0.8
    made = after.provenance.parameters["adaptation"]
    assert made["support_sha256"] == ambiguous.examples_hash
    assert made["gain"]["after"] > made["gain"]["before"] + 0.1
    assert before.provenance.parameters["adaptation"] is None
    json.dumps(after.provenance.as_dict())


def test_gains_by_luck_do_not_count() -> None:
    assert adapt_choice.is_worth([0.5, 0.5, 0.5], [0.55, 0.56, 0.54])
    assert not adapt_choice.is_worth([0.5, 0.5, 0.5], [0.505, 0.505, 0.505])
    assert adapt_choice.is_worth([0.9, 0.9, 0.9], [0.905, 0.905, 0.905])
    assert not adapt_choice.is_worth([0.1, 0.9, 0.2, 0.8], [0.9, 0.1, 0.8, 0.3])


def test_where_nothing_is_better_nothing_changes(support: SupportSet) -> None:
    adaptation = finished(adapt_job(support, FINDS))
    assert not adaptation.is_worth_it
    assert adaptation.gain is not None
    assert adaptation.gain.after == adaptation.gain.before
    assert adaptation.members == ()
    assert "brought nothing" in in_words(adaptation)


def test_an_adaptation_is_used_only_with_its_own_examples(ambiguous: SupportSet) -> None:
    image = ring_plane(9)[0]
    ambiguous.adaptation = finished(adapt_job(ambiguous, FINDS))
    kept = segment_by_example(image, ambiguous.snapshot(), **vars(FINDS))
    assert kept.provenance.parameters["adaptation"]["sha256"] == ambiguous.adaptation.sha256
    off = segment_by_example(image, ambiguous, **{**vars(FINDS), "adapt": False})
    assert off.provenance.parameters["adaptation"] is None
    other = segment_by_example(image, ambiguous.without(0), **vars(FINDS))
    assert other.provenance.parameters["adaptation"] is None
    assert (kept.labels != off.labels).any()


def test_an_example_more_is_looked_at_also_where_no_nets_were_kept(ambiguous: SupportSet) -> None:
    def predicted(support: SupportSet, adaptation: Adaptation) -> np.ndarray:
        support.adaptation = replace(adaptation, support_sha256=support.examples_hash)
        return segment_by_example(ring_plane(9)[0], support, **vars(FINDS)).probabilities

    made = finished(adapt_job(ambiguous, FINDS))
    alone = replace(made, members=(), shares=(Shares(in_context=0.5, alike=0.5),))
    before = predicted(ambiguous, alone)
    ambiguous.add(*ring_plane(9))
    fresh = SupportSet(ambiguous.examples, ambiguous.class_names)
    after = predicted(ambiguous, alone)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, predicted(fresh, alone))


def test_the_same_seed_gives_the_same_nets(ambiguous: SupportSet) -> None:
    first = finished(adapt_job(ambiguous, FINDS))
    ambiguous.memo.clear()
    again = finished(
        adapt_job(SupportSet(reversed(ambiguous.examples), ambiguous.class_names), FINDS)
    )
    assert first.sha256 == again.sha256


def test_more_effort_is_a_longer_fit_and_is_kept_with_the_examples(
    ambiguous: SupportSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapt_choice, "MIXTURES", (Shares(), Shares(0.0, fitted=1.0)))
    steps = []
    monkeypatch.setattr(Member, "step", lambda self, part, number: steps.append(part))
    for effort, rounds in ((1, 2), (3, 6)):
        steps.clear()
        job = adapt_job(ambiguous, replace(FINDS, adapt_effort=effort))
        last = list(job)[-1]
        assert len(steps) == 2 * 5 * rounds
        assert max(steps) == pytest.approx(1 - 1 / (5 * rounds))
        assert last.total == 4 + 2 * 5 * rounds
    ambiguous.adaptation = finished(adapt_job(ambiguous, replace(FINDS, adapt_effort=3)))
    ambiguous.save(tmp_path / "examples")
    again = SupportSet.load(tmp_path / "examples").adaptation
    assert again is not None
    assert again.as_dict()["effort"] == 3
    with pytest.raises(ValueError, match="effort of adapting"):
        replace(FINDS, adapt_effort=0)


def test_a_single_example_is_adapted_to_without_a_gain_being_claimed() -> None:
    support = SupportSet().add(*ring_plane(0))
    image = ring_plane(9)[0]
    asked = segment_by_example(image, support, **{**vars(FINDS), "adapt": True})
    assert asked.provenance.parameters["adaptation"] is None, "only a person can judge it"
    adaptation = finished(adapt_job(support, FINDS))
    assert adaptation.gain is None
    assert len(adaptation.members) == 1
    assert "cannot be measured" in in_words(adaptation)
    support.adaptation = adaptation
    kept = segment_by_example(image, support, **vars(FINDS))
    assert kept.provenance.parameters["adaptation"]["gain"] is None


def test_examples_that_share_no_class_are_not_adapted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    monkeypatch.setattr(Member, "step", lambda self, part, number: steps.append(number))
    support = SupportSet(class_names=("background", "left", "right"))
    for value in (1, 2):
        image, mask = ring_plane(value)
        support.add(image, mask * value)
    adaptation = finished(adapt_job(support, FINDS))
    assert steps == []
    assert not adaptation.is_worth_it
    assert adaptation.gain is None
    assert "no two examples show the same class" in in_words(adaptation)
    support.adaptation = adaptation
    asked = segment_by_example(ring_plane(9)[0], support, **{**vars(FINDS), "adapt": True})
    assert asked.provenance.parameters["adaptation"] is None


def test_classes_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt_choice, "WORTH", -1.0)
    rng = np.random.default_rng(0)
    support = SupportSet(class_names=("background", "red", "only once"))
    for number in range(3):
        image = rng.uniform(0, 200, (48, 64, 3))
        mask = disc((48, 64), (24, 20 + 3 * number), 8).astype(np.uint8)
        image[mask > 0] += (55, 0, 0)
        if number == 2:
            mask[40:45, 40:60] = 2
        support.add(image.astype(np.uint8), mask)
    result = segment_by_example(
        support.examples[0].image, support, **{**vars(FINDS), "adapt": True}
    )
    assert result.probabilities is not None
    assert result.probabilities.shape == (2, 48, 64)
    made = result.provenance.parameters["adaptation"]
    assert made["colours"]
    assert made["classes"] == [1, 2]
    grey = segment_by_example(support.examples[0].image[..., 0], support, **vars(FINDS))
    assert grey.provenance.parameters["adaptation"] is None


def test_it_tells_how_far_it_is_and_can_be_stopped(ambiguous: SupportSet) -> None:
    job = adapt_job(ambiguous, FINDS)
    told: list[Progress] = []
    for progress in job:
        told.append(progress)
        if progress.message.startswith("Fitting, round 2"):
            break
    job.close()
    assert all(0 <= progress.done <= progress.total for progress in told)
    dones = [progress.done for progress in told]
    assert dones == sorted(dones)
    assert "→" in told[-1].message


def test_kept_nets_are_saved_with_the_examples(ambiguous: SupportSet, tmp_path: Path) -> None:
    image = ring_plane(9)[0]
    ambiguous.adaptation = finished(adapt_job(ambiguous, FINDS))
    ambiguous.save(tmp_path / "examples")
    read = SupportSet.load(tmp_path / "examples")
    assert isinstance(read.adaptation, Adaptation)
    assert read.adaptation.sha256 == ambiguous.adaptation.sha256
    first = segment_by_example(image, ambiguous, **vars(FINDS))
    second = segment_by_example(image, read, **vars(FINDS))
    assert first.probabilities.tobytes() == second.probabilities.tobytes()
    read.add(*ring_plane(7))
    read.save(tmp_path / "examples")
    assert SupportSet.load(tmp_path / "examples").adaptation is None


def test_damaged_nets_are_left_out_with_a_word(ambiguous: SupportSet, tmp_path: Path) -> None:
    ambiguous.adaptation = finished(adapt_job(ambiguous, FINDS))
    ambiguous.save(tmp_path / "examples")
    file = tmp_path / "examples" / "adaptation.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with pytest.warns(UserWarning, match="damaged"):
        read = SupportSet.load(tmp_path / "examples")
    assert read.content_hash == ambiguous.content_hash
    assert read.adaptation is None


@pytest.mark.parametrize("version", [1, 2])
def test_nets_of_another_version_are_left_out_with_a_word(
    ambiguous: SupportSet, tmp_path: Path, version: int
) -> None:
    ambiguous.adaptation = finished(adapt_job(ambiguous, FINDS))
    ambiguous.save(tmp_path / "examples")
    file = tmp_path / "examples" / "support.json"
    entry = json.loads(file.read_text())
    entry["adaptation"]["version"] = version
    file.write_text(json.dumps(entry))
    with pytest.warns(UserWarning, match="another version"):
        read = SupportSet.load(tmp_path / "examples")
    assert read.content_hash == ambiguous.content_hash
    assert read.adaptation is None


def test_large_planes_are_looked_at_as_a_whole_and_closely(
    ambiguous: SupportSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapt_album, "SMALL", 64)
    for place in (adapt_album, adapt_fit, adapt_views):
        monkeypatch.setattr(place, "VIEW", 32)
    prepared = finished(prepare(ambiguous, FINDS, False))
    album = album_of(ambiguous, prepared)
    assert album.looks == 2
    inputs = np.stack([album.inputs(album.plane(i), album.masks[i], i) for i in range(len(album))])
    planes, masks = torch.from_numpy(inputs), torch.from_numpy(album.masks)
    member = Member(planes, masks, np.array([1]), 1, 0, torch.float32)
    ((index, aided, unaided),) = member.answers()
    assert index == 1
    assert aided.shape == unaided.shape == (2, 1, 64, 64)
    whole, close = aided
    assert np.abs(whole - close).max() > 1e-4
    adaptation = finished(adapt_job(ambiguous, FINDS))
    ambiguous.adaptation = adaptation
    assert segment_by_example(ring_plane(9)[0], ambiguous, **vars(FINDS)).labels.shape == (64, 64)


@pytest.mark.parametrize(("right", "close"), [(0, 0.0), (1, 1.0)])
def test_the_look_that_is_better_is_chosen(ambiguous: SupportSet, right: int, close: float) -> None:
    album = Album(tuple(ambiguous), (1,), False)
    nobody = np.zeros_like(album.masks)
    looks = np.zeros((2, *album.masks.shape), np.float32)
    looks[right], looks[1 - right] = album.masks, 1 - album.masks
    opinions = Opinions(nobody, looks, looks, nobody)
    choice = adapt_choice.choose_shares(album, opinions)
    assert choice.shares[0].close == close
    assert choice.after > 0.99
    np.testing.assert_array_equal(choice.shares[0].mix(opinions) >= 0.5, album.masks > 0)


def test_the_masks_of_look_alikes_leave_out_the_plane_itself(ambiguous: SupportSet) -> None:
    album = Album(tuple(ambiguous), (1,), False)
    plane = album.plane(0)
    own, others = album.alike(plane), album.alike(plane, without=0)
    assert np.abs(own[0] - album.masks[0, 0]).mean() < np.abs(others[0] - album.masks[0, 0]).mean()
    assert album.channels == 3
    assert album.inputs(plane, np.ones((1, 64, 64), np.float32)).shape == (3, 32, 32)


def test_every_example_is_held_out_once() -> None:
    for count in (2, 3, 4, 16):
        parts = folds(count, 3)
        assert len(parts) == min(3, count)
        assert sorted(np.concatenate(parts)) == list(range(count))
    assert [len(part) for part in folds(1, 3)] == [0]


def test_what_it_brought_in_words() -> None:
    adaptation = Adaptation(
        "", "", (1,), False, (), (Shares(0.5, 0.5),), Gain(0.5, 0.7, 0.1, 4), 10, 0
    )
    assert in_words(adaptation) == ("Dice 0.50 → 0.70 on examples left out (+0.20, 4 predictions).")
