"""Selections on jets and events: masks and cut flows by counting, certified luminosity, normalization."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from jetnae.config import parse
from jetnae.errors import InputError
from jetnae.io import read_jets
from jetnae.jets import WEIGHT, Jets, concatenate, select
from jetnae.selection import (
    LuminosityMask,
    Normalization,
    Selection,
    WeightCounts,
    apply,
    count_weights,
)
from tests.conftest import jets_of, random_constituents

GOLDEN = {"5": [[1, 3], [7, 7]], "6": [], "8": [[2, 4], [4, 9], [20, 30], [22, 25]]}
CUTS = ("met_pt > 20", "pt > 100 and trigger", "|eta| < 1.5 or tau21 < 0.4", "met_pt < 80 or not trigger")


def random_jets(n_events: int, seed: int = 1, first_event: int = 0) -> Jets:
    """Events with 0 to 3 jets each, with features of jets, with columns of events, and some NaN in both."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(n_events), rng.integers(0, 4, n_events))
    n_jets = len(owner)
    columns = {"tau21": rng.random(n_jets)}
    columns["tau21"][rng.random(n_jets) < 0.2] = np.nan
    events = {
        "run": rng.integers(4, 10, n_events),
        "luminosityBlock": rng.integers(0, 35, n_events).astype(np.uint32),
        "met_pt": np.where(rng.random(n_events) < 0.1, np.nan, rng.exponential(50, n_events)),
        "trigger": rng.random(n_events) < 0.7,
        WEIGHT: rng.normal(1, 1, n_events),
    }
    return Jets(
        None,
        pt=rng.exponential(150, n_jets),
        eta=rng.normal(0, 1.5, n_jets),
        phi=rng.uniform(-3, 3, n_jets),
        mass=rng.exponential(50, n_jets),
        event_index=owner + first_event,
        n_events=n_events,
        first_event=first_event,
        label=rng.integers(0, 2, n_jets),
        columns=columns,
        events=events,
    )


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(GOLDEN))
    return path


def certified(run: float, lumi: float) -> bool:
    return any(first <= lumi <= last for first, last in GOLDEN.get(str(int(run)), []))


def test_masks_and_cut_flow_are_those_of_loops_over_events_and_jets(golden: Path) -> None:
    jets = random_jets(2000, first_event=50)
    passing = apply(Selection(CUTS, golden), jets)
    events = [{name: column[i] for name, column in jets.events.items()} for i in range(2000)]
    steps = [  # whether it is a cut on jets, and the cut
        (False, lambda e, j: certified(e["run"], e["luminosityBlock"])),
        (False, lambda e, j: e["met_pt"] > 20),
        (True, lambda e, j: jets.pt[j] > 100 and e["trigger"]),
        (True, lambda e, j: abs(jets.eta[j]) < 1.5 or jets.columns["tau21"][j] < 0.4),
        (False, lambda e, j: e["met_pt"] < 80 or not e["trigger"]),
    ]
    alive, left, passed = set(range(2000)), set(range(len(jets))), set(range(2000))
    expected = [(2000, len(jets), sum(e[WEIGHT] for e in events), sum(e[WEIGHT] ** 2 for e in events))]
    for on_jets, step in steps:
        if on_jets:
            left = {j for j in left if step(events[jets.event_index[j] - 50], j)}
            alive = {int(jets.event_index[j]) - 50 for j in left}
        else:
            passed = {i for i in passed if step(events[i], None)}
            alive &= passed
            left = {j for j in left if jets.event_index[j] - 50 in passed}
        weights = [events[i][WEIGHT] for i in alive]
        expected.append((len(alive), len(left), sum(weights), sum(w * w for w in weights)))
    assert set(np.flatnonzero(passing.jets)) == left
    assert set(np.flatnonzero(passing.events)) == passed
    assert 10 < len(left) < len(jets) / 2
    found = [(row.n_events, row.n_jets, row.sum_weights, row.sum_weights_sq) for row in passing.flow.rows]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert [row.cut for row in passing.flow.rows] == ["all", "golden JSON", *CUTS]


