"""A model beside others and beside the simple quantities it has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.roc.curve import auc_of, roc_curve
from jetnae.roc.result import Roc
from jetnae.roc.seeds import seed_band

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from jetnae.roc.curve import RocOptions
    from jetnae.roc.result import RocCurve
    from jetnae.roc.samples import Samples

    Values = npt.NDArray[np.floating[Any]]


def compare(
    models: Mapping[str, Values],
    baselines: Mapping[str, Values],
    samples: Samples,
    rng: np.random.Generator,
    *,
    seeds: str | None = None,
    options: RocOptions | None = None,
) -> Roc:
    """ROC curves of models, and beside them those of baselines, on the same jets.

    models, baselines : (n_jets,) each, by name. A model whose AUC is below 0.5 is shown as it is and once more
    reversed; a baseline is cut on in its better direction. seeds : a name for the models taken together, where they
    are trainings of one model with different seeds. Raises `InputError` when no jet has a score.
    """
    curves: list[RocCurve] = []
    for name, score in models.items():
        curves.append(roc_curve(score, samples, rng, name=name, options=options))
        if curves[-1].auc.value < 0.5 and seeds is None:
            curves.append(roc_curve(score, samples, rng, name=name, reverse=True, options=options))
    band = None if seeds is None else seed_band(curves, name=seeds)
    for name, value in baselines.items():
        values = np.asarray(value, dtype=np.float64)
        reverse = auc_of(-values, samples) > auc_of(values, samples)
        curves.append(roc_curve(values, samples, rng, name=name, reverse=reverse, options=options))
    return Roc(
        n_signal=int(samples.is_signal.sum()),
        n_background=int((~samples.is_signal).sum()),
        n_eff_signal=samples.n_eff(True),
        n_eff_background=samples.n_eff(False),
        n_models=len(models),
        curves=tuple(curves),
        seeds=band,
    )
