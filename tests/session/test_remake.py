"""What a method wrote is made again, to the byte, by the copied command and the copied Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from npe2 import PluginManifest

from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.support import make_example
from napari_medseg.engine.cluster.options import ClusterOptions
from napari_medseg.engine.postprocess import PostProcess
from napari_medseg.engine.resample import Window
from napari_medseg.engine.results import Provenance, finished
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.labels import read_labels, write_labels
from napari_medseg.session.by_example.jobs import predict_job
from napari_medseg.session.by_example.prediction import Prediction
from napari_medseg.session.case import Case
from napari_medseg.session.clustering import cluster_region_job, pick_job, write_pick_job
from napari_medseg.session.edits import Mode
from napari_medseg.session.export.jobs import export_of
from napari_medseg.session.history.inputs import Files, Inputs, find_job, save_job
from napari_medseg.session.history.made import MadeStep, compact, steps_of, words_of
from napari_medseg.session.history.remake import command_of, missing_from, python_of, why_not
from napari_medseg.session.layers.query import Query
from napari_medseg.session.layers.region import Region
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.with_model.jobs import segment_model_job
from napari_medseg.session.with_model.proposal import Cut, ModelProposal
from napari_medseg.session.with_model.run import ModelRun
from napari_medseg.zoo import architectures
from napari_medseg.zoo.registry import get_card
from tests.engine.conftest import write_model
from tests.engine.intensity_net import IntensityNet
from tests.engine.pretrained import BrightNet, write_pretrained

NETS = {"IntensityNet": "tests.engine.intensity_net", "BrightNet": "tests.engine.pretrained"}
ROOT = Path(__file__).resolve().parents[2]
RUN_ALL = """
import json, shlex, sys
import numpy as np
from napari_medseg.cli import app
from napari_medseg.zoo import architectures
from napari_medseg.zoo.registry import get_card
architectures.NETS.update(json.loads(sys.argv[1]))
for name, command, code in json.load(open("steps.json")):
    words = shlex.split(command)
    assert words[0] == "napari-medseg"
    words[words.index("-o") + 1] = name
    try:
        app(words[1:])
    except SystemExit as end:
        assert not end.code, (name, end.code)
    found = {}
    exec(code, found)
    np.save(f"{name}.npy", found["labels"])
