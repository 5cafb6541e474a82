"""`jetnae rate` from outside: score files in, thresholds, tables and figures out, one line where something is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import uproot

from jetnae.crossings import decisions_of, read_zero_bias, unit_of
from jetnae.errors import InputError
from jetnae.io.scores import FORMAT_VERSION, read_scores, read_units, write_scores
from jetnae.rate import Rate, Thresholds
from jetnae.results import from_json
from tests.conftest import write_events
from tests.test_cli import fails, jetnae

N = 20_000
BUDGET = ("--budget", "30", "--budget", "300")


def write_crossings(
    path: Path,
    *,
    label: int | None = 0,
    shift: float = 0.0,
    seed: int = 1,
    model: str = "nae",
    input_id: str = "",
    **changed: Any,
) -> Path:
    """A score file with one jet per crossing; `changed` replaces or adds columns, of jets if they are named so."""
    rng = np.random.default_rng(seed)
    npv = rng.poisson(40, N)
    jets = {
        "pt": rng.exponential(20, N) + 30 * shift,
        "score": np.round(rng.normal(npv / 40 + shift, 1) * 16) / 16,
        "status": np.zeros(N, dtype=np.int32),
        "in_range": np.ones(N, dtype=bool),
        **({} if label is None else {"label": np.full(N, label, dtype=np.int32)}),
    }
    events = {"npv": npv.astype(np.int32), "total_et": rng.gamma(npv, 10).astype(np.float32)}
    events |= {"luminosityBlock": (np.arange(N) // 2000 + 1).astype(np.uint32), "run": np.full(N, 7, dtype=np.uint32)}
    for name, column in changed.items():
        (jets if name in {"pt", "score", "status", "in_range", "label"} else events)[name] = column
    events = {name: column for name, column in events.items() if column is not None}
    provenance = {
        "format_version": FORMAT_VERSION,
        "kind": "scores",
        "model": model,
        "model_sha256": f"{model}-hash",
        "input_id": input_id or f"{path.stem}-{seed}",
    }
    jets = {name: col.astype(np.float32) if col.dtype == np.float64 else col for name, col in jets.items()}
    with write_scores(path, provenance) as writer:
        writer.append(jets, np.ones(N, dtype=np.int64), events)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Score files of zero bias, with triggers, and of two signals."""
    rng = np.random.default_rng(9)
    triggers = {"L1_rare": rng.random(N) < 0.02, "HLT_always": np.ones(N, dtype=bool)}
    write_crossings(tmp_path / "zb.scores.root", **triggers)
    write_crossings(tmp_path / "top.scores.h5", label=1, shift=3.0, seed=2)
    write_crossings(tmp_path / "svj.scores.root", label=None, shift=2.0, seed=3)
    return tmp_path


RUN = ("rate", "zb.scores.root", *BUDGET)


