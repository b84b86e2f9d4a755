"""Model cards: what a model is for, what it expects, and how far it can be trusted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

CARD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
PAGE_FILE = "README.md"
KINDS = ("in-context", "pretrained")


class CardError(ValueError):
    """A model card cannot be used; the message says why, in one sentence."""


@dataclass(frozen=True)
class ModelCard:
    """A net, its weights, and everything a person must know before using them.

    Parameters
    ----------
    name : str
        What the model is called in code and on the command line: letters, digits, ``-``, ``_``,
        ``.``.
    title : str
        What a person reads.
    kind : str
        ``"in-context"`` (needs examples) or ``"pretrained"`` (needs none).
    net : str
        Name of the architecture, a key of `napari_medseg.zoo.architectures`.
    net_options : mapping
        Arguments of its constructor.
    file, sha256, size_bytes : str, str, int
        The weights: a safetensors file beside the card, its hash and its size. The hash is empty
        for a model that is still to be downloaded.
    classes : tuple of str
        What a pretrained model segments, without the background; empty for an in-context model.
    modalities : tuple of str
        Kinds of images it was trained on, such as ``"CT"`` or ``"dermoscopy"``.
    input : mapping
        What the net expects: ``size`` (H, W), ``channels``, ``range``; for a pretrained model
        everything that `napari_medseg.zoo.specs.InputSpec` reads.
    output : mapping
        How a pretrained net answers, see `napari_medseg.zoo.specs.OutputSpec`.
    source : mapping
        Where the weights came from or can be downloaded: ``url``, ``file``, ``sha256`` of the
        original file, ``note`` to be read before the download.
    description, not_for : str
        What it is for, and what it must not be used for.
    licence, citation : str
        Terms of the weights, and the paper to cite.
    training, results : mapping
        How it was trained and how good it was, as written by the training.
    version : str
        Version of the weights.
    folder : Path, optional
        Where the card was found; never written into the file.
    """

    name: str
    title: str
    kind: str
    net: str
    file: str
    sha256: str
    net_options: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    not_for: str = ""
    licence: str = ""
    citation: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1"
    size_bytes: int = 0
    folder: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "modalities", tuple(self.modalities))
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise CardError(
                f"{self.name!r} is no name for a model: use letters, digits, - _ and dots."
            )
        if self.kind not in KINDS:
            raise CardError(f"Model {self.name!r} is of an unknown kind, {self.kind!r}.")
        to_download = self.sha256 == "" and "url" in self.source
        if not to_download and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise CardError(
                f"The card of model {self.name!r} holds no valid sha256 of its weights."
            )
        if Path(self.file).name != self.file:
            raise CardError(f"The card of model {self.name!r} names a file outside of its folder.")

    @property
    def state(self) -> str:
        """Whether it can be used at once: ``"present"``, ``"to download"`` or ``"missing"``."""
        if self.folder is not None and self.weights_path.is_file():
            return "present"
        return "to download" if self.sha256 == "" else "missing"

    @property
    def weights_path(self) -> Path:
        """The weights file, beside the card."""
        if self.folder is None:
            raise CardError(f"The card of model {self.name!r} belongs to no folder.")
        return self.folder / self.file

    @property
    def content_hash(self) -> str:
        """Hash (sha256) of all that the card says; with it of the weights, whose hash it holds."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Give the text of the card file; the folder is left out."""
        content = {key: value for key, value in asdict(self).items() if key != "folder"}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, folder: Path | None = None) -> ModelCard:
        """Read a card from the text of its file.

        Unknown entries are ignored, so that cards of later versions can be read.

        Raises
        ------
        CardError
            If the text is no card.
        """
        try:
            content = json.loads(text)
            known = {item.name for item in fields(cls)} - {"folder"}
            card = cls(**{key: value for key, value in content.items() if key in known})
        except CardError:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            raise CardError(f"This is no model card: {error}.") from error
        return replace(card, folder=folder)

    @classmethod
    def from_folder(cls, folder: Path) -> ModelCard:
        """Read the card of a model folder.

        Raises
        ------
        CardError
            If there is no readable card.
        """
        path = folder / CARD_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CardError(
                f"The card {CARD_FILE} cannot be read in model folder {folder.name!r}."
            ) from error
        return cls.from_json(text, folder)
