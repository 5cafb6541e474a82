"""The container refuses what does not fit together, and its pieces fit back into the whole."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.jets import WEIGHT, Jets, concatenate, four_vectors, from_cartesian, select, sum_constituents
from tests.conftest import jets_of, random_constituents


def test_four_vectors_survive_cartesian_coordinates() -> None:
    jets = ak.flatten(random_constituents([50, 3]))
    vectors = four_vectors(jets.pt, jets.eta, jets.phi, np.full(len(jets), 0.5))
    back = from_cartesian(*(ak.to_numpy(part) for part in (vectors.px, vectors.py, vectors.pz, vectors.E)))
    for name, column in zip(("pt", "eta", "phi", "mass"), back, strict=True):
        np.testing.assert_allclose(column, vectors[name], rtol=1e-6, atol=1e-9)


def test_a_massless_vector_with_rounding_has_no_mass() -> None:
    _, _, _, mass = from_cartesian(*(np.array([value]) for value in (3.0, 4.0, 0.0, 4.999999)))
    assert mass[0] == 0


def test_the_sum_of_constituents_is_that_of_the_vector_library() -> None:
    constituents = random_constituents([10, 1, 0, 40])
    pt, _, _, mass = sum_constituents(constituents)
    total = ak.sum(constituents, axis=1)
    np.testing.assert_allclose(pt, total.pt, rtol=1e-9)
    np.testing.assert_allclose(mass[[0, 3]], total.mass[[0, 3]], rtol=1e-6)
    assert pt[2] == 0


def test_selecting_and_joining_are_inverse() -> None:
    jets = jets_of(random_constituents([3, 0, 5, 7]))
    parts = [
        Jets(
            jets.constituents[i : i + 1],
            *(getattr(jets, name)[i : i + 1] for name in ("pt", "eta", "phi", "mass")),
            event_index=np.array([i]),
            n_events=1,
            first_event=i,
        )
        for i in range(4)
    ]
    whole = concatenate(parts)
    assert ak.to_list(whole.constituents) == ak.to_list(jets.constituents)
    assert whole.event_index.tolist() == [0, 1, 2, 3]
    chosen = select(jets, np.array([True, False, False, True]))
    assert chosen.n_constituents.tolist() == [3, 7]
    assert chosen.jets_per_event.tolist() == [1, 0, 0, 1]


def test_the_weight_of_a_jet_is_that_of_its_event() -> None:
    jets = jets_of(random_constituents([1, 1, 1]))
    weighted = Jets(
        jets.constituents,
        jets.pt,
        jets.eta,
        jets.phi,
        jets.mass,
        event_index=np.array([10, 10, 12]),
        n_events=3,
        first_event=10,
        events={WEIGHT: np.array([2.0, 3.0, 5.0])},
    )
    assert weighted.weight is not None
    assert weighted.weight.tolist() == [2.0, 2.0, 5.0]
    assert jets.weight is None


@pytest.mark.parametrize("event_index", [[0, 5], [1, 0], [-1, 0]])
def test_jets_outside_their_events_are_refused(event_index: list[int]) -> None:
    jets = jets_of(random_constituents([1, 1]))
    with pytest.raises(InputError, match=r"jet [01] belongs to row"):
        Jets(
            jets.constituents,
            jets.pt,
            jets.eta,
            jets.phi,
            jets.mass,
            event_index=np.array(event_index),
            n_events=2,
        )


def test_columns_of_different_length_are_refused() -> None:
    jets = jets_of(random_constituents([1, 1]))
    with pytest.raises(InputError, match="`pt`"):
        Jets(jets.constituents, jets.pt[:1], jets.eta, jets.phi, jets.mass, event_index=np.arange(2), n_events=2)


def test_nothing_cannot_be_joined() -> None:
    with pytest.raises(InputError, match="no jets"):
        concatenate([])
