import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dicegrad.data import fetch as module
from dicegrad.data.fetch import fetch
from dicegrad.errors import InputError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content`; breaks off, refuses or forgets as told."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.tag = '"1"'
        self.ranges = True  # gives out parts
        self.sized = True  # says how long the answer is
        self.breaks = []  # bytes after which to break off, per request
        self.failures = []  # status per request
        self.asked = []  # the Range header of every request

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/archive.zip"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        status = server.failures.pop(0) if server.failures else 200
        if status != 200:
            self.send_error(status)
            return
        start = 0
        fresh = self.headers.get("If-Range") in (None, server.tag)
        if asked and server.ranges and fresh:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.answer(start, server.content[start:])

    def answer(self, start, body):
        server = self.server
        self.send_response(206 if start else 200)
        if start:
            total = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.sized:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        cut = server.breaks.pop(0) if server.breaks else None
        sent = body if cut is None else body[:cut]
        if server.sized:
            self.wfile.write(sent)
        else:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))
            self.wfile.write(b"0\r\n\r\n" if cut is None else b"")
        self.close_connection = True


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def only(path):
    return [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_whole_file_comes_in_one_request(server, tmp_path):
    path = fetch(server.url, tmp_path / "new" / "archive.zip", SHA256.upper())
    assert path.read_bytes() == CONTENT
    assert server.asked == [None]
    assert only(path)


@pytest.mark.parametrize("sized", [True, False])
def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path, sized):
    server.sized = sized
    server.breaks = [300_000, 200_000]
    path = fetch(server.url, tmp_path / "archive.zip", SHA256)
    assert path.read_bytes() == CONTENT
    starts = [int(asked[6:-1]) for asked in server.asked[1:]]
    assert 0 < starts[0] <= 300_000 < starts[1] <= 500_000
    assert only(path)


def test_a_server_that_gives_out_no_parts_is_asked_anew_and_nothing_is_doubled(server, tmp_path):
    server.ranges = False
    server.breaks = [300_000]
    path = fetch(server.url, tmp_path / "archive.zip")
    assert path.read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_file_that_changed_in_between_is_not_patched_together(server, tmp_path):
    server.breaks = [300_000]
    with pytest.raises(InputError):
        fetch(server.url, tmp_path / "archive.zip", retries=0)
    server.content, server.tag = CONTENT[::-1], '"2"'
    path = fetch(server.url, tmp_path / "archive.zip")
    assert path.read_bytes() == CONTENT[::-1]


def test_without_checksum_and_validator_a_part_is_not_trusted(server, tmp_path):
    server.tag = None
    server.breaks = [300_000]
    path = fetch(server.url, tmp_path / "archive.zip")
    assert server.asked == [None, None]
    assert path.read_bytes() == CONTENT


def test_when_the_retries_are_used_up_the_part_is_kept_for_the_next_run(server, tmp_path):
    path = tmp_path / "archive.zip"
    server.breaks = [300_000, 100_000]
    with pytest.raises(InputError, match=r"cannot be fetched .* bytes are kept, run this again"):
        fetch(server.url, path, SHA256, retries=1)
    assert not path.exists()
    assert fetch(server.url, path, SHA256, retries=0).read_bytes() == CONTENT
    assert int(server.asked[-1][6:-1]) > 300_000
    assert only(path)


def test_a_part_that_was_whole_already_is_taken(server, tmp_path):
    (tmp_path / "archive.zip.part").write_bytes(CONTENT)
    path = fetch(server.url, tmp_path / "archive.zip", SHA256)
    assert path.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "archive.zip.part").write_bytes(CONTENT + b"more")
    path = fetch(server.url, tmp_path / "archive.zip", SHA256)
    assert path.read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError) as error:
        fetch(server.url, tmp_path / "archive.zip", "0" * 64)
    assert SHA256 in str(error.value)
    assert "0" * 64 in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    assert len(server.asked) == 1


def test_a_file_that_lies_there_is_checked_and_never_overwritten(server, tmp_path):
    path = tmp_path / "archive.zip"
    path.write_bytes(b"the user's own")
    assert fetch(server.url, path) == path
    with pytest.raises(InputError, match="expected " + SHA256):
        fetch(server.url, path, SHA256)
    assert path.read_bytes() == b"the user's own"
    assert server.asked == []


def test_a_server_in_trouble_is_asked_again_and_a_refusal_is_final(server, tmp_path):
    server.failures = [503, 500]
    assert fetch(server.url, tmp_path / "one.zip", SHA256).read_bytes() == CONTENT
    assert len(server.asked) == 3
    server.failures = [404, 404]
    with pytest.raises(InputError, match="404"):
        fetch(server.url, tmp_path / "two.zip")
    assert len(server.asked) == 4


def test_a_malformed_url_is_named_without_waiting(tmp_path):
    with pytest.raises(InputError, match="htp:/nowhere"):
        fetch("htp:/nowhere", tmp_path / "archive.zip", retries=50)


def test_every_step_is_reported(server, tmp_path):
    lines = []
    server.breaks = [300_000]
    fetch(server.url, tmp_path / "archive.zip", SHA256, report=lines.append)
    assert "from byte 0 of 1024000" in lines[0]
    assert "again in 1 s" in lines[1]
    assert "from byte" in lines[2]


def test_bytes_and_rate_are_told_now_and_then(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_NEWS", -1.0)
    lines = []
    fetch(server.url, tmp_path / "archive.zip", SHA256, report=lines.append)
    assert re.fullmatch(r"1\.0 of 1\.0 MiB, \d+\.\d MiB/s", lines[-1])
    server.sized = False
    fetch(server.url, tmp_path / "again.zip", SHA256, report=lines.append)
    assert re.fullmatch(r"1\.0 MiB, \d+\.\d MiB/s", lines[-1])


def test_the_password_of_an_address_is_shown_nowhere(server, tmp_path, capfd):
    url, lines = server.url.replace("http://", "http://me:geheim@"), []
    fetch(url, tmp_path / "archive.zip", report=lines.append)
    server.failures = [404]
    with pytest.raises(InputError) as error:
        fetch(url, tmp_path / "other.zip", report=lines.append)
    shown = "".join(capfd.readouterr()) + "".join(lines) + str(error.value)
    assert "http://***@127.0.0.1" in shown
    assert "geheim" not in shown