def test_cut_flows_of_chunks_add_up_to_that_of_the_whole(golden: Path) -> None:
    chunks = [random_jets(n, seed=n, first_event=first) for n, first in ((40, 0), (1, 40), (0, 41), (60, 41))]
    selection = Selection(CUTS, golden)
    whole = apply(selection, concatenate(chunks))
    parts = [apply(selection, chunk) for chunk in chunks]
    total = reduce(add, (part.flow for part in parts))
    for row, expected in zip(total.rows, whole.flow.rows, strict=True):
        assert (row.cut, row.n_events, row.n_jets) == (expected.cut, expected.n_events, expected.n_jets)
        assert row.sum_weights == pytest.approx(expected.sum_weights)
        assert row.n_effective == pytest.approx(expected.n_effective)
    np.testing.assert_array_equal(np.concatenate([part.jets for part in parts]), whole.jets)
    np.testing.assert_array_equal(np.concatenate([part.events for part in parts]), whole.events)


def test_cut_flows_of_other_cuts_are_not_added() -> None:
    jets = random_jets(5)
    flows = [apply(Selection((cut,)), jets).flow for cut in ("pt > 1", "pt > 2")]
    with pytest.raises(InputError, match="different cuts"):
        flows[0] + flows[1]


def test_a_selected_batch_passes_its_own_selection() -> None:
    jets = random_jets(100)
    selection = Selection(CUTS)
    passing = apply(selection, jets)
    again = apply(selection, select(jets, passing.jets))
    assert again.jets.all()
    assert len(again.jets) == np.count_nonzero(passing.jets)
    np.testing.assert_array_equal(again.events, passing.events)


def test_no_cuts_pass_everything_and_weights_of_one_are_counts() -> None:
    jets = replace(random_jets(20), events={})
    passing = apply(Selection(), jets)
    assert passing.jets.all()
    assert passing.events.all()
    assert [(r.n_events, r.n_jets, r.sum_weights, r.n_effective) for r in passing.flow.rows] == [
        (20, len(jets), 20, 20)
    ]


def test_weights_that_are_not_finite_are_left_out_of_sums() -> None:
    jets = random_jets(4)
    weights = np.array([2.0, np.nan, np.inf, -1.0])
    row = apply(Selection(), replace(jets, events={WEIGHT: weights})).flow.rows[0]
    assert (row.n_events, row.sum_weights, row.n_effective) == (4, 1.0, pytest.approx(1 / 5))
    assert count_weights(weights) + count_weights(np.array([-np.inf, -3])) == WeightCounts(2, 3)


def test_the_cut_flow_is_a_table_of_aligned_lines() -> None:
    jets = jets_of(random_constituents([1] * 8))
    jets = replace(jets, pt=np.arange(8.0), events={"good": np.arange(8) % 2 == 0})
    lines = apply(Selection(("good", "pt >\n 3", "pt > 9", "pt < " + "9" * 60)), jets).flow.lines()
    assert [line.split()[-6:] for line in lines[1:]] == [
        ["8", "8", "8", "8.0", "100.00", "-"],
        ["4", "4", "4", "4.0", "50.00", "50.00"],
        ["2", "2", "2", "2.0", "25.00", "50.00"],
        ["0", "0", "0", "0.0", "0.00", "0.00"],
        ["0", "0", "0", "0.0", "0.00", "-"],
    ]
    assert [line.split()[0] for line in lines] == ["cut", "all", "good", "pt", "pt", "pt"]
    assert len({len(line) for line in lines}) == 1
    assert "pt > 3 " in lines[3]
    assert "... " in lines[5]


def test_names_of_constituents_and_labels_are_known_where_they_are() -> None:
    jets = jets_of(random_constituents([3, 0, 5]))
    assert apply(Selection(("n_constituents > 2",)), jets).jets.tolist() == [True, False, True]
    assert apply(Selection(("label",)), replace(jets, label=np.array([0, 1, 1]))).jets.tolist() == [False, True, True]
    for cut in ("label == 1", "event_index > 0"):
        with pytest.raises(InputError, match="no column"):
            apply(Selection((cut,)), jets)
    with pytest.raises(InputError, match="no column 'n_constituents'"):
        apply(Selection(("n_constituents > 2",)), random_jets(5))


