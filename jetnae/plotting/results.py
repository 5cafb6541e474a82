"""Figures from result files: which kind of result is drawn how."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jetnae.bumphunt.hunt import Hunt
from jetnae.bumphunt.signal import SignalFit
from jetnae.bumphunt.validation import Bias, Coverage, Injection
from jetnae.diagnostics.result import Diagnosis
from jetnae.errors import InputError
from jetnae.plotting import Style, figure_paths, save_figure
from jetnae.plotting.bumphunt import hunt_figure, toys_figure, windows_figure
from jetnae.plotting.bumphunt_checks import bias_figure, coverage_figure, injection_figure, signal_figure
from jetnae.plotting.negatives import components_figure, features_figure, samples_figure, sphere_figure
from jetnae.plotting.rate import rate_against_figure, rate_figure, rate_sections_figure
from jetnae.plotting.rate_signals import rate_sig_eff_figure
from jetnae.plotting.roc import roc_figure, sic_figure
from jetnae.plotting.sculpting import divergence_figure, efficiency_figure, spectra_figure
from jetnae.plotting.training import energies_figure, history_figure
from jetnae.plotting.working_points import thresholds_figure
from jetnae.rate.result import Rate
from jetnae.results import from_json
from jetnae.roc.result import Roc
from jetnae.roc.working_points import WorkingPoints
from jetnae.sculpting.result import Sculpting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST = 64 * 1024**2
"""Bytes of the largest result file that is read: none comes near it."""

FIGURES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "roc": (Roc, {"roc": roc_figure, "sic": sic_figure}),
    "rate": (
        Rate,
        {
            "rate": rate_figure,
            "rate_sig_eff": rate_sig_eff_figure,
            "rate_against": rate_against_figure,
            "rate_sections": rate_sections_figure,
        },
    ),
    "working_points": (WorkingPoints, {"thresholds": thresholds_figure}),
    "sculpting": (
        Sculpting,
        {"spectra": spectra_figure, "efficiency": efficiency_figure, "jsd": divergence_figure},
    ),
    "hunt": (Hunt, {"": hunt_figure, "windows": windows_figure, "toys": toys_figure}),
    "coverage": (Coverage, {"": coverage_figure}),
    "injection": (Injection, {"": injection_figure}),
    "bias": (Bias, {"": bias_figure}),
    "diagnosis": (
        Diagnosis,
        {
            "": energies_figure,
            "history": history_figure,
            "samples": samples_figure,
            "features": features_figure,
            "components": components_figure,
            "sphere": sphere_figure,
        },
    ),
    "signal_fit": (SignalFit, {"": signal_figure}),
}
"""Kind of result: its class, and by suffix its figures, each `figure(result, *, look, title, label)`.

A figure with an empty suffix has the name of the result file; one that returns None is not drawn for that result.
"""


def read_result(path: Path) -> dict[str, Any]:
    """The content of a result file; raises `InputError` when it is none, or of a kind that has no figure."""
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: larger than {LARGEST} bytes, expected a result file")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a result file (.json)") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON, expected a result file, such as NAME.roc.json") from error
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind not in FIGURES:
        raise InputError(f"{path}: a result of kind {kind!r} has no figure, those that have are {', '.join(FIGURES)}")
    return dict(content)


def result_file(kind: str, stem: Path) -> Path:
    """The name of a result file: STEM.KIND.json, or STEM.json where a figure has that name, too."""
    return stem.with_name(f"{stem.name}.json" if "" in FIGURES[kind][1] else f"{stem.name}.{kind}.json")


def figure_stem(kind: str, file: Path) -> Path:
    """The stem from which `result_file` makes the name of `file`."""
    return file.with_name(file.stem if "" in FIGURES[kind][1] else file.stem.removesuffix(f".{kind}"))


def figure_files(kind: str, stem: Path) -> list[Path]:
    """All files that `draw_result` may write."""
    return [path for suffix in FIGURES[kind][1] for path in figure_paths(_stem(stem, suffix))]


def draw_result(
    content: Mapping[str, Any],
    stem: Path,
    *,
    force: bool = False,
    look: Style = Style.PLAIN,
    title: str = "",
    label: str = "",
) -> list[Path]:
    """Draw all figures of a result that was read from its file; raises `InputError` as `save_figure`."""
    cls, makers = FIGURES[content["kind"]]
    result = from_json(cls, content)
    figures = {suffix: make(result, look=look, title=title, label=label) for suffix, make in makers.items()}
    return [
        path
        for suffix, figure in figures.items()
        if figure is not None
        for path in save_figure(figure, _stem(stem, suffix), force=force, look=look)
    ]


def _stem(stem: Path, suffix: str) -> Path:
    return stem.with_name(f"{stem.name}.{suffix}" if suffix else stem.name)