"""


@dataclass
class Made:
    """A step, what it wrote, and the files that it was made from."""

    step: MadeStep
    labels: np.ndarray
    files: Files


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("models")
    write_model(root, "intensity", IntensityNet(), input={"size": [32, 32]})
    shown = {"size": [32, 32], "fit": "tile", "multiple": 16, "scaling": {"kind": "percentile"}}
    write_pretrained(root, "bright", BrightNet(), input=shown)
    three = {"classes": ("bright", "dark"), "output": {"activation": "softmax"}}
    write_pretrained(
        root, "three", BrightNet(3), input=shown, net_options={"n_classes": 3}, **three
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_MEDSEG_MODELS", str(root))
        for name, module in NETS.items():
            patch.setitem(architectures.NETS, name, module)
        yield root


def volume(shape: tuple[int, ...] = (6, 40, 48)) -> np.ndarray:
    """Something bright on a slope, with noise; negative values too."""
    grid = np.indices(shape)
    ball = sum((grid[axis] - shape[axis] / 2) ** 2 for axis in range(1, len(shape))) < 12**2
    noise = np.random.default_rng(0).normal(0, 40, shape)
    return (noise + 700.0 * ball - 300 + grid[-1]).astype(np.int16)


def layer_of(data: np.ndarray, rgb: bool = False) -> Image:
    return Image(data, rgb=rgb, name="scan", scale=(0.5,) * (data.ndim - rgb))


def saved(labels: Labels, folder: Path) -> Made:
    (step,) = steps_of(labels)
    assert why_not(step) == ""
    assert step.inputs is not None
    return Made(step, np.array(labels.data), finished(save_job(step.inputs, folder)))


def by_example(image: Image, stack: Stack, folder: Path, planes: list[int]) -> Made:
    """Paint two planes, predict some, move the threshold, accept."""
    case = Case()
    case.set_image(image)
    query = Query.of(image, stack, {})
    for position in planes[:2]:
        whole = np.asarray(query.volume())
        plane = whole if stack.axis is None else whole[position]
        mask = (plane.mean(-1) if image.rgb else plane) > 100
        case.examples.add(make_example(plane, mask, value_range=query.range()))
    support = case.examples.support()
    options = ByExampleOptions("intensity", device="cpu", flips=True, refine=False)
    prediction = Prediction(case, stack, 1, True, Provenance("by-example"), support)
    job = predict_job(query, planes, support, options)
    found = driven(job, lambda plane: prediction.take(plane, 0.5))
    prediction.finish(found.provenance)
    assert case.proposal is not None
    case.proposal.threshold = 0.37
    case.accept(planes[:3])
    return saved(case.labels, folder)


def with_model(name: str, cut: Cut, values: tuple[int, ...], folder: Path) -> Made:
    """Run a model on some planes, change everything that can be changed live, accept."""
    case = Case()
    image = layer_of(volume())
    case.set_image(image)
    stack = Stack((0, 1), 2, (0, 0, 0), 48)
    options = SegmentOptions(get_card(name), device="cpu", tile=16, flips=True)
    run = ModelRun(case, stack, options.model, fresh=True)
    job = segment_model_job(Query.of(image, stack, {}), [20, 21, 22, 30], options)
    found = driven(job, lambda plane: run.take(plane, Cut())).segmentation
    run.finish(found.provenance)
    proposal = case.proposal
    assert isinstance(proposal, ModelProposal)
    proposal.set_values(values)
    proposal.set_cut(cut)
    if not proposal.is_settled:
        proposal.take_cleaned(finished(proposal.clean_job()))
    case.accept()
    return saved(case.labels, folder)


def clustered(method: str, folder: Path, cancel_after: int = 0) -> Made:
    """Cluster a rectangle of a plane of a volume at a point of time, click one piece."""
    case = Case()
    image = layer_of(np.stack([volume(), volume()]))
    case.set_image(image)
    stack = Stack((1, 3), 2, (1, 0, 17, 0), 40)
    region = Region(stack, Window(0, 5, 6, 45) if method == "otsu" else Window(0, 0, 6, 48))
    options = ClusterOptions(method, 3, size=32, iterations=4, device="cpu", clusters=3)
    job = cluster_region_job(image, Query.of(image, stack, {}), region, options)
    if cancel_after:
        next(job)
        clusters = [next(job).preview for _ in range(cancel_after)][-1]
        job.close()
    else:
        clusters = finished(job)
    pick = finished(pick_job(clusters, 3, 24, 2, piece=True))
    finished(write_pick_job(case, pick, Mode.KEEP))
    return saved(case.labels, folder)


def driven(job: Any, take: Any) -> Any:
    """Run a job to its end, and hand on what it shows on its way."""
    while True:
        try:
            progress = next(job)
        except StopIteration as end:
            return end.value
        if progress.preview is not None:
            take(progress.preview)


def all_made(folder: Path) -> dict[str, Made]:
    photo = np.repeat(volume()[3][..., None], 3, -1)
    photo = ((photo - photo.min()) / 8).astype(np.uint8)
    plain, turned = Stack((1, 2), 0, (0, 0, 0), 6), Stack((0, 2), 1, (0, 0, 0), 40)
    both = PostProcess(min_size=3, largest=True, fill_holes=True)
    makers = {
        "volume": lambda at: by_example(layer_of(volume()), plain, at, [3, 2, 4, 1]),
        "turned": lambda at: by_example(layer_of(volume()), turned, at, [20, 18, 22]),
        "photo": lambda at: by_example(layer_of(photo, True), Stack((0, 1), None, (0, 0)), at, [0]),
        "model": lambda at: with_model("bright", Cut(0.6), (1,), at),
        "cleaned": lambda at: with_model("three", Cut(None, both), (3, 1), at),
        "cancelled": lambda at: clustered("s3net", at, cancel_after=2),
    }
    for method in ("s3net", "s3net-improved", "kmeans", "otsu"):
        makers[method] = lambda at, method=method: clustered(method, at)
    return {name: make(folder / f"{name}-inputs") for name, make in makers.items()}


def test_the_copied_command_and_the_copied_python_make_the_same_bytes(tmp_path: Path) -> None:
    made = all_made(tmp_path)
    assert all(one.labels.any() for one in made.values())
    steps = [
        (name, command_of(one.step, one.files), python_of(one.step, one.files))
        for name, one in made.items()
    ]
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(NETS)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, one in made.items():
        wanted = np.squeeze(one.labels[1]) if one.labels.ndim == 4 else one.labels
        (file,) = (tmp_path / name).glob("*.*")
        by_command, by_python = read_labels(file).labels, np.load(tmp_path / f"{name}.npy")
        for found in (by_command, by_python):
            assert found.dtype == wanted.dtype, name
            np.testing.assert_array_equal(found, wanted, err_msg=name)


def test_a_file_that_is_what_is_open_need_not_be_saved(tmp_path: Path, npe2pm: Any) -> None:
    from napari_medseg.io.image_files import write_image

    path = write_image(tmp_path / "scan.ome.tif", volume(), Geometry((2.0, 1.0, 1.0), units="mm"))
    npe2pm.register(PluginManifest.from_distribution("napari-medseg"))
    viewer = ViewerModel()
    (image,) = viewer.open(path, plugin="napari-medseg")
    inputs = Inputs.of(image, Stack((1, 2), 0, (0, 0, 0), 6))
    assert finished(find_job(inputs)).image == path
    image.data = image.data + 1
    assert finished(find_job(inputs)) == Files()
    assert finished(find_job(None)) == Files()


def test_what_is_only_in_memory_is_named() -> None:
    step = MadeStep("by-example", "m", parameters={"planes": None})
    assert missing_from(step, Files()) == ["the image", "the examples"]
    assert "IMAGE" in command_of(step, Files()) and "EXAMPLES" in command_of(step, Files())
    assert missing_from(MadeStep("cluster"), Files(image=Path("a.png"))) == []


def test_what_computed_a_net_is_part_of_the_command_unless_it_is_torch() -> None:
    known = {"device": "cpu", "precision": "float32", "axis": 0, "planes": None}
    by_onnx = MadeStep("segment", "m", parameters=known | {"runtime": "onnx"})
    assert "--runtime onnx" in command_of(by_onnx, Files())
    assert "runtime='onnx'" in python_of(by_onnx, Files())
    by_torch = MadeStep("segment", "m", parameters=known | {"runtime": "torch"})
    assert "runtime" not in command_of(by_torch, Files()) + python_of(by_torch, Files())


def test_an_export_carries_the_history_and_it_is_read_again(tmp_path: Path) -> None:
    made = clustered("kmeans", tmp_path / "inputs")
    labels = Labels(np.squeeze(made.labels[1]), metadata={})
    entry = {
        "method": "cluster",
        "model": "kmeans",
        "parameters": dict(made.step.parameters),
        "planes": [[1, None, 17, None]],
        "accepted_with": dict(made.step.accepted_with),
    }
    labels.metadata["medseg"] = {"accepted": [entry], "inputs": [made.step.inputs]}
    export = export_of(labels)
    assert "inputs" not in export.provenance
    path = tmp_path / "labels.ome.tif"
    write_labels(path, export.labels, export.geometry, export.provenance)
    again = Labels(export.labels, metadata={"medseg": {"provenance": read_labels(path).provenance}})
    (step,) = steps_of(again)
    assert command_of(step, made.files) == command_of(made.step, made.files)


def test_words_say_what_was_done() -> None:
    step = MadeStep(
        "cluster",
        "s3net",
        parameters={"seed": 4, "stop_after": 7, "planes": [3], "rectangle": [0, 0, 9, 9]},
        accepted_with={"cluster": 2, "at": [5, 6], "piece": True, "class": 1, "mode": "keep"},
    )
    text = " ".join(words_of(step))
    for words in (
        "S3-Net as published, seed 4",
        "after 7 iterations",
        "plane 3 along",
        "row 5, column 6",
    ):
        assert words.lower() in text.lower()


def test_what_nobody_knows_how_to_make_is_said_so() -> None:
    assert "own methods" in why_not(MadeStep("painting"))
    assert "cancelled" in why_not(MadeStep("segment", "m"))
    assert steps_of(Labels(np.zeros((4, 4), np.uint8))) == []


def test_lists_of_planes_are_short() -> None:
    assert compact([3, 5, 6, 7, 9]) == "3,5-7,9"
