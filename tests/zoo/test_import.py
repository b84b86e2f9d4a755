"""Checkpoints of every net come in, whatever they are wrapped in, and wrong ones are explained."""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_medseg.nets.condseg_encoder import ConDSegEncoder
from napari_medseg.zoo.architectures import size_multiple
from napari_medseg.zoo.cards import CardError
from napari_medseg.zoo.checkpoints import import_checkpoint
from napari_medseg.zoo.detect import detect_net
from napari_medseg.zoo.inspection import inspect_checkpoint
from napari_medseg.zoo.published import about
from napari_medseg.zoo.registry import get_card
from napari_medseg.zoo.specs import InputSpec, OutputSpec
from napari_medseg.zoo.weights import WeightsError, load_net

from .nets import SMALL, small_net

WRAPPINGS = {
    "bare": lambda state: state,
    "DataParallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "published SwinUNet": lambda state: {f"swin_unet.{key}": v for key, v in state.items()},
    "both": lambda state: {"model": {f"module.swin_unet.{k}": v for k, v in state.items()}},
    "with settings": lambda state: {
        "state_dict": state,
        "args": argparse.Namespace(lr=0.1, root="data", best=np.float64(0.8)),
        "epoch": np.int64(3),
    },
}


@pytest.mark.parametrize("kind", SMALL)
def test_the_net_and_its_size_are_told_by_the_tensors(kind: str) -> None:
    net, options = SMALL[kind]
    assert detect_net(small_net(kind).state_dict()) == (net, options)


@pytest.mark.parametrize(
    "keys", ["condseg_resnet50", "condseg_pvt", "condseg_stage1", "universeg_v1"]
)
def test_official_names_and_shapes_are_recognised(shared: Path, keys: str) -> None:
    expected = {
        "condseg_resnet50": ("ConDSeg", {"backbone": "resnet50"}),
        "condseg_pvt": ("ConDSeg", {"backbone": "pvt_v2_b2"}),
        "condseg_stage1": ("ConDSegStage1", {"backbone": "resnet50"}),
        "universeg_v1": ("UniverSeg", {"encoder_blocks": [64, 64, 64, 64]}),
    }
    listed = json.loads((shared / "reference" / "keys" / f"keys_{keys}.json").read_text())["keys"]
    state = {key: torch.empty(entry["shape"], device="meta") for key, entry in listed.items()}
    assert detect_net(state) == expected[keys]


@pytest.mark.parametrize("kind", SMALL)
def test_an_imported_net_answers_like_the_original(models: Path, tmp_path: Path, kind: str) -> None:
    net = small_net(kind)
    torch.save(net.state_dict(), tmp_path / "epoch_1.pth")
    card = import_checkpoint(tmp_path / "epoch_1.pth", name="mine")
    assert get_card("mine") == card
    assert card.state == "present"
    for key, value in load_net(card).state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[key], rtol=0, atol=0)
    if card.kind == "pretrained":
        assert InputSpec.of(card).channels in (1, 3)
        assert OutputSpec.of(card).n_classes == len(card.classes)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrappers_and_prefixes_come_off(models: Path, tmp_path: Path, wrapping: str) -> None:
    state = small_net("SwinUNet").state_dict()
    torch.save(WRAPPINGS[wrapping](state), tmp_path / "epoch_125.pth")
    card = import_checkpoint(tmp_path / "epoch_125.pth")
    assert (card.net, card.name) == ("SwinUNet", "epoch_125")
    assert card.classes == ("class 1", "class 2", "class 3")
    assert card.source["file"] == "epoch_125.pth"


def test_the_card_says_what_the_importer_states(models: Path, tmp_path: Path) -> None:
    torch.save(small_net().state_dict(), tmp_path / "a.pt")
    scaling = {"kind": "window", "low": -125, "high": 275}
    card = import_checkpoint(
        tmp_path / "a.pt",
        classes=("liver", "spleen"),
        input={"scaling": scaling, "fit": "tile", "size": [64, 64]},
        licence="mine",
    )
    spec = InputSpec.of(get_card(card.name))
    assert (spec.scaling.kind, spec.scaling.low, spec.scaling.high) == ("window", -125, 275)
    assert (spec.fit, spec.size, spec.multiple, spec.channels) == ("tile", (64, 64), 16, 1)
    assert (card.classes, card.licence) == (("liver", "spleen"), "mine")


