"""PVT v2 has the published layout, and takes timm's names."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from napari_medseg.nets.condseg import ConDSegStage1
from napari_medseg.nets.drop_path import DropPath
from napari_medseg.nets.pvt import PyramidVisionTransformer, rename_timm_keys

from .base import NetContract, seeded


class TestPyramidVisionTransformer(NetContract):
    sees_images = False
    sizes = ((32, 64), (64, 96))

    def build(self) -> nn.Module:
        return PyramidVisionTransformer()

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        return (seeded(batch, 3, height, width),)

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        levels = ((64, 4), (128, 8), (320, 16), (512, 32))
        return [(batch, channels, height // s, width // s) for channels, s in levels]


def timm_name(key: str) -> str:
    """Say in timm's words what the published key says."""
    key = key.replace("mlp.dwconv.dwconv", "mlp.dwconv").replace("patch_embed1", "patch_embed")
    key = re.sub(r"^patch_embed(\d)", lambda m: f"stages.{int(m[1]) - 1}.downsample", key)
    key = re.sub(r"^block(\d)", lambda m: f"stages.{int(m[1]) - 1}.blocks", key)
    return re.sub(r"^norm(\d)", lambda m: f"stages.{int(m[1]) - 1}.norm", key)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return PyramidVisionTransformer().state_dict()


def test_takes_timms_names(state):
    named = {timm_name(key): tensor for key, tensor in state.items()}
    assert "stages.1.downsample.proj.weight" in named
    assert "stages.3.blocks.2.mlp.dwconv.bias" in named
    renamed = rename_timm_keys({**named, "head.weight": torch.ones(1)})
    assert renamed.keys() == state.keys()
    assert all(renamed[key] is state[key] for key in state)


def test_leaves_the_published_names_as_they_are(state):
    assert rename_timm_keys({**state, "head.bias": torch.ones(1)}).keys() == state.keys()


@pytest.mark.parametrize("name", [str, timm_name], ids=["published", "timm"])
def test_its_checkpoint_loads_into_condseg(state, name):
    net = ConDSegStage1("pvt_v2_b2")
    net.load_backbone({name(key): tensor for key, tensor in state.items()})
    found = net.backbone.state_dict()
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_drops_whole_samples_only_in_training():
    torch.manual_seed(0)
    drop = DropPath(0.5)
    out = drop(torch.ones(64, 3, 2))
    assert {tuple(row.unique().tolist()) for row in out} == {(0.0,), (2.0,)}
    assert torch.equal(drop.eval()(out), out)
