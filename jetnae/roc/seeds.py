"""The scatter of several trainings of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.roc.result import Band, SeedBand, SeedPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from jetnae.roc.result import OperatingPoint, RocCurve

    Values = npt.NDArray[np.floating[Any]]

QUANTILES = (0.5, 0.1587, 0.8413)


def seed_band(curves: Sequence[RocCurve], *, name: str, n_points: int = 200) -> SeedBand:
    """Median and central 68 % of the ROC curves of several trainings, on the same jets and read off alike.

    Raises `InputError` for fewer than two.
    """
    if len(curves) < 2:
        raise InputError(f"{len(curves)} training, expected the scores of at least two for their scatter")
    sig_eff = np.linspace(0, min(float(curve.sig_eff.max()) for curve in curves), n_points)
    found = [np.interp(sig_eff, np.maximum.accumulate(curve.sig_eff), curve.bkg_eff) for curve in curves]
    median, low, high = np.quantile(found, QUANTILES, axis=0)
    sic_median, sic_low, sic_high = np.quantile([_sic(curve, sig_eff) for curve in curves], QUANTILES, axis=0)
    sics = [curve.max_sic.value for curve in curves if curve.max_sic is not None]
    return SeedBand(
        name=name,
        n_seeds=len(curves),
        sig_eff=sig_eff,
        bkg_eff_median=median,
        bkg_eff_low=low,
        bkg_eff_high=high,
        sic_median=sic_median,
        sic_low=sic_low,
        sic_high=sic_high,
        auc=_band([curve.auc.value for curve in curves]),
        max_sic=_band(sics) if len(sics) == len(curves) else None,
        points=tuple(
            SeedPoint(points[0].fixed, points[0].target, _band([_other(point) for point in points]))
            for points in zip(*(curve.points for curve in curves), strict=True)
        ),
    )


def _sic(curve: RocCurve, sig_eff: Values) -> Values:
    """Significance improvement at given signal efficiencies, NaN before the first cut with enough background."""
    known = np.isfinite(curve.sic)
    if not known.any():
        return np.full(len(sig_eff), np.nan)
    rising = np.maximum.accumulate(curve.sig_eff[known])
    return np.interp(sig_eff, rising, curve.sic[known], left=np.nan, right=np.nan)


def _other(point: OperatingPoint) -> float:
    return point.bkg_eff.value if point.fixed == "sig_eff" else point.sig_eff.value


def _band(values: Sequence[Any]) -> Band:
    return Band(*map(float, np.quantile(values, QUANTILES)))
