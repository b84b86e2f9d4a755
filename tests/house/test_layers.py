"""The layers of the house: what may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "napari_medseg"

MAY_IMPORT = {
    "nets": {"nets"},
    "io": {"io"},
    "zoo": {"zoo", "nets", "io"},
    "engine": {"engine", "zoo", "nets", "io"},
    "session": {"session", "engine", "zoo", "nets", "io"},
    "widgets": {"widgets", "session", "engine", "zoo", "nets", "io"},
}

IMPORT_WITHOUT_WINDOWS = """
import importlib, pkgutil, sys
for name in ("qtpy", "napari", "magicgui", "PyQt5", "PyQt6"):
    sys.modules[name] = None
import napari_medseg, medseg_training, medseg_samples
for package in ("nets", "zoo", "io", "engine"):
    module = importlib.import_module(f"napari_medseg.{package}")
    for found in pkgutil.walk_packages(module.__path__, module.__name__ + "."):
        importlib.import_module(found.name)
for found in pkgutil.walk_packages(medseg_training.__path__, "medseg_training."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""

IMPORT_DOCKS = """
import importlib, pkgutil, sys
import napari_medseg, napari_medseg.cli, medseg_samples
for package in ("io", "session", "widgets"):
    module = importlib.import_module(f"napari_medseg.{package}")
    for found in pkgutil.walk_packages(module.__path__, module.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
heavy = {"torch", "monai"} & set(sys.modules)
assert not heavy, f"imported at start-up: {heavy}"
"""


def imported_rooms(path: Path) -> Iterator[str]:
    """Rooms of the package that a module names in its imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "napari_medseg" and len(parts) > 1 and parts[1] in MAY_IMPORT:
                yield parts[1]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_downward(room: str) -> None:
    offences = {
        f"{path.relative_to(SOURCE)} imports {other}"
        for path in (SOURCE / room).rglob("*.py")
        for other in imported_rooms(path)
        if other not in MAY_IMPORT[room]
    }
    assert not offences


@pytest.mark.parametrize(
    "script", [IMPORT_WITHOUT_WINDOWS, IMPORT_DOCKS], ids=["no Qt", "no torch"]
)
def test_imports_work_in_a_fresh_interpreter(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
