"""How good a bundled model is, and how alike its scores are at all pt.

    python analyses/reference_model.py runs/qcd_ak8_nae
    python analyses/reference_model.py runs/qcd_ak8_nae_features

Needs, in the folder JETNAE_DATA and from the data recipes: QCD of the same kind as in the training, in a folder of its
own (`semivisible.py --process qcd --n-events 60000 --seed 104 --output-dir data/held_out`), semivisible jets of three
masses (`semivisible_2000_20_03.root`, 3000 and 4000), `qcd_small.root` and `top_small.root` (`qcd_top.py`, seeds 11 and
12); none of these jets was trained on. Writes analyses/results/reference_model_NAME.json; with `--install` also the
model and its card into the package. No number made here enters a training.
"""

import itertools
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
from jetnae.images import ImageSpec
from jetnae.inputs import make_inputs
from jetnae.intervals import clopper_pearson
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import Jets, concatenate, select
from jetnae.models import Density
from jetnae.roc import auc
from jetnae.scored import ScoredJets
from jetnae.scoring import score_jets
from jetnae.training_data import data_path, flat

Values = npt.NDArray[np.float64]
HELD_OUT = "held_out/semivisible_qcd.root"
TOPS = ("top_small.root", "qcd_small.root")
"""Tops of 550 to 650 GeV, and QCD jets of the same range at the same 14 TeV."""
SEMIVISIBLE = tuple(f"semivisible_{mass}_20_03.root" for mass in (2000, 3000, 4000))
PT_BINS = (200.0, 350.0, 500.0, 700.0, 1000.0)
BKG_EFFS = (0.1, 0.01)
ASSETS = Path(__file__).parents[1] / "jetnae" / "assets" / "models"


def main(
    run: Annotated[Path, typer.Argument(help="Folder of the training.")],
    most: Annotated[int, typer.Option(help="Jets of a kind that are used in each bin of pt; of tops thrice.")] = 6000,
    install: Annotated[bool, typer.Option("--install", help="Ship this model with the package.")] = False,
) -> None:
    """Evaluate a trained model and write result, and model card."""
    checkpoint = load_checkpoint(run / "model.safetensors")
    background = scored(HELD_OUT, checkpoint, label=0, most=most)
    result = {
        "format_version": 2,
        "kind": "reference_model",
        "model": checkpoint.header.name,
        "sha256": checkpoint.header.sha256,
        "most": most,
        "signals": signals(checkpoint, background, most),
        "efficiencies": efficiencies(background),
        "convergence": convergence(checkpoint, background.jets),
        "training": checkpoint.header.training,
        "provenance": checkpoint.header.provenance,
    }
    path = Path(__file__).parent / "results" / f"reference_model_{checkpoint.header.name}.json"
    write_bytes(path, (json.dumps(result, indent=1) + "\n").encode(), force=True)
    shown = {key: result[key] for key in ("signals", "efficiencies", "convergence")}
    typer.echo(f"{path}\n{json.dumps(shown, indent=1)}")
    if install:
        target = ASSETS / f"{checkpoint.header.name}.safetensors"
        ASSETS.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / "model.safetensors", target)
        write_bytes(target.with_suffix(".md"), card(checkpoint, result).encode(), force=True)
        typer.echo(f"{target} and its card")


def scored(file: str, checkpoint: Checkpoint, *, label: int, most: int) -> ScoredJets:
    """Score the first `most` jets of each bin of pt that carry `label` and lie in the model's validity range."""
    batches, counts = [], np.zeros(len(PT_BINS) - 1, dtype=int)
    for jets in iter_jets(data_path(file), ReadOptions()):
        inside = checkpoint.validity.contains(jets) & (jets.label == label) & (jets.n_constituents > 0)
        chosen = select(jets, inside)
        which = bins_of(chosen.pt)
        before = np.cumsum(np.eye(len(counts), dtype=int)[which], axis=0)[np.arange(len(which)), which] - 1
        batches.append(select(chosen, before + counts[which] < most))
        counts += np.bincount(which, minlength=len(counts))
    return score_jets(concatenate(batches), checkpoint)


def bins_of(pt: Any) -> npt.NDArray[np.int64]:
    """The bin of each jet, those on the upper edge in the last."""
    return np.clip(np.searchsorted(PT_BINS, pt, side="right") - 1, 0, len(PT_BINS) - 2)


