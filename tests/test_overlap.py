"""Laws of work that overlaps: the same items in the same order, bounded, and errors where they belong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from jetnae.overlap import ahead, in_lanes


def nothing() -> None:
    """No preparation of a thread."""


def test_what_is_made_ahead_comes_in_order() -> None:
    with ahead(iter(range(100)), 3) as items:
        assert list(items) == list(range(100))


@pytest.mark.parametrize("n_lanes", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(n_lanes: int) -> None:
    def slow_first(i: int) -> int:
        time.sleep(0.002 * (i % 3))
        return i * i

    with in_lanes(iter(range(60)), slow_first, n_lanes, nothing) as results:
        assert list(results) == [(i, i * i) for i in range(60)]


def test_no_more_is_taken_than_lanes_can_hold() -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(50):
            taken.append(i)
            yield i

    with in_lanes(items(), str, 2, nothing) as results:
        for i, (item, _) in enumerate(results):
            assert item == i
            assert len(taken) <= i + 3


def test_what_the_work_raises_is_raised_where_its_item_is_taken() -> None:
    def work(i: int) -> int:
        if i == 3:
            raise ValueError("three")
        return i

    found = []
    with pytest.raises(ValueError, match="three"), in_lanes(iter(range(10)), work, 2, nothing) as results:
        found.extend(item for item, _ in results)
    assert found == [0, 1, 2]


def test_every_thread_starts_once_and_ends_with_the_block() -> None:
    started: list[str] = []

    def start() -> None:
        started.append(threading.current_thread().name)

    before = threading.active_count()
    with in_lanes(iter(range(20)), lambda _: time.sleep(0.002), 2, start) as results:
        next(iter(results))
    assert threading.active_count() == before
    assert 1 <= len(started) == len(set(started)) <= 2
