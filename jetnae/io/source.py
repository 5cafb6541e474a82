"""What every container's reader offers: named trees of columns, read in chunks of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    Data = dict[str, Any]


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

    def chunks(self, tree: str, columns: Collection[str], step: int) -> Iterator[tuple[int, int, Data]]:
        """First row, end, and columns of each chunk of `step` rows, in order; a tree without rows gives one chunk."""
