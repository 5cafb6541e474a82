"""Handing out tasks: what fails for a moment is tried again, what ends its worker is found out and given up."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jetnae.batch.tasks import Failed, Outcome, Retried, Setup, Task
from jetnae.batch.worker import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetnae.batch.pools import Pool

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between looks at the clock while nothing happens."""
CRASHES = 3
"""A task that was at work this often when a worker died goes on alone; when that one dies as well, it is given up."""


@dataclass(frozen=True)
class Patience:
    """How often a task is tried when disks or networks fail, and the seconds before the second time, then doubled.

    stall : seconds without the end of any task after which those at work count as hanging, on a disk that never
    answers or in an endless loop; their workers are ended, and the tasks tried once more.
    """

    attempts: int = 4
    wait: float = 2.0
    stall: float = 1800.0


class Work:
    """Tasks on their way: add some, iterate over what becomes of them, add more meanwhile."""

    def __init__(self, pool: Pool, setup: Setup, patience: Patience) -> None:
        self.n_deaths = 0
        self._pool, self._setup, self._patience = pool, setup, patience
        self._waiting: deque[Task] = deque()
        self._later: list[tuple[float, int, Task]] = []
        self._running: dict[Future[Any], Task] = {}
        self._attempts: Counter[Task] = Counter()
        self._crashes: Counter[Task] = Counter()
        self._stalls: Counter[Task] = Counter()
        self._order = itertools.count()
        self._moved = time.monotonic()

    def add(self, task: Task, *, first: bool = False) -> None:
        """Put a task at the end of the queue, or at its beginning."""
        if first:
            self._waiting.appendleft(task)
        else:
            self._waiting.append(task)

    def drop(self, unwanted: set[Task]) -> None:
        """Forget tasks that have not begun."""
        self._waiting = deque(task for task in self._waiting if task not in unwanted)
        self._later = [entry for entry in self._later if entry[2] not in unwanted]
        heapq.heapify(self._later)

    def __iter__(self) -> Iterator[tuple[Task, Outcome] | None]:
        """Each task with what became of it, as they end; None now and then while nothing happens."""
        while self._waiting or self._running or self._later:
            self._start()
            done, _ = wait(self._running, timeout=TICK, return_when=FIRST_COMPLETED) if self._running else ((), None)
            if not done:
                if not self._running:
                    time.sleep(min(TICK, max(self._later[0][0] - time.monotonic(), 0)) if self._later else 0)
                yield from self._after_stall() if self._is_stalled() else ()
                yield None
            for future in list(done):
                if future in self._running:
                    yield from self._ended(future)

    def _start(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._waiting.appendleft(heapq.heappop(self._later)[2])
        slots = self._pool.n_slots
        while self._waiting and len(self._running) < slots:
            is_suspect = self._crashes[self._waiting[0]] >= CRASHES
            if any(self._crashes[task] >= CRASHES for task in self._running.values()) or (is_suspect and self._running):
                return
            task = self._waiting.popleft()
            try:
                self._running[self._pool.submit(execute, self._setup, task)] = task
            except BrokenExecutor:
                self._waiting.appendleft(task)
                if not self._running:
                    self._pool.restart()
                return

    def _is_stalled(self) -> bool:
        """Whether tasks are at work, there is somebody to do them, and for too long none has ended."""
        if not self._running or not self._pool.n_workers:
            self._moved = time.monotonic()
        return time.monotonic() - self._moved > self._patience.stall

    def _after_stall(self) -> Iterator[tuple[Task, Outcome]]:
        """Nothing has ended for too long: the workers are replaced, a task that was at work twice then is given up."""
        stalled = dict(self._running)
        self._running.clear()
        log.warning("nothing ended for %g s, %d tasks begin again", self._patience.stall, len(stalled))
        for future in stalled:
            future.cancel()
        self._pool.restart()
        self._moved = time.monotonic()
        for task in stalled.values():
            self._stalls[task] += 1
            if self._stalls[task] > 1:
                yield task, Failed(f"{task.path}: no answer for {self._patience.stall:g} s, twice: is its disk there?")
            else:
                self._waiting.append(task)

    def _ended(self, future: Future[Any]) -> Iterator[tuple[Task, Outcome]]:
        self._moved = time.monotonic()
        error = None if future.cancelled() else future.exception()
        if isinstance(error, BrokenExecutor):
            yield from self._after_death()
            return
        task = self._running.pop(future)
        if future.cancelled() or isinstance(error, CancelledError):
            yield task, Failed("the cluster has gone: go on with --resume", fatal=True)
        elif type(error).__name__ == "KilledWorker":  # of Dask, which need not be installed
            yield task, Failed(_deadly(task))
        elif error is not None:
            yield task, Failed(f"a worker cannot work: {type(error).__name__}: {error}", fatal=True)
        else:
            yield self._judged(task, future.result())

    def _judged(self, task: Task, outcome: Outcome) -> tuple[Task, Outcome]:
        if not isinstance(outcome, Failed) or not outcome.transient:
            return task, outcome
        self._attempts[task] += 1
        attempt = self._attempts[task]
        if attempt >= self._patience.attempts:
            return task, Failed(f"{outcome.reason} (tried {attempt} times)")
        seconds = self._patience.wait * 2 ** (attempt - 1)
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), task))
        log.warning("%s: trying again in %g s (%d of %d)", outcome.reason, seconds, attempt, self._patience.attempts)
        return task, Retried(outcome.reason, attempt, seconds)

    def _after_death(self) -> Iterator[tuple[Task, Outcome]]:
        """A worker died, and the others with it: all tasks at work go back to the queue, unless one is to blame."""
        self.n_deaths += 1
        running = list(self._running.values())
        self._running.clear()
        log.warning("a worker died, %d tasks begin again", len(running))
        self._pool.restart()
        for task in reversed(running):
            self._crashes[task] += 1
            if self._crashes[task] > CRASHES and len(running) == 1:
                yield task, Failed(_deadly(task))
            else:
                self._waiting.appendleft(task)


def _deadly(task: Task) -> str:
    return f"{task.path}: every worker that took it died: it needs more memory than there is, or is hostile"
