"""The C simulation of an hls4ml project: compiled with g++ alone, it computes what firmware computes, bit by bit."""

from __future__ import annotations

import ctypes
import logging
import math
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError, ParityError
from jetnae.export.hls import TOP

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]

log = logging.getLogger(__name__)

COMPILE_TIME = 1800.0
"""Seconds after which a compilation is given up."""
_NUMBERS = re.compile(r"\w+\s*\[\d+\]\s*=\s*\{([^}]*)\}")


def require_compiler() -> str:
    """The version of g++; raises `InputError` where it is not installed."""
    done = subprocess.run([_tool("g++"), "-dumpfullversion"], capture_output=True, text=True, check=False)  # noqa: S603
    return f"g++ {done.stdout.strip()}"


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InputError(f"the C simulation needs {name}, which is not installed here, as by `apt install {name}`")
    return found


class Simulation:
    """The compiled C++ of a project, ready to score.

    Raises `InputError` without g++, and `ParityError` for a project that is damaged or does not compile.

    seconds : that compiling took.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        require_compiler()
        _require_weights(folder)
        started = time.monotonic()
        library = _compile(folder)
        self.seconds = time.monotonic() - started
        self._n_values = math.prod(shape)
        # the function for double precision: through float32, numbers of more than 24 bits would be rounded
        self._function = getattr(ctypes.CDLL(str(library)), f"{TOP}_double")
        pointer = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
        self._function.argtypes, self._function.restype = [pointer, pointer], None

    def score(self, inputs: Values) -> npt.NDArray[np.float64]:
        """Scores (n,) of inputs (n, *shape)."""
        rows = np.ascontiguousarray(inputs, dtype=np.float64).reshape(len(inputs), self._n_values)
        scores = np.full(len(rows), np.nan)
        for i, row in enumerate(rows):
            self._function(row, scores[i : i + 1])
        return scores


def remove_built(folder: Path) -> None:
    """Take away what compiling left: it knows the folder it was made in, and only there finds its weights."""
    for each in [*folder.glob("firmware/*.so"), *folder.glob("*.o")]:
        each.unlink()


def _compile(folder: Path) -> Path:
    remove_built(folder)
    try:
        done = subprocess.run(  # noqa: S603  a script that hls4ml has just written
            [_tool("bash"), "build_lib.sh"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=COMPILE_TIME,
        )
    except subprocess.TimeoutExpired as error:
        raise ParityError(
            f"the C simulation did not compile within {COMPILE_TIME:.0f} s: use a smaller student"
        ) from error
    for line in done.stdout.splitlines():
        log.debug("%s", line)
    found = sorted((folder / "firmware").glob("*.so"))
    if done.returncode or len(found) != 1:
        first = next((line for line in done.stdout.splitlines() if "error" in line.lower()), f"exit {done.returncode}")
        raise ParityError(f"the C simulation does not compile: {first[:200]}")
    return found[0].resolve()


def _require_weights(folder: Path) -> None:
    """The simulation reads texts, firmware headers: raises `ParityError` unless both hold the same numbers."""
    headers = sorted((folder / "firmware" / "weights").glob("*.h"))
    if not headers:
        raise ParityError("the project has no weights (firmware/weights/*.h)")
    for header in headers:
        text = header.with_suffix(".txt")
        found = _NUMBERS.search(header.read_text())
        if found is None or not text.exists() or _numbers(found[1]) != _numbers(text.read_text()):
            raise ParityError(f"firmware/weights/{header.name} and {text.name} do not hold the same numbers")


def _numbers(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]