def test_a_name_that_both_have_is_that_of_the_jet() -> None:
    jets = replace(random_jets(50), events={"pt": np.zeros(50), "tau21": np.full(50, np.nan)})
    passing = apply(Selection(("pt > 100", "tau21 < 0.4")), jets)
    np.testing.assert_array_equal(passing.jets, (jets.pt > 100) & (jets.columns["tau21"] < 0.4))
    assert passing.events.all()


def test_lists_per_event_are_refused_in_every_kind_of_cut() -> None:
    jets = replace(random_jets(3), events={"Muon_pt": ak.Array([[1.0], [], [2.0, 3.0]])})
    for cut in ("Muon_pt > 3", "Muon_pt > pt"):
        with pytest.raises(InputError, match="`Muon_pt` holds several numbers per entry"):
            apply(Selection((cut,)), jets)


def test_the_names_to_read_are_those_of_all_cuts(golden: Path) -> None:
    assert Selection(CUTS).names == {"met_pt", "pt", "trigger", "eta", "tau21"}
    assert Selection(("pt > 3",), golden).names == {"pt", "run", "luminosityBlock"}


def test_certified_sections_are_those_of_a_loop(golden: Path) -> None:
    mask = LuminosityMask.from_json(golden)
    run, lumi = (each.ravel() for each in np.meshgrid(np.arange(-1, 11), np.arange(-1, 40)))
    expected = [certified(r, s) for r, s in zip(run, lumi, strict=True)]
    assert any(expected)
    for kind in (np.int32, np.int64, np.float64):
        assert mask.contains(run.astype(kind), lumi.astype(kind)).tolist() == expected
    odd = np.array([np.nan, np.inf, 2.5, 2.0**32 + 2, 3.0])
    assert mask.contains(np.full(5, 8.0), odd).tolist() == [False, False, False, False, True]
    assert not LuminosityMask.from_ranges({"6": []}).contains(run, lumi).any()
    assert (
        LuminosityMask.from_ranges({"0": [[0, 0]]}).contains(np.array([0.0, -1.0]), np.array([0.0, np.nan])).sum() == 1
    )


