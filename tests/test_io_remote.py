"""Files on other machines: read where they are over HTTP, and one line where that cannot be."""

from __future__ import annotations

import functools
import pickle
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from jetnae.batch.ledger import key_of
from jetnae.batch.worker import stamp_of
from jetnae.errors import InputError, MissingExtraError
from jetnae.io import located, open_jets, read_jets
from tests.conftest import write_events
from tests.test_batch import assert_same, content, run

RESUME = {"resume": True, "skip_bad": True}


class _Handler(SimpleHTTPRequestHandler):
    """A server that, as those for files do, sends what is asked for of a file."""

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(data[first : last + 1])

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server for the temporary folder."""
    pytest.importorskip("aiohttp", reason="needs aiohttp")
    pytest.importorskip("requests", reason="needs requests")
    handler = functools.partial(_Handler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def test_a_remote_file_is_read_as_one_here(server: str, events_root: Path) -> None:
    here, there = read_jets(events_root), read_jets(f"{server}/{events_root.name}")
    np.testing.assert_array_equal(here.pt, there.pt)
    np.testing.assert_array_equal(here.event_index, there.event_index)
    with open_jets(events_root) as one, open_jets(Path(f"{server}/{events_root.name}")) as other:
        assert one.identity == other.identity


def test_remote_files_are_scored_and_resumed(server: str, small_checkpoint: Path, tmp_path: Path) -> None:
    paths = [write_events(tmp_path / f"{i}.root", [[12, 30], [5], [], [7]], seed=i) for i in range(3)]
    there = [located(f"{server}/{path.name}") for path in paths]
    run(paths, tmp_path / "here", small_checkpoint)
    summary = run([*there, located(f"{server}/missing.root")], tmp_path / "out", small_checkpoint, skip_bad=True)
    assert len(summary.finished) == 3
    assert [str(each.input) for each in summary.skipped] == [f"{server}/missing.root"]
    for path in paths:
        name = f"{path.stem}.scores.root"
        assert_same(content(tmp_path / "here" / name), content(tmp_path / "out" / name))
    assert summary.retries == ()
    again = run([*there, located(f"{server}/missing.root")], tmp_path / "out", small_checkpoint, **RESUME)
    assert again.n_resumed == 3


def test_a_remote_file_that_changes_is_seen(server: str, tmp_path: Path) -> None:
    path = write_events(tmp_path / "a.root", [[12, 30]])
    before = stamp_of(located(f"{server}/a.root"))
    assert stamp_of(located(f"{server}/a.root")) == before
    write_events(path, [[12, 30], [7]])
    assert stamp_of(located(f"{server}/a.root")) != before


def test_what_cannot_be_read_from_elsewhere_is_one_line(server: str, tmp_path: Path) -> None:
    (tmp_path / "text.root").write_text("nothing of the kind" * 100)
    for name, reason in {
        "text.root": "not a complete ROOT file",
        "missing.root": "missing.root",
        "a.h5": "only ROOT files are read from other machines",
    }.items():
        with pytest.raises(InputError, match=reason) as caught:
            read_jets(f"{server}/{name}")
        assert "\n" not in str(caught.value)


def test_a_missing_plug_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec_xrootd", None)
    with pytest.raises(MissingExtraError, match=r"pip install fsspec-xrootd"):
        read_jets("root://host.example//store/file.root")


@pytest.mark.parametrize(
    "url", ["root://host.example//store/a.root", "https://host.example:80/a/b.root", "s3://bucket/a.root"]
)
def test_a_url_stays_what_it_is(url: str) -> None:
    path = located(url)
    assert str(path) == str(located(Path(url))) == str(pickle.loads(pickle.dumps(path))) == str(path.absolute()) == url  # noqa: S301  ours
    assert path.suffix == ".root"
    assert key_of(path) == key_of(located(Path(url)))


@pytest.mark.parametrize("name", ["a.root", "/a/b.root", "http:", "http:/a", "odd:/a/b.root"])
def test_other_paths_are_not_remote(name: str) -> None:
    assert located(name) == Path(name)
