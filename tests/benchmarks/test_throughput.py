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
from scipy.ndimage import gaussian_filter

from jetnae.batch import pools
from jetnae.batch.run import run_batch
from jetnae.boards import BATCH_VALUES
from jetnae.checkpoint import Checkpoint, bundled_models, load_model
from jetnae.conversion import ConvertJob, convert_file
from jetnae.engines import make_engine
from jetnae.inputs import make_inputs
from jetnae.io import read_jets
from jetnae.overlap import in_lanes
from jetnae.scoring import ScoreJob, score_file
from tests.conftest import write_events
from tests.test_batch import make_job

MODEL = "qcd_ak8_nae"
N_EVENTS, N_FILES, N_ROUNDS = 30_000, 4, 3


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
    """The network on images that are ready, in the same portions and as many at a time as in scoring."""
    running, step = make_engine(engine, checkpoint), BATCH_VALUES // images[0].size
    parts = (images[start : start + step] for start in range(0, len(images), step))
    try:
        with in_lanes(parts, running.score, 2, lambda: torch.set_num_threads(1)) as scored:
            assert sum(len(scores) for _, scores in scored) == len(images)
    finally:
        torch.set_num_threads(2)


def end_to_end(checkpoint: Checkpoint, path: Path, engine: str) -> None:
    score_file(ScoreJob(path, path.with_name("out.root"), checkpoint, force=True, engine=engine))


def by_event(data: Any) -> Any:
    """Columns of each event as tutorials take them: one event of an awkward array after the other."""
    for event in zip(*data, strict=True):
        yield tuple(ak.to_numpy(column) for column in event)


def split_before(data: Any) -> Any:
    """The same as experts take them: flattened once, and split at the ends of the events."""
    ends = np.cumsum(ak.to_numpy(ak.num(data[0])))[:-1]
    return zip(*(np.split(ak.to_numpy(ak.flatten(column)), ends) for column in data), strict=True)


LOOPS = {by_event: 10.0, split_before: 4.0}
"""Ways to loop over events by hand, and how many times as fast we are at least."""


def by_hand(checkpoint: Checkpoint, path: Path, n_events: int, loop: Any) -> np.ndarray:
    """The way it is done today: uproot, a loop over jets, eager torch, uproot; the scores (n_jets,)."""
    names = ["Constituent_pt", "Constituent_eta", "Constituent_phi", "Constituent_jetIdx"]
    with uproot.open(path) as file:
        data = file["events"].arrays(names, entry_stop=n_events, how=tuple)
    images, n_jets = [], []
    for pt, eta, phi, jet in loop(data):
        n_jets.append(int(jet.max(initial=-1)) + 1)
        for i in range(n_jets[-1]):
            mine = jet == i
            images.append(image_by_hand(pt[mine], eta[mine], phi[mine], checkpoint.spec))
    inputs = torch.from_numpy(np.array(images, dtype=np.float32))
    scores = np.concatenate([checkpoint.model.score(part).numpy() for part in inputs.split(256)])
    with uproot.recreate(path.with_name("by_hand.root")) as file:
        file["scores"] = {"score": ak.unflatten(scores, n_jets)}
    return scores