def test_the_published_swin_unet_knows_its_organs() -> None:
    options = {"n_classes": 9, "image_size": 224, "depths": [2, 2, 2, 2], "channels": 96}
    fields = about("SwinUNet", options)
    assert len(fields["classes"]) == 8
    assert fields["classes"][4] == "liver"
    assert fields["input"]["scaling"] == {"kind": "window", "low": -125.0, "high": 275.0}
    assert fields["output"] == {"activation": "softmax"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"classes": ("liver",)}, "2 classes must be named"),
        ({"input": {"channels": 2}}, "1 or 3 channels"),
        ({"input": {"size": "large"}}, "does not say what input"),
        ({"input": {"scaling": {"kind": "window", "low": 3, "high": 1}}}, "lower to a higher"),
        ({"output": {"activation": "tanh"}}, "softmax"),
        ({"name": "universeg-open"}, "comes with the package"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    models: Path, tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    torch.save(small_net().state_dict(), tmp_path / "a.pt")
    with pytest.raises(CardError, match=words):
        import_checkpoint(tmp_path / "a.pt", **fields)
    assert not any(models.iterdir())


def test_missing_unexpected_and_misshaped_entries_are_listed(models: Path, tmp_path: Path) -> None:
    state = small_net().state_dict()
    del state["down1.maxpool_conv.1.double_conv.0.weight"]
    state["surplus"] = torch.zeros(1)
    state["outc.conv.bias"] = torch.zeros(7)
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(WeightsError) as caught:
        import_checkpoint(tmp_path / "a.pt")
    for words in ("1 missing (down1.", "1 unexpected (surplus)", "(7,) instead of (3,)"):
        assert words in str(caught.value)
    assert not any(models.iterdir())


LACKING = ("inc.double_conv.0.weight", "outc.conv.weight")


@pytest.mark.parametrize(
    ("lacking", "net"), [(LACKING, "UNet"), (LACKING[1:], "UNet"), (LACKING[1:], None)]
)
def test_what_is_missing_is_listed_where_the_size_of_the_net_cannot_be_told(
    models: Path, tmp_path: Path, lacking: tuple[str, ...], net: str | None
) -> None:
    state = {key: value for key, value in small_net().state_dict().items() if key not in lacking}
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="another architecture") as caught:
        import_checkpoint(tmp_path / "a.pt", net)
    assert f"{len(lacking)} missing ({', '.join(lacking)})" in str(caught.value)
    assert inspect_checkpoint(tmp_path / "a.pt", net).report.missing == lacking


@pytest.mark.parametrize(
    ("net", "kind"),
    [
        ("UNet", "ConDSeg stage 1"),
        ("SwinUNet", "UNet bilinear"),
        ("ConDSeg", "ConDSeg stage 1"),
        ("UniverSeg", "UNet bilinear"),
    ],
)
def test_what_another_net_would_need_is_listed(
    models: Path, tmp_path: Path, net: str, kind: str
) -> None:
    state = small_net(kind).state_dict()
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=rf"than {net}: \d+ missing .*; \d+ unexpected"):
        import_checkpoint(tmp_path / "a.pt", net)


def test_tensors_of_no_known_net_are_told(models: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="none of the known networks"):
        import_checkpoint(tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="another architecture"):
        import_checkpoint(tmp_path / "a.pt", "UniverSeg")


def test_a_whole_module_is_not_opened(models: Path, tmp_path: Path) -> None:
    torch.save(small_net(), tmp_path / "module.pt")
    with pytest.raises(WeightsError, match="state_dict"):
        import_checkpoint(tmp_path / "module.pt")


def test_a_picture_is_not_called_dangerous(models: Path, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "m1.png")
    with pytest.raises(WeightsError, match=r"'m1\.png' is no checkpoint: choose a file of weights"):
        import_checkpoint(tmp_path / "m1.png")


def test_weights_that_are_not_finite_are_refused(models: Path, tmp_path: Path) -> None:
    state = small_net().state_dict()
    state["outc.conv.bias"][0] = float("nan")
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="not finite"):
        import_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("kept", [0, 7, 0.5, -1])
def test_a_cut_checkpoint_is_told(models: Path, tmp_path: Path, kept: float) -> None:
    torch.save(small_net().state_dict(), tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    end = int(kept * len(content)) if 0 < kept < 1 else int(kept)
    (tmp_path / "cut.pt").write_bytes(content[:end])
    with pytest.raises(WeightsError, match="damaged"):
        import_checkpoint(tmp_path / "cut.pt")
    assert not any(models.iterdir())


def test_an_archive_that_points_outside_writes_nothing(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "slip.pt", "w") as archive:
        archive.writestr("../../escaped", b"x")
        archive.writestr("archive/version", b"3")
    with pytest.raises(WeightsError):
        import_checkpoint(folder / "slip.pt")
    assert not (tmp_path / "escaped").exists()
    assert not any(models.iterdir())


@pytest.mark.parametrize("kind", SMALL)
def test_a_checkpoint_can_be_looked_into_before_it_is_imported(
    models: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "best model.pth"
    torch.save(small_net(kind).state_dict(), path)
    found = inspect_checkpoint(path)
    assert (found.net, dict(found.net_options)) == SMALL[kind]
    assert found.report.fits
    assert found.report.fitting == len(small_net(kind).state_dict())
    assert found.suggested["kind"] in ("pretrained", "in-context")
    assert not list(models.iterdir()), "nothing is imported yet"


def test_what_does_not_fit_is_listed_by_name(models: Path, tmp_path: Path) -> None:
    state = small_net().state_dict()
    del state["outc.conv.bias"]
    state["extra"] = torch.zeros(1)
    state["up4.conv.double_conv.0.weight"] = torch.zeros(1, 2, 3, 3)
    torch.save(state, tmp_path / "net.pth")
    report = inspect_checkpoint(tmp_path / "net.pth").report
    assert not report.fits
    assert report.missing == ("outc.conv.bias",)
    assert report.unexpected == ("extra",)
    assert report.misshapen[0].startswith("up4.conv.double_conv.0.weight (1, 2, 3, 3) instead of (")
    for words in ("1 missing (outc.conv.bias)", "1 unexpected (extra)", "1 of another shape"):
        assert words in report.listing()


@pytest.mark.parametrize("kind", [kind for kind in SMALL if "ConDSeg" in kind])
def test_the_sizes_that_a_card_allows_are_those_that_its_net_takes(kind: str) -> None:
    encoder = small_net(kind)
    assert isinstance(encoder, ConDSegEncoder)
    multiple = size_multiple(*SMALL[kind])
    assert encoder.factors[-1] == multiple
    assert about(*SMALL[kind])["input"]["multiple"] == multiple
