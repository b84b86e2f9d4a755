"""Many images in one call: spread over a cluster, reported, and continued where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import napari_medseg as medseg
from napari_medseg.cli import app
from napari_medseg.cli.cohort import _changed, _Report, _spread
from napari_medseg.engine.by_example.adapt.adaptation import Adaptation, Shares
from napari_medseg.io.labels import read_labels
from napari_medseg.zoo import architectures
from tests.engine.conftest import make_plane, write_model
from tests.engine.intensity_net import IntensityNet
from tests.engine.pretrained import BrightNet, write_pretrained


def run(*arguments: object):
    return CliRunner().invoke(app, ["cluster", *(str(argument) for argument in arguments)])


@pytest.fixture
def planes(tmp_path: Path) -> list[Path]:
    paths = []
    for number in range(3):
        image = np.full((24, 30), 200, np.uint8)
        image[5 : 10 + number, 5:20] = 60
        paths.append(tmp_path / f"plane{number}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


@pytest.fixture
def scheduler():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def report_in(folder: Path) -> dict:
    return json.loads((folder / "cohort.json").read_text())


def test_a_cluster_writes_what_one_process_writes(planes, scheduler, tmp_path):
    options = ("--method", "otsu", "--json")
    alone = run(*planes, "-o", tmp_path / "alone", *options)
    spread = run(*planes, "-o", tmp_path / "spread", *options, "--scheduler", scheduler)
    assert (alone.exit_code, spread.exit_code) == (0, 0)
    assert len(json.loads(spread.stdout)["results"]) == 3
    for path in planes:
        found = [read_labels(tmp_path / where / path.name) for where in ("alone", "spread")]
        np.testing.assert_array_equal(found[0].labels, found[1].labels)


def test_processes_in_another_folder_find_what_was_typed(planes, scheduler, tmp_path, monkeypatch):
    def spread(*work):
        monkeypatch.chdir(tmp_path / "elsewhere")
        return _spread(*work)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_medseg.cli.cohort._spread", spread)
    call = (*(path.name for path in planes), "-o", "out", "--method", "otsu")
    done = run(*call, "--scheduler", scheduler)
    assert done.exit_code == 0, done.output
    monkeypatch.chdir(tmp_path)
    assert all((Path("out") / path.name).is_file() for path in planes)
    assert "3 of 3 inputs were done before" in run(*call, "--resume").stderr


def test_the_report_says_what_failed_and_why(planes, scheduler, tmp_path):
    planes[1].write_bytes(b"no image")
    done = run(*planes, "-o", tmp_path / "out", "--method", "otsu", "--scheduler", scheduler)
    assert done.exit_code == 1
    assert "1 of 3 inputs failed" in done.stderr
    report = report_in(tmp_path / "out")
    assert {entry["input"] for entry in report["results"]} == {str(planes[0]), str(planes[2])}
    (failure,) = report["failed"]
    assert failure["input"] == str(planes[1])
    assert failure["error"] in done.stderr


def test_resumes_where_it_stopped(planes, tmp_path):
    content = planes[1].read_bytes()
    planes[1].write_bytes(b"no image")
    call = (*planes, "-o", tmp_path / "out", "--method", "otsu", "--resume")
    assert run(*call).exit_code == 1
    first = tmp_path / "out" / planes[0].name
    before = first.stat().st_mtime_ns
    planes[1].write_bytes(content)
    again = run(*call)
    assert again.exit_code == 0
    assert "2 of 3 inputs were done before" in again.stderr
    assert first.stat().st_mtime_ns == before
    report = report_in(tmp_path / "out")
    assert len(report["results"]) == 3
    assert not report["failed"]


def inputs_in(folder: Path) -> list[str]:
    return sorted(entry["input"] for entry in report_in(folder)["results"])


def test_some_of_the_images_leave_the_others_in_the_report(planes, tmp_path):
    call = ("-o", tmp_path / "out", "--method", "otsu", "--resume")
    assert run(*planes, *call).exit_code == 0
    assert "2 of 2 inputs were done before" in run(*planes[:2], *call).stderr
    assert inputs_in(tmp_path / "out") == [str(path) for path in planes]
    assert "3 of 3 inputs were done before" in run(*planes, *call).stderr
    (tmp_path / "out" / planes[2].name).unlink()
    run(*planes[:2], *call)
    assert inputs_in(tmp_path / "out") == [str(path) for path in planes[:2]]


def test_other_options_leave_nothing_in_the_report(planes, tmp_path):
    call = ("-o", tmp_path / "out", "--method")
    assert run(*planes, *call, "otsu").exit_code == 0
    assert run(*planes[:2], *call, "kmeans").exit_code == 0
    assert inputs_in(tmp_path / "out") == [str(path) for path in planes[:2]]


def test_an_image_of_the_same_name_takes_the_place_of_another(planes, tmp_path):
    call = ("-o", tmp_path / "out", "--method", "otsu")
    other = tmp_path / "other" / planes[0].name
    other.parent.mkdir()
    other.write_bytes(planes[0].read_bytes())
    assert run(*planes, *call).exit_code == 0
    assert run(other, planes[1], *call).exit_code == 0
    assert inputs_in(tmp_path / "out") == sorted(map(str, (other, *planes[1:])))


def test_two_calls_at_once_write_one_report(planes, tmp_path):
    options = {"method": "otsu"}
    first, second = (_Report(tmp_path / "cohort.json", "cluster", options) for _ in range(2))
    entries = [{"input": str(path), "output": str(path)} for path in planes]
    failure = {"input": "none.png", "error": "There is no such file."}
    first.keep(planes[:1], entries[:1], [], True)
    second.keep([planes[1], Path("none.png")], entries[1:2], [failure], True)
    first.keep([planes[0], planes[2]], [entries[0], entries[2]], [], True)
    assert inputs_in(tmp_path) == [str(path) for path in planes]
    assert report_in(tmp_path)["failed"] == [failure]


def test_does_again_what_is_not_the_same(planes, tmp_path):
    call = (*planes, "-o", tmp_path / "out", "--resume", "--method")
    assert run(*call, "otsu").exit_code == 0
    assert "all is done again" in run(*call, "kmeans").stderr
    (tmp_path / "out" / planes[2].name).unlink()
    Image.fromarray(np.eye(24, 30, dtype=np.uint8) * 255).save(planes[0])
    assert "1 of 3 inputs were done before" in run(*call, "kmeans").stderr


def test_a_folder_whose_files_were_replaced_is_not_the_same(tmp_path):
    folder = tmp_path / "scan"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"one")
    (folder / "deep").mkdir()
    (folder / "deep" / "2.dcm").write_bytes(b"two")
    before, moment = _changed(folder), folder.stat().st_mtime_ns
    assert json.loads(json.dumps(before)) == before
    assert _changed(str(folder)) == before
    (folder / "deep" / "2.dcm").write_bytes(b"other")
    assert folder.stat().st_mtime_ns == moment
    assert _changed(folder) != before
    assert _changed(tmp_path / "none") == 0


def test_other_examples_in_the_same_folder_are_not_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "IntensityNet", "tests.engine.intensity_net")
    (tmp_path / "models").mkdir()
    card = write_model(tmp_path / "models", "intensity", IntensityNet(), input={"size": [64, 64]})
    image, mask = make_plane(1)
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for number, path in enumerate(paths):
        Image.fromarray(make_plane(number + 5)[0]).save(path)

    def segmented(examples_mask, adapted=False):
        support = medseg.SupportSet().add(image, examples_mask)
        if adapted:
            made_of = (support.examples_hash, card.sha256, (1,), False)
            support.adaptation = Adaptation(*made_of, (), (Shares(0.5, alike=0.5),), None, 1, 0)
        support.save(tmp_path / "examples")
        arguments = ["by-example", *paths, "--support", tmp_path / "examples", "-m", "intensity"]
        arguments += ["-o", tmp_path / "out", "--resume"]
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output
        return read_labels(tmp_path / "out" / "one.png").labels, done.stderr

    first, _ = segmented(mask)
    again, said = segmented(mask)
    assert "2 of 2 inputs were done before" in said
    other, said = segmented(1 - mask)
    assert "(other support_sha256): all is done again" in said
    assert "(other adaptation_sha256)" in segmented(1 - mask, adapted=True)[1]
    np.testing.assert_array_equal(again, first)
    assert (other != first).any()


def test_a_model_imported_anew_under_the_same_name_is_not_the_same(planes, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "BrightNet", "tests.engine.pretrained")
    call = ["segment", *planes, "-m", "mine", "-o", tmp_path / "out", "--resume"]

    def said(**card):
        write_pretrained(tmp_path / "models", "mine", BrightNet(), **card)
        done = CliRunner().invoke(app, [str(argument) for argument in call])
        assert done.exit_code == 0, done.output
        return done.stderr

    plain = {"size": [32, 32], "channels": 1}
    said(input=plain)
    assert "3 of 3 inputs were done before" in said(input=plain)
    window = {"kind": "window", "low": 0, "high": 100}
    assert "(other card_sha256)" in said(input=plain | {"scaling": window})


def test_a_damaged_report_is_not_trusted(planes, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cohort.json").write_text("{")
    done = run(*planes, "-o", tmp_path / "out", "--method", "otsu", "--resume")
    assert done.exit_code == 2
    assert "remove it" in done.stderr


@pytest.mark.parametrize("address", ["local:none", "local:0"])
def test_refuses_a_number_of_processes_that_is_none(planes, tmp_path, address):
    pytest.importorskip("distributed")
    done = run(*planes, "-o", tmp_path / "out", "--scheduler", address)
    assert done.exit_code == 2
    assert "local:4" in done.stderr