def image_by_hand(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, spec: Any) -> np.ndarray:
    """One jet, in the steps that `ImageSpec` names."""
    hardest = pt.argmax()
    x, y = eta - eta[hardest], (phi - phi[hardest] + np.pi) % (2 * np.pi) - np.pi
    x, y = x - np.average(x, weights=pt), y - np.average(y, weights=pt)
    angle = 0.5 * np.arctan2(2 * (pt * x * y).sum(), (pt * (x**2 - y**2)).sum())
    x, y = np.sin(angle) * x - np.cos(angle) * y, np.cos(angle) * x + np.sin(angle) * y
    x = -x if pt[x > 0].sum() > pt[x < 0].sum() else x
    y = -y if pt[y < 0].sum() > pt[y > 0].sum() else y
    edges = np.linspace(-spec.half_width, spec.half_width, spec.n_pixels + 1)
    image = np.histogram2d(y, x, bins=(edges, edges), weights=pt)[0]
    if spec.pixel_power != 1:
        total, image = image.sum(), image**spec.pixel_power
        image *= total / image.sum()
    if spec.smearing:
        image = gaussian_filter(image, spec.smearing, mode="reflect", truncate=4.0)
    rows, columns = spec.shape
    image = image.reshape(rows, spec.rebin, columns, spec.rebin).sum(axis=(1, 3)) ** spec.smeared_power
    return image if spec.pixel_sum is None else image * (spec.pixel_sum / image.sum())


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_from_root_to_friend_tree(engine: str, events: Path, benchmark: Any) -> None:
    checkpoint, jets = load_model(MODEL), read_jets(events)
    images, n_jets = make_inputs(jets, checkpoint.spec), len(jets)
    for work in (lambda: network_only(checkpoint, images, engine), lambda: end_to_end(checkpoint, events, engine)):
        work()  # compile
    # turn by turn, so that a busy machine slows both alike
    rates = [
        (
            rate(lambda: network_only(checkpoint, images, engine), n_jets),
            rate(lambda: make_inputs(jets, checkpoint.spec), n_jets),
            rate(lambda: end_to_end(checkpoint, events, engine), n_jets),
        )
        for _ in range(N_ROUNDS)
    ]
    # the network is cheap, and the images are made by the same cores: what counts is both together
    share = statistics.median(whole * (1 / network + 1 / making) for network, making, whole in rates)
    alone = statistics.median(whole / network for network, _, whole in rates)
    benchmark.extra_info |= {"network, images, whole": rates, "share of both": share, "of the network alone": alone}
    benchmark.pedantic(end_to_end, args=(checkpoint, events, engine), rounds=1)
    text = f"{max(rates)[2]:.0f} jets/s, {100 * share:.0f} % of images and network, {100 * alone:.0f} % of the network"
    print(f"\n{engine}: {text}")  # noqa: T201
    assert share >= 0.7


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("loop", LOOPS)
def test_against_the_way_it_is_done_by_hand(loop: Any, events: Path, benchmark: Any) -> None:
    """The same images, so the same scores: those of the few jets where a pixel edge decides apart."""
    ours, plain = load_model(MODEL), load_model(MODEL)  # the order of channels in memory is a trick of ours
    n_few = 1000
    end_to_end(ours, events, "torch")
    with uproot.open(events.with_name("out.root")) as file:
        expected = ak.to_numpy(ak.flatten(file["scores"]["jetnae_score"].array(entry_stop=n_few)))
    same = np.isclose(by_hand(plain, events, n_few, loop), expected, rtol=1e-3)
    assert same.mean() > 0.98
    # turn by turn, so that a busy machine slows both alike
    pairs = [
        (
            rate(lambda: by_hand(plain, events, n_few, loop), 2 * n_few),
            rate(lambda: end_to_end(ours, events, "torch"), 2 * N_EVENTS),
        )
        for _ in range(N_ROUNDS)
    ]
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    benchmark.extra_info |= {"by hand, ours": pairs, "times faster than by hand": ratio}
    benchmark.pedantic(end_to_end, args=(ours, events, "torch"), rounds=1)
    said = f"{ratio:.1f} times as fast as by hand ({loop.__name__}): {pairs}"
    print(f"\n{said}, {100 * same.mean():.1f} % of scores the same")  # noqa: T201
    assert ratio >= LOOPS[loop]


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
    """Jets/s from the moment when as many files are done as there are workers: the others are begun at that moment."""
    job = make_job(files, folder, bundled_models()[MODEL], chunk_size=None)
    times: list[tuple[float, int]] = []
    with pools.local(n_workers) as pool:
        run_batch(job, pool, lambda progress: times.append((time.perf_counter(), progress.jets_done)))
    per_file = times[-1][1] / len(files)
    first = next((moment, jets) for moment, jets in times if jets > (n_workers - 0.5) * per_file)
    return (times[-1][1] - first[1]) / (times[-1][0] - first[0])
