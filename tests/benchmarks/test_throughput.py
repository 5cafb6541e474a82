"""From a ROOT file to a friend tree: against the network alone, the way it is done by hand, and with two workers.

Run with `make benchmark` on a machine with nothing else to do and two cores at least.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from jetnae.batch import pools
from jetnae.batch.run import run_batch
from jetnae.checkpoint import Checkpoint, bundled_models, load_model
from jetnae.conversion import ConvertJob, convert_file
from jetnae.engines import make_engine
from jetnae.inputs import make_inputs
from jetnae.io import read_jets
from jetnae.scoring import BATCH_VALUES, ScoreJob, score_file
from tests.conftest import write_events
from tests.test_batch import make_job

MODEL = "qcd_ak8_nae"
N_EVENTS, N_FILES, N_ROUNDS = 10_000, 4, 3


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of two jets with fifty constituents each, in our own layout (zstd)."""
    folder = tmp_path_factory.mktemp("throughput")
    written = write_events(folder / "written.root", [[50, 50]] * N_EVENTS)
    convert_file(ConvertJob(written, folder / "events.root"))
    written.unlink()
    return folder / "events.root"


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def rate(work: Any, n_jets: int) -> float:
    started = time.perf_counter()
    work()
    return n_jets / (time.perf_counter() - started)


def network_only(checkpoint: Checkpoint, images: np.ndarray, engine: str) -> None:
    """The network on images that are ready, in the same portions as in scoring."""
    running, step = make_engine(engine, checkpoint), BATCH_VALUES // images[0].size
    for start in range(0, len(images), step):
        running.score(images[start : start + step])


def end_to_end(checkpoint: Checkpoint, path: Path, engine: str) -> None:
    score_file(ScoreJob(path, path.with_name("out.root"), checkpoint, force=True, engine=engine))


def by_hand(checkpoint: Checkpoint, path: Path, n_jets: int) -> None:
    """The way it is done today: uproot, a loop of `histogram2d` over jets, eager torch one batch after the other."""
    spec, images = checkpoint.spec, []
    with uproot.open(path) as file:
        data = file["events"].arrays(["Constituent_pt", "Constituent_eta", "Constituent_phi", "Constituent_jetIdx"])
    half = np.linspace(-0.6, 0.6, spec.shape[0] + 1)
    for event in data:
        pt, eta, phi, jet = (ak.to_numpy(event[f"Constituent_{name}"]) for name in ("pt", "eta", "phi", "jetIdx"))
        for i in range(int(jet.max(initial=-1)) + 1):
            mine = jet == i
            x, y = eta[mine] - np.average(eta[mine], weights=pt[mine]), phi[mine] - phi[mine][pt[mine].argmax()]
            image = np.histogram2d(x, y, bins=(half, half), weights=pt[mine])[0]
            images.append(image / max(image.sum(), 1e-9))
            if len(images) == n_jets:
                break
        if len(images) == n_jets:
            break
    inputs = torch.from_numpy(np.array(images, dtype=np.float32))
    for part in inputs.split(128):
        checkpoint.model.score(part)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_from_root_to_friend_tree(engine: str, events: Path, benchmark: Any) -> None:
    checkpoint, jets = load_model(MODEL), read_jets(events)
    images, n_jets = make_inputs(jets, checkpoint.spec), len(jets)
    for work in (lambda: network_only(checkpoint, images, engine), lambda: end_to_end(checkpoint, events, engine)):
        work()  # compile
    # turn by turn, so that a busy machine slows both alike
    pairs = [
        (
            rate(lambda: network_only(checkpoint, images, engine), n_jets),
            rate(lambda: end_to_end(checkpoint, events, engine), n_jets),
        )
        for _ in range(N_ROUNDS)
    ]
    share = statistics.median(whole / network for network, whole in pairs)
    benchmark.extra_info |= {"network only": pairs, "share of the network alone": share}
    benchmark.pedantic(end_to_end, args=(checkpoint, events, engine), rounds=1)
    print(f"\n{engine}: {max(whole for _, whole in pairs):.0f} jets/s, {100 * share:.0f} % of the network alone")  # noqa: T201
    assert share >= 0.7


@pytest.mark.usefixtures("two_threads")
def test_against_the_way_it_is_done_by_hand(events: Path, benchmark: Any) -> None:
    checkpoint = load_model(MODEL)
    n_few = 2000
    end_to_end(checkpoint, events, "torch")
    by_hand_rates, rates = [], []
    for _ in range(N_ROUNDS):
        # the order of channels in memory is a trick of ours
        plain = load_model(MODEL)
        by_hand_rates.append(rate(lambda: by_hand(plain, events, n_few), n_few))  # noqa: B023  called at once
        rates.append(rate(lambda: end_to_end(checkpoint, events, "torch"), 2 * N_EVENTS))
    ratio = statistics.median(ours / theirs for ours, theirs in zip(rates, by_hand_rates, strict=True))
    benchmark.extra_info["times faster than by hand"] = ratio
    benchmark.pedantic(end_to_end, args=(checkpoint, events, "torch"), rounds=1)
    print(f"\n{ratio:.1f} times as fast as by hand ({statistics.median(by_hand_rates):.0f} jets/s)")  # noqa: T201
    assert ratio >= 10


def test_two_workers_against_one(events: Path, benchmark: Any, tmp_path: Path) -> None:
    """Seconds from the first part to the last output, without the start of the processes."""
    files = [tmp_path / f"{i}.root" for i in range(N_FILES)]
    for path in files:
        path.write_bytes(events.read_bytes())
    rates = [[rate_of(files, tmp_path / f"{n} {turn}", n) for n in (1, 2)] for turn in range(N_ROUNDS)]
    ratio = statistics.median(two / one for one, two in rates)
    benchmark.extra_info |= {"rates": rates, "ratio": ratio}
    benchmark.pedantic(lambda: None, rounds=1)
    print(f"\n{ratio:.2f} times as fast with two workers: {rates}")  # noqa: T201
    assert ratio >= 1.7


def rate_of(files: list[Path], folder: Path, n_workers: int) -> float:
    job = make_job(files, folder, bundled_models()[MODEL], chunk_size=None)
    times: list[tuple[float, int]] = []
    with pools.local(n_workers) as pool:
        run_batch(job, pool, lambda progress: times.append((time.perf_counter(), progress.jets_done)))
    first = next((moment, jets) for moment, jets in times if jets)
    return (times[-1][1] - first[1]) / (times[-1][0] - first[0])
