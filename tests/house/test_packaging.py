"""What a wheel holds and what the manifest promises."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MB = 60


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_holds_three_packages_the_manifest_and_the_weights(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "napari_medseg",
        "medseg_training",
        "medseg_samples",
    }
    assert "napari_medseg/napari.yaml" in names
    assert any(
        name.startswith("napari_medseg/zoo/bundled/") and name.endswith(".safetensors")
        for name in names
    )


def test_the_wheel_stays_small(wheel: Path) -> None:
    assert wheel.stat().st_size < LIMIT_MB * 2**20


def test_the_manifest_is_valid_and_everything_it_names_can_be_imported() -> None:
    manifest = PluginManifest.from_distribution("napari-medseg")
    manifest.validate_imports()
    assert manifest.name == "napari-medseg"


def test_the_manifest_at_the_top_is_the_one_in_the_package() -> None:
    assert (ROOT / "napari.yaml").resolve() == ROOT / "src" / "napari_medseg" / "napari.yaml"


def test_the_constraints_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line for line in pins)
    assert "torch==2.13.0" in pins
