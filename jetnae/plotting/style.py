"""The look of all figures: the one place that knows the styles of mplhep."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import mplhep
from cycler import cycler
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes

COLORS = ("#3f90da", "#bd1f01", "#ffa90e", "#832db6", "#94a4a2", "#a96b59", "#e76300", "#717581", "#b9ac70", "#92dadd")
"""Distinguishable with color vision deficiency and in print (arXiv:2107.02270)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
"""Line styles, so that curves can be told apart without colors."""

COLUMN, PAGE = 10.0, 20.6
"""Widths in inches of figures for one column and for the page of a journal, at three times the printed size."""


class Style(StrEnum):
    """Whose papers a figure looks like; none of them puts an experiment's name on it."""

    PLAIN = "plain"
    CMS = "CMS"
    ATLAS = "ATLAS"
    LHCB = "LHCb"


FIXED: dict[str, Any] = {
    "figure.autolayout": False,
    "savefig.bbox": None,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.12,
    "mathtext.cal": "sans",  # some styles ask for a calligraphic font that few machines have, and nothing here uses
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.formatter.use_mathtext": True,
    "axes.xmargin": 0.05,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
}
"""What holds in every style: fonts that editors accept, colors that everybody can tell apart."""

SIZES: dict[str, Any] = {
    "font.size": 26,
    "axes.labelsize": 26,
    "axes.titlesize": 20,
    "xtick.labelsize": 22,
    "ytick.labelsize": 22,
    "legend.fontsize": 20,
    "legend.title_fontsize": 20,
    "lines.linewidth": 2.5,
    "lines.markersize": 8,
    "legend.frameon": True,
    "legend.fancybox": False,
    "legend.edgecolor": "none",
    "legend.facecolor": "white",
    "legend.framealpha": 1.0,
    "legend.borderpad": 0.2,
    "legend.borderaxespad": 0.7,
    "xtick.major.pad": 12,
    "xtick.minor.pad": 12,
    "ytick.major.pad": 10,
    "ytick.minor.pad": 10,
    "axes.titlepad": 10,
}
"""The styles are made for different sizes of figures, all of ours have one."""


LABELS = {Style.CMS: "CMS", Style.ATLAS: "ATLAS", Style.LHCB: "LHCb"}
LABEL_SIZES = (26, 20, 20, 20)
"""Of the experiment's name and of the text behind it."""


def style(name: Style = Style.PLAIN) -> AbstractContextManager[None]:
    """The style of all figures, for as long as they are made and saved; nothing global is changed."""
    sheet = mplhep.style.CMS if name == Style.PLAIN else getattr(mplhep.style, name.value)
    parameters: Any = {**sheet, **SIZES, **FIXED}
    return mpl.rc_context(parameters)


def annotate(
    first: Axes, last: Axes | None = None, *, look: Style = Style.PLAIN, title: str = "", label: str = ""
) -> None:
    """Write above a row of axes, `first` to `last`: on the left `title`, what the data are.

    With a `label`, it stands on the left behind the name of the style's experiment (without one in the plain style), as
    'CMS Private work', and the title on the right. Without a label no experiment is named.
    """
    right = last or first
    if not label:
        first.set_title(title, loc="left")
        return
    right.set_title(title, loc="right")
    if isinstance(first.figure, Figure):
        first.figure.draw_without_rendering()  # the text is put behind the name, where the layout will have that
    mplhep.label.exp_text(
        exp="" if look == Style.PLAIN else LABELS[look],
        text=label,
        loc=0,
        fontsize=LABEL_SIZES,
        ax=first,
    )
