"""Where the features of jets come from, what cannot be given, and the input of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jetnae.config import parse
from jetnae.errors import InputError
from jetnae.features import JET_FEATURES, FeatureSpec, available, jet_features, make_features
from jetnae.jets import Jets, select
from tests.conftest import jets_of, random_constituents
from tests.features import COUNTS, generated, simulated


def without_constituents(jets: Jets, **columns: np.ndarray) -> Jets:
    return replace(jets, constituents=None, columns=columns)


def test_the_files_own_features_have_the_same_names() -> None:
    jets = simulated()
    columns = jet_features(jets, available(jets))
    stored = without_constituents(jets, **columns)
    assert available(stored) == available(jets)
    found = jet_features(stored)
    for name, values in columns.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    spec = FeatureSpec(("pt", "girth", "c2"))
    np.testing.assert_array_equal(make_features(stored, spec), make_features(jets, spec))


def test_ratios_come_from_their_parts_where_the_file_has_only_those() -> None:
    stored = without_constituents(
        select(generated(), slice(0, 3)), tau1=np.array([0.5, 0, 0]), tau2=np.array([0.1, 0.2, 0])
    )
    assert available(stored) == ("pt", "eta", "phi", "mass", "tau1", "tau2", "tau21")
    np.testing.assert_allclose(jet_features(stored)["tau21"], [0.2, np.nan, 0.0])


def test_energy_fractions_come_from_the_file_even_beside_constituents() -> None:
    share = np.linspace(0, 1, len(COUNTS), dtype=np.float32)
    jets = replace(generated(), columns={"photon_fraction": share, "girth": share})
    assert "photon_fraction" in available(jets)
    assert "muon_fraction" not in available(jets)
    found = jet_features(jets, ("photon_fraction", "girth"))
    np.testing.assert_array_equal(found["photon_fraction"], share)
    np.testing.assert_array_equal(found["girth"], jet_features(generated(), ("girth",))["girth"])


def test_what_cannot_be_given_is_named_with_what_can() -> None:
    stored = without_constituents(generated(), ptd=np.ones(len(COUNTS)))
    with pytest.raises(InputError, match=r"no column girth, n3: available are pt, eta, phi, mass, ptd$"):
        jet_features(stored, ("girth", "ptd", "n3"))
    with pytest.raises(InputError, match=r"no column muon_fraction: available are pt"):
        jet_features(generated(), ("muon_fraction",))
    with pytest.raises(InputError, match=r"unknown feature gird, the known ones are pt, "):
        jet_features(generated(), ("gird",))


def test_an_absurd_jet_is_refused_before_it_fills_the_memory() -> None:
    jets = jets_of(random_constituents([3, 5000]))
    assert np.isfinite(jet_features(jets, ("girth",))["girth"]).all()
    with pytest.raises(InputError, match="jet 1 has 5000 constituents"):
        jet_features(jets, ("c2",))


def test_rows_of_features_are_in_the_order_of_the_specification() -> None:
    jets = jets_of(random_constituents([4, 0, 9]))
    rows = make_features(jets, FeatureSpec(("ptd", "pt", "multiplicity")))
    assert rows.dtype == np.float32
    assert np.isnan(rows[1]).all()
    expected = jet_features(jets, ("ptd", "pt", "multiplicity"))
    np.testing.assert_allclose(rows[[0, 2]], np.stack(list(expected.values()), axis=1)[[0, 2]], rtol=1e-6)
    assert make_features(jets, FeatureSpec(("pt",)))[1] == jets.pt[1]


@pytest.mark.parametrize(
    ("names", "message"),
    [((), "at least one"), (("pt", "gird"), "unknown feature gird"), (("pt", "ptd", "pt"), "pt given more than once")],
)
def test_a_wrong_specification_is_named(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureSpec(names)


def test_a_specification_can_be_written_in_a_configuration() -> None:
    assert parse(FeatureSpec, {"names": ["girth", "ptd"]}, "model.toml") == FeatureSpec(("girth", "ptd"))


def test_the_jets_and_their_columns_are_left_as_they_were() -> None:
    jets = without_constituents(generated(), ptd=np.ones(len(COUNTS)))
    for values in jet_features(jets).values():
        values[:] = -1.0
    np.testing.assert_array_equal(jets.columns["ptd"], 1.0)
    assert (jets.pt > 0).all()


@pytest.mark.parametrize("name", JET_FEATURES)
def test_every_feature_says_what_it_is(name: str) -> None:
    feature = JET_FEATURES[name]
    assert feature.name == name
    assert feature.formula
    assert feature.reference
    assert set(feature.parts) <= set(JET_FEATURES)
