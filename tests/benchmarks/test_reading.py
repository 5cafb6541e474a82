"""Reading a ROOT file into jets against reading the same branches with plain uproot, in the same run."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest
import uproot

from jetnae.conversion import ConvertJob, convert_file
from jetnae.io import LAYOUTS, iter_jets
from tests.conftest import write_events

MOST = 1.25
N_EVENTS, N_PAIRS = 20_000, 7


@pytest.fixture(scope="module")
def many_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of two jets with fifty constituents each, in our own layout, compressed for speed (zstd).

    The quicker the decompression, the more it shows what the jets cost.
    """
    folder = tmp_path_factory.mktemp("reading")
    written = write_events(folder / "written.root", [[50, 50]] * N_EVENTS)
    convert_file(ConvertJob(written, folder / "many.root"))
    return folder / "many.root"


def plain(path: Path) -> None:
    layout = LAYOUTS["jetnae"]
    (collection, _) = layout.collections
    with uproot.open(path, array_cache=None, handler=uproot.MultithreadedFileSource, use_threads=False) as file:
        tree = file[layout.tree]
        names = {*collection.required, *collection.jets.values(), "Jet_label", "event", "weight"}
        step = tree.num_entries_for(32_000_000, filter_name=names.__contains__)
        for start in range(0, tree.num_entries, step):
            tree.arrays(filter_name=names.__contains__, entry_start=start, entry_stop=start + step, how=dict)


def jets(path: Path) -> None:
    for _ in iter_jets(path):
        pass


def seconds(read: Any, path: Path) -> float:
    started = time.process_time()
    read(path)
    return time.process_time() - started


def test_jets_cost_little_more_than_their_branches(many_events: Path, benchmark: Any) -> None:
    jets(many_events)
    ratios = [seconds(jets, many_events) / seconds(plain, many_events) for _ in range(N_PAIRS)]
    benchmark.extra_info["ratio to plain uproot"] = statistics.median(ratios)
    benchmark.pedantic(jets, args=(many_events,), rounds=3)
    assert statistics.median(ratios) <= MOST
