"""Weights are downloaded from a server on this computer, and nothing doubtful is ever kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_medseg.zoo import downloads
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.downloads import DownloadError, download_job
from napari_medseg.zoo.registry import get_card, list_models
from napari_medseg.zoo.weights import WeightsError, load_net

from .conftest import OPTIONS

State = dict[str, torch.Tensor]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Cut(Quiet):
    """Promises more than it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)


class Slow(Quiet):
    """Sends a little, then waits to be let go."""

    gate = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"x" * 5000)
        self.gate.wait(20)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serve the folder tmp_path / "web" and give the address."""
    servers = []
    (tmp_path / "web").mkdir()

    def start(handler: type[Quiet] = Quiet) -> str:
        made = partial(handler, directory=str(tmp_path / "web"))
        server = ThreadingHTTPServer(("127.0.0.1", 0), made)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    Slow.gate.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def card_for(url: str, **source: Any) -> ModelCard:
    return ModelCard(
        name="far",
        title="Far",
        kind="in-context",
        net="UniverSeg",
        net_options=OPTIONS,
        file="model.safetensors",
        sha256="",
        source={"url": f"{url}/far.pt", "file": "far.pt", **source},
    )


def finish(card: ModelCard) -> tuple[list[downloads.Downloaded], ModelCard]:
    job = download_job(card)
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as stop:
            return steps, stop.value


def test_what_can_be_downloaded_is_listed_after_what_is_there(models: Path) -> None:
    card = list_models()[-1]
    assert (card.name, card.state) == ("universeg-v1", "to download")
    assert "OpenRAIL++-M" in card.source["note"]
    assert all(card.state == "present" for card in list_models(present=True))
    with pytest.raises(WeightsError, match="models download universeg-v1"):
        load_net("universeg-v1")


def test_a_download_becomes_a_model(
    models: Path, tmp_path: Path, serve: Callable[..., str], state: State
) -> None:
    torch.save(state, tmp_path / "web" / "far.pt")
    steps, card = finish(card_for(serve()))
    assert all(0 <= step.done <= max(step.total, step.done) for step in steps)
    assert get_card("far") == card
    assert card.state == "present"
    expected = hashlib.sha256((tmp_path / "web" / "far.pt").read_bytes()).hexdigest()
    assert card.source["sha256"] == expected
    for key, value in load_net("far").state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)


def test_a_file_that_changed_since_the_first_download_is_refused(
    models: Path, tmp_path: Path, serve: Callable[..., str], state: State
) -> None:
    torch.save(state, tmp_path / "web" / "far.pt")
    card = card_for(serve())
    finish(card)
    first = get_card("far")
    state["out_conv.conv.bias"] += 1
    torch.save(state, tmp_path / "web" / "far.pt")
    with pytest.raises(DownloadError, match="not the expected one"):
        finish(card)
    assert get_card("far") == first


def test_a_published_hash_must_be_met(
    models: Path, tmp_path: Path, serve: Callable[..., str], state: State
) -> None:
    torch.save(state, tmp_path / "web" / "far.pt")
    with pytest.raises(DownloadError, match="not the expected one"):
        finish(card_for(serve(), sha256="0" * 64))
    assert not any(models.iterdir())


def test_a_page_instead_of_weights_is_not_remembered(
    models: Path, tmp_path: Path, serve: Callable[..., str], state: State
) -> None:
    card = card_for(serve())
    (tmp_path / "web" / "far.pt").write_text("<html>Please log in</html>")
    with pytest.raises(WeightsError, match="cannot be used"):
        finish(card)
    torch.save(state, tmp_path / "web" / "far.pt")
    assert finish(card)[1].state == "present"


def test_a_cut_download_leaves_nothing(models: Path, serve: Callable[..., str]) -> None:
    with pytest.raises(DownloadError, match="could not be downloaded"):
        finish(card_for(serve(Cut)))
    assert not any(models.iterdir())


def test_a_missing_file_on_the_server_is_told(models: Path, serve: Callable[..., str]) -> None:
    with pytest.raises(DownloadError, match="answered 404"):
        finish(card_for(serve()))


def test_offline_the_message_says_where_to_put_the_file(models: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        finish(card_for("http://127.0.0.1:1"))
    for words in ("offline", "127.0.0.1:1/far.pt", "models import far.pt --name far"):
        assert words in str(caught.value)
    assert not any(models.iterdir())


def test_a_download_can_be_cancelled(models: Path, serve: Callable[..., str]) -> None:
    job = download_job(card_for(serve(Slow)))
    next(job)
    job.close()
    Slow.gate.set()
    assert not any(models.iterdir())


def test_a_model_without_an_address_is_told(models: Path) -> None:
    with pytest.raises(CardError, match="no address"):
        next(download_job(get_card("universeg-open")))
