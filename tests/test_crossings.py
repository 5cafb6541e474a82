"""Laws of overlaid crossings: energies add up, symmetries hold, numbers are Poisson, objects are what they say."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra jetnae[simulate]")
pytest.importorskip("fastjet", reason="needs the extra jetnae[simulate]")

from jetnae.errors import InputError
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import concatenate
from jetnae.level1 import COUNT, ETA_UNIT, FIRST, KINDS, PHI_UNIT, ObjectSpec, RegionSpec
from jetnae.simulate import (
    Collisions,
    CrossingsRequest,
    Draw,
    Overlay,
    Particles,
    PileUp,
    Pool,
    Sampled,
    Slice,
    hard,
    inelastic,
    make_pool,
    measure,
    overlay,
    read_pool,
    soft,
    write_crossings,
)
from jetnae.simulate.collisions import FINE, N_ETA_TOWERS, N_PHI_TOWERS, electrons_photons, leading
from jetnae.simulate.objects import JET_SEED, find_jets, missing_momentum
from jetnae.simulate.overlay import fine_sums, to_counts


def collisions(n: int, seed: int = 1, *, scale: float = 200.0) -> Collisions:
    """Collisions with energies everywhere, different in all regions, and some objects."""
    rng = np.random.default_rng(seed)
    regions = rng.exponential(scale, (n, 18, 14)).astype(np.uint16)
    event = np.repeat(np.arange(n), 6)
    parts = [[rng.integers(*ends, 6 * n) for ends in ((2, 200), (-58, 59), (-72, 72))] for _ in range(2)]
    eg, mu = (leading(event, n, kind, *part) for kind, part in zip(("eg", "mu"), parts, strict=True))
    return Collisions(regions, eg, mu)


def one_each(n: int, *, turn: int = 0, mirror: bool = False) -> Draw:
    """Every collision in a crossing of its own."""
    return Draw(np.arange(n + 1), np.arange(n), np.full(n, turn), np.full(n, mirror))


def pool_of(*sections: float, n: int = 40) -> Pool:
    slices = [Slice(f"s{i}", section, n, collisions(n, seed=i)) for i, section in enumerate(sections)]
    return Pool(tuple(slices), {"kind": "collisions"})


def objects_of(made: object) -> npt.NDArray[np.int16]:
    return np.asarray(made.objects).reshape(-1, 19, 3)  # type: ignore[attr-defined]


def test_energies_of_collisions_add_up_before_they_are_counted() -> None:
    maker, rng = Overlay(pool_of(60.0, 20.0)), np.random.default_rng(3)
    draw = maker.draw(np.full(50, 12.0), rng)
    sums = fine_sums(maker.collisions, draw)
    each = maker.collisions.regions.sum(axis=(1, 2), dtype=np.int64)[draw.collision]
    expected = [each[first:end].sum() for first, end in zip(draw.first, draw.first[1:], strict=False)]
    assert sums.sum(axis=(1, 2)).tolist() == expected
    np.testing.assert_array_equal(to_counts(sums), np.minimum(sums // 32, 1023))
    assert FINE * COUNT == 32


@pytest.mark.parametrize("turn", [0, 1, 7, 17])
@pytest.mark.parametrize("mirror", [False, True])
def test_turning_and_mirroring_a_collision_turns_and_mirrors_the_crossing(turn: int, mirror: bool) -> None:
    some = collisions(30, scale=4000.0)
    plain, moved = overlay(some, one_each(30)), overlay(some, one_each(30, turn=turn, mirror=mirror))
    turned = np.roll(plain.regions, turn, axis=1)
    np.testing.assert_array_equal(moved.regions, turned[:, :, ::-1] if mirror else turned)
    before, after = objects_of(plain), objects_of(moved)
    np.testing.assert_array_equal(after[:, :, 0], before[:, :, 0])
    assert np.isin((after[:, 0, 2] - before[:, 0, 2] - 8 * turn) % 144, (0, 1, 143)).all()  # rounded
    before[:, :, 1] *= -1 if mirror else 1
    before[:, :, 2] = (before[:, :, 2] + 8 * turn + 72) % 144 - 72
    for i, kind in itertools.product(range(30), ("eg", "mu", "jet")):
        part = slice(FIRST[kind], FIRST[kind] + KINDS[kind])
        assert above_the_last(after[i, part]) == above_the_last(before[i, part])


def above_the_last(objects: npt.NDArray[np.int16]) -> list[list[int]]:
    """Objects (k, 3) in one order; of those with the pt of the last one it is open which are kept."""
    return sorted(objects[objects[:, 0] > objects[-1, 0]].tolist())


def brute_force_jets(counts: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Jets of one crossing, written down once more without any care for speed."""
    padded = np.full((20, 16), -1)
    padded[1:-1, 1:-1] = counts
    padded[0, 1:-1], padded[-1, 1:-1] = counts[-1], counts[0]
    ring = np.floor(np.median(counts, axis=0)).astype(int)
    jets = []
    for i in range(18):
        for j in range(14):
            window = padded[i : i + 3, j : j + 3]
            before = [window[0, 0], window[0, 1], window[0, 2], window[1, 0]]
            if counts[i, j] < JET_SEED or window.max() > counts[i, j] or counts[i, j] in before:
                continue
            inside = [k for k in (j - 1, j, j + 1) if 0 <= k < 14]
            pt = window[window >= 0].sum() - 3 * ring[inside].sum()
            if pt > 0:
                jets.append((min(int(pt), 2047), 10 * j + 5 - 70, 8 * i + 4 - 72))
    return sorted(jets, key=lambda jet: -jet[0])[:10]


