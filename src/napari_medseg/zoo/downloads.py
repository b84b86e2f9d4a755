"""Download published weights: checked by their hash, cancellable, and never half a file."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_medseg.io.atomic import atomic_write, make_folder
from napari_medseg.io.settings_file import read_settings
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.checkpoints import import_checkpoint
from napari_medseg.zoo.registry import user_folder
from napari_medseg.zoo.weights import WeightsError

PINS_FILE = "downloads.json"
TIMEOUT = 30.0
"""Seconds after which a server that does not answer counts as out of reach."""


class DownloadError(OSError):
    """Weights could not be downloaded; the message says what to do, in one sentence."""


@dataclass(frozen=True)
class Downloaded:
    """How far a download is, in bytes; `total` is 0 where the server does not say."""

    done: int
    total: int


Download = Generator[Downloaded, None, ModelCard]
"""Yields how far it is and returns the card of the installed model; closing it cancels it."""


def download_job(card: ModelCard) -> Download:
    """Download the weights of a model and install them.

    Where its authors publish no hash, that of the first download is kept in the user's models
    folder, and every later download must have the same.

    Parameters
    ----------
    card : ModelCard
        With a ``source``.

    Yields
    ------
    Downloaded
        Several times a second.

    Returns
    -------
    ModelCard
        Of the model, now present.

    Raises
    ------
    CardError
        If the model cannot be downloaded.
    DownloadError
        If the server is out of reach, or the file is not the one it should be; nothing is left.
    WeightsError
        If the file is no checkpoint of the model's net.
    """
    url = card.source.get("url")
    if not url:
        raise CardError(f"The model {card.name!r} has no address to download it from.")
    if read_settings().offline:
        raise DownloadError(_what_failed("the settings say to work offline", card, str(url)))
    with tempfile.TemporaryDirectory(prefix="napari-medseg-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / str(card.source.get("file") or "checkpoint.pt")
        yield from _fetch(str(url), path, card)
        found = _checked_hash(path, card)
        try:
            installed = import_checkpoint(
                path, card.net, name=card.name, replaces=True, source=dict(card.source)
            )
        except WeightsError as error:
            raise WeightsError(f"What was downloaded from {url} cannot be used. {error}") from error
    # Only now: a page of a hotel's network must not become the hash to expect.
    _write_pins({**_pins(), str(url): found})
    return installed


def _fetch(url: str, path: Path, card: ModelCard) -> Generator[Downloaded, None, None]:
    """Download in a thread, so that progress can be told and the download cancelled meanwhile."""
    meter = _Meter()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            _retrieve(url, path, meter)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name=f"download of {card.name}", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
            yield Downloaded(meter.done, meter.total)
    finally:
        meter.cancelled = True
        thread.join(1.0)
    if failure:
        raise DownloadError(_what_failed(_reason(failure[0]), card, url)) from failure[0]


def _retrieve(url: str, path: Path, meter: _Meter) -> None:
    import pooch
    import requests

    def stream(url: str, file: str, _: object) -> None:
        # As pooch.HTTPDownloader, which leaves the connection open where it is interrupted.
        with requests.get(url, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            meter.total = int(response.headers.get("content-length", 0))
            with Path(file).open("wb") as target:
                for chunk in response.iter_content(2**16):
                    meter.count(len(chunk))
                    target.write(chunk)

    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel("ERROR")
    try:
        pooch.retrieve(url, None, path.name, path.parent, downloader=stream)
    finally:
        logger.setLevel(before)


def _reason(error: BaseException) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.RequestException):
        return "this computer is offline, or the server does not answer"
    return str(error)


def _what_failed(reason: str, card: ModelCard, url: str) -> str:
    return (
        f"The weights of {card.name!r} could not be downloaded: {reason}. Download {url} on "
        f"another computer, bring the file here, and import it with the button Import, or with "
        f"napari-medseg models import {Path(url).name} --name {card.name}"
    )


def _checked_hash(path: Path, card: ModelCard) -> str:
    """Give the file's hash, equal to the published one, else to that of the first download."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    url = str(card.source["url"])
    expected = str(card.source.get("sha256") or _pins().get(url, found))
    if found != expected:
        raise DownloadError(
            f"The file downloaded from {url} is not the expected one (its sha256 is {found} "
            f"instead of {expected}), so it was not used: try again, and if that does not help, "
            "ask its authors whether they changed it."
        )
    return found


def _pins() -> dict[str, str]:
    try:
        content = json.loads((user_folder() / PINS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_pins(pins: dict[str, str]) -> None:
    make_folder(user_folder())
    text = json.dumps(pins, indent=2) + "\n"
    atomic_write(user_folder() / PINS_FILE, lambda path: path.write_text(text, encoding="utf-8"))


class _Cancelled(Exception):
    """Ends the thread of a download that nobody waits for any more."""


class _Meter:
    """Counts the bytes of a download, and ends it where it was cancelled."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self.cancelled = False

    def count(self, n: int) -> None:
        """Take note of more bytes."""
        if self.cancelled:
            raise _Cancelled
        self.done += n
