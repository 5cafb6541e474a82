"""The ROC curve of a score and the numbers read off it, with errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.intervals import efficiency_interval
from jetnae.roc.area import auc
from jetnae.roc.bootstrap import bootstrap
from jetnae.roc.cuts import make_cuts
from jetnae.roc.points import Passing, operating_point
from jetnae.roc.result import Estimate, RocCurve

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.roc.cuts import Cuts
    from jetnae.roc.samples import Samples

    Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RocOptions:
    """What is read off a ROC curve.

    sig_effs, bkg_effs : efficiencies at which the other one is given. min_background : a significance improvement
    needs this many effective background jets; 25 are a relative error of 20 %. n_bootstrap : resampled data sets for
    errors. n_points : cuts kept along the curve.
    """

    sig_effs: tuple[float, ...] = (0.3, 0.5)
    bkg_effs: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    min_background: float = 25.0
    n_bootstrap: int = 200
    n_points: int = 400


def roc_curve(
    score: Values,
    samples: Samples,
    rng: np.random.Generator,
    *,
    name: str = "score",
    reverse: bool = False,
    options: RocOptions | None = None,
) -> RocCurve:
    """How well a score separates signal from background.

    score : (n_jets,), larger is more signal-like, or smaller where `reverse`. A jet with a score of NaN passes no cut,
    in either direction, and counts in every efficiency; in the AUC it lies below all others, so that the AUC is the
    area under this very curve. Ties pass a cut together and count half in the AUC. Raises `InputError` when no jet has
    a score, or there is not one for each.
    """
    options = options or RocOptions()
    if len(score) != len(samples.weight):
        raise InputError(f"{name}: {len(score)} values for {len(samples.weight)} jets, expected one for each")
    values = -np.asarray(score, dtype=np.float64) if reverse else np.asarray(score, dtype=np.float64)
    cuts = make_cuts(values)
    if reverse:
        cuts = replace(cuts, threshold=-cuts.threshold)
    signal, background = (_passing(cuts, samples, kind) for kind in (True, False))
    countable = background.effective() >= options.min_background
    drawn = bootstrap(cuts, samples, countable, options.n_bootstrap, rng)
    sic = improvement(signal.eff, background.eff)
    best = int(np.argmax(np.where(countable, sic, -np.inf)))
    kept = _thinned(signal.eff, background.eff, options.n_points)
    targets = [("sig_eff", each) for each in options.sig_effs] + [("bkg_eff", each) for each in options.bkg_effs]
    _, low, high = efficiency_interval(*background.sums(kept))
    return RocCurve(
        name=name,
        reversed=reverse,
        auc=Estimate(area(signal.eff, background.eff), drawn.auc_error),
        auc_reversed=auc_of(-values, samples),
        auc_error_delong=_delong_error(values, samples),
        threshold=cuts.threshold[kept],
        sig_eff=signal.eff[kept],
        bkg_eff=background.eff[kept],
        bkg_eff_low=low,
        bkg_eff_high=high,
        sic=np.where(countable, sic, np.nan)[kept],
        min_background=options.min_background,
        max_sic=Estimate(float(sic[best]), drawn.max_sic_error) if countable.any() else None,
        max_sic_bkg_eff=float(background.eff[best]) if countable.any() else None,
        points=tuple(operating_point(cuts, signal, background, *target) for target in targets),
        notes=_notes(values, samples, signal, countable, options),
    )


def auc_of(score: Values, samples: Samples) -> float:
    """Area under the curve of a score (n_jets,) alone, for large values being signal-like."""
    cuts = make_cuts(score)
    return area(*(_passing(cuts, samples, kind).eff for kind in (True, False)))


def area(sig_eff: Values, bkg_eff: Values) -> float:
    """Area under a curve (n_cuts,); jets that pass no cut are tied below all others."""
    return float(np.trapezoid(np.append(sig_eff, 1.0), np.append(bkg_eff, 1.0)))


def improvement(sig_eff: Values, bkg_eff: Values) -> Values:
    """Significance improvement sig_eff / sqrt(bkg_eff); NaN where no background passes."""
    some = bkg_eff > 0
    return np.where(some, sig_eff / np.sqrt(np.where(some, bkg_eff, 1.0)), np.nan)


def _passing(cuts: Cuts, samples: Samples, kind: bool) -> Passing:
    weight = np.where(samples.is_signal == kind, samples.weight, 0.0)
    return Passing(cuts.passing(weight), cuts.passing(weight**2), float(weight.sum()), float(np.sum(weight**2)))


def _delong_error(score: Values, samples: Samples) -> float | None:
    classes = [np.nan_to_num(score[samples.is_signal == kind], nan=-np.inf) for kind in (True, False)]
    if samples.weighted or min(map(len, classes)) < 2:
        return None
    return auc(*classes).error


def _thinned(sig_eff: Values, bkg_eff: Values, n_points: int) -> npt.NDArray[np.integer[Any]]:
    """Cuts evenly along the signal efficiency, and along the logarithm of the background efficiency."""
    if len(sig_eff) <= n_points:
        return np.arange(len(sig_eff))
    rising = [np.maximum.accumulate(eff) for eff in (sig_eff, bkg_eff)]
    some = rising[1][rising[1] > 0]
    even = np.linspace(0, sig_eff[-1], n_points // 2)
    steps = np.geomspace(some[0], some[-1], n_points // 2) if len(some) else even[:1]
    indices = np.concatenate([np.searchsorted(rising[0], even), np.searchsorted(rising[1], steps)])
    return np.unique(np.append(np.minimum(indices, len(sig_eff) - 1), [0, len(sig_eff) - 1]))


def _notes(
    score: Values, samples: Samples, signal: Passing, countable: npt.NDArray[np.bool_], options: RocOptions
) -> tuple[str, ...]:
    found = []
    n_nan = [int(np.isnan(score[samples.is_signal == kind]).sum()) for kind in (True, False)]
    if any(n_nan):
        found.append(
            f"{n_nan[0]} signal and {n_nan[1]} background jets have no score (NaN): they pass no cut and count in "
            "every efficiency"
        )
    if len(np.unique(score[~np.isnan(score)])) == 1:
        found.append("all scores are equal: there is no cut that separates anything")
    if not countable.any():
        found.append(f"no significance improvement: fewer than {options.min_background:g} effective background jets")
    found += [
        f"signal efficiency {target:g} is not reached: {signal.eff[-1]:.3g} of the signal has a score"
        for target in options.sig_effs
        if signal.eff.max() < target * (1 - 1e-12)
    ]
    n_eff = samples.n_eff(False)
    found += [
        f"background efficiency {target:g} is less than one of {n_eff:.0f} effective background jets: the signal "
        "efficiency there belongs to the tightest cut that can be told"
        for target in options.bkg_effs
        if target * n_eff < 1
    ]
    return (*found, *samples.notes())