@pytest.mark.parametrize("mean", [1.0, 8.0, 300.0])
def test_jets_are_those_found_by_brute_force(mean: float) -> None:
    """Small means give many ties."""
    regions = np.random.default_rng(5).poisson(mean, (40, 18, 14)).astype(np.uint16)
    regions[:, 4, 0] += 100
    found = np.zeros((40, 10, 3), dtype=np.int16)
    find_jets(regions, found)
    for counts, jets in zip(regions.astype(np.int64), found, strict=True):
        assert [tuple(jet) for jet in jets.tolist() if jet[0]] == brute_force_jets(counts)


def test_the_missing_momentum_balances_the_regions() -> None:
    regions = np.zeros((3, 18, 14), dtype=np.uint16)
    regions[1, 9, 3] = 80  # phi from 0 to 20 degrees
    regions[2, :, 5] = 100  # a whole ring
    met = missing_momentum(regions)
    assert met[0].tolist() == met[2].tolist() == [0, 0, 0]
    assert (met[1, 0], met[1, 2] * PHI_UNIT) == (80, pytest.approx(np.deg2rad(10 - 180)))


def test_the_leading_objects_of_all_collisions_are_kept() -> None:
    some = collisions(12)
    draw = Draw(np.array([0, 5, 12]), np.arange(12), np.zeros(12, dtype=int), np.zeros(12, dtype=bool))
    merged = objects_of(overlay(some, draw))
    for i, part in enumerate((slice(0, 5), slice(5, 12))):
        for kind in ("eg", "mu"):
            every = np.sort(getattr(some, kind)[part, :, 0].ravel())[::-1]
            kept = merged[i, FIRST[kind] : FIRST[kind] + 4]
            assert kept[:, 0].tolist() == every[:4].tolist()
            assert all(any((row == other).all() for other in getattr(some, kind)[part].reshape(-1, 3)) for row in kept)


