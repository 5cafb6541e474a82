"""What a normalized autoencoder keeps of signals at the first level of a trigger, and what students keep of that.

    python analyses/trigger.py [--runs runs/trigger]

Needs the crossings of `data_recipes/zero_bias.py` and `data_recipes/trigger_signals.py` (folder `trigger` of
`JETNAE_DATA`). Trains the normalized autoencoder of `trigger_nae.toml` and a plain one with the same network and steps,
distills students in floating and in fixed point, scores everything, and writes `results/trigger.json` (rates, and
efficiencies at rate budgets, of all of them beside total transverse energy and the leading jet's pT) and
`results/trigger_students.json` (what the students keep of the teacher). Every step that is done is kept in the folder
of runs and not done again. No signal enters a training, but the settings of teacher and students were compared with
these signals in view: they are not blind.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from jetnae.checkpoint import load_checkpoint
from jetnae.crossings import read_signal, read_zero_bias
from jetnae.files import write_bytes
from jetnae.rate import Signal, ZeroBias, make_conditions, measure
from jetnae.results import to_json
from jetnae.training import read_run_config, write_run_config
from jetnae.training_data import data_path

Values = npt.NDArray[np.float64]

HERE = Path(__file__).parent
BACKGROUND, TRAINING = "trigger/zero_bias.h5", "trigger/zero_bias_train.h5"
SIGNALS = {
    "top": "trigger/top.h5",
    "four b": "trigger/four_bottom.h5",
    "semivisible 1 TeV": "trigger/semivisible.h5",
    "semivisible 500 GeV": "trigger/semivisible_low.h5",
}
BASELINES = ("total_et", "leading_jet_pt")
BUDGETS = (1.0, 3.0, 10.0, 30.0)
BUDGET = 10.0
"""The budget in kHz at which students are compared with their teacher."""
IN_QUESTION = (0.1, 0.9)
"""Efficiencies of the teacher between which a comparison can tell anything."""
STUDENTS: dict[str, tuple[str, ...]] = {"student": (), "student, 8 bits": ("--bits", "8")}
STEPS = ("--steps", "8000")
N_REPLICAS, N_TAIL = 400, 20_000


def main(
    runs: Annotated[Path, typer.Option(help="Folder for models and scores.")] = Path("runs/trigger"),
) -> None:
    """Train, distill, score, and measure."""
    models = {"NAE": runs / "nae" / "model.safetensors", "AE": runs / "ae" / "model.safetensors"}
    train(models["NAE"], plain=False)
    train(models["AE"], plain=True)
    for name, options in STUDENTS.items():
        models[name] = runs / f"{name.replace(', ', '_').replace(' ', '_')}.safetensors"
        if not models[name].exists():
            jetnae("distill", models["NAE"], data_path(TRAINING), "-o", models[name], *STEPS, *options)
    zero_bias, signals = samples(runs, models)
    found = measure(zero_bias, make_conditions(), BUDGETS, signals=signals)
    provenance = {name: load_checkpoint(path).header.sha256 for name, path in models.items()}
    write("trigger", to_json(replace(found, provenance=provenance)))
    rng = np.random.default_rng(1)
    kept = {
        name: {
            student: asdict(retention(zero_bias, signal, ("NAE", student), found.conditions.input_rate, rng))
            for student in (*STUDENTS, *BASELINES, "AE")
        }
        for name, signal in signals.items()
    }
    write(
        "trigger_students", {"format_version": 1, "kind": "retention", "budget": BUDGET, "models": provenance, **kept}
    )
    for name, each in kept.items():
        typer.echo(name)
        for student, one in each.items():
            typer.echo(
                f"  {student:>18}  {one['value']:.3f}, of the NAE {one['ratio']:.3f} +- {one['ratio_error']:.3f}"
            )


def train(model: Path, *, plain: bool) -> None:
    """Train the normalized autoencoder, or the plain one with as many steps, unless it is there."""
    if model.exists():
        return
    folder = model.parent
    config = read_run_config(HERE / "trigger_nae.toml")
    if plain:
        steps = replace(config.train, n_steps=config.train.pretrain_steps + config.train.n_steps, pretrain_steps=0)
        steps = replace(steps, learning_rate=steps.pretrain_learning_rate, average=0.0)
        config = replace(config, model={"name": "ae", "network": config.model["network"]}, train=steps)
    folder.parent.mkdir(parents=True, exist_ok=True)
    toml = folder.parent / f"{folder.name}.toml"
    write_run_config(toml, config)
    jetnae("train", toml, "--output", folder, *(["--resume"] if folder.exists() else []))


def samples(runs: Path, models: dict[str, Path]) -> tuple[ZeroBias, dict[str, Signal]]:
    """Scores of all models on the same crossings, and what they are compared with."""
    scores: dict[str, dict[str, Values]] = {}
    for name, model in models.items():
        folder = runs / "scores" / model.parent.name if model.stem == "model" else runs / "scores" / model.stem
        files = {sample: scored(file, model, folder) for sample, file in {"": BACKGROUND, **SIGNALS}.items()}
        like = read_zero_bias([files[""]], ["score", *BASELINES], all_jets=True)
        for sample, path in files.items():
            found = read_signal([path], ["score", *BASELINES], like, all_jets=True) if sample else like
            mine = scores.setdefault(sample, {})
            mine[name] = np.asarray(found.scores["score"], dtype=np.float64)
            mine |= {each: np.asarray(found.scores[each], dtype=np.float64) for each in BASELINES}
    ordered = {sample: {name: each[name] for name in (*models, *BASELINES)} for sample, each in scores.items()}
    return ZeroBias(ordered.pop("")), {name: Signal(each) for name, each in ordered.items()}


def scored(file: str, model: Path, folder: Path) -> Path:
    """The score file of a sample, made unless it is there."""
    path = folder / f"{Path(file).stem}.scores.h5"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        jetnae("score", data_path(file), "--model", model, "--output", path)
    return path


@dataclass(frozen=True)
class Retention:
    """Efficiency at the budget, and its ratio to that of another score, with the error of the ratio.

    The error is that of replicas of both samples, so that what both scores share drops out.
    """

    value: float
    other: float
    ratio: float
    ratio_error: float
    in_question: bool


def retention(
    zero_bias: ZeroBias, signal: Signal, names: tuple[str, str], input_rate: float, rng: np.random.Generator
) -> Retention:
    """How much of the efficiency of the first score the second keeps at the same rate."""
    background = [zero_bias.scores[name] for name in names]
    share = BUDGET * 1e3 / input_rate
    tail = np.unique(np.concatenate([np.argpartition(each, -N_TAIL)[-N_TAIL:] for each in background]))
    allowed = share * len(background[0])
    passing = [
        [
            mine >= limit(each[tail], weight, allowed)
            for each, mine in zip(background, of_signal(signal, names), strict=True)
        ]
        for weight in [np.ones(len(tail)), *rng.poisson(1.0, (N_REPLICAS, len(tail))).astype(np.float64)]
    ]
    other, value = (float(each.mean()) for each in passing[0])
    ratios = []
    for first, second in passing[1:]:
        weight = rng.poisson(1.0, len(first))
        ratios.append((weight @ second) / max(weight @ first, 1))
    asked = IN_QUESTION[0] < other < IN_QUESTION[1]
    return Retention(value, other, value / max(other, 1e-300), float(np.std(ratios, ddof=1)), asked)


def of_signal(signal: Signal, names: tuple[str, str]) -> list[Values]:
    """The scores of a signal by name."""
    return [np.asarray(signal.scores[name]) for name in names]


def limit(scores: Values, weight: Values, allowed: float) -> float:
    """The loosest threshold that at most the allowed weight passes: ties pass together, or not at all."""
    values, index = np.unique(-scores, return_inverse=True)
    n_passing = np.cumsum(np.bincount(index, weights=weight))
    last = int(np.searchsorted(n_passing, allowed, side="right")) - 1
    return float(-values[max(last, 0)])


def jetnae(*arguments: Any) -> None:
    """Run a command as a user would."""
    subprocess.run([sys.executable, "-m", "jetnae", *map(str, arguments)], check=True)  # noqa: S603


def write(name: str, content: Any) -> None:
    """A result beside the others."""
    write_bytes(HERE / "results" / f"{name}.json", (json.dumps(content) + "\n").encode(), force=True)


if __name__ == "__main__":
    typer.run(main)
