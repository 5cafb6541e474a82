"""`jetnae diagnose`: whether a training has converged, from background alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing, prepare_result, write_result

if TYPE_CHECKING:
    from jetnae.checkpoint import Checkpoint
    from jetnae.diagnostics import Diagnosis
    from jetnae.diagnostics.result import Distances, Measured
    from jetnae.held_out import HeldOut

CHECK_FAILED = 4


def diagnose(
    run: Annotated[str, typer.Argument(help="Folder of a training, a checkpoint, or a bundled model.")],
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Held-out background jets; may be repeated. Default: what the training held out."),
    ] = None,
    n_chains: Annotated[int, typer.Option("--n", min=10, help="Fresh chains of each length.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the chains and the divisions of the data.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Write the result only.")] = False,
    output: Annotated[Path | None, typer.Option(help="NAME of the result.  [default: diagnosis, in RUN]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Say whether a training has converged, with reasons; exit code 4 where it has not.

    Energies and distances of held-out background are compared with those of fresh chains, as long as usual and four
    times as long. No signal enters.
    """
    import torch

    from jetnae.checkpoint import load_model
    from jetnae.cli.options import find_device
    from jetnae.diagnostics import judge, measure
    from jetnae.diagnostics.measurement import require_density

    drawing = None if no_figures else find_drawing(look, title, label)
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    stem = output or folder / "diagnosis"
    prepare_result("diagnosis", stem, force=force)
    checkpoint, where = load_model(run), find_device(device)
    model = require_density(checkpoint.model.to(where))
    jets = _held_out(checkpoint, data or [], n_chains)
    generator = torch.Generator(where).manual_seed(seed)
    weight = None if jets.weight is None else jets.weight.to(where)
    found = measure(model, jets.inputs.to(where), jets.training_mean.to(where), generator, weight, n_chains=n_chains)
    found = _complete(found, checkpoint, folder)
    verdict = judge(found)
    _print(found, checkpoint, jets)
    print(f"{'verdict':>24}  {verdict.kind}")
    for reason in verdict.reasons:
        print(f"{'':>24}  {reason}")
    write_result(found, stem, drawing, force=force)
    if verdict.kind != "converged":
        raise typer.Exit(CHECK_FAILED)


def _held_out(checkpoint: Checkpoint, files: list[Path], n_chains: int) -> HeldOut:
    from jetnae.held_out import held_out_of_files, held_out_of_training

    if files:
        return held_out_of_files(files, checkpoint.header, 5 * n_chains)
    return held_out_of_training(checkpoint.header)


def _complete(found: Diagnosis, checkpoint: Checkpoint, folder: Path) -> Diagnosis:
    """With the name of the model, those of features, and the course of the training where it is beside the model."""
    from jetnae.diagnostics.history import read_history
    from jetnae.inputs import value_names

    spec = checkpoint.spec
    names = value_names(spec)
    features = tuple(replace(each, name=name) for each, name in zip(found.features, names, strict=True))
    history = read_history(folder / "history.jsonl")
    return replace(found, model=checkpoint.header.name, features=features, history=history)


def _print(found: Diagnosis, checkpoint: Checkpoint, jets: HeldOut) -> None:
    energies, ends, errors = found.energies, found.chains, found.reconstruction
    longer = f"{energies.length}x steps"
    lines = {
        "model": f"{found.model}  ({checkpoint.header.sha256[:12]})",
        "data": f"{energies.samples['data'].n} {jets.source}",
        **{f"E {_words(name)}": _with_error(each.mean) for name, each in energies.samples.items()},
        "reconstruction": f"{_number(errors.model)}   mean image {errors.mean_image:.4g}   "
        f"PCA-{errors.n_components} {_number(errors.pca)}",
        "E-/E+": f"{_with_error(energies.ratio)}   {longer} {_with_error(energies.ratio_long)}",
        **_distances(found.distances),
        "clamped": f"{ends.at_bounds:.3f}   {longer} {ends.at_bounds_long:.3f}   "
        f"zeros in data {ends.data_at_bounds:.3f}",
        "temperatures": ", ".join(f"{name} {value:.3g}" for name, value in ends.temperatures.items()),
        "latent": _latent(found),
    }
    for name, value in lines.items():
        print(f"{name:>24}  {value}")
    for note in jets.notes:
        print(f"warning: {note}")


def _distances(found: Distances) -> dict[str, str]:
    floor = found.floor.value or float("nan")
    return {
        "floor": f"{_with_error(found.floor)} between {found.n} and {found.n} jets, "
        f"{floor / found.data_width:.3f} of their width",
        **{
            f"distance {_words(name)}": f"{_with_error(each)}, {each.value / floor:.2f} floors"
            for name, each in found.samples.items()
        },
    }


def _words(name: str) -> str:
    return name.replace("_", " ")


def _with_error(measured: Measured) -> str:
    return f"{measured.value:.4g} ± {measured.error:.2g}"


def _latent(found: Diagnosis) -> str:
    if found.latent is None:
        return "none"
    occupied = "" if found.latent.occupied is None else f", {100 * found.latent.occupied:.0f} % of the sphere occupied"
    return f"{len(found.latent.variances)} dimensions, {found.latent.n_dead} dead{occupied}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
