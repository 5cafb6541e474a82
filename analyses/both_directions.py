"""Does a normalized autoencoder converge, and tell both ways: trained on QCD, and trained on tops, several seeds.

    python analyses/both_directions.py --workers 2

Needs `qcd.root` and `top.root` to train on, `qcd_small.root` and `top_small.root` to measure with, from the recipes
(seeds 1, 21, 11, 12), in the folder JETNAE_DATA. The set-up is that of jet_nae.toml for both; only the files, the
label and the seed differ. Measures on jets that entered no training: AUC for the other kind with its error, beside
that of the distance to the mean image and of the plain reconstruction error; the verdict of `jetnae diagnose` on fresh
chains; and the reconstruction error beside that of ten principal components. The other kind enters no training and no
choice of a state. Writes analyses/results/both_directions/BACKGROUND_SEED.json as each training finishes; what is there
is not done again.
"""

import json
import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from jetnae.checkpoint import Checkpoint, load_checkpoint
from jetnae.diagnostics import measure, summarize
from jetnae.files import write_bytes
from jetnae.inputs import make_inputs
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import concatenate, select
from jetnae.models.model import energies, squared_error
from jetnae.roc import auc
from jetnae.training import RunConfig, read_run_config, train
from jetnae.training_data import data_path

HERE = Path(__file__).parent
CONFIG = HERE / "jet_nae.toml"
RESULTS = HERE / "results" / "both_directions"
FILES = {"qcd": ("qcd.root", "qcd_small.root", 0), "top": ("top.root", "top_small.root", 1)}
"""Of a kind: file to train on, file to measure with, label."""
SIGNAL = {"qcd": "top", "top": "qcd"}


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind.")] = 5,
    *,
    runs: Annotated[Path, typer.Option(help="Folder for the trainings.")] = Path("runs/both_directions"),
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time, each on one core.")] = 1,
) -> None:
    """Train and measure what is missing, and print what all of them say."""
    tasks = [(kind, seed) for seed in range(1, seeds + 1) for kind in FILES]
    missing = [task for task in tasks if not result_path(*task).exists()]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for line in pool.map(run, missing, [runs] * len(missing)):
            typer.echo(line)
    for line in summary(seeds):
        typer.echo(line)


def result_path(kind: str, seed: int) -> Path:
    """Where the result of a training is."""
    return RESULTS / f"{kind}_{seed}.json"


def run(task: tuple[str, int], runs: Path) -> str:
    """Train, measure, write the result; returns a line of it."""
    torch.set_num_threads(1)
    folder = runs / "_".join(map(str, task))
    train(configuration(*task), folder, device=torch.device("cpu"), resume=(folder / "state.safetensors").exists())
    found = evaluate(load_checkpoint(folder / "model.safetensors"), *task)
    write_bytes(result_path(*task), (json.dumps(found, indent=1) + "\n").encode(), force=True)
    return f"{task[0]} {task[1]}: AUC {found['auc']['model']['value']:.4f}, {found['verdict']}"


def configuration(kind: str, seed: int) -> RunConfig:
    """The one set-up, on another file."""
    config = read_run_config(CONFIG)
    file, _, label = FILES[kind]
    return replace(
        config, data=replace(config.data, files=(file,), label=label), train=replace(config.train, seed=seed)
    )


def evaluate(checkpoint: Checkpoint, kind: str, seed: int) -> dict[str, Any]:
    """What a model is worth on jets that it has not seen."""
    background, signal = images(checkpoint, kind), images(checkpoint, SIGNAL[kind])
    diagnosis = measure(checkpoint.model, background, background.mean(dim=0), torch.Generator().manual_seed(seed))
    header = checkpoint.header
    return {
        "format_version": 1,
        "kind": "both_directions",
        "background": kind,
        "signal": SIGNAL[kind],
        "seed": seed,
        "n_background": len(background),
        "n_signal": len(signal),
        "auc": {name: asdict(found) for name, found in areas(checkpoint, signal, background).items()},
        **summarize(diagnosis),
        "selected": header.training["selected"],
        "seconds": header.training["seconds"],
        "events": header.training["events"],
        "warnings": header.training["warnings"],
        "training": header.training["config"],
        "files": header.training["files"],
        "provenance": {**header.provenance, "sha256": header.sha256},
    }


def images(checkpoint: Checkpoint, kind: str) -> Tensor:
    """Inputs (n, rows, columns) of the jets of a kind in the range of the model."""
    _, file, label = FILES[kind]
    batches = [
        select(jets, checkpoint.validity.contains(jets) & (jets.label == label))
        for jets in iter_jets(data_path(file), ReadOptions())
    ]
    return torch.from_numpy(make_inputs(concatenate(batches), checkpoint.spec))


def areas(checkpoint: Checkpoint, signal: Tensor, background: Tensor) -> dict[str, Any]:
    """AUC of the model, of its reconstruction error alone, and of the distance to the mean background image."""
    model, mean = checkpoint.model, background.mean(dim=0)
    scores = {
        "model": model.score,
        "reconstruction": lambda x: squared_error(x, model.reconstruct(x)),
        "mean_image": lambda x: squared_error(x, mean),
    }
    with torch.no_grad():
        return {
            name: auc(*(energies(score, each).double().numpy() for each in (signal, background)))
            for name, score in scores.items()
        }


def summary(seeds: int) -> Iterator[str]:
    """A line of each training, and means with their scatter."""
    for kind in FILES:
        found = [json.loads(result_path(kind, seed).read_text()) for seed in range(1, seeds + 1)]
        for each in found:
            others = ", ".join(f"{name} {each['auc'][name]['value']:.3f}" for name in ("reconstruction", "mean_image"))
            yield (
                f"{kind} {each['seed']}: AUC {each['auc']['model']['value']:.4f} ± {each['auc']['model']['error']:.4f} "
                f"({others}); E-/E+ {each['ratio']['value']:.3f}, long {each['ratio_long']['value']:.3f}; floors "
                f"{each['floors']['negative']:.2f}, long {each['floors']['negative_long']:.2f}; reconstruction "
                f"{each['reconstruction']:.3f}, ten components {each['ten_components']:.3f}; {each['verdict']}"
            )
        values = [each["auc"]["model"]["value"] for each in found]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        yield f"{kind}: mean AUC {np.mean(values):.4f}, scatter {spread:.4f}, range {max(values) - min(values):.4f}"


if __name__ == "__main__":
    typer.run(main)
