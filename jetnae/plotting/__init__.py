"""Figures: numbers in, matplotlib figure out, in the style of the experiments' papers."""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jetnae.files import refuse_existing, write_bytes
from jetnae.plotting.style import COLORS, COLUMN, PAGE, Style, annotate, style

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["COLORS", "COLUMN", "FORMATS", "PAGE", "Style", "annotate", "figure_paths", "save_figure", "style"]

FORMATS = ("pdf", "png")
METADATA: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
"""Without dates and versions the same figure is the same file."""


def figure_paths(stem: Path) -> list[Path]:
    """Where a figure is written."""
    return [stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS]


def save_figure(figure: Figure, stem: Path, *, force: bool = False, look: Style = Style.PLAIN) -> list[Path]:
    """Write a figure as PDF and PNG beside each other; raises `InputError` when one exists and `force` is not set.

    look : the style it was made in. The same figure gives the same bytes.
    """
    paths = figure_paths(stem)
    for path in paths:
        refuse_existing(path, force=force)
    for path in paths:
        buffer, kind = io.BytesIO(), path.suffix[1:]
        with style(look), _quiet_fonts():
            figure.savefig(buffer, format=kind, dpi=150, metadata=METADATA[kind])
        write_bytes(path, buffer.getvalue(), force=force)
    return paths


@contextmanager
def _quiet_fonts() -> Iterator[None]:
    """Embedding a font tells much about the font that is no concern of who draws a figure."""
    log = logging.getLogger("fontTools")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
