"""`jetnae export`: a model in the form that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jetnae.cli import export_hls

if TYPE_CHECKING:
    from jetnae.export.onnx import ExportJob
    from jetnae.export.parity import Parity


def export(
    model: str = typer.Argument(..., help="A bundled model (see `jetnae models`), or a checkpoint or its folder."),
    onnx: Path | None = typer.Option(None, "--onnx", help="Write this ONNX file; of models in folds one file each."),
    jets: Path | None = typer.Option(
        None,
        "--jets",
        help="File with jets or crossings to compare the scores on. Default: bundled events, random ones with --hls.",
    ),
    opset: int = typer.Option(17, help="Set of operators of the ONNX file."),
    ir_version: int = typer.Option(8, "--ir-version", help="Version of the ONNX format."),
    hls: export_hls.Folder = None,
    signal: export_hls.Signal = None,
    budget: export_hls.Budget = None,
    n_bunches: export_hls.Bunches = None,
    input_rate: export_hls.InputRate = "",
    reference: export_hls.Reference = "",
    part: export_hls.Part = "xcvu13p-flga2577-2-e",
    clock: export_hls.Clock = 6.25,
    reuse_factor: export_hls.ReuseFactor = 1,
    max_auc_loss: export_hls.AucLoss = 0.01,
    max_rate_loss: export_hls.RateLoss = 0.1,
    max_efficiency_loss: export_hls.EfficiencyLoss = 0.1,
    layout: export_hls.Layout = "",
    collection: export_hls.Jets = "",
    force: bool = typer.Option(False, "--force", help="Replace an existing output."),
) -> None:
    """Write a model for C++ and for the software of the experiments, with all that is needed to fill its input.

    The ONNX file takes finished images, features in their units, or the counts of a trigger, as `inputs` and gives
    `scores`; its metadata holds the preprocessing, the validity range and the hash of the model. Its scores are
    compared with those of torch on real jets first: above a difference of 1e-5 nothing is written. Those of a student
    in fixed point have to be the same in every bit.

    With --hls, a student in fixed point (`jetnae distill --bits`) becomes an hls4ml project for firmware. It is written
    when its C simulation gives the same score in every bit for up to 10,000 inputs, and the AUC and the rate at the
    budget are kept where --signal and --budget ask for them; otherwise the exit code is 4.
    """
    from jetnae.errors import InputError

    if (onnx is None) == (hls is None):
        found = "nothing" if onnx is None else "two forms"
        raise InputError(f"{found} to write, expected one of --onnx model.onnx and --hls FOLDER")
    if hls is not None and (opset, ir_version) != (17, 8):
        raise InputError("--opset and --ir-version are of ONNX files: leave them out with --hls")
    if onnx is not None:
        export_hls.refuse_options(signal, budget, n_bunches, input_rate, reference)
        _export_onnx(model, onnx, jets, (opset, ir_version), force=force)
    if hls is not None:
        options = export_hls.HlsOptions(
            jets=jets,
            signal=signal,
            budget=budget,
            n_bunches=n_bunches,
            input_rate=input_rate,
            reference=reference,
            target=(part, clock, reuse_factor),
            losses=(max_auc_loss, max_rate_loss, max_efficiency_loss),
            read=(layout, collection),
        )
        export_hls.export_hls(model, hls, options, force=force)


def _export_onnx(model: str, output: Path, jets: Path | None, version: tuple[int, int], *, force: bool) -> None:
    from importlib import resources

    from jetnae.export.graph import GraphVersion
    from jetnae.export.onnx import ExportJob, export_onnx
    from jetnae.folds import load_scorer

    checked_on = jets or Path(str(resources.files("jetnae") / "assets" / "events.root"))
    job = ExportJob(load_scorer(model), output, checked_on, GraphVersion(*version), force)
    for path, parity in export_onnx(job).items():
        _print(job, path, parity)


def _print(job: ExportJob, path: Path, parity: Parity) -> None:
    from jetnae.export.parity import CRITERION

    header = job.checkpoint.header
    lines = {
        "model": f"{header.name}  ({header.sha256[:12]})",
        "jets": f"{parity.n_jets} of {parity.jets}",
        "difference": f"{parity.difference:.2g} at most, expected up to {parity.tolerance:g}: {CRITERION}",
        "absolute": f"{parity.absolute:.2g} at most",
        "rate": f"ONNX Runtime {parity.onnx_rate:.0f}, torch {parity.torch_rate:.0f} jets/s, model alone, one thread",
        "format": f"opset {job.version.opset}, IR {job.version.ir}, {path.stat().st_size / 1e3:.0f} kB",
        "output": f"{path}",
    }
    for name, value in lines.items():
        print(f"{name:>12}  {value}")