def test_the_last_section_of_a_run_does_not_reach_into_the_next() -> None:
    mask = LuminosityMask.from_ranges({"5": [[1, 2**32 - 1]], "10": [[0, 0]]})
    run, lumi = np.array([5, 5, 6, 6, 10, 10], dtype=np.uint32), np.array([0, 2**32 - 1, 0, 1, 0, 1], dtype=np.uint32)
    assert mask.contains(run, lumi).tolist() == [False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "no runs, expected"),
        ("{}", "no runs, expected"),
        ('{"5": [[1, 2]], "5": [[3, 4]]}', "run '5' stands there more than once"),
        ('{"five": [[1, 2]]}', "'five' is not a run number"),
        ('{"-5": [[1, 2]]}', "'-5' is not a run number"),
        ('{"99999999999": [[1, 2]]}', "is not a run number"),
        ('{"5": {"1": 2}}', "run 5: .* is not a list of ranges"),
        ('{"5": [1, 2]}', "run 5: '1' is not a range of two whole numbers"),
        ('{"5": [[1, 2, 3]]}', "run 5: .* is not a range"),
        ('{"5": [[1, true]]}', "run 5: .* is not a range"),
        ('{"5": [[1, 2.5]]}', "run 5: .* is not a range"),
        ('{"5": [[4, 2]]}', r"run 5: the range \[4, 2\] does not rise"),
        ('{"5": [[-4, 2]]}', r"run 5: the range \[-4, 2\] does not rise"),
        ('{"5": [[1, 4294967296]]}', "run 5: the range"),
        (" " * 16_000_001, "more than 16 MB"),
        ("\udc80", "not valid JSON"),
    ],
)
def test_a_mistake_in_a_golden_json_is_named_with_its_run(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=f"golden.json: .*{message}") as caught:
        Selection(golden_json=path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_golden_json_needs_runs_and_sections(golden: Path, tmp_path: Path) -> None:
    selection = Selection(golden_json=golden)
    with pytest.raises(InputError, match="no column `run` and no `luminosityBlock`"):
        apply(selection, replace(random_jets(3), events={}))
    with pytest.raises(InputError, match=r"nowhere\.json: No such file"):
        Selection(golden_json=tmp_path / "nowhere.json")


@pytest.mark.parametrize("weighted", [True, False])
def test_normalized_weights_sum_to_the_expected_number_of_events(weighted: bool) -> None:
    chunks = [random_jets(n, seed=n, first_event=first) for n, first in ((40, 0), (60, 40))]
    if not weighted:
        chunks = [replace(chunk, events={}) for chunk in chunks]
    generated = 100.0 if not weighted else sum(float(chunk.events[WEIGHT].sum()) for chunk in chunks)
    normalization = Normalization(cross_section=2.5, luminosity=138.0, sum_of_weights=generated)
    scaled = [normalization.apply(chunk) for chunk in chunks]
    assert sum(chunk.events[WEIGHT].sum() for chunk in scaled) == pytest.approx(2.5 * 138_000)
    before = np.ones(60) if not weighted else chunks[1].events[WEIGHT]
    np.testing.assert_allclose(scaled[1].events[WEIGHT], before * 2.5 * 138_000 / generated)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize(
    ("name", "unit"), [("cross_section", "pb"), ("luminosity", r"fb\^-1"), ("sum_of_weights", "all generated events")]
)
def test_a_normalization_that_cannot_be_is_refused_with_its_unit(name: str, unit: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} = {value}, expected .*{unit}"):
        replace(Normalization(1.0, 1.0, 1.0), **{name: value})


def test_both_tables_are_read_strictly(golden: Path) -> None:
    table = {"cuts": ["pt > 400", "|eta| < 2"], "golden_json": str(golden)}
    assert parse(Selection, table, "selection") == Selection(("pt > 400", "|eta| < 2"), golden)
    assert parse(Selection, {}, "selection") == Selection()
    values = {"cross_section": 1, "luminosity": 2.0, "sum_of_weights": 4}
    assert parse(Normalization, values, "normalization").factor == 500
    mistakes = [
        (Selection, {"cut": []}, "unknown key 'cut', the known ones are cuts, golden_json"),
        (Selection, {"cuts": "pt > 400"}, "cuts = 'pt > 400'"),
        (Selection, {"cuts": ["pt >"]}, "run.toml: selection 'pt >': expected a number or a name after '>'"),
        (Normalization, {"cross_section": 1, "luminosity": 2}, "missing sum_of_weights"),
        (Normalization, {**values, "luminosity": -2}, "luminosity = -2"),
    ]
    for kind, data, message in mistakes:
        with pytest.raises(InputError, match=message):
            parse(kind, data, "run.toml")
    with pytest.raises(InputError, match="expected a tuple of texts"):
        Selection("pt > 400")  # type: ignore[arg-type]


def test_a_selection_on_a_file_from_outside_counts_what_the_file_holds(real_data: Path) -> None:
    path = real_data / "nano" / "nano_tt_v15.root"
    selection = Selection(("PuppiMET_pt > 40", "pt > 200 and |eta| < 2.4", "HLT_AK8PFJet260 or pt > 300"))
    jets = read_jets(path, keep=("PuppiMET_pt", "HLT_AK8PFJet260"))
    with uproot.open(path) as file:
        names = ["PuppiMET_pt", "FatJet_pt", "FatJet_eta", "HLT_AK8PFJet260"]
        met, pt, eta, trigger = file["Events"].arrays(names, how=tuple)
    good = (pt > 200) & (abs(eta) < 2.4) & (met > 40)
    rows = apply(selection, jets).flow.rows
    assert [row.n_jets for row in rows[2:]] == [int(ak.sum(good)), int(ak.sum(good & (trigger | (pt > 300))))]
    assert [row.n_events for row in rows] == [
        len(met),
        int(ak.sum(met > 40)),
        int(ak.sum(ak.any(good, axis=1))),
        int(ak.sum(ak.any(good & (trigger | (pt > 300)), axis=1))),
    ]
    assert 0 < rows[-1].n_jets < rows[2].n_jets < len(jets)
