"""From the options of a command to a spectrum: a score file after a cut, a histogram, a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    from jetnae.bumphunt import Spectrum
    from jetnae.bumphunt.spectrum import Floats
    from jetnae.io.scores import Scores


@dataclass(frozen=True)
class Selection:
    """What makes a spectrum of a score file: the observable, the cut on which score, the bins.

    region, blind : what the cut must not be chosen on; of `blind` all bins that it touches.
    """

    column: str
    score: str
    score_above: float | None
    background_efficiency: float | None
    region: tuple[float, float] | None
    force_cut: bool
    n_bins: int | None
    mass_range: tuple[float, float] | None
    all_jets: bool
    blind: tuple[float, float] | None = None

    @property
    def cuts(self) -> bool:
        """Whether it asks for a cut on the score."""
        return self.score_above is not None or self.background_efficiency is not None


def read_spectrum(file: str, selection: Selection) -> tuple[Spectrum, str]:
    """The spectrum of FILE.csv, FILE.root:HISTOGRAM or a score file, and what it is in words."""
    from jetnae.io.spectra import crop

    if not is_table(file):
        return _from_scores(Path(file), selection)
    if selection.cuts or selection.n_bins is not None:
        raise InputError(f"{file}: bins and cuts on the score are chosen for score files only, leave these options out")
    spectrum = read_table(file)
    return (spectrum if selection.mass_range is None else crop(spectrum, *selection.mass_range)), file


def is_table(file: str) -> bool:
    """Whether it names bins with contents: FILE.csv or FILE.root:HISTOGRAM."""
    return file.endswith(".csv") or file.rpartition(":")[0].endswith(".root")


def read_table(file: str) -> Spectrum:
    """The spectrum of FILE.csv or FILE.root:HISTOGRAM."""
    from jetnae.io.spectra import read_csv_spectrum, read_root_spectrum

    if not is_table(file):
        raise InputError(f"{file}: expected FILE.csv or FILE.root:HISTOGRAM")
    path, _, histogram = file.rpartition(":")
    return read_csv_spectrum(Path(file)) if file.endswith(".csv") else read_root_spectrum(Path(path), histogram)


def _from_scores(path: Path, selection: Selection) -> tuple[Spectrum, str]:
    from jetnae.bumphunt import Spectrum
    from jetnae.io.scores import read_scores

    scores = read_scores(path)
    score, observable, weight = _columns(path, scores, selection)
    if selection.mass_range is None or not selection.mass_range[0] < selection.mass_range[1]:
        if selection.blind is not None:
            raise InputError(f"{path}: give the range in which the spectrum falls with --range LOW HIGH")
        quantiles = np.quantile(observable, (0.05, 0.5, 0.95)) if len(observable) else ()
        raise InputError(
            f"{path}: give the range in which the spectrum falls with --range LOW HIGH (5, 50 and 95 % of the "
            f"values of '{selection.column}' are below {', '.join(f'{value:.4g}' for value in quantiles) or 'nothing'})"
        )
    if not np.isfinite(selection.mass_range).all():
        raise InputError(f"--range {selection.mass_range[0]:g} {selection.mass_range[1]:g}: expected finite ends")
    edges = np.linspace(*selection.mass_range, (selection.n_bins or 50) + 1)
    threshold = _threshold(score, observable, weight, selection, edges)
    inside = np.ones(len(score), dtype=bool) if threshold is None else score > threshold
    counts = np.histogram(observable[inside], edges, weights=weight[inside])[0]
    variances = np.histogram(observable[inside], edges, weights=weight[inside] ** 2)[0]
    cut = "no cut" if threshold is None else f"{selection.score} > {threshold:.6g}"
    return Spectrum(counts, edges, None if (weight == 1).all() else variances), f"{path}, {selection.column}, {cut}"


def _columns(path: Path, scores: Scores, selection: Selection) -> tuple[Floats, Floats, Floats]:
    """Score, observable and weight of each jet; of each event for a column of events, with its largest score."""
    from jetnae.jets import WEIGHT

    for name in (selection.score, selection.column):
        if name not in scores.jets and (name == selection.score or name not in scores.events):
            known = ", ".join(sorted({*scores.jets, *scores.events}))
            raise InputError(f"{path}: no column '{name}', it has {known}")
    jet_score = np.asarray(scores.jets[selection.score], dtype=np.float64)
    usable = ~np.isnan(jet_score) & (selection.all_jets | np.asarray(scores.jets["in_range"]))
    weight = np.asarray(scores.events.get(WEIGHT, np.ones(len(scores.counts))), dtype=np.float64)
    if selection.column in scores.jets:
        observable, score, weight = scores.jets[selection.column], jet_score, np.repeat(weight, scores.counts)
    else:
        score = _largest(np.where(usable, jet_score, -np.inf), scores.counts)
        observable, usable = scores.events[selection.column], score > -np.inf
    values = np.asarray(observable)
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise InputError(f"{path}: column '{selection.column}' is no number per jet or event, choose one that is")
    usable = usable & np.isfinite(values)
    return score[usable], values[usable].astype(np.float64), weight[usable]


def _largest(score: Floats, counts: Any) -> Floats:
    """The largest score in each event, -inf in those without jets."""
    largest = np.full(len(counts), -np.inf)
    np.maximum.at(largest, np.repeat(np.arange(len(counts)), counts), score)
    return largest


def _hidden(selection: Selection, edges: Floats) -> tuple[float, float] | None:
    """The range that the cut must not be chosen on: the signal region, and every bin that is blinded."""
    regions = [] if selection.region is None else [selection.region]
    if selection.blind is not None:
        low, high = selection.blind
        first = max(int(np.searchsorted(edges, low, side="right")) - 1, 0)
        last = min(int(np.searchsorted(edges, high, side="left")), len(edges) - 1)
        regions.append((float(edges[first]), float(edges[last])))
    return (min(low for low, _ in regions), max(high for _, high in regions)) if regions else None


def _threshold(score: Floats, observable: Floats, weight: Floats, selection: Selection, edges: Floats) -> float | None:
    """Where the score is cut; from the sidebands for a background efficiency."""
    from jetnae.bumphunt.cuts import threshold_in_sidebands

    if selection.background_efficiency is None:
        if selection.region is not None or selection.force_cut:
            raise InputError(
                "--signal-region and --force-cut say how --background-efficiency chooses a cut: give it too"
            )
        return selection.score_above
    if selection.force_cut and selection.blind is not None:
        raise InputError("--force-cut would choose the cut on what --blind hides: give one of them")
    if selection.score_above is not None:
        raise InputError("--score-above and --background-efficiency both choose the cut: give one of them")
    hidden = _hidden(selection, edges)
    if hidden is None and not selection.force_cut:
        raise InputError(
            "--background-efficiency without a signal region would choose the cut on the signal, too: give "
            "--blind or --signal-region LOW HIGH, or --force-cut to use all jets"
        )
    mass_range = selection.mass_range or (-np.inf, np.inf)
    return threshold_in_sidebands(
        score,
        observable,
        efficiency=selection.background_efficiency,
        mass_range=mass_range,
        region=hidden,
        weight=weight,
    )
