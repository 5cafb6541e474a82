"""Work that overlaps: one thread prepares what the next step takes, or several do the same step on different items."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")
TICK = 0.1
"""Seconds between looks at whether the other side has ended."""


@contextmanager
def ahead(items: Iterator[T], depth: int) -> Iterator[Iterator[T]]:
    """The same items in the same order, made in a thread of their own, at most `depth` of them ahead.

    What the items raise is raised where they are taken. When the block ends, the thread has ended.
    """
    queue: Queue[tuple[bool, Any]] = Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, queue, stop), daemon=True)
    thread.start()
    try:
        yield _taken(queue)
    finally:
        stop.set()
        thread.join()


@contextmanager
def in_lanes(
    items: Iterator[T], work: Callable[[T], R], n_lanes: int, start: Callable[[], object]
) -> Iterator[Iterator[tuple[T, R]]]:
    """Each item with what `work` makes of it, in the order of the items, worked on in `n_lanes` threads at a time.

    At most one item more than there are lanes is taken ahead. Every thread calls `start` first. What the work raises is
    raised where its item is taken. When the block ends, the threads have ended.
    """
    lanes = ThreadPoolExecutor(n_lanes, initializer=start)
    try:
        yield _worked(items, work, lanes, n_lanes)
    finally:
        lanes.shutdown(cancel_futures=True)


def _worked(
    items: Iterator[T], work: Callable[[T], R], lanes: ThreadPoolExecutor, n_ahead: int
) -> Iterator[tuple[T, R]]:
    waiting: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        waiting.append((item, lanes.submit(work, item)))
        if len(waiting) > n_ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for last, future in waiting:
        yield last, future.result()


def _fill(items: Iterator[Any], queue: Queue[tuple[bool, Any]], stop: threading.Event) -> None:
    try:
        for item in items:
            if not _put(queue, (True, item), stop):
                return
        _put(queue, (False, None), stop)
    except BaseException as error:
        _put(queue, (False, error), stop)


def _put(queue: Queue[tuple[bool, Any]], entry: tuple[bool, Any], stop: threading.Event) -> bool:
    """Wait for a place; false where nobody takes anything any more."""
    while not stop.is_set():
        try:
            queue.put(entry, timeout=TICK)
        except Full:
            continue
        return True
    return False


def _taken(queue: Queue[tuple[bool, Any]]) -> Iterator[Any]:
    while True:
        try:
            more, item = queue.get(timeout=TICK)  # so that an interruption is seen
        except Empty:
            continue
        if not more:
            if item is not None:
                raise item
            return
        yield item
