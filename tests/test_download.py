"""Downloads from a server here that sends parts or does not, cuts off, redirects, and sends something else."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
import pytest

from jetnae.download import Patience, RemoteFile, _Redirects, checksum_of, download, fetch_small
from jetnae.errors import InputError, OutputError
from jetnae.zenodo import read_record

QUICK = Patience(attempts=3, wait=0.0, timeout=5.0)
CONTENT = np.random.default_rng(1).bytes(3_000_000)
MD5 = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@dataclass
class Server:
    """What a server has and how it behaves; `asked` is what it was asked for, with the first byte."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    says_length: bool = True
    claimed_length: int | None = None
    shift: int = 0
    cut_after: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        state, name = self.state, self.path.lstrip("/").partition("?")[0]
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(span[1]) if span else 0
        state.asked.append((name, first))
        if name in state.redirects:
            self._send(302, {"Location": state.redirects[name]})
        elif state.answers:
            self._send(state.answers.pop(0), {})
        elif name not in state.files:
            self._send(404, {})
        elif span and state.ranges and first >= len(state.files[name]):
            self._send(416, {})
        else:
            self._send_file(state.files[name], first if state.ranges else 0)

    def _send_file(self, data: bytes, first: int) -> None:
        length = {"Content-Length": str(self.state.claimed_length or len(data) - first)}
        span = {"Content-Range": f"bytes {first + self.state.shift}-{len(data) - 1}/{len(data)}"}
        self._send(206 if first else 200, (length if self.state.says_length else {}) | (span if first else {}))
        end = self.state.cut_after.pop(0) if self.state.cut_after else len(data)
        with suppress(ConnectionError):  # of a client that has seen enough
            self.wfile.write(data[first : first + end])

    def _send(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of this machine."""
    monkeypatch.setenv("no_proxy", "*")

    class Handler(_Handler):
        state = Server("")

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        Handler.state.url = f"http://127.0.0.1:{running.server_port}"
        Handler.state.files["jets.h5"] = CONTENT
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield Handler.state
        running.shutdown()


def remote(server: Server, **changes: Any) -> RemoteFile:
    return RemoteFile(**({"url": f"{server.url}/jets.h5", "size": len(CONTENT), "checksum": MD5} | changes))


def refused(expected: str, file: RemoteFile, path: Path, error: type[Exception] = InputError, **options: Any) -> None:
    """A download that ends in one line and writes nothing under its name."""
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(error, match=expected) as caught:
        download(file, path, patience=QUICK, **options)
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize("checksum", [MD5, SHA256, ""])
@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_file_arrives_whole(checksum: str, size: int | None, server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = tmp_path / "new" / "jets.h5"
    download(remote(server, size=size, checksum=checksum), path, report=lambda *done: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert [each.name for each in path.parent.iterdir()] == ["jets.h5"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_a_cut_connection_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1_000_000, 500_000]
    download(remote(server), tmp_path / "jets.h5", patience=QUICK)
    assert (tmp_path / "jets.h5").read_bytes() == CONTENT
    assert server.asked == [("jets.h5", 0), ("jets.h5", 1_000_000), ("jets.h5", 1_500_000)]


def test_a_later_run_goes_on_too(server: Server, tmp_path: Path) -> None:
    path, server.cut_after = tmp_path / "jets.h5", [700_000, 0, 0]
    refused(
        r"not complete after 3 attempts \(cut off at 700000 of 3000000 bytes\): run again to go on",
        remote(server),
        path,
    )
    assert (tmp_path / "jets.h5.part").stat().st_size == 700_000
    server.asked.clear()
    download(remote(server), path, patience=QUICK)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("jets.h5", 700_000)]


def test_a_server_without_parts_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cut_after = False, [1_000_000]
    download(remote(server), tmp_path / "jets.h5", patience=QUICK)
    assert (tmp_path / "jets.h5").read_bytes() == CONTENT


def test_a_server_that_sends_another_part(server: Server, tmp_path: Path) -> None:
    server.shift = 7
    (tmp_path / "jets.h5.part").write_bytes(CONTENT[:100])
    refused("sends another part than asked for: remove the .part file", remote(server), tmp_path / "jets.h5")
    assert (tmp_path / "jets.h5.part").read_bytes() == CONTENT[:100]


def test_without_a_checksum_nothing_is_pieced_together(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1_000_000]
    download(remote(server, checksum=""), tmp_path / "jets.h5", patience=QUICK)
    assert (tmp_path / "jets.h5").read_bytes() == CONTENT
    assert server.asked == [("jets.h5", 0), ("jets.h5", 0)]


@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize("n_here", [len(CONTENT), len(CONTENT) + 5])
def test_too_much_or_all_of_it_here_already(size: int | None, n_here: int, server: Server, tmp_path: Path) -> None:
    (tmp_path / "jets.h5.part").write_bytes((CONTENT + b"extra")[:n_here])
    download(remote(server, size=size), tmp_path / "jets.h5", patience=QUICK)
    assert (tmp_path / "jets.h5").read_bytes() == CONTENT
    assert len(server.asked) == (0 if n_here == size else 1 if size else 2)


def test_what_came_damaged_is_not_kept(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "jets.h5"
    (tmp_path / "jets.h5.part").write_bytes(b"of another file")
    refused(f"has md5:[0-9a-f]{{32}}, expected {MD5}: .* came damaged or has changed.*run again", remote(server), path)
    assert not list(tmp_path.iterdir())
    download(remote(server), path, patience=QUICK)
    assert path.read_bytes() == CONTENT


def test_a_file_of_another_size_is_not_begun(server: Server, tmp_path: Path) -> None:
    refused(
        "3000000 bytes on the server, expected 12: this is another file", remote(server, size=12), tmp_path / "a.h5"
    )
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "jets.h5"
    path.write_bytes(b"mine")
    refused("exists already, use --force to replace it", remote(server, checksum=""), path)
    refused(f"exists already and has not the {MD5} expected: use --force", remote(server), path)
    assert not server.asked
    download(remote(server), path, force=True, patience=QUICK)
    assert path.read_bytes() == CONTENT


def test_a_file_that_is_here_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "jets.h5").write_bytes(CONTENT)
    for force in (False, True):
        download(remote(server), tmp_path / "jets.h5", force=force)
    assert not server.asked


def test_what_servers_answer(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "jets.h5"
    refused("/absent: the server answers 404 Not Found", RemoteFile(f"{server.url}/absent"), path)
    assert len(server.asked) == 1
    server.answers = [503, 429, 500]
    refused(r"not complete after 3 attempts \(the server answers 500 Internal Server Error\)", remote(server), path)
    server.answers = [503, 429]
    download(remote(server), path, patience=QUICK)
    assert path.read_bytes() == CONTENT


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    refused(r"not complete after 3 attempts \(.+\): run again", RemoteFile("http://127.0.0.1:9/a"), tmp_path / "a")


def test_a_size_that_nobody_knows(server: Server, tmp_path: Path) -> None:
    server.says_length = False
    refused("does not say how large the file is", remote(server, size=None), tmp_path / "jets.h5")
    download(remote(server), tmp_path / "jets.h5", patience=QUICK)
    assert (tmp_path / "jets.h5").read_bytes() == CONTENT


def test_redirects_are_followed_a_few_times(server: Server, tmp_path: Path) -> None:
    server.redirects = {"0": "/1", "1": "/2", "2": f"{server.url}/jets.h5"}
    (tmp_path / "jets.h5.part").write_bytes(CONTENT[:1000])
    download(remote(server, url=f"{server.url}/0"), tmp_path / "jets.h5", patience=QUICK)
    assert (tmp_path / "jets.h5").read_bytes() == CONTENT
    assert server.asked[-1] == ("jets.h5", 1000)
    server.redirects = {str(number): f"/{number + 1}" for number in range(9)}
    refused("redirected more than 5 times", RemoteFile(f"{server.url}/0"), tmp_path / "b.h5")
    server.redirects = {"0": "/0"}
    refused("redirected more than 5 times", RemoteFile(f"{server.url}/0"), tmp_path / "b.h5")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,a"])
def test_redirects_to_elsewhere_are_refused(target: str, server: Server, tmp_path: Path) -> None:
    server.redirects = {"0": target}
    refused("redirected .*https or http", RemoteFile(f"{server.url}/0"), tmp_path / "a")


def test_an_encrypted_connection_stays_one() -> None:
    with pytest.raises(InputError, match="redirected to http://b/c, expected https"):
        _Redirects().redirect_request(Request("https://a/c"), io.BytesIO(), 302, "Found", {}, "http://b/c")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "a/b", "https:///b", ""])
def test_other_protocols_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="expected a URL that begins with https:// or http://"):
        RemoteFile(url)


@pytest.mark.parametrize("checksum", ["md5:12", "crc:12345678", "md5", MD5.upper(), SHA256[:-1], ":", "sha1:"])
def test_checksums_that_are_none(checksum: str) -> None:
    with pytest.raises(InputError, match="expected md5: with 32 or sha256: with 64 digits"):
        RemoteFile("https://a/b", checksum=checksum)


def test_a_disk_without_room(server: Server, tmp_path: Path) -> None:
    server.claimed_length = 10**18
    refused("1000000000000 MB are to come, the disk has less", remote(server, size=None), tmp_path / "a", OutputError)


def test_a_disk_that_fills_up(server: Server, tmp_path: Path) -> None:
    (tmp_path / "jets.h5.part").symlink_to("/dev/full")
    refused(
        "jets.h5.part: cannot be written .No space left on device", remote(server), tmp_path / "jets.h5", OutputError
    )


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused("cannot be written", remote(server), tmp_path / "file" / "jets.h5", OutputError)


def test_descriptions_are_short(server: Server) -> None:
    assert fetch_small(f"{server.url}/jets.h5", limit=len(CONTENT), patience=QUICK) == CONTENT
    with pytest.raises(InputError, match="more than 100 bytes, expected a short description"):
        fetch_small(f"{server.url}/jets.h5", limit=100, patience=QUICK)


def describe(server: Server, **changes: Any) -> str:
    """A record as Zenodo describes it; returns its URL."""
    entry = {"key": "jets.h5", "size": len(CONTENT), "checksum": MD5, "links": {"self": f"{server.url}/jets.h5"}}
    record = {"files": [entry | changes], "metadata": {"license": {"id": "cc-by-4.0"}}}
    server.files["record"] = json.dumps(record).encode()
    return f"{server.url}/record"


def test_a_record_names_its_files(server: Server, tmp_path: Path) -> None:
    record = read_record(describe(server), QUICK)
    assert record.license == "cc-by-4.0"
    assert record.files == {"jets.h5": remote(server)}
    download(record.files["jets.h5"], tmp_path / "jets.h5")
    assert checksum_of(tmp_path / "jets.h5", "sha256") == SHA256


def test_records_that_are_none(server: Server) -> None:
    for content in (b"<html>", b"[]", b"{}", b'{"files": 3}', b'{"files": [{"key": "a"}]}', b'"files"', b"\xff"):
        server.files["record"] = content
        with pytest.raises(InputError, match="expected the description of a Zenodo record"):
            read_record(f"{server.url}/record", QUICK)
    for name in ("../jets.h5", "/etc/jets.h5", ".jets", "a\\b"):
        with pytest.raises(InputError, match="expected a name without folders"):
            read_record(describe(server, key=name), QUICK)
    with pytest.raises(InputError, match="expected a URL that begins with https"):
        read_record(describe(server, links={"self": "file:///etc/passwd"}), QUICK)
