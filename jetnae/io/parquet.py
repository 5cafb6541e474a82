"""Parquet files as a source of columns (extra `parquet`)."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.errors import MissingExtraError
from jetnae.io.assemble import identity_of, reading, split_at
from jetnae.io.columns import pick, split

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from jetnae.io.source import Data, Rows


@contextmanager
def open_source(path: Path) -> Iterator[ParquetSource]:
    """Open a Parquet file; raises `InputError` when it is damaged, `MissingExtraError` without pyarrow."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(f"{path}: reading Parquet needs pyarrow: pip install 'jetnae[parquet]'") from error
    with reading(path, "Parquet"):
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)  # which would hold on to the whole file
    with file:
        with reading(path, "Parquet"):
            source = ParquetSource(file, path)
        yield source


class ParquetSource:
    """The one table of a Parquet file, a tree without a name."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        self._path = path
        self.trees = {"": int(file.metadata.num_rows)}
        self.identity = identity_of(path)

    def columns(self, tree: str) -> Collection[str]:
        """The columns of the table."""
        return dict.fromkeys(self._file.schema_arrow.names)

    def has(self, tree: str, column: str) -> bool:
        """Whether the table has a column; the fields of structs are left to the reading."""
        return split(column)[0] in self.columns(tree)

    def width(self, tree: str, column: str) -> int | None:
        """Nothing here: arrays of fixed length are not told from lists."""
        del tree, column
        return None

    def n_rows(self, tree: str, columns: Collection[str]) -> int:
        """The rows of the table, the same for all columns."""
        del columns
        return self.trees[tree]

    def is_numeric(self, tree: str, column: str) -> bool:
        """Whether a column holds a number, or one list of numbers, per row."""
        import pyarrow.types

        if not self.has(tree, column):
            return False
        kind = self._file.schema_arrow.field(split(column)[0]).type
        if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
            kind = kind.value_type
        return bool(pyarrow.types.is_primitive(kind) and not pyarrow.types.is_temporal(kind))

    def rows_for(self, tree: str, columns: Collection[str], n_bytes: int) -> int:
        """How many rows of these columns fill so many bytes, at least one."""
        names = {split(column)[0] for column in columns}
        groups = [self._file.metadata.row_group(i) for i in range(self._file.metadata.num_row_groups)]
        with reading(self._path, "Parquet"):
            size = sum(
                group.column(i).total_uncompressed_size
                for group in groups
                for i in range(group.num_columns)
                if group.column(i).path_in_schema.split(".")[0] in names
            )
        return max(n_bytes * self.trees[tree] // max(int(size), 1), 1)

    def parts(self, tree: str, columns: Collection[str], n_rows: int) -> list[Rows]:
        """Parts that begin and end where row groups do."""
        del tree, columns
        return split_at(self._groups(), n_rows)

    def _groups(self) -> list[int]:
        """The first row of each row group, and the end."""
        metadata = self._file.metadata
        return [0, *accumulate(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))]

    def chunks(
        self, tree: str, columns: Collection[str], step: int, rows: Rows | None = None
    ) -> Iterator[tuple[int, int, Data]]:
        """First row, end, and columns of each chunk of `step` rows, in order; no rows give one empty chunk."""
        names = list(dict.fromkeys(split(column)[0] for column in columns))
        start, stop = rows or (0, self.trees[tree])
        if start == stop:
            empty = self._file.schema_arrow.empty_table()
            with reading(self._path, "Parquet"):
                picked = {column: pick(_column(empty[split(column)[0]]), split(column)[1]) for column in columns}
            yield start, stop, picked
            return
        for table in self._tables(names, step, start, stop):
            with reading(self._path, "Parquet"):
                data = {name: _column(table[name]) for name in names}
                picked = {column: pick(data[split(column)[0]], split(column)[1]) for column in columns}
            yield start, start + table.num_rows, picked
            start += table.num_rows

    def _tables(self, names: list[str], step: int, start: int, stop: int) -> Iterator[Any]:
        """Tables of exactly `step` of the rows from `start` to `stop`, the last with what is left."""
        import pyarrow as pa

        waiting: list[Any] = []
        n_rows = 0
        for batch in self._batches(names, step, start, stop):
            waiting.append(batch)
            n_rows += batch.num_rows
            if n_rows >= step:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, step)
                waiting = table.slice(step).to_batches()
                n_rows -= step
        if n_rows:
            yield pa.Table.from_batches(waiting)

    def _batches(self, names: list[str], step: int, start: int, stop: int) -> Iterator[Any]:
        """The rows from `start` to `stop`, in batches that end where row groups do; no other row group is read."""
        ends = self._groups()
        wanted = [i for i, (first, end) in enumerate(pairwise(ends)) if end > start and first < stop]
        place = ends[wanted[0]] if wanted else start
        with reading(self._path, "Parquet"):
            for batch in self._file.iter_batches(batch_size=step, columns=names, row_groups=wanted):
                skipped, place = max(start - place, 0), place + batch.num_rows
                part = batch.slice(skipped, max(batch.num_rows - skipped - max(place - stop, 0), 0))
                if part.num_rows:
                    yield part


def _column(column: Any) -> Any:
    """A column of numbers, or of lists of them, without missing values; anything deeper as it is.

    A missing number becomes NaN, to be counted, and a missing list an empty one: the same whatever the chunk.
    """
    import pyarrow.compute
    import pyarrow.types

    chunk = column.combine_chunks()
    kind = chunk.type
    if pyarrow.types.is_primitive(kind):
        return _numbers(chunk)
    if (pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind)) and pyarrow.types.is_primitive(
        kind.value_type
    ):
        lengths = pyarrow.compute.fill_null(pyarrow.compute.list_value_length(chunk), 0)
        return ak.unflatten(_numbers(chunk.flatten()), lengths.to_numpy(zero_copy_only=False).astype(np.int64))
    return ak.drop_none(ak.from_arrow(chunk), axis=0) if chunk.null_count else ak.from_arrow(chunk)


def _numbers(values: Any) -> Any:
    """An Arrow array of numbers as NumPy array; missing ones as NaN."""
    import pyarrow as pa
    import pyarrow.compute

    if values.null_count:
        values = pyarrow.compute.fill_null(values.cast(pa.float64()), float("nan"))
    return values.to_numpy(zero_copy_only=False)