def signals(checkpoint: Checkpoint, background: ScoredJets, most: int) -> list[dict[str, Any]]:
    """What the model and the baselines tell of each signal, in each bin of pt where there is some."""
    top, qcd = (scored(file, checkpoint, label=label, most=3 * most) for file, label in zip(TOPS, (1, 0), strict=True))
    found = [{"signal": "top", "pt": [550.0, 650.0], **compare(top, qcd)}]
    which = bins_of(background.jets.pt)
    for file in SEMIVISIBLE:
        signal = scored(file, checkpoint, label=1, most=most)
        where = bins_of(signal.jets.pt)
        for i, pt in enumerate(itertools.pairwise(PT_BINS)):
            if np.count_nonzero(where == i) >= 100:
                pair = part(signal, where == i), part(background, which == i)
                found.append({"signal": Path(file).stem, "pt": list(pt), **compare(*pair)})
    return found


def part(jets: ScoredJets, chosen: npt.NDArray[np.bool_]) -> ScoredJets:
    """Some of the jets with their scores."""
    sum_sq = None if jets.sum_sq is None else jets.sum_sq[chosen]
    return ScoredJets(select(jets.jets, chosen), jets.score[chosen], jets.status[chosen], sum_sq, jets.in_range[chosen])


def compare(signal: ScoredJets, background: ScoredJets) -> dict[str, Any]:
    """AUC and background rejection of the model, and the AUC of the baselines, each with its error."""
    columns = {
        "model": (signal.score, background.score),
        "mass": (signal.jets.mass, background.jets.mass),
        "n_constituents": (signal.jets.n_constituents, background.jets.n_constituents),
    }
    if signal.sum_sq is not None and background.sum_sq is not None:
        columns["sum_sq"] = (signal.sum_sq, background.sum_sq)
    n_passing = int(np.count_nonzero(background.score > np.quantile(signal.score, 0.7)))
    return {
        "n": len(signal.score),
        "n_background": len(background.score),
        "auc": {name: asdict(auc(*pair)) for name, pair in columns.items()},
        "bkg_rej_30": len(background.score) / max(n_passing, 1),
        "bkg_rej_30_error": len(background.score) / max(n_passing, 1) ** 1.5,
    }


def efficiencies(background: ScoredJets) -> list[dict[str, Any]]:
    """Share of the background of each bin of pt above one threshold for all, with its interval of 68 %."""
    weight, which = flat(background.jets.pt, (PT_BINS[0], PT_BINS[-1])), bins_of(background.jets.pt)
    order = np.argsort(background.score)
    above = 1 - np.cumsum(weight[order]) / weight.sum()
    found = []
    for bkg_eff in BKG_EFFS:
        threshold = float(background.score[order][np.argmax(above <= bkg_eff)])
        for i, pt in enumerate(itertools.pairwise(PT_BINS)):
            score = background.score[which == i]
            low, high = clopper_pearson(np.array([np.count_nonzero(score > threshold)]), np.array([len(score)]))
            found.append(
                {
                    "bkg_eff": bkg_eff,
                    "threshold": threshold,
                    "pt": list(pt),
                    "n": len(score),
                    "eff": float(np.mean(score > threshold)),
                    "interval": [float(low[0]), float(high[0])],
                }
            )
    return found


def convergence(checkpoint: Checkpoint, jets: Jets) -> dict[str, Any]:
    """What `jetnae diagnose` says of held-out background, flat in pt, and of fresh chains, and its verdict."""
    model = checkpoint.model
    if not isinstance(model, Density):
        return {}
    order = np.random.default_rng(1).permutation(len(jets))  # only the first of them are used
    inputs = torch.from_numpy(make_inputs(jets, checkpoint.spec)[order])
    weight = torch.from_numpy(flat(jets.pt, checkpoint.validity.pt)[order])
    mean = (weight @ inputs.double().flatten(1) / weight.sum()).float().reshape(inputs.shape[1:])
    found = measure(model, inputs, mean, torch.Generator().manual_seed(1), weight)
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
        "mean_input": found.reconstruction.mean_image,
        "reconstruction": found.reconstruction.model,
        "floors": found.distances.samples["negative"].value / floor,
        "floors_long": found.distances.samples["negative_long"].value / floor,
        "temperatures": dict(found.chains.temperatures),
        "verdict": verdict.kind,
        "reasons": list(verdict.reasons),
    }


