"""Compiling a pass over jets with numba: once per machine where that can be kept, else once per process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# The threads of parallel passes are shared with torch, which goes on with as many as numba launched: without this, two
# processes with OMP_NUM_THREADS=1 would each take all cores and wait for one another.
if os.environ.get("OMP_NUM_THREADS", "").isdigit():
    os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])

import numba


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile, keeping the result on disk; where nothing can be written, compile anew in each process."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            result: Callable[..., Any] = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            result = numba.njit(cache=False, **options)(function)
        return result

    return decorate


def use_threads(number: int) -> None:
    """Let what is compiled and called from this thread compute in so many threads, at most as many as there are."""
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(number, most))
