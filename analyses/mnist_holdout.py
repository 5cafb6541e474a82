"""One digit left out: how well models of nine digits of MNIST tell the tenth, and images of nothing.

    python analyses/mnist_holdout.py                                 # everything that is not there yet
    python analyses/mnist_holdout.py --model nae --digit 9 --seed 1  # a part of it

Trains with the training images of nine digits, halved to 14 x 14 pixels by averaging, and scores the test images:
those of the digit left out against the nine others. Settings of MODEL are in mnist/MODEL.toml. Needs the files of MNIST
(folder `mnist` in JETNAE_REAL_DATA). Writes a result for every training as it finishes, to
analyses/results/mnist/MODEL_DIGIT_SEED.json; what is there is not done again, and what was broken off goes on. The
digit left out enters no training.
"""

import gzip
import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn.functional import avg_pool2d

from jetnae.checkpoint import load_checkpoint
from jetnae.config import parse, read_toml
from jetnae.files import write_bytes
from jetnae.images import ImageSpec
from jetnae.models.model import energies
from jetnae.roc import auc
from jetnae.training import FitConfig, train_on
from jetnae.training_data import TrainingData
from jetnae.version import __version__

HERE = Path(__file__).parent
SETTINGS = HERE / "mnist"
RESULTS = HERE / "results" / "mnist"
SPEC = ImageSpec(n_pixels=14, pixel_sum=None)
N_HELD_OUT, N_NOTHING = 3000, 1000
ALL_DIGITS = ("ae", "nae")
SOME_DIGITS = (1, 4, 9)
"""Digits of the models that are only there for comparison."""


@dataclass(frozen=True)
class Task:
    """One training."""

    model: str
    digit: int
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.model}_{self.digit}_{self.seed}"


def main(
    model: Annotated[list[str] | None, typer.Option(help="Models, as in the settings.")] = None,
    digit: Annotated[list[int] | None, typer.Option(help="Digits to leave out.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seeds.")] = None,
    *,
    runs: Annotated[Path, typer.Option(help="Folder for the trainings.")] = Path("runs/mnist"),
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time, each on one core.")] = 2,
) -> None:
    """Train what is missing, and print the table."""
    tasks = [
        Task(name, left_out, number)
        for number in seed or (1, 2, 3)
        for name in model or sorted(path.stem for path in SETTINGS.glob("*.toml"))
        for left_out in digit or (range(10) if name in ALL_DIGITS else SOME_DIGITS)
    ]
    missing = [task for task in tasks if not (RESULTS / f"{task.name}.json").exists()]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for line in pool.map(run, missing, [runs] * len(missing)):
            typer.echo(line)
    for line in table(tasks):
        typer.echo(line)


def run(task: Task, runs: Path) -> str:
    """Train, score, and write the result; returns a line of it."""
    torch.set_num_threads(1)
    folder, begin = runs / task.name, time.process_time()
    config = settings(task)
    header = train_on(data(task.digit), config, folder, device=torch.device("cpu"), resume=folder.exists())
    seconds = time.process_time() - begin
    found = scores(load_checkpoint(folder / "model.safetensors").model, task.digit)
    background = found.pop("background")
    result = {
        "format_version": 1,
        "kind": "mnist_holdout",
        **asdict(task),
        "auc": {name: asdict(auc(each, background)) for name, each in found.items()},
        "cpu_seconds": seconds,
        "selected": header.training.get("selected", {}),
        "settings": asdict(config),
        "provenance": {**header.provenance, "jetnae": __version__, "inputs": checksums()},
    }
    write_bytes(RESULTS / f"{task.name}.json", (json.dumps(result, indent=1) + "\n").encode(), force=True)
    return f"{task.name}: AUC {result['auc']['digit']['value']:.4f}, {seconds:.0f} s"


def settings(task: Task) -> FitConfig:
    """Those of a model, with the seed of the task."""
    path = SETTINGS / f"{task.model}.toml"
    found = parse(FitConfig, read_toml(path), str(path))
    return replace(found, train=replace(found.train, seed=task.seed))


def data(left_out: int) -> TrainingData:
    """Training images of nine digits, the last ones held out."""
    images, labels = read("train")
    kept = images[labels != left_out]
    return TrainingData(kept[:-N_HELD_OUT], kept[-N_HELD_OUT:], SPEC)


def scores(model: Any, left_out: int) -> dict[str, Any]:
    """Scores of test images, of even gray ones, and of white noise."""
    images, labels = read("t10k")
    rng = np.random.default_rng(1)
    gray = torch.from_numpy(rng.random((N_NOTHING, 1, 1), np.float32)).expand(-1, *SPEC.shape).contiguous()
    noise = torch.from_numpy(rng.random((N_NOTHING, *SPEC.shape), np.float32))
    inputs = {"digit": images[labels == left_out], "gray": gray, "noise": noise}
    inputs["background"] = images[labels != left_out]
    return {name: energies(model.score, each).double().numpy() for name, each in inputs.items()}


def read(part: str) -> tuple[Tensor, Tensor]:
    """Images (n, 14, 14) in [0, 1] and labels (n,) of `train` or `t10k`."""
    pixels = np.frombuffer(gzip.decompress((folder() / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
    labels = np.frombuffer(gzip.decompress((folder() / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)
    images = torch.from_numpy(pixels.reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    return avg_pool2d(images, 2)[:, 0], torch.from_numpy(labels.astype(np.int64))


def folder() -> Path:
    """Where the files of MNIST are."""
    return Path(os.environ.get("JETNAE_REAL_DATA", HERE.parents[1] / "shared" / "data")) / "mnist"


def checksums() -> dict[str, str]:
    """Of the files that were read."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder().glob("*.gz"))}


def table(tasks: list[Task]) -> Iterator[str]:
    """AUC for the digits of each model: mean over seeds, and scatter."""
    for name in dict.fromkeys(task.model for task in tasks):
        found: dict[int, list[float]] = {}
        for task in tasks:
            path = RESULTS / f"{task.name}.json"
            if task.model == name and path.exists():
                found.setdefault(task.digit, []).append(json.loads(path.read_text())["auc"]["digit"]["value"])
        means = {digit: float(np.mean(values)) for digit, values in sorted(found.items())}
        each = "  ".join(
            f"{digit}: {mean:.3f} ± {np.std(found[digit], ddof=1 if len(found[digit]) > 1 else 0):.3f}"
            for digit, mean in means.items()
        )
        yield f"{name:>14}  mean {np.mean(list(means.values())):.4f}   {each}"


if __name__ == "__main__":
    typer.run(main)
