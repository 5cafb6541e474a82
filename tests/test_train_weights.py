"""Event weights: what they do to batches, to the numbers on held-out jets, and which are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import uproot

from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.io import read_jets
from jetnae.training import train_on
from jetnae.training.batches import make_inputs
from jetnae.training_data import DataConfig, flat, load_training_data
from tests.conftest import write_events
from tests.training import AE, CPU, fit, toy_data

SPEC = FeatureSpec(("mass", "girth"))


def shares(inputs: torch.Tensor, weights: torch.Tensor | None, n: int = 200_000) -> np.ndarray:
    """How often each of the values 0, 1, 2 is drawn."""
    drawn = make_inputs(inputs, weights).draw(n, torch.Generator().manual_seed(1))
    return np.bincount(drawn.flatten().long().numpy(), minlength=3) / n


def test_a_weight_of_k_is_the_same_as_k_copies() -> None:
    """Shares of 200 000 draws; the tolerance is five standard deviations of a share of one half."""
    weighted = shares(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([1.0, 3.0, 0.5]))
    copies = shares(torch.tensor([[0.0]] * 2 + [[1.0]] * 6 + [[2.0]]), None)
    np.testing.assert_allclose(weighted, np.array([1, 3, 0.5]) / 4.5, atol=5 * 0.5 / 200_000**0.5)
    np.testing.assert_allclose(copies, weighted, atol=2 * 5 * 0.5 / 200_000**0.5)


def test_a_weight_of_zero_is_never_drawn_and_equal_weights_change_nothing() -> None:
    x = torch.tensor([[0.0], [1.0], [2.0]])
    assert shares(x, torch.tensor([1.0, 0.0, 1.0]))[1] == 0
    assert shares(x, torch.tensor([0.0, 1.0, 1.0]))[0] == 0
    np.testing.assert_array_equal(shares(x, torch.full((3,), 0.3)), shares(x, None))


def test_means_and_errors_with_whole_weights_are_those_of_copies() -> None:
    values = torch.tensor([1.0, 2.0, 5.0])
    weighted = make_inputs(values, torch.tensor([1.0, 2.0, 3.0]))
    mean, error = weighted.mean(values)
    copied = torch.tensor([1.0, 2, 2, 5, 5, 5])
    assert mean == pytest.approx(float(copied.mean()))
    assert weighted.n_effective == pytest.approx(36 / 14)  # (sum w)^2 / sum w^2
    assert error == pytest.approx(float(copied.var(correction=0) / (36 / 14 - 1)) ** 0.5)
    plain = make_inputs(values, None).mean(values)
    assert plain == pytest.approx((float(values.mean()), float(values.std() / 3**0.5)))


def test_weights_reach_the_header_and_equal_ones_leave_the_training_as_it_is(tmp_path: Path) -> None:
    config = fit(AE, n_steps=6, pretrain_steps=0)
    plain = train_on(toy_data(), config, tmp_path / "plain", device=CPU)
    equal = train_on(toy_data(weights=torch.full((180,), 2.0)), config, tmp_path / "equal", device=CPU)
    weights = torch.linspace(0.1, 2, 180)
    weighted = train_on(toy_data(weights=weights), config, tmp_path / "weighted", device=CPU)
    assert plain.sha256 == equal.sha256 != weighted.sha256
    assert weighted.training["n_effective"] == pytest.approx(float(weights.sum() ** 2 / (weights**2).sum()), rel=1e-5)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_weights_no_jet_can_be_drawn_with_are_refused(
    bad: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = np.ones(40)
    weight[7] = bad
    write_events(tmp_path / "qcd.root", [[20, 25]] * 40, weight=weight)
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    settings = {"n_jets": 40, "pt": (10.0, 5000.0), "abs_eta": 3.0, "radius": 0.8}
    with pytest.raises(InputError, match=r"weight.*\[data\] weights = false"):
        load_training_data(DataConfig(("qcd.root",), **settings), SPEC, seed=1)
    ignored = load_training_data(DataConfig(("qcd.root",), **settings, weights=False), SPEC, seed=1)
    assert ignored.weights is None


def test_weights_stay_with_their_jets_and_are_missed_where_they_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    write_events(tmp_path / "qcd.root", [[20, 25]] * 40)
    settings = {"n_jets": 40, "pt": (10.0, 5000.0), "abs_eta": 3.0, "radius": 0.8}
    pt_only = FeatureSpec(("mass",), (0.0,), (1.0,))
    data = load_training_data(DataConfig(("qcd.root",), **settings), pt_only, seed=3)
    with uproot.open(tmp_path / "qcd.root") as file:
        tree = file["events"].arrays(["Jet_mass", "weight"])
    by_mass = {float(mass[0]): float(weight) for mass, weight in zip(tree.Jet_mass, tree.weight, strict=True)}
    assert data.weights is not None
    for mass, weight in zip(data.training[:, 0].tolist(), data.weights.tolist(), strict=True):
        nearest = min(by_mass, key=lambda each, mass=mass: abs(each - mass))
        assert by_mass[nearest] == pytest.approx(weight)


def test_flat_weights_make_a_falling_spectrum_flat() -> None:
    """Shares of ten equal ranges, with five standard deviations of the least populated one."""
    pt = 200 + np.random.default_rng(1).exponential(200, size=100_000)
    pt = pt[pt < 1000]
    weights = flat(pt, (200.0, 1000.0))
    counts, _ = np.histogram(pt, bins=10, range=(200, 1000))
    shares, _ = np.histogram(pt, bins=10, range=(200, 1000), weights=weights / weights.sum())
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(shares, 0.1, rtol=5 / counts.min() ** 0.5)


def test_flat_weights_of_a_flat_spectrum_are_all_the_same_and_of_a_gap_refused() -> None:
    pt = np.linspace(200.0, 1000.0, 32 * 50 + 1)[:-1]
    np.testing.assert_allclose(flat(pt, (200.0, 1000.0)), 1)
    with pytest.raises(InputError, match="no jets with 600 < pt < 625 GeV"):
        flat(pt[(pt < 600) | (pt > 650)], (200.0, 1000.0))


def test_flat_pt_replaces_the_weights_of_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_events(tmp_path / "qcd.root", [[20, 25]] * 400, weight=np.linspace(1, 9, 400))
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    pt = np.sort(read_jets(tmp_path / "qcd.root").pt)
    settings = {"n_jets": 600, "pt": (float(pt[100]), float(pt[-100])), "abs_eta": 5.0, "radius": 0.8, "label": None}
    data = load_training_data(DataConfig(("qcd.root",), flat_pt=True, **settings), FeatureSpec(("pt", "girth")), seed=1)
    assert data.weights is not None
    drawn = torch.cat([data.training, data.validation])[:, 0].numpy()
    weights = torch.cat([data.weights, data.validation_weights]).numpy()
    counts, shares = (np.histogram(drawn, bins=4, weights=each)[0] for each in (None, weights))
    assert shares.max() / shares.min() < 1.05 < counts.max() / counts.min()
    with pytest.raises(InputError, match="flat_pt"):
        DataConfig(("qcd.root",), flat_pt=True, weights=True, **settings)
