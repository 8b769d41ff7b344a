"""Fetching: whole, resumed, retried, from a mirror, checked; against a small server on this machine."""

import hashlib
import http.server
import threading

import pytest

from subtuning.config.tasks import VtabTask
from subtuning.errors import UserError
from subtuning.tasks import fetch as fetching
from subtuning.tasks.fetch import fetch, fetch_task
from subtuning.tasks.vtab.files import Archive

DATA = bytes(range(256)) * 5000


class Server(http.server.BaseHTTPRequestHandler):
    """`/whole` sends DATA (from a Range if asked), `/deaf` ignores ranges, `/short` breaks off, `/wrong` differs."""

    asked: list = []  # noqa: RUF012 - one list for the test to look at

    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        Server.asked.append((self.path, start))
        if self.path == "/gone":
            self.send_error(404)
            return
        if self.path == "/flaky" and len(Server.asked) < 3:
            self.send_error(503)
            return
        start = 0 if self.path == "/deaf" else start
        body = (DATA if self.path != "/wrong" else DATA[::-1])[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:300_000] if self.path == "/short" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def address():
    Server.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def archive(*urls):
    return Archive("x.tar.gz", len(DATA), hashlib.sha256(DATA).hexdigest(), urls)


def fetched(folder, *urls):
    return fetch(folder, archive(*urls), progress=False, wait=0.001)


def test_a_file_is_fetched_checked_and_named(address, tmp_path):
    path = fetched(tmp_path / "new", f"{address}/whole")
    assert path == tmp_path / "new" / "x.tar.gz"
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["x.tar.gz"]


def test_a_broken_transfer_is_continued_where_it_stopped(address, tmp_path):
    assert fetched(tmp_path, f"{address}/short").read_bytes() == DATA
    assert [start for _, start in Server.asked] == [0, 300_000, 600_000, 900_000, 1_200_000]


def test_an_earlier_part_is_continued(address, tmp_path):
    (tmp_path / "x.tar.gz.part").write_bytes(DATA[:1000])
    assert fetched(tmp_path, f"{address}/whole").read_bytes() == DATA
    assert Server.asked == [("/whole", 1000)]


def test_a_server_that_cannot_continue_starts_again(address, tmp_path):
    (tmp_path / "x.tar.gz.part").write_bytes(b"y" * 1000)
    assert fetched(tmp_path, f"{address}/deaf").read_bytes() == DATA
    assert Server.asked == [("/deaf", 1000)]


def test_errors_are_tried_again_and_mirrors_used(address, tmp_path):
    assert fetched(tmp_path / "a", f"{address}/flaky").read_bytes() == DATA
    Server.asked.clear()
    assert fetched(tmp_path / "b", f"{address}/gone", f"{address}/whole").read_bytes() == DATA
    assert [path for path, _ in Server.asked] == ["/gone", "/whole"]


def test_wrong_content_is_never_kept(address, tmp_path):
    (tmp_path / "x.tar.gz.part").write_bytes(b"z" * len(DATA))  # as long as it should be, but not the file
    with pytest.raises(UserError, match=r"x\.tar\.gz could not be fetched \(127\.0\.0\.1: SHA-256 differs\)"):
        fetched(tmp_path, f"{address}/wrong")
    assert list(tmp_path.iterdir()) == []


def test_failure_says_why_and_what_to_do_and_keeps_the_part(address, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TRIES", 2)
    with pytest.raises(
        UserError, match=r"ended after 600,000 of 1,280,000 bytes.*; try again later to continue, or put"
    ):
        fetched(tmp_path, f"{address}/short")
    assert (tmp_path / "x.tar.gz.part").stat().st_size == 600_000
    with pytest.raises(UserError, match=r"127\.0\.0\.1: HTTP 404"):
        fetched(tmp_path, f"{address}/gone")


def test_what_is_there_is_not_fetched_and_what_must_be_fetched_by_hand_is_explained(vtab_raw, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "fetch", lambda *_: pytest.fail("nothing may be fetched"))
    paths = fetch_task(VtabTask(source="vtab", name="kitti", data_dir=str(vtab_raw[0])), progress=False)
    assert [path.name for path in paths] == ["data_object_image_2.zip", "data_object_label_2.zip", "devkit_object.zip"]
    with pytest.raises(UserError, match=r"lacks NWPU-RESISC45, which must be fetched by hand: 1\. get"):
        fetch_task(VtabTask(source="vtab", name="resisc45", data_dir=str(tmp_path)), progress=False)


def test_what_is_missing_is_fetched_and_disk_space_checked_first(tmp_path, monkeypatch):
    import shutil

    asked = []

    def pretend(folder, archive, progress):
        asked.append(archive.file)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / archive.file).touch()

    monkeypatch.setattr(fetching, "fetch", pretend)
    spec = VtabTask(source="vtab", name="svhn", data_dir=str(tmp_path))
    fetch_task(spec, progress=False)
    assert asked == ["train_32x32.mat", "test_32x32.mat"]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("usage", (), {"free": 10**9}))
    with pytest.raises(UserError, match=r"clevr needs 19\.0 GB for archives, but its disk has 1\.0 GB left"):
        fetch_task(VtabTask(source="vtab", name="clevr_dist", data_dir=str(tmp_path)), progress=False)


def test_two_tasks_of_one_data_set_can_be_fetched_at_once(tmp_path, monkeypatch):
    import time
    from concurrent.futures import ThreadPoolExecutor

    asked = []

    def slow(folder, archive, progress):
        asked.append(archive.file)
        time.sleep(0.2)
        (folder / archive.file).write_bytes(b"content")

    (tmp_path / "scaled_down.json").write_text("{}")  # so that made-up content is accepted
    monkeypatch.setattr(fetching, "fetch", slow)
    specs = [VtabTask(source="vtab", name=name, data_dir=str(tmp_path)) for name in ("clevr_count", "clevr_dist")]
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda spec: fetch_task(spec, progress=False), specs))
    assert asked == ["CLEVR_v1.0.zip"]
    assert paths[0] == paths[1]
