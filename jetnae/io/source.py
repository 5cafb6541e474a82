"""What every container's reader offers: named trees of columns, read in chunks of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    Data = dict[str, Any]
    Rows = tuple[int, int]


class Source(Protocol):
    """An open file. `trees` maps each tree or group to its number of rows; `identity` stands for the file."""

    @property
    def trees(self) -> Mapping[str, int]: ...

    @property
    def identity(self) -> str: ...

    def columns(self, tree: str) -> Collection[str]:
        """The branches or datasets of a tree."""

    def has(self, tree: str, column: str) -> bool:
        """Whether a tree has a column, and the part of it that is meant."""

    def width(self, tree: str, column: str) -> int | None:
        """The length of the last axis of a column that holds as many numbers in each row, None for any other."""

    def n_rows(self, tree: str, columns: Collection[str]) -> int:
        """The rows of these columns; raises `InputError` where they differ."""

    def is_numeric(self, tree: str, column: str) -> bool:
        """Whether a column holds a number, or one list of numbers, per row."""

    def rows_for(self, tree: str, columns: Collection[str], n_bytes: int) -> int:
        """How many rows of these columns fill so many bytes, at least one."""

    def parts(self, tree: str, columns: Collection[str], n_rows: int) -> list[Rows]:
        """The rows in parts of about so many, first row and end of each, that can be read apart without reading twice.

        A tree without rows is one empty part.
        """

    def chunks(
        self, tree: str, columns: Collection[str], step: int, rows: Rows | None = None
    ) -> Iterator[tuple[int, int, Data]]:
        """First row, end, and columns of each chunk of `step` rows, in order, of all rows or those from first to end.

        No rows give one empty chunk.
        """
