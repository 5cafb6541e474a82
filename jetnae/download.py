"""Fetching public files over HTTP: what was broken off goes on, what arrives is checked, nothing is overwritten."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from jetnae.errors import InputError, OutputError
from jetnae.files import refuse_existing
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Report = Callable[[int, int], None]

T = TypeVar("T")

SCHEMES = ("https", "http")
DIGITS = {"md5": 32, "sha256": 64}
"""Checksums, and their hexadecimal digits."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers of servers that may be others the next time."""
BLOCK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server: its size in bytes where it is known, and its checksum, `md5:...`, `sha256:...` or "".

    Raises `InputError` for a URL that is not of HTTP, and for any other checksum.
    """

    url: str
    size: int | None = None
    checksum: str = ""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in SCHEMES or not urlsplit(self.url).netloc:
            raise InputError(f"{self.url}: expected a URL that begins with https:// or http://")
        kind, _, digits = self.checksum.partition(":")
        if self.checksum and not re.fullmatch(f"[0-9a-f]{{{DIGITS.get(kind, 0)}}}", digits or "-"):
            raise InputError(f"checksum '{self.checksum}': expected md5: with 32 or sha256: with 64 digits of 0-9a-f")


@dataclass(frozen=True)
class Patience:
    """How often to try, seconds before the second time, doubled before each other, and to wait for an answer."""

    attempts: int = 4
    wait: float = 1.0
    timeout: float = 60.0


class _Broken(Exception):  # noqa: N818  not an error until it has happened too often
    """A transfer that did not come to its end, and may the next time."""


class _PastEnd(_Broken):
    """More is here than the server has."""


def download(
    file: RemoteFile, path: Path, *, force: bool = False, patience: Patience | None = None, report: Report | None = None
) -> None:
    """Fetch a file to `path`, which appears once it is complete and its checksum is right.

    What is done of it lies in `NAME.part`. A later call goes on from there where a checksum will tell whether the
    pieces fit, and begins anew where none does or the server sends files only as a whole. A file that is there already
    and has the checksum is kept. `report` is called with the bytes done and all bytes. Raises `InputError` for a server
    that does not have the file, breaks off too often or sends another one, and for another file at `path` without
    `force`; `OutputError` where it cannot be written.
    """
    if os.path.exists(path) and not _is_replaced(path, file, force=force):
        return
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(file, part, patience or Patience(), report or (lambda _done, _total: None))
        if file.checksum:
            _verify_part(file, part)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{part}: cannot be written ({error.strerror or error})") from error


def _is_replaced(path: Path, file: RemoteFile, *, force: bool) -> bool:
    """Whether a file that is there makes way; raises `InputError` where it is another one and may not."""
    if not file.checksum:
        refuse_existing(path, force=force)
        return True
    if checksum_of(path, file.checksum.partition(":")[0]) == file.checksum:
        return False
    if not force:
        raise InputError(f"{path}: exists already and has not the {file.checksum} expected: use --force to replace it")
    return True


def verify(path: Path, checksum: str, advice: str = "get it again") -> None:
    """Raises `InputError`, with what to do, where a file does not have this checksum."""
    found = checksum_of(path, checksum.partition(":")[0])
    if found != checksum:
        raise InputError(f"{path}: has {found}, expected {checksum}: {advice}")


def checksum_of(path: Path, kind: str) -> str:
    """The checksum of a file, `md5:...` or `sha256:...`; raises `InputError` where it cannot be read."""
    digest = hashlib.new(kind, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    return f"{kind}:{digest.hexdigest()}"


def fetch_small(url: str, *, limit: int = BLOCK, patience: Patience | None = None) -> bytes:
    """What a server says at a URL, at most `limit` bytes; raises `InputError` for more, and as `download`."""
    file, patience = RemoteFile(url), patience or Patience()

    def attempt() -> bytes:
        with _opened(file, 0, patience.timeout) as response:
            return _read(response, limit + 1)

    content = _persist(attempt, file, patience, "try later")
    if len(content) > limit:
        raise InputError(f"{url}: more than {limit} bytes, expected a short description")
    return content


def _verify_part(file: RemoteFile, part: Path) -> None:
    try:
        verify(part, file.checksum, f"{file.url} came damaged or has changed, nothing was kept: run again")
    except InputError:
        part.unlink(missing_ok=True)
        raise


def _fetch(file: RemoteFile, part: Path, patience: Patience, report: Report) -> None:
    def attempt() -> None:
        if not file.checksum:
            part.unlink(missing_ok=True)
        start = part.stat().st_size if part.exists() else 0
        if file.size is not None and start > file.size:
            start = 0
        if start == file.size:
            return
        try:
            _attempt(file, part, start, patience.timeout, report)
        except _PastEnd:
            part.unlink()
            raise

    _persist(attempt, file, patience, "run again to go on" if file.checksum else "run again")


def _persist(attempt: Callable[[], T], file: RemoteFile, patience: Patience, advice: str) -> T:
    """Try until it works; raises `InputError` with the last reason where it never does."""
    reason = ""
    for number in range(patience.attempts):
        if number:
            time.sleep(patience.wait * 2 ** (number - 1))
        try:
            return attempt()
        except _Broken as broken:
            reason = str(broken)
    raise InputError(f"{file.url}: not complete after {patience.attempts} attempts ({reason}): {advice}")


def _attempt(file: RemoteFile, part: Path, start: int, timeout: float, report: Report) -> None:
    with _opened(file, start, timeout) as response:
        if start and response.status != http.client.PARTIAL_CONTENT:
            start = 0  # the server sends files only as a whole
        total = _total(response, file, start)
        if shutil.disk_usage(part.parent).free < total - start:
            raise OutputError(f"{part}: {(total - start) / 1e6:.0f} MB are to come, the disk has less: make room")
        done = start
        with part.open("ab" if start else "wb") as out:
            while done < total:
                block = _read(response, min(BLOCK, total - done))
                if not block:
                    raise _Broken(f"cut off at {done} of {total} bytes")
                out.write(block)
                done += len(block)
                report(done, total)


def _total(response: Any, file: RemoteFile, start: int) -> int:
    """The size of the whole file; raises `InputError` where it is not the expected one, or nobody says."""
    if start:
        content = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if content is None or int(content[1]) != start:
            raise InputError(f"{file.url}: the server sends another part than asked for: remove the .part file")
        total: int | None = int(content[2])
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else file.size
    if total is None:
        raise InputError(f"{file.url}: the server does not say how large the file is: fetch it by other means")
    if file.size not in {None, total}:
        raise InputError(f"{file.url}: {total} bytes on the server, expected {file.size}: this is another file")
    return total


def _read(response: Any, size: int) -> bytes:
    try:
        return bytes(response.read(size))
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error


def _opened(file: RemoteFile, start: int, timeout: float) -> Any:
    """The answer of the server, from byte `start` on where it can."""
    headers = {"User-Agent": f"jetnae/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        # no other protocol has a handler
        return _opener().open(Request(file.url, headers=headers), timeout=timeout)  # noqa: S310
    except HTTPError as error:
        error.close()
        answer = f"the server answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _PastEnd(answer) from error
        if error.code in PASSING:
            raise _Broken(answer) from error
        if error.code < 400:
            reasons = f"more than {_Redirects.max_redirections} times, in a circle, or to another protocol"
            raise InputError(f"{file.url}: redirected {reasons} than https or http") from error
        raise InputError(f"{file.url}: {answer}") from error
    except URLError as error:
        raise _Broken(str(getattr(error.reason, "strerror", None) or error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error


class _Redirects(HTTPRedirectHandler):
    """Follows few redirects, to HTTP only, and never from an encrypted connection to a plain one."""

    max_redirections = 5
    max_repeats = 2

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        allowed = ("https",) if req.type == "https" else SCHEMES
        if urlsplit(newurl).scheme not in allowed:
            fp.close()
            raise InputError(f"{req.full_url}: redirected to {newurl}, expected {' or '.join(allowed)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    opener = OpenerDirector()
    handlers = (ProxyHandler(), UnknownHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler())
    for handler in (*handlers, _Redirects(), HTTPErrorProcessor()):
        opener.add_handler(handler)
    return opener
