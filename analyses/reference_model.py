"""How good the bundled model is: AUC against tops and semivisible jets, energies of data and negative samples.

    python analyses/reference_model.py runs/qcd_ak8_nae

Needs `qcd_small.root`, `top_small.root` and `semivisible_2000_20_03.root` from the data recipes (seeds 11, 12
and 3: none of these jets was trained on). Writes analyses/results/reference_model.json; with `--install` also the
model and its card into the package. No number made here enters a training.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer

from jetnae.checkpoint import Checkpoint, load_checkpoint
from jetnae.diagnostics import judge, measure
from jetnae.files import write_bytes
from jetnae.inputs import make_inputs
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import concatenate, select
from jetnae.models import Density
from jetnae.roc import auc
from jetnae.scored import ScoredJets
from jetnae.scoring import score_jets
from jetnae.training_data import data_path

Values = npt.NDArray[np.float64]
BACKGROUND = "qcd_small.root"
SIGNALS = {"top": "top_small.root", "semivisible": "semivisible_2000_20_03.root"}
RESULTS = Path(__file__).parent / "results" / "reference_model.json"
CARD = Path(__file__).with_name("model_card.md")
ASSETS = Path(__file__).parents[1] / "jetnae" / "assets" / "models"


def main(
    run: Annotated[Path, typer.Argument(help="Folder of the training.")],
    install: Annotated[bool, typer.Option("--install", help="Ship this model with the package.")] = False,
) -> None:
    """Evaluate a trained model and write result, and model card."""
    checkpoint = load_checkpoint(run / "model.safetensors")
    background = in_range(BACKGROUND, checkpoint, label=0)
    signals = {name: in_range(file, checkpoint, label=1) for name, file in SIGNALS.items()}
    result = {
        "format_version": 1,
        "kind": "reference_model",
        "model": checkpoint.header.name,
        "sha256": checkpoint.header.sha256,
        "n_background": len(background.score),
        "signals": {name: compare(signal, background) for name, signal in signals.items()},
        "convergence": convergence(checkpoint, background),
        "training": checkpoint.header.training,
        "provenance": checkpoint.header.provenance,
    }
    write_bytes(RESULTS, (json.dumps(result, indent=1) + "\n").encode(), force=True)
    typer.echo(f"{RESULTS}\n{json.dumps({key: result[key] for key in ('signals', 'convergence')}, indent=1)}")
    if install:
        target = ASSETS / f"{checkpoint.header.name}.safetensors"
        ASSETS.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / "model.safetensors", target)
        write_bytes(target.with_suffix(".md"), card(checkpoint, result).encode(), force=True)
        typer.echo(f"{target} and its card")


def in_range(file: str, checkpoint: Checkpoint, *, label: int) -> ScoredJets:
    """Score the jets of a file that carry `label` and lie in the model's validity range."""
    batches = [
        select(jets, checkpoint.validity.contains(jets) & (jets.label == label))
        for jets in iter_jets(data_path(file), ReadOptions())
    ]
    return score_jets(concatenate(batches), checkpoint)


def compare(signal: ScoredJets, background: ScoredJets) -> dict[str, Any]:
    """AUC and background rejection of the model, and the AUC of the baselines, each with its error."""
    columns = {
        "model": (signal.score, background.score),
        "mass": (signal.jets.mass, background.jets.mass),
        "n_constituents": (signal.jets.n_constituents, background.jets.n_constituents),
        "sum_sq": (signal.sum_sq, background.sum_sq),
    }
    threshold = np.quantile(signal.score, 0.7)
    n_passing = int(np.count_nonzero(background.score > threshold))
    return {
        "n": len(signal.score),
        "auc": {name: asdict(auc(*pair)) for name, pair in columns.items()},
        "bkg_rej_30": len(background.score) / max(n_passing, 1),
        "bkg_rej_30_error": len(background.score) / max(n_passing, 1) ** 1.5,
    }


def convergence(checkpoint: Checkpoint, background: ScoredJets) -> dict[str, Any]:
    """What `jetnae diagnose` says of held-out background and of fresh chains, and its verdict."""
    model = checkpoint.model
    if not isinstance(model, Density):
        return {}
    inputs = torch.from_numpy(make_inputs(background.jets, checkpoint.spec))
    found = measure(model, inputs, inputs.mean(dim=0), torch.Generator().manual_seed(1))
    verdict, floor = judge(found), found.distances.floor.value
    numbers = {
        "data": found.energies.samples["data"].mean,
        "negative": found.energies.samples["negative"].mean,
        "ratio": found.energies.ratio,
        "ratio_long": found.energies.ratio_long,
    }
    return {
        **{name: each.value for name, each in numbers.items()},
        **{f"{name}_error": each.error for name, each in numbers.items()},
        "mean_image": found.reconstruction.mean_image,
        "floors": found.distances.samples["negative"].value / floor,
        "temperatures": dict(found.chains.temperatures),
        "verdict": verdict.kind,
        "reasons": list(verdict.reasons),
    }


def card(checkpoint: Checkpoint, result: dict[str, Any]) -> str:
    """Fill the template of the model card with the measured numbers."""
    config = checkpoint.header.training["config"]
    rows = [
        f"| {name} | {each['n']} | "
        + " | ".join(_both_signs(each["auc"][key]) for key in each["auc"])
        + f" | {each['bkg_rej_30']:.3g} ± {each['bkg_rej_30_error']:.1g} |"
        for name, each in result["signals"].items()
    ]
    return CARD.read_text(encoding="utf-8").format(
        header=checkpoint.header,
        training=checkpoint.header.training,
        steps=config["train"],
        sha=checkpoint.header.sha256[:12],
        minutes=checkpoint.header.training["seconds"] / 60,
        n_background=result["n_background"],
        rows="\n".join(rows),
        found=result["convergence"],
        relative=result["convergence"]["data"] / result["convergence"]["mean_image"],
        reasons="\n".join(f"- {reason}" for reason in result["convergence"]["reasons"]),
        temperatures=", ".join(f"{value:.2g} {name}" for name, value in result["convergence"]["temperatures"].items()),
    )


def _both_signs(found: dict[str, float]) -> str:
    """An AUC with its error, and what a cut the other way gives where that is better."""
    other_way = f" (reversed {1 - found['value']:.3f})" if found["value"] < 0.5 else ""
    return f"{found['value']:.3f} ± {found['error']:.3f}{other_way}"


if __name__ == "__main__":
    typer.run(main)
