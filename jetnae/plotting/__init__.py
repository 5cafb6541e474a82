"""Figures: numbers in, matplotlib figure out, in the style of the experiments' papers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
import mplhep

from jetnae.files import refuse_existing, write_bytes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from matplotlib.figure import Figure

FORMATS = ("pdf", "png")
COLORS = ("#3f90da", "#bd1f01", "#ffa90e", "#832db6")
"""Distinguishable with color vision deficiency and in print (arXiv:2107.02270)."""


def style() -> AbstractContextManager[None]:
    """The style of all figures, for as long as they are made and saved; nothing global is changed."""
    # the style asks for a calligraphic math font that few machines have, and nothing here uses
    return mpl.rc_context({**mplhep.style.CMS, "figure.autolayout": False, "mathtext.cal": "sans"})


def save_figure(figure: Figure, stem: Path, *, force: bool = False) -> list[Path]:
    """Write a figure as PDF and PNG beside each other; raises `InputError` when one exists and `force` is not set."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS]
    for path in paths:
        refuse_existing(path, force=force)
    for path in paths:
        buffer = io.BytesIO()
        with style():
            figure.savefig(buffer, format=path.suffix[1:], dpi=150)
        write_bytes(path, buffer.getvalue(), force=force)
    return paths
