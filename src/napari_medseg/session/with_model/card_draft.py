"""The card of a checkpoint that is about to be imported, while a person fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_medseg.zoo.cards import WEIGHTS_FILE, CardError, ModelCard
from napari_medseg.zoo.checkpoints import check_card
from napari_medseg.zoo.inspection import Inspection
from napari_medseg.zoo.registry import bundled_names, list_models

_NO_HASH_YET = "0" * 64


@dataclass(frozen=True)
class CardDraft:
    """What was found in a file, and what a person says of it.

    Parameters
    ----------
    found : Inspection
        The file.
    fields : dict
        Fields of the card as they were filled in.
    """

    found: Inspection
    fields: dict[str, Any]

    @classmethod
    def suggested(cls, found: Inspection) -> CardDraft:
        """Begin with what the net tells."""
        return cls(found, dict(found.suggested))

    @property
    def needs_examples(self) -> bool:
        """Whether it is a net for segmentation by example, which has no classes of its own."""
        return self.fields.get("kind") == "in-context"

    @property
    def verdict(self) -> str:
        """Say whether every entry of the file has its place in the net."""
        report, options = self.found.report, self.found.net_options
        size = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in options.items())
        net = f"{self.found.net} ({size})" if size else self.found.net
        if report.fits:
            return f"✓ All {report.fitting:,} entries of the file fit {net}."
        return f"⚠ This file does not fit {net}: {report.listing()}. It cannot be imported."

    @property
    def listing(self) -> str:
        """List every entry that does not fit, one to a line; empty if all do."""
        report = self.found.report
        kinds = {
            "Missing": report.missing,
            "Unexpected": report.unexpected,
            "Of another shape": report.misshapen,
        }
        return "\n\n".join(
            "\n".join([f"{kind} ({len(names)}):", *names]) for kind, names in kinds.items() if names
        )

    def problem(self) -> str:
        """Say in a sentence why it cannot be imported like this; empty if it can."""
        if not self.found.report.fits:
            return "Not all entries of the file fit the net."
        name = self.fields["name"]
        if name in bundled_names():
            return f"A model named “{name}” comes with MedSeg: choose another name."
        try:
            card = ModelCard(
                **{"title": name, **self.fields},
                net=self.found.net,
                net_options=self.found.net_options,
                file=WEIGHTS_FILE,
                sha256=_NO_HASH_YET,
            )
            if card.kind == "pretrained":
                check_card(card)
        except CardError as error:
            return str(error)
        return ""

    def replaces(self) -> bool:
        """Say whether a model of that name is here already."""
        present = {card.name for card in list_models(present=True)}
        return self.fields["name"] in present
