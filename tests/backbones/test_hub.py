"""Weights from the hub, on machines without network and with a slow one; the hub is pretended on this machine."""

import http.server
import socket
import threading
import time

import pytest
from huggingface_hub import constants
from safetensors.torch import save_file
from timm import create_model

from subtuning.backbones.hub import address_of, is_reachable
from subtuning.backbones.weights import fetch_weights, load_weights
from subtuning.errors import UserError

HUB_MODEL = "test_resnet.r160_in1k"


@pytest.fixture
def free_port():
    """A port of this machine on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def server():
    """Serves with the handler that it is given, on a port of its own."""
    started = []

    def serve(status, seconds=0.0):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                time.sleep(seconds)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *words):
                pass

        started.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{started[-1].server_address[1]}"

    yield serve
    for each in started:
        each.shutdown()
        each.server_close()


@pytest.fixture
def no_network(monkeypatch, free_port, tmp_path):
    """The hub is at an address that refuses every connection; its cache is empty."""
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "cache"


@pytest.mark.parametrize("status", [200, 404, 503])
def test_any_answer_is_a_network(status, server):
    assert is_reachable(server(status))


def test_a_slow_answer_is_a_network(server, monkeypatch):
    address = server(200, seconds=3)
    monkeypatch.setattr("subtuning.backbones.hub.SECONDS", 0.5)
    assert is_reachable(address), "it connected; the hub's client has more patience"


def test_refused_connections_and_unknown_hosts_are_none(free_port):
    assert not is_reachable(f"http://127.0.0.1:{free_port}")
    assert not is_reachable("http://nowhere.invalid")


def test_without_network_one_sentence_and_no_retries(no_network, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits to try again"))
    with pytest.raises(UserError) as raised:
        fetch_weights(HUB_MODEL, "timm", tmp_path / "weights.safetensors")
    address = f"{constants.ENDPOINT}/timm/{HUB_MODEL}/resolve/main/model.safetensors"
    assert str(raised.value) == (
        f"the weights of {HUB_MODEL} could not be fetched (the network is not reachable); run this step once where the "
        f"network is reachable, or download the file {address} and set weights: to its path"
    )
    assert "Retry" not in caplog.text
    assert not (tmp_path / "weights.safetensors").exists()
    assert constants.HF_HUB_OFFLINE is False, "it is as before"


def test_without_network_what_was_fetched_before_is_found(no_network, tmp_path):
    commit = "0" * 40
    repository = no_network / f"models--timm--{HUB_MODEL}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    state = create_model(HUB_MODEL, pretrained=False).state_dict()
    save_file(state, repository / "snapshots" / commit / "model.safetensors")
    fetch_weights(HUB_MODEL, "timm", tmp_path / "weights.safetensors")
    network, _ = load_weights(tmp_path / "weights.safetensors", HUB_MODEL)
    assert all((value == state[name]).all() for name, value in network.state_dict().items())


def test_where_a_file_can_be_had_by_hand():
    expected = "/timm/vit_base_patch16_224.dino/resolve/main/model.safetensors"
    assert address_of("vit_base_patch16_224.dino").endswith(expected)
