"""Timings: what is measured, how often, and that the table and the file say the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numba
import pytest
import torch

from jetnae.checkpoint import load_checkpoint
from jetnae.errors import InputError
from jetnae.latency import FEWEST_CALLS, Latency, LatencyOptions, measure_latency
from jetnae.results import from_json, to_json
from tests.conftest import jets_of, random_constituents
from tests.test_cli import fails
from tests.test_cli import jetnae as command

QUICK = LatencyOptions(engines=("torch",), n_jets=(1, 4), seconds=0.01)


def test_every_number_of_jets_is_timed_with_every_engine(small_checkpoint: Path) -> None:
    checkpoint, jets = load_checkpoint(small_checkpoint), jets_of(random_constituents([5, 10, 20, 8, 3]))
    found = measure_latency(checkpoint, jets, "some jets", QUICK)
    assert [(each.stage, each.n_jets) for each in found.timings] == [
        ("model", 1),
        ("model", 4),
        ("jets to score", 1),
        ("jets to score", 4),
    ]
    for each in found.timings:
        assert each.n_calls >= FEWEST_CALLS
        assert 0 < each.p50 <= each.p90 <= each.largest
        assert each.rate == pytest.approx(1e3 * each.n_jets / each.p50)
        assert (each.p99 is None) == (each.n_calls < 100)
    assert found.model_sha256 == checkpoint.header.sha256
    assert found.environment["threads"] == "1"
    assert found.environment["torch"] == torch.__version__
    assert from_json(Latency, to_json(found)) == found


def test_what_ran_on_several_threads_does_so_again(small_checkpoint: Path) -> None:
    before = torch.get_num_threads(), numba.get_num_threads()
    jets = jets_of(random_constituents([5, 10, 20, 8, 3]))
    measure_latency(load_checkpoint(small_checkpoint), jets, "some jets", QUICK)
    assert (torch.get_num_threads(), numba.get_num_threads()) == before


def test_the_command_prints_and_writes_the_timings(small_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra jetnae[onnx]")
    options = ["--engine", "onnx", "--engine", "torch", "--n-jets", 2, "--seconds", 0.01, "--output", "out.json"]
    result = command("latency", small_checkpoint, *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = from_json(Latency, json.loads((tmp_path / "out.json").read_text()))
    assert [(each.engine, each.n_jets) for each in found.timings] == [("onnx", 2), ("torch", 2)] * 2
    for each in found.timings:
        assert f"{each.p50:.3f}" in result.stdout
    assert found.environment["cpu"] in result.stdout
    assert "--force" in fails("latency", small_checkpoint, *options, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler, about torch
def test_a_compiled_model_is_timed_too(small_checkpoint: Path) -> None:
    jets = jets_of(random_constituents([5, 10, 20, 8, 3]))
    options = LatencyOptions(engines=("torch", "compiled"), n_jets=(2,), seconds=0.01)
    found = measure_latency(load_checkpoint(small_checkpoint), jets, "some jets", options)
    assert [each.engine for each in found.timings] == ["torch", "compiled"] * 2


def test_an_engine_that_is_not_installed(small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    jets = jets_of(random_constituents([5, 10, 20, 8, 3]))
    with pytest.raises(InputError, match="engine 'onnx' does not run here"):
        measure_latency(
            load_checkpoint(small_checkpoint), jets, "some jets", LatencyOptions(engines=("onnx",), n_jets=(1,))
        )


def test_more_jets_per_call_than_there_are(small_checkpoint: Path) -> None:
    jets = jets_of(random_constituents([5, 10]))
    with pytest.raises(InputError, match="some jets: 2 jets, but 4 per call"):
        measure_latency(load_checkpoint(small_checkpoint), jets, "some jets", QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engines": ("steam",)}, "expected one of torch, compiled, onnx"),
        ({"n_jets": (0,)}, "expected 1 to 5000"),
        ({"n_jets": ()}, "none, expected"),
        ({"seconds": 0.0}, "expected more than 0"),
    ],
)
def test_odd_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencyOptions(**options)
