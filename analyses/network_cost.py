"""Which network is cheap enough for a laptop: operations, seconds of a chain step, and AUC as a plain autoencoder.

    python analyses/network_cost.py                    # all networks, two seeds: an hour on a core
    python analyses/network_cost.py --only half_20    # one of them, beside what the result holds already

Needs `qcd.root` and `top_small.root` from the data recipes in the folder JETNAE_DATA. Every network learns the same QCD
jets in the same number of steps; tops are looked at once, at the end. Writes analyses/results/network_cost.json.
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from jetnae.checkpoint import build_model
from jetnae.files import write_bytes
from jetnae.images import ImageSpec, make_images
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import concatenate, select
from jetnae.models import Autoencoder
from jetnae.roc import auc
from jetnae.sampling import sphere_points
from jetnae.sampling.langevin import gradient
from jetnae.training.defaults import NETWORK, default_image
from jetnae.training_data import DataConfig, data_path, load_training_data

RESULTS = Path(__file__).parent / "results" / "network_cost.json"
SIGNAL = "top_small.root"
DATA = DataConfig(("qcd.root",), n_jets=60_000, pt=(550.0, 650.0), abs_eta=2.0, radius=0.8, validation=1 / 6)
N_STEPS, BATCH, LEARNING_RATE, MAX_GRADIENT = 3000, 128, 1e-3, 1.0
LATENT_DIM = NETWORK["latent_dim"]
NETWORKS: dict[str, tuple[int, dict[str, Any]]] = {
    "default_20": (2, NETWORK),
    "half_20": (2, {"architecture": "dense", "hidden": 256, "second": 128, "latent_dim": LATENT_DIM}),
    "mirrored_20": (2, {"latent_dim": LATENT_DIM}),
    "published_40": (
        1,
        {
            "architecture": "published",
            "channels": (8, 8, 8),
            "hidden": 100,
            "latent_dim": LATENT_DIM,
            "spectral_norm": True,
            "output": "sigmoid",
        },
    ),
}
"""Factor by which images of 40 x 40 pixels are rebinned, and the network."""


def main(
    only: Annotated[list[str] | None, typer.Option(help="Networks to measure.")] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each.")] = 2,
) -> None:
    """Measure, and write after every network."""
    torch.set_num_threads(1)
    for name in only or NETWORKS:
        result = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else empty()
        result["networks"][name] = measure(name, seeds)
        write_bytes(RESULTS, (json.dumps(result, indent=1) + "\n").encode(), force=True)
        typer.echo(f"{name}: {json.dumps(result['networks'][name])}")


def empty() -> dict[str, Any]:
    """A result without networks."""
    budget = {"n_steps": N_STEPS, "batch_size": BATCH, "learning_rate": LEARNING_RATE, "max_gradient": MAX_GRADIENT}
    provenance = {"inputs": f"{DATA.files[0]}, {SIGNAL}", "command": "analyses/network_cost.py"}
    return {"format_version": 1, "kind": "network_cost", "budget": budget, "networks": {}, "provenance": provenance}


def measure(name: str, seeds: int) -> dict[str, Any]:
    """Cost and AUC of one network."""
    rebin, network = NETWORKS[name]
    spec = replace(default_image(DATA.radius), rebin=rebin)
    model = build_model("ae", {"network": network}, spec)
    cost = {"network": network, "side": spec.shape[0], "n_parameters": sum(p.numel() for p in model.parameters())}
    cost |= operations(model, spec) | seconds(model, spec)
    data, tops = load_training_data(DATA, spec, seed=1), signal(spec)
    trainings = [trained(build(network, spec, seed), data.training, seed) for seed in range(1, seeds + 1)]
    return cost | {"trainings": [quality(model, data.validation, tops) for model in trainings]}


def build(network: dict[str, Any], spec: ImageSpec, seed: int) -> Autoencoder:
    """An untrained autoencoder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_model("ae", {"network": network}, spec)


def operations(model: Autoencoder, spec: ImageSpec) -> dict[str, float]:
    """Floating-point operations of one image, by torch's count, and of a step of 30 + 30 chain steps, in units of 1e9.

    The gradient with respect to the input costs as much again as the way forth, that of the weights once more.
    """
    x = torch.rand(1, *spec.shape)
    with torch.no_grad():
        z = model.encoder(x)
        encoder, decoder = count(model.encoder, x), count(model.decoder, z)
    latent, visible, loss = 2 * (encoder + 2 * decoder), 2 * (encoder + decoder), 3 * 2 * (encoder + decoder)
    step = BATCH * (30 * latent + 30 * visible + loss) / 1e9
    return {"encoder_flop": encoder, "decoder_flop": decoder, "step_gflop": step}


def count(network: torch.nn.Module, x: Tensor) -> int:
    """Floating-point operations of a network."""
    with FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops()


def seconds(model: Autoencoder, spec: ImageSpec) -> dict[str, float]:
    """Median time of one latent and one visible chain step of a batch, and of 30 + 30 of them, on one thread."""
    fixed, generator = model.frozen(), torch.Generator().manual_seed(1)
    x = torch.rand(BATCH, *spec.shape, generator=generator)
    z = sphere_points(BATCH, model.config.network.latent_dim, generator)
    latent = median_time(lambda: gradient(lambda z: fixed.energy(fixed.decoder(z)), z))
    visible = median_time(lambda: gradient(fixed.energy, x))
    return {"latent_seconds": latent, "visible_seconds": visible, "chain_seconds": 30 * (latent + visible)}


def median_time(function: Callable[[], Any], rounds: int = 21) -> float:
    """Median time of a call, the first one left out."""
    times = []
    for _ in range(rounds + 1):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return statistics.median(times[1:])


def trained(model: Autoencoder, images: Tensor, seed: int) -> Autoencoder:
    """The autoencoder after the budget of reconstruction steps."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    for _ in range(N_STEPS):
        batch = images[torch.randint(len(images), (BATCH,), generator=generator)]
        optimizer.zero_grad(set_to_none=True)
        model.pretrain_loss(batch, generator)[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT)
        optimizer.step()
    return model.eval()


def quality(model: Autoencoder, background: Tensor, tops: Tensor) -> dict[str, Any]:
    """AUC with its error, and the energy of held-out background relative to that of the mean image."""
    scores = [torch.cat([model.score(batch) for batch in images.split(1000)]).numpy() for images in (tops, background)]
    mean = (background - background.mean(dim=0)).square().mean()
    return {"auc": asdict(auc(*scores)), "relative_energy": float(np.mean(scores[1]) / mean)}


def signal(spec: ImageSpec) -> Tensor:
    """Images of tops in the same range."""
    found = [
        select(jets, DATA.validity.contains(jets) & (jets.label == 1))
        for jets in iter_jets(data_path(SIGNAL), ReadOptions())
    ]
    return torch.from_numpy(make_images(concatenate(found), spec))


if __name__ == "__main__":
    typer.run(main)
