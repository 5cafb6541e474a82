"""Detector, matching and jet records cost at most a fifth of bare generation and clustering."""

from time import process_time

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra jetnae[simulate]")
pytest.importorskip("fastjet", reason="needs the extra jetnae[simulate]")

import awkward as ak
import fastjet
from pytest_benchmark.fixture import BenchmarkFixture

from jetnae.simulate import JetCuts, Job, new_pythia, qcd, simulate_chunk

N_EVENTS = 500
INVISIBLE = (12, 14, 16)


def bare(seed: int) -> int:
    """Generate and cluster the final visible particles by the quickest means there is, nothing else."""
    record = new_pythia(qcd(), seed).nextBatch(N_EVENTS).prt
    final = record[record.status > 0]
    code = abs(final.id)
    for invisible in INVISIBLE:
        final, code = final[code != invisible], code[code != invisible]
    momenta = ak.zip({"px": final.p.px, "py": final.p.py, "pz": final.p.pz, "E": final.p.e}, with_name="Momentum4D")
    sequence = fastjet.ClusterSequence(momenta, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.8))
    return int(ak.count(sequence.inclusive_jets(550.0).px))


def full(seed: int) -> int:
    """The same number of events through the whole simulation, up to the columns that are written."""
    chunk = simulate_chunk(Job(qcd(), JetCuts(), seed, chunk_size=N_EVENTS), 0)
    return len(chunk.n_constituents)


def test_full_simulation_keeps_four_fifths_of_the_bare_rate(benchmark: BenchmarkFixture) -> None:
    def both() -> float:
        # Alternating and in processor time, so that a busy machine slows both alike.
        times: dict[str, list[float]] = {"bare": [], "full": []}
        for seed in range(3):
            for run in (bare, full):
                start = process_time()
                assert run(seed + 1) > 0
                times[run.__name__].append(process_time() - start)
        return float(np.median(np.divide(times["bare"], times["full"])))

    bare(9), full(9)  # imports, tables and caches
    ratio: float = benchmark.pedantic(both, rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info["ratio"] = ratio
    assert ratio >= 0.8