def test_rate_writes_thresholds_tables_and_figures(folder: Path) -> None:
    signals = ("--signal", "top=top.scores.h5", "--signal", "svj.scores.root")
    result = jetnae(*RUN, *signals, "--compare", "total_et", "--compare", "pt", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    found = from_json(Rate, json.loads((folder / "zb.rate.json").read_text()))
    assert [curve.name for curve in found.curves] == ["score", "total_et", "pt"]
    assert dict(found.signals) == {"top": N, "svj": N}
    assert found.existing is not None
    assert (found.existing.names, found.existing.left_out) == (("L1_rare",), ("HLT_always",))
    assert found.sections is not None
    assert found.sections.n_crossings.tolist() == [2000] * 10
    assert [each.column for each in found.against] == ["npv"]
    for figure in ("rate", "rate_sig_eff", "rate_against", "rate_sections"):
        assert (folder / f"zb.{figure}.pdf").read_bytes().startswith(b"%PDF")
        before = (folder / f"zb.{figure}.png").read_bytes()
        assert before.startswith(b"\x89PNG")
    chosen = from_json(Thresholds, json.loads((folder / "zb.rate_thresholds.json").read_text()))
    with (folder / "zb.rate_thresholds.csv").open() as file:
        rows = list(csv.DictReader(file))
    flat = [(name, each) for name, several in chosen.thresholds.items() for each in several if each is not None]
    assert len(rows) == len(flat) == 6
    for row, (name, each) in zip(rows, flat, strict=True):
        assert (row["score"], float(row["threshold"])) == (name, each.value)
        assert float(row["rate_khz"]) == each.rate.value <= float(row["budget_khz"]) == each.budget
        assert float(row["sig_eff_top_high"]) == each.sig_eff["top"].high
        assert f"{each.rate.value:.3g} [{each.rate.low:.3g}, {each.rate.high:.3g}]" in result.stdout
    with uproot.open(folder / "zb.scores.root") as file:
        score = file["scores/jetnae_score"].array(library="np")
    passes = sum(each[0] >= np.float32(rows[0]["threshold"]) for each in score)  # as a trigger would, in float32
    assert passes == int(rows[0]["n_passing"])
    assert "2544 bunches" in result.stdout
    assert "HLT_always" in result.stdout
    redrawn = jetnae("plot", "zb.rate.json", "--force", cwd=folder)
    assert redrawn.returncode == 0
    assert (folder / "zb.rate_sections.png").read_bytes() == before
    assert "--force" in fails(*RUN, cwd=folder)


@pytest.mark.slow
def test_every_convention_scales_the_rate_of_the_same_threshold(folder: Path) -> None:
    rates = {}
    for name, options in {
        "run3": (),
        "all": ("--n-bunches", "3564"),
        "40": ("--input-rate", "40MHz"),
        "prescaled": ("--prescale", "10"),
    }.items():
        arguments = ("rate", "zb.scores.root", "--budget", "600", "--output", name)
        assert jetnae(*arguments, *options, cwd=folder).returncode == 0
        curve = from_json(Rate, json.loads((folder / f"{name}.rate.json").read_text())).curves[0]
        rates[name] = dict(zip(curve.threshold, curve.rate, strict=True))
    for threshold, rate in rates["run3"].items():
        assert rates["all"][threshold] == pytest.approx(rate * 3564 / 2544)
        assert rates["40"][threshold] == pytest.approx(rate * 40e6 / (2544 * 11245.6))
        assert rates["prescaled"][threshold] == pytest.approx(rate / 10)


def test_halves_close_and_the_exit_code_says_when_they_do_not(folder: Path) -> None:
    closing = ("rate", "zb.scores.root", "--budget", "300", "--budget", "3000", "--closure", "500")
    result = jetnae(*closing, "--seed", "1", "--output", "good", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "of 500 random splits" in result.stdout
    found = from_json(Rate, json.loads((folder / "good.rate.json").read_text())).closure
    assert found is not None
    assert 0.62 <= found.share.value <= 0.76
    assert "expected 500 or more" in fails(*closing[:-1], "50", "--output", "few", cwd=folder)
    # a score of two values has one threshold; of seeds 1 to 40 this one makes its halves agree too often, by chance
    write_crossings(folder / "bit.scores.root", score=(np.arange(N) < 107) + 0.0)
    chance = ("rate", "bit.scores.root", "--budget", "154", "--closure", "500", "--seed", "31")
    failed = jetnae(*chance, cwd=folder)
    assert (failed.returncode, failed.stderr) == (4, "")
    assert "the check failed" in failed.stdout
    assert from_json(Rate, json.loads((folder / "bit.rate.json").read_text())).closure is not None


def test_events_are_crossings_whatever_jets_they_have(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 4, 5000)
    n_jets = int(counts.sum())
    score = rng.normal(0, 1, n_jets).astype(np.float32)
    status, in_range = np.zeros(n_jets, dtype=np.int32), rng.random(n_jets) < 0.9
    status[:20], score[:20] = 1, np.nan  # without constituents
    jets = {"score": score, "status": status, "in_range": in_range, "pt": rng.exponential(1, n_jets).astype("f4")}
    provenance = {"format_version": FORMAT_VERSION, "model": "m", "model_sha256": "m", "input_id": "a"}
    with write_scores(tmp_path / "zb.scores.h5", provenance) as writer:
        writer.append(jets, counts, {"event": np.arange(5000)})
    event = np.repeat(np.arange(5000), counts)
    for all_jets in (False, True):
        sample = read_zero_bias([tmp_path / "zb.scores.h5"], ["score", "pt"], all_jets=all_jets)
        counted = ~np.isnan(score) & (in_range | all_jets)
        largest = [max(score[(event == i) & counted], default=-np.inf) for i in range(300)]
        np.testing.assert_array_equal(sample.scores["score"][:300], largest)
        assert len(sample) == 5000
        assert "they count in every rate" in sample.notes[0]


def test_triggers_may_come_from_the_files_that_were_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bits = {"HLT_one": rng.random(N) < 0.3, "L1_two": rng.random(N) < 0.1}
    for name in ("a", "b"):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file["Events"] = {"npv": np.arange(N), **bits}
    with uproot.open(tmp_path / "a.root") as file:
        identity = str(file.file.uuid)
    write_crossings(tmp_path / "a.scores.root", input_id=identity)
    write_crossings(tmp_path / "kept.root", **bits)
    original = jetnae("rate", "a.scores.root", "--original", "a.root", *BUDGET, cwd=tmp_path)
    assert (original.returncode, original.stderr) == (0, "")
    assert jetnae("rate", "kept.root", *BUDGET, cwd=tmp_path).returncode == 0
    one, other = (json.loads((tmp_path / f"{name}.rate.json").read_text()) for name in ("a", "kept"))
    assert one["existing"] == other["existing"]
    assert one["curves"][0]["pure_rate"] == other["curves"][0]["pure_rate"] is not None
    wrong = ("rate", "a.scores.root", *BUDGET, "--output", "x")
    assert "none of a.scores.root holds its scores" in fails(*wrong, "--original", "b.root", cwd=tmp_path)
    assert "no columns Flag_*" in fails(*wrong, "--original", "a.root", "--existing", "Flag_*", cwd=tmp_path)
    assert "keep them with" in fails(*wrong, "--existing", "HLT_*", cwd=tmp_path)


def test_decisions_that_scoring_keeps_are_found(small_checkpoint: Path, tmp_path: Path) -> None:
    bits = {"HLT_one": np.arange(6) % 2 == 0, "L1_two": np.arange(6) == 3}
    write_events(tmp_path / "a.root", [[12], [5], [8], [20], [9], [7]], **bits)
    keep = ("--keep", "HLT_one", "--keep", "L1_two")
    assert jetnae("score", "a.root", "--model", small_checkpoint, *keep, cwd=tmp_path).returncode == 0
    found = decisions_of(read_scores(tmp_path / "a.scores.root").events, ("HLT_*", "L1_*"))
    assert {name: each.tolist() for name, each in found.items()} == {name: each.tolist() for name, each in bits.items()}
    with pytest.raises(InputError, match="no decision of a trigger"):
        decisions_of({"HLT_pt": np.array([0.5, 1.0])}, ("HLT_*",))


def test_units_are_read_where_files_say_them(tmp_path: Path) -> None:
    for name, unit, size in (("a", "Hz/nb", 1.0), ("b", "cm-2 s-1", 1.0), ("c", None, 1e33), ("d", None, 1.0)):
        path = write_crossings(tmp_path / f"{name}.h5", inst_lumi=np.full(N, 20.0 * size))
        with h5py.File(path, "r+") as file:
            if unit is not None:
                file["events/inst_lumi"].attrs["unit"] = unit
    assert read_units(tmp_path / "a.h5") == {"inst_lumi": "Hz/nb"}
    assert read_units(write_crossings(tmp_path / "z.root")) == {}
    options = (*BUDGET, "--against", "inst_lumi:1", "--output", "x")
    assert "mixed units of 'inst_lumi': Hz/nb in a.h5 and cm-2 s-1 in b.h5" in fails(
        "rate", "a.h5", "b.h5", *options, cwd=tmp_path
    )
    message = fails("rate", "d.h5", "c.h5", *options, cwd=tmp_path)
    assert "about 20 in d.h5, run 7, luminosity section 1 and 2e+34 in c.h5" in message
    assert unit_of(read_zero_bias([tmp_path / "a.h5", tmp_path / "d.h5"], ["score"]), "inst_lumi") == "Hz/nb"
    mixed = np.where(np.arange(N) < N / 2, 2e34, 20.0)  # converted in the middle of a file
    write_crossings(tmp_path / "e.h5", inst_lumi=mixed)
    assert "luminosity section 6 and 2e+34" in fails("rate", "e.h5", *options, cwd=tmp_path)


def test_what_is_wrong_is_one_line(folder: Path) -> None:
    odd = {
        "labeled": {"label": (np.arange(N) < 30).astype(np.int32)},
        "weighted": {"jetnae_weight": np.arange(N) + 1.0},
        "missing": {"score": np.where(np.arange(N) < 5, np.nan, np.arange(N))},
        "equal": {"score": np.ones(N)},
        "full": {"score": np.minimum(np.arange(N) / N, 0.9)},
        "bare": {"npv": None},
    }
    for name, columns in odd.items():
        write_crossings(folder / f"{name}.root", **columns)
    write_crossings(folder / "other.root", model="ae", seed=4)
    zb = "zb.scores.root"
    cases = {
        ("labeled.root", *BUDGET): "30 of 20000 events are labeled signal",
        ("top.scores.h5", *BUDGET): "20000 of 20000 events are labeled signal",
        (zb, "--budget", "1"): "smallest rate they can set is 4.291 kHz (3 crossings pass); expected 85827 crossings",
        (zb, *BUDGET, "--input-rate", "40MHz", "--n-bunches", "2544"): "40 MHz, but 2544 bunches",
        (zb, *BUDGET, "--input-rate", "40"): "with its unit",
        ("missing.root", *BUDGET): "5 of 20000 crossings have a 'score' that is no finite number",
        ("equal.root", *BUDGET): "1 different score",
        ("full.root", *BUDGET): "share the largest score",
        ("bare.root", *BUDGET, "--against", "npv"): "no column 'npv' of the events in bare.root",
        (zb, *BUDGET, "--against", "npv:x"): "COLUMN:N",
        (zb, *BUDGET, "--against", "npv:0"): "1 to 1000",
        (zb, *BUDGET, "--against", "npv:5,4"): "rising",
        (zb, *BUDGET, "--prescale", "-2"): "prescale -2, expected 1 or more",
        (zb, *BUDGET, "--n-bunches", "0"): "0 bunches",
        ("weighted.root", *BUDGET): "weights from 1 to 2e+04",
        (zb, zb, *BUDGET): "given more than once",
        (zb, "other.root", *BUDGET): "scores of several models",
        (zb, *BUDGET, "--signal", "other.root"): "none of 20000 events is labeled signal",
        (zb, *BUDGET, "--score", "girth"): "no column 'girth'",
        (zb, *BUDGET, "--compare", "score"): "each column once",
        (zb, "--budget", "30", "--budget", "30"): "different ones",
        ("none.root", *BUDGET): "no such file",
    }
    for arguments, message in cases.items():
        assert message in fails("rate", *arguments, "--output", "x", cwd=folder), arguments
    write_crossings(folder / "signal.root", model="ae", label=1, seed=5)
    assert "expected one model" in fails("rate", zb, *BUDGET, "--signal", "signal.root", "--output", "x", cwd=folder)


def test_without_pile_up_sections_or_triggers_there_are_still_rates(folder: Path) -> None:
    write_crossings(folder / "bare.scores.root", npv=None, luminosityBlock=None)
    result = jetnae("rate", "bare.scores.root", *BUDGET, cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads((folder / "bare.rate.json").read_text())
    assert (found["against"], found["sections"], found["existing"]) == ([], None, None)
    assert not (folder / "bare.rate_sections.pdf").exists()
