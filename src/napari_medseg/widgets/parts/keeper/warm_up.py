"""Loads slow libraries where the window does not have to wait for them.

Python's lock is held while a library of compiled code is loaded: 1.5 s for torch's largest, in
which no thread of Python moves, the window's included. The system's own call, made from ctypes,
gives the lock back meanwhile; the import that follows finds the library loaded.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

FOR_LABELS = ("pint", "scipy.linalg", "skimage.color", "pandas")
"""What napari imports when the first labels layer is made."""

_TORCH = ("libtorch_cpu", "libtorch_python")
_started = threading.Event()


def warm_up() -> None:
    """Begin to load what the first labels layer needs; make ready for torch. Once is enough."""
    if _started.is_set():
        return
    _started.set()
    if "torch" not in sys.modules and sys.platform != "win32":
        sys.meta_path.insert(0, _TorchFinder())
    threading.Thread(target=_load_for_labels, name="warm-up", daemon=True).start()


def load_torch_libraries() -> None:
    """Load torch's compiled code without holding Python's lock; torch itself is not imported."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return
    system = ctypes.CDLL(None)
    system.dlopen.restype = ctypes.c_void_p
    system.dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    for name in _TORCH:
        path = Path(spec.origin).parent / "lib" / f"{name}{suffix}"
        if path.exists():
            system.dlopen(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)


class _TorchFinder(MetaPathFinder):
    """Finds nothing, but is asked first when anybody imports torch, in whatever thread."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torch":
            sys.meta_path.remove(self)
            with suppress(OSError, AttributeError):
                load_torch_libraries()
        return None


def _load_for_labels() -> None:
    for name in FOR_LABELS:
        # Whoever needs it will import it again, and then hear what is wrong with it.
        with suppress(Exception):
            importlib.import_module(name)
