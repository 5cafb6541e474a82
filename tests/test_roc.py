"""The AUC is a count of pairs, and its error is that of repeated experiments."""

from __future__ import annotations

import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.roc import auc


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    signal, background = rng.integers(0, 20, 83).astype(float), rng.integers(0, 17, 71).astype(float)
    above = (signal[:, None] > background).mean() + 0.5 * (signal[:, None] == background).mean()
    assert auc(signal, background).value == pytest.approx(above, abs=1e-12)
    assert auc(background, signal).value == pytest.approx(1 - above, abs=1e-12)
    assert auc(np.exp(signal), np.exp(background)) == auc(signal, background)


def test_the_error_is_the_scatter_of_repetitions() -> None:
    rng = np.random.default_rng(2)
    found = [auc(rng.normal(1, 1, 200), rng.normal(0, 1, 300)) for _ in range(1000)]
    scatter = np.std([each.value for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(scatter, rel=0.1)


@pytest.mark.parametrize(("signal", "background"), [([1.0], [1.0, 2.0]), ([1.0, np.nan], [1.0, 2.0])])
def test_what_has_no_auc_is_refused(signal: list[float], background: list[float]) -> None:
    with pytest.raises(InputError, match="AUC"):
        auc(np.array(signal), np.array(background))
