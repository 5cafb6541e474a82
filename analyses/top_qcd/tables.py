"""Rows of tables: how well a score separates, with both signs, over seeds, with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from analyses.top_qcd.samples import Values
from analyses.top_qcd.tasks import SIG_EFFS
from jetnae.roc import RocCurve, RocOptions, Samples, make_samples, roc_curve

Pair = tuple[Values, Values]
"""Scores, or weights, of signal (n,) and background (m,)."""


def curve_of(pair: Pair, samples: Samples, n_bootstrap: int, *, reverse: bool = False) -> RocCurve:
    """The ROC curve of the scores of signal and background."""
    options = RocOptions(sig_effs=SIG_EFFS, bkg_effs=(), n_bootstrap=max(n_bootstrap, 2))
    return roc_curve(np.concatenate(pair), samples, np.random.default_rng(0), reverse=reverse, options=options)


def samples_of(weights: Pair) -> tuple[Any, Samples]:
    """Which jets (n + m,) have weight, and these as samples; without weights where all have the same."""
    weight, label = np.concatenate(weights), np.repeat([1, 0], list(map(len, weights)))
    used = weight > 0
    equal = bool((weight == 1).all())
    return used, make_samples(label[used], None if equal else weight[used])


def row(seeds: Sequence[Pair], weights: Pair, n_bootstrap: int) -> dict[str, Any]:
    """Numbers of a score, one pair for each seed: AUC as it is and with the sign changed, rejections for both signs."""
    used, samples = samples_of(weights)
    n = len(weights[0])
    chosen = [(pair[0][used[:n]], pair[1][used[n:]]) for pair in seeds]
    curves, reversed_ = (
        [curve_of(pair, samples, number, reverse=reverse) for pair in chosen]
        for reverse, number in ((False, n_bootstrap), (True, 2))
    )
    return {
        "auc": over_seeds([(curve.auc.value, curve.auc.error) for curve in curves]),
        "auc_reversed": float(np.mean([curve.auc_reversed for curve in curves])),
        "rejections": [rejection(curves, i) for i in range(len(SIG_EFFS))],
        "rejections_reversed": [rejection(reversed_, i) for i in range(len(SIG_EFFS))],
    }


def over_seeds(found: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Mean of values and errors of seeds on the same jets.

    error : the scatter of the seeds over the root of their number and the mean error of the jets, in quadrature; with
    one seed that of the jets alone. scatter : of one seed, None with one.
    """
    values, errors = np.array(found).T
    scatter = float(np.std(values, ddof=1)) if len(values) > 1 else None
    of_jets = float(errors.mean())
    return {
        "value": float(values.mean()),
        "error": float(np.hypot((scatter or 0.0) / np.sqrt(len(values)), of_jets)),
        "scatter": scatter,
        "of_jets": of_jets,
        "seeds": values.tolist(),
    }


def rejection(curves: Sequence[RocCurve], i: int) -> dict[str, Any]:
    """Background rejection at a signal efficiency, from the mean background efficiency over seeds.

    low : that of the largest upper end of any seed, which is a bound where no background passes and `value` is None.
    """
    points = [asdict(curve.points[i]) for curve in curves]
    effs = [(point["bkg_eff"]["value"], (point["bkg_eff"]["high"] - point["bkg_eff"]["low"]) / 2) for point in points]
    mean = over_seeds(effs)
    known = mean["value"] > 0
    return {
        "sig_eff": points[0]["target"],
        "value": 1 / mean["value"] if known else None,
        "error": mean["error"] / mean["value"] ** 2 if known else None,
        "low": 1 / max(point["bkg_eff"]["high"] for point in points),
    }


def as_text(name: str, found: dict[str, Any]) -> str:
    """A row as a line."""
    cells = [f"{each['value']:.1f}" if each["value"] else "-" for each in found["rejections"]]
    auc = found["auc"]
    return f"{name}: AUC {auc['value']:.4f} ± {auc['error']:.4f} ({1 - auc['value']:.4f}), 1/eps_B {', '.join(cells)}"
