"""Figures: numbers in, matplotlib figure out, in the style of the experiments' papers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from jetnae.files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

FORMATS = ("pdf", "png")


def save_figure(figure: Figure, stem: Path, *, force: bool = False) -> list[Path]:
    """Write a figure as PDF and PNG beside each other; raises `InputError` when one exists and `force` is not set."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS]
    for path in paths:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=path.suffix[1:], dpi=200, bbox_inches="tight")
        write_bytes(path, buffer.getvalue(), force=force)
    return paths
