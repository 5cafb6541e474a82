"""What a user may choose about reading."""

from __future__ import annotations

from dataclasses import dataclass, field

from jetnae.errors import InputError
from jetnae.selection import Normalization, Selection


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file; None lets the file decide.

    layout : name of a layout, or a TOML file with one. collection : name of a jet collection. chunk_size : events per
    chunk. keep : event columns of the input to carry along. columns : further columns to read, by our names of
    features and event variables or by the names of the file; those of jets go to `Jets.columns`, those of events to
    `Jets.events`. features : the same for names that the file need not have,
    arrays for models among them. selection : cuts whose columns are to be
    read where the file has them; whoever asks for the jets applies them.
    normalization : what event weights are scaled to. radius, min_pt, soft_drop : of jets that are clustered here; the
    radius defaults to that of the layout. rows : first row and end of what to read, all by default. chunk_bytes :
    uncompressed size of a chunk where `chunk_size` does not say. Raises `InputError` for a chunk size below one.
    """

    layout: str | None = None
    collection: str | None = None
    chunk_size: int | None = None
    keep: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    normalization: Normalization | None = None
    radius: float | None = None
    min_pt: float | None = None
    soft_drop: bool = False
    rows: tuple[int, int] | None = None
    chunk_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.chunk_size is not None and self.chunk_size < 1:
            raise InputError(f"chunk size {self.chunk_size}: expected at least 1 event")