def test_numbers_of_collisions_are_poisson_and_in_proportion_to_cross_sections() -> None:
    """Means, variances and shares within four standard deviations of what 4000 crossings of mean 20 give."""
    maker = Overlay(pool_of(75.0, 20.0, 5.0))
    draw = maker.draw(np.full(4000, 20.0), np.random.default_rng(11))
    npv = np.diff(draw.first)
    assert npv.mean() == pytest.approx(20, abs=4 * (20 / 4000) ** 0.5)
    assert npv.var() == pytest.approx(20, abs=4 * (20**2 * 2 / 4000) ** 0.5)
    n = len(draw.collision)
    for k, share in enumerate((0.75, 0.2, 0.05)):
        found = np.count_nonzero(draw.collision // 40 == k)
        assert found == pytest.approx(n * share, abs=4 * (n * share) ** 0.5)
    assert np.bincount(draw.turn, minlength=18) == pytest.approx(n / 18, abs=5 * (n / 18) ** 0.5)
    assert draw.mirror.mean() == pytest.approx(0.5, abs=2 / n**0.5)


def test_every_crossing_of_a_signal_has_one_and_its_pile_up_beside_it() -> None:
    maker = Overlay(pool_of(80.0), pool_of(1.0, n=7))
    draw = maker.draw(np.full(20, 3.0), np.random.default_rng(2), first=5)
    signal = draw.collision >= 40
    owner = np.repeat(np.arange(20), np.diff(draw.first))
    assert owner[signal].tolist() == list(range(20))
    assert (draw.collision[signal] - 40).tolist() == [(5 + i) % 7 for i in range(20)]
    np.testing.assert_array_equal(maker.make(draw).npv, np.diff(draw.first) - 1)


def test_the_halves_of_a_pool_share_nothing() -> None:
    whole = pool_of(60.0, 20.0, n=9)
    halves = [whole.half(which) for which in (0, 1)]
    for k in range(2):
        sizes = [len(half.slices[k].collisions) for half in halves]
        assert sizes == [5, 4]
        found = np.concatenate([half.slices[k].collisions.regions for half in halves]).reshape(9, -1)
        assert len(np.unique(found, axis=0)) == 9
    assert halves[0].shares.tolist() == whole.shares.tolist() == [0.75, 0.25]


def particles(pdg_id: int, pt: float, eta: npt.NDArray[np.float64], *, charged: bool) -> Particles:
    n = len(eta)
    momentum = (np.full(n, pt), np.zeros(n), pt * np.sinh(eta), pt * np.cosh(eta))
    return Particles(np.arange(n), np.full(n, pdg_id), np.full(n, charged), *momentum)


ETA = np.linspace(-2.9, 2.9, 400)


@pytest.mark.parametrize(("pdg_id", "charged", "width"), [(22, False, 0.02), (211, True, 0.12)])
def test_energy_is_seen_where_it_goes_with_the_resolution_of_the_calorimeter(
    pdg_id: int, charged: bool, width: float
) -> None:
    seen = measure(particles(pdg_id, 40.0, ETA, charged=charged), 400, np.random.default_rng(4))
    et = seen.regions.sum(axis=(1, 2)) / FINE
    assert et.mean() == pytest.approx(40, abs=0.5 + 4 * 40 * width / 20)  # towers have the direction of their centers
    assert et.std() < 40 * width * 1.2
    phi, eta = np.divmod(seen.regions.reshape(400, -1).argmax(axis=1), 14)
    assert (phi == 9).all()
    np.testing.assert_array_equal(eta, ((ETA + 3) / 6 * 14).astype(int))


def test_photons_are_found_hadrons_and_jets_are_not() -> None:
    rng = np.random.default_rng(4)
    central = ETA[np.abs(ETA) < 2.3]
    photons = measure(particles(22, 40.0, central, charged=False), len(central), rng).eg
    assert (photons[:, 0, 0] * COUNT).mean() == pytest.approx(40, abs=1)
    np.testing.assert_allclose(photons[:, 0, 1] * ETA_UNIT, central, atol=ETA_UNIT)
    assert not photons[:, 1:].any()
    assert not measure(particles(211, 40.0, central, charged=True), len(central), rng).eg.any()


def test_slow_charged_particles_and_all_neutrals_beyond_the_edge_are_not_seen() -> None:
    rng = np.random.default_rng(4)
    assert not measure(particles(211, 0.6, ETA, charged=True), 400, rng).regions.any()
    assert not measure(particles(22, 50.0, ETA + 6.0, charged=False), 400, rng).regions.any()
    muons = measure(particles(13, 20.0, ETA, charged=True), 400, rng)
    assert not muons.regions.any()
    assert np.array_equal(muons.mu[:, 0, 0] > 0, np.abs(ETA) < 2.4)
    assert np.log(muons.mu[:, 0, 0][np.abs(ETA) < 2.4] * COUNT / 20).std() == pytest.approx(0.2, abs=0.04)


def test_of_equal_towers_one_is_the_electron_or_photon() -> None:
    em, had = np.zeros((1, N_PHI_TOWERS, N_ETA_TOWERS)), np.zeros((1, N_PHI_TOWERS, N_ETA_TOWERS))
    em[0, 71, 30], em[0, 0, 30] = 10.0, 10.0  # neighbors across the seam
    found = electrons_photons(em, had)[0]
    assert found[0].tolist() == [40, 2 * 30 + 1 - 70, 2 * 71 + 1 - 72]
    assert not found[1:].any()
    had[0, 0, 31] = 5.0
    assert not electrons_photons(em, had).any()


def test_crossings_are_written_once_and_come_back_the_same(tmp_path: Path) -> None:
    pool, signal = pool_of(70.0, 10.0), pool_of(1.0, n=9)
    request = CrossingsRequest(tmp_path / "a.h5", 400, seed=5, pile_up=PileUp(10, 4, 2, 1, 20), process=3, run=4)
    steps: list[int] = []
    write_crossings(request, pool, signal, on_progress=steps.append)
    write_crossings(replace(request, path=tmp_path / "b.h5"), pool, signal)
    jets, again = (
        concatenate(list(iter_jets(tmp_path / name, ReadOptions(features=("regions", "objects")))))
        for name in ("a.h5", "b.h5")
    )
    assert steps == [400]
    np.testing.assert_array_equal(RegionSpec().raw(jets), RegionSpec().raw(again))
    regions, objects = RegionSpec().raw(jets), ObjectSpec().raw(jets).reshape(-1, 19, 3)
    np.testing.assert_allclose(jets.events["total_et"], COUNT * regions.sum(axis=(1, 2)))
    np.testing.assert_allclose(jets.pt, COUNT * objects[:, FIRST["jet"], 0])
    assert jets.label is not None
    assert set(jets.label.tolist()) == {1}
    assert set(jets.events["run"].tolist()) == {4}
    assert jets.events["luminosityBlock"].tolist() == [1 + i // 20 for i in range(400)]
    early, late = jets.events["npv"][:200].mean(), jets.events["npv"][200:].mean()
    assert early - late == pytest.approx(2, abs=4 * (2 * 14 / 200) ** 0.5)  # halves of a fall by 4; variance 10 + 2^2
    with h5py.File(tmp_path / "a.h5") as file:
        assert "no full simulation" in file.attrs["note"]
        assert json.loads(file.attrs["provenance"])["request"]["seed"] == 5
    with pytest.raises(InputError, match="exists already"):
        write_crossings(request, pool, signal)


@pytest.mark.parametrize("wrong", [{"lowest": 45.0}, {"mean": 1000.0}, {"spread": -1.0}, {"n_sections": 0}])
def test_pile_up_without_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="pile-up"):
        PileUp(**wrong)  # type: ignore[arg-type]


def test_requests_without_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 crossings"):
        CrossingsRequest(tmp_path / "x.h5", 0, 1)
    with pytest.raises(InputError, match="expected at least 2"):
        Sampled(soft(veto=15.0), 1)
    with pytest.raises(InputError, match="3 numbers of hard collisions, expected 4"):
        inelastic(10, [10, 10, 10])
    with pytest.raises(InputError, match="less than 2 collisions"):
        pool_of(1.0, n=1).half(0)
    (tmp_path / "no.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as a pool"):
        read_pool(tmp_path / "no.h5")


@pytest.fixture(scope="module")
def small_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hard collisions only: soft ones take ten seconds to start."""
    path = tmp_path_factory.mktemp("pool") / "pool.h5"
    make_pool(path, [Sampled(hard(15, 30), 60), Sampled(hard(120, -1), 60)], seed=3)
    return path


def test_a_pool_is_reproducible_and_comes_back(small_pool: Path, tmp_path: Path) -> None:
    make_pool(tmp_path / "again.h5", [Sampled(hard(15, 30), 60), Sampled(hard(120, -1), 60)], seed=3)
    first, second = read_pool(small_pool), read_pool(tmp_path / "again.h5")
    assert [each.name for each in first.slices] == ["hard_15_30", "hard_120"]
    for one, other in zip(first.slices, second.slices, strict=True):
        np.testing.assert_array_equal(one.collisions.regions, other.collisions.regions)
        assert one.cross_section == other.cross_section
    low, high = (each.collisions.regions.sum(axis=(1, 2)).mean() / FINE for each in first.slices)
    assert high > 2 * low > 40
    assert 1.5 < first.slices[0].cross_section < 2.5  # mb
    assert first.shares[1] == pytest.approx(3.4e-4, rel=0.3)


@pytest.mark.slow
def test_soft_collisions_stop_where_hard_ones_begin(tmp_path: Path) -> None:
    """The share that is vetoed is that of the hard slices: 2.1 mb of 78.6, with multiple interactions a little less."""
    make_pool(tmp_path / "pool.h5", [Sampled(soft(veto=15.0), 4000)], seed=3)
    made = read_pool(tmp_path / "pool.h5").slices[0]
    share = 1 - len(made.collisions) / made.n_generated
    assert share == pytest.approx(2.1 / 78.6, abs=4 * (2.1 / 78.6 / 4000) ** 0.5)
    assert made.cross_section == pytest.approx(78.6 * (1 - share), rel=0.01)
