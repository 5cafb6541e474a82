"""Damage files at random and read them: an error of one line or all rows, never a hang, never a crash.

Run for as long as wanted with `python -m tests.fuzz --seconds 600`; every failure is printed with what repeats it.
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from jetnae.errors import InputError
from jetnae.io import ReadOptions, iter_jets, open_jets
from tests.conftest import write_events
from tests.layout_files import WRITERS

KINDS = (
    "jetnae",
    "jetnae (RNTuple)",
    "many baskets",
    "pfnano",
    "delphes",
    "toptag",
    "jetnet",
    "structured",
    "own HDF5",
    "jetclass (Parquet)",
    "energyflow",
)
HANG_SECONDS = 30
MOST_MEMORY = 8 << 30


class HangError(Exception):
    """Reading took too long."""


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A copy that is cut short, has some bits flipped, a block of zeros or noise, or a block missing or twice."""
    kind = rng.integers(6)
    if kind == 0:
        return data[: rng.integers(len(data))]
    content = np.frombuffer(data, dtype=np.uint8).copy()
    if kind in {1, 2}:
        for _ in range(int(rng.integers(1, 9))):
            content[_place(rng, len(data), kind)] ^= 1 << int(rng.integers(8))
        return content.tobytes()
    start = _place(rng, len(data), int(rng.integers(2)))
    stop = min(start + int(rng.integers(1, 513)), len(data))
    if kind == 3:
        content[start:stop] = 0
    elif kind == 4:
        content[start:stop] = rng.integers(256, size=stop - start)
    else:
        middle = data[start:stop] * int(2 * rng.integers(2))
        return data[:start] + middle + data[stop:]
    return content.tobytes()


def _place(rng: np.random.Generator, size: int, kind: int) -> int:
    """Anywhere, or in the first or last kilobytes, where files say what is in them."""
    if kind == 1:
        return int(rng.integers(size))
    near = int(rng.integers(min(size, 4096)))
    return near if rng.integers(2) else size - 1 - near


def write(kind: str, folder: Path) -> Path:
    """A small file, with its rows in several blocks."""
    if kind == "many baskets":
        return write_events(folder / "many.root", [[3, 4], [5], [], [2]] * 10)
    if kind == "own HDF5":
        from jetnae.conversion import ConvertJob, convert_file

        path = write_events(folder / "from.root", [[3, 4], [5], [], [2]] * 10)
        convert_file(ConvertJob(path, folder / "own.h5"))
        return folder / "own.h5"
    return WRITERS[kind](folder)


def try_one(path: Path, n_events: int) -> str:
    """What is wrong with how a damaged file is read; empty where nothing is."""

    def hang(number: int, frame: object) -> None:
        raise HangError

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANG_SECONDS)
    try:
        with open_jets(path, ReadOptions(chunk_size=16)) as file:
            said = file.n_events
        found = sum(jets.n_events for jets in iter_jets(path, ReadOptions(chunk_size=16)))
    except InputError as error:
        return "" if "\n" not in str(error) else f"several lines: {error}"
    except HangError:
        return "hangs"
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return "" if found == said == n_events else f"{found} rows read, {said} said, expected {n_events}"


def fuzz(count: int, seconds: float, seed: int) -> int:
    """How many damaged files were not read as they should."""
    n_failures, n_done, started = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        files = {kind: write(kind, Path(name)) for kind in KINDS}
        n_events = {kind: sum(jets.n_events for jets in iter_jets(path)) for kind, path in files.items()}
        while n_done < count and time.monotonic() - started < seconds:
            kind = KINDS[n_done % len(KINDS)]
            path = Path(name, f"damaged{files[kind].suffix}")
            path.write_bytes(damaged(files[kind].read_bytes(), np.random.default_rng([seed, n_done])))
            print(f"{kind} {seed} {n_done}", file=sys.stderr, flush=True)  # the last line names what crashed
            problem = try_one(path, n_events[kind])
            if problem:
                n_failures += 1
                print(f"{kind}, seed {seed}, number {n_done}: {problem}", flush=True)
            n_done += 1
    print(f"{n_done} damaged files, {n_failures} read wrongly, {time.monotonic() - started:.1f} s")
    return n_failures


def main() -> None:
    """Read the options and begin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    sys.exit(1 if fuzz(options.count, options.seconds, options.seed) else 0)


if __name__ == "__main__":
    main()
