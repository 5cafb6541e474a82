"""Files are read in parts that belong together again without a seam."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.io import ReadOptions, iter_jets, open_jets, read_jets
from jetnae.io.assemble import split_at
from jetnae.jets import Jets, concatenate
from tests.conftest import write_events
from tests.layout_files import WRITERS


def read_rows(path: Path, first: int, end: int, chunk_size: int | None = 2) -> Jets:
    return concatenate(list(iter_jets(path, ReadOptions(rows=(first, end), chunk_size=chunk_size))))


@pytest.mark.parametrize("layout", WRITERS)
def test_any_rows_of_any_file_are_those_of_the_whole(layout: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    whole = read_jets(path)
    for first in range(whole.n_events + 1):
        for end in range(first, whole.n_events + 1):
            part = read_rows(path, first, end)
            inside = (whole.event_index >= first) & (whole.event_index < end)
            assert (part.n_events, part.first_event) == (end - first, first)
            np.testing.assert_array_equal(part.event_index, whole.event_index[inside])
            np.testing.assert_array_equal(part.pt, whole.pt[inside])
            assert ak.to_list(part.constituents) == ak.to_list(whole.constituents[inside])


@pytest.mark.parametrize("layout", WRITERS)
def test_parts_cover_every_row_once(layout: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    with open_jets(path, ReadOptions(chunk_size=1)) as file:
        for n_chunks in (1, 2, 100):
            parts = file.parts(n_chunks)
            assert parts[0][0] == 0
            assert parts[-1][1] == file.n_events
            assert all(a[1] == b[0] for a, b in pairwise(parts))


def test_parts_end_where_clusters_do(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra jetnae[parquet]")
    path = WRITERS["jetclass (Parquet)"](tmp_path)
    parquet.write_table(parquet.read_table(path), tmp_path / "groups.parquet", row_group_size=2)
    with open_jets(tmp_path / "groups.parquet", ReadOptions(chunk_size=3)) as file:
        assert file.parts(1) == [(0, 2), (2, 4), (4, 6)]
        assert file.parts(2) == [(0, 6)]


def test_boundaries_are_joined_into_parts() -> None:
    assert split_at([0, 10, 20, 30, 40], 20) == [(0, 20), (20, 40)]
    assert split_at([0, 10, 20, 30], 1) == [(0, 10), (10, 20), (20, 30)]
    assert split_at([0, 100], 10) == [(0, 100)]
    assert split_at([0, 5, 100, 105], 10) == [(0, 5), (5, 100), (100, 105)]
    assert split_at([0], 10) == split_at([0, 0], 10) == [(0, 0)]


def test_rows_beyond_the_file_are_an_input_error(tmp_path: Path) -> None:
    path = write_events(tmp_path / "events.root", [[3], [4]])
    with pytest.raises(InputError, match="rows 1 to 3 of 2"):
        read_rows(path, 1, 3)


def test_the_size_of_a_chunk_follows_the_bytes_allowed(tmp_path: Path) -> None:
    path = write_events(tmp_path / "events.root", [[20]] * 200)
    sizes = [len(list(iter_jets(path, ReadOptions(chunk_bytes=n_bytes)))) for n_bytes in (1, 10_000, 10_000_000)]
    assert sizes[0] == 200
    assert sizes[2] == 1
    assert 2 <= sizes[1] <= 50
