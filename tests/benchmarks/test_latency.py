"""One jet, ten and a thousand on one thread: ONNX Runtime against eager torch in the same run.

Run with `make benchmark` on a machine with nothing else to do.
"""

from __future__ import annotations

from typing import Any

import pytest

import jetnae
from jetnae.checkpoint import bundled_models, load_model
from jetnae.latency import LatencyOptions, measure_latency
from tests.features import SAMPLE

OPTIONS = LatencyOptions(engines=("torch", "onnx"), seconds=5.0, stages=("model",))


@pytest.mark.parametrize("name", bundled_models())
def test_onnx_runtime_is_at_least_as_fast_as_torch(name: str, benchmark: Any) -> None:
    checkpoint, jets = load_model(name), jetnae.read_jets(SAMPLE)
    found = benchmark.pedantic(measure_latency, args=(checkpoint, jets, SAMPLE.name, OPTIONS), rounds=1)
    times = {(each.engine, each.n_jets): each.p50 for each in found.timings}
    ratios = {n: times["torch", n] / times["onnx", n] for n in OPTIONS.n_jets}
    benchmark.extra_info["times faster than torch"] = ratios
    print(f"\n{name}: {', '.join(f'{n} jets {ratio:.2f} times as fast' for n, ratio in ratios.items())}")  # noqa: T201
    assert min(ratios.values()) >= 1