def card(checkpoint: Checkpoint, result: dict[str, Any]) -> str:
    """Fill the template of the model card with the measured numbers."""
    header, found = checkpoint.header, result["convergence"]
    names = [name for name in result["signals"][0]["auc"] if name != "model"]
    return (
        Path(__file__)
        .with_name("model_card.md")
        .read_text(encoding="utf-8")
        .format(
            header=header,
            training=header.training,
            steps=header.training["config"]["train"],
            step=header.training["selected"]["step"],
            sha=header.sha256[:12],
            baselines=" | ".join(f"AUC of {BASELINES[name]}" for name in names),
            lines="---|" * len(names),
            rows="\n".join(_signal_row(each) for each in result["signals"]),
            efficiencies=_efficiency_rows(result["efficiencies"]),
            found=found,
            relative=found["reconstruction"] / found["mean_input"],
            reasons="\n".join(f"- {reason}" for reason in found["reasons"]),
            temperatures=", ".join(f"{value:.2g} {name}" for name, value in found["temperatures"].items()),
            **_words(checkpoint),
        )
    )


BASELINES = {"mass": "the mass", "n_constituents": "the multiplicity", "sum_sq": "the sum of squared pixels"}


def _words(checkpoint: Checkpoint) -> dict[str, str]:
    """What the card says of one kind of input and not of the other."""
    spec = checkpoint.spec
    if isinstance(spec, ImageSpec):
        return {
            "what": "seen as images",
            "choice": "The set-up is that of\nanalyses/jet_nae.toml, which was found with a view on the AUC of tops "
            "and QCD jets of 550 to 650 GeV; nothing was\nchosen by signals of this range.",
            "input": f"**Image.** {spec.n_pixels} x {spec.n_pixels} pixels over ±{spec.half_width:g} in both "
            f"directions, centered, rotated, flipped, smeared by\n{spec.smearing:g} pixels, summed {spec.rebin} x "
            f"{spec.rebin}, to the power {spec.smeared_power:g}, normalized to a pixel sum of {spec.pixel_sum:g}.",
            "limits": " Jets of a few hundred GeV do not hold all of a top.",
        }
    return {
        "what": "seen through their features",
        "choice": "The set-up is that of\nthe features in analyses/semivisible/settings.toml.",
        "input": f"**Features.** {', '.join(spec.names)}: what CMS NanoAOD and TreeMaker store for AK8 jets. Where "
        "both can be had, the file's\nN-subjettiness agrees with ours to 1 %; masses of NanoAOD have jet energy "
        "corrections, ours have none.",
        "limits": " Soft drop and N-subjettiness\nof jets with constituents need FastJet.",
    }


def _signal_row(found: dict[str, Any]) -> str:
    areas = " | ".join(_both_signs(each) for each in found["auc"].values())
    rejection = f"{found['bkg_rej_30']:.3g} ± {found['bkg_rej_30_error']:.1g}"
    return f"| {found['signal']} | {_pt(found['pt'])} | {found['n']} | {areas} | {rejection} |"


def _efficiency_rows(found: list[dict[str, Any]]) -> str:
    n_bins = len(PT_BINS) - 1
    rows = zip(*(found[i * n_bins : (i + 1) * n_bins] for i in range(len(BKG_EFFS))), strict=True)
    return "\n".join(
        f"| {_pt(row[0]['pt'])} | {row[0]['n']} | " + " | ".join(_percent(each) for each in row) + " |" for row in rows
    )


def _percent(found: dict[str, Any]) -> str:
    low, high = (100 * each for each in found["interval"])
    return f"{100 * found['eff']:.2f} ({low:.2f} to {high:.2f})"


def _pt(bounds: list[float]) -> str:
    return f"{bounds[0]:g} to {bounds[1]:g}"


def _both_signs(found: dict[str, float]) -> str:
    """An AUC with its error, and what a cut the other way gives where that is better."""
    other_way = f" (reversed {1 - found['value']:.3f})" if found["value"] < 0.5 else ""
    return f"{found['value']:.3f} ± {found['error']:.3f}{other_way}"


if __name__ == "__main__":
    typer.run(main)
