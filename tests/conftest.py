"""What the tests share: small jets, small files in every layout we write, a small model, and where real files lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, build_model, save_checkpoint
from jetnae.images import ImageSpec
from jetnae.jets import Jets, four_vectors, sum_constituents

torch.set_num_threads(1)  # the networks here are too small to share, and the machine may be busy

SMALL_NETWORK = {"network": {"channels": [4, 4, 4], "hidden": 16, "latent_dim": 3}}


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with files from outside; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("JETNAE_REAL_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip("no files from outside here: set JETNAE_REAL_DATA to their folder")
    return folder.resolve()


def random_constituents(counts: Sequence[int], seed: int = 1) -> ak.Array:
    """Jets with `counts` constituents each, spread over a few tenths in eta and phi around random axes."""
    rng = np.random.default_rng(seed)
    total = int(np.sum(counts))
    axis_eta, axis_phi = (np.repeat(rng.uniform(-width, width, len(counts)), counts) for width in (1.5, np.pi))
    phi = axis_phi + rng.normal(0, 0.15, total)
    columns = {
        "pt": rng.exponential(10.0, total) + 0.5,
        "eta": axis_eta + rng.normal(0, 0.15, total),
        "phi": np.angle(np.exp(1j * phi)),
        "mass": np.zeros(total),
    }
    return four_vectors(**{name: ak.unflatten(column, counts) for name, column in columns.items()})


def jets_of(constituents: ak.Array) -> Jets:
    """One jet per event, with the four-vectors of its constituents' sum."""
    pt, eta, phi, mass = sum_constituents(constituents)
    n_jets = len(constituents)
    return Jets(constituents, pt, eta, phi, mass, event_index=np.arange(n_jets), n_events=n_jets)


def write_events(path: Path, counts: list[list[int]], seed: int = 1, **columns: np.ndarray) -> Path:
    """A ROOT file in our own layout; `counts` lists for each event the constituents of each of its jets."""
    per_jet = np.array([count for event in counts for count in event], dtype=np.int64)
    n_jets = np.array([len(event) for event in counts], dtype=np.int64)
    per_event = np.array([sum(event) for event in counts], dtype=np.int64)
    constituents = random_constituents(per_jet, seed)
    in_event = np.arange(len(per_jet)) - np.repeat(np.cumsum(n_jets) - n_jets, n_jets)
    flat = {f: ak.unflatten(ak.flatten(constituents[f]), per_event) for f in ("pt", "eta", "phi", "mass")}
    pt, eta, phi, mass = sum_constituents(constituents)
    jets = ak.zip({"pt": pt, "eta": eta, "phi": phi, "mass": mass, "label": np.arange(len(pt)) % 2})
    events = {
        "event": np.arange(len(counts), dtype=np.uint64) + 100,
        "weight": np.linspace(0.5, 2.0, len(counts)),
        "Jet": ak.unflatten(jets, n_jets),
        "Constituent": ak.zip({**flat, "jetIdx": ak.unflatten(np.repeat(in_event, per_jet), per_event)}),
        **columns,
    }
    types = {k: v.dtype if isinstance(v, np.ndarray) else ak.type(v).content for k, v in events.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree("events", types, counter_name=lambda name: f"n{name}")
        if counts:
            tree.extend(events)
    return path


@pytest.fixture
def events_root(tmp_path: Path) -> Path:
    """Seven events with 0 to 3 jets each, some of them without constituents."""
    return write_events(tmp_path / "events.root", [[12, 30], [5], [], [1, 0, 2], [40], [8, 9, 7], [20]])


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained but complete checkpoint, quick to load and to run."""
    image = ImageSpec(n_pixels=16, pixel_sum=16.0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build_model("nae", SMALL_NETWORK, image)
    header = Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name="small",
        model="nae",
        config=SMALL_NETWORK,
        image=image,
        validity=Validity((50.0, 400.0), 2.0, 0.8),
        layout="jetnae",
    )
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_checkpoint(path, model, header)
    return path
