"""`jetnae score`: one anomaly score per jet, next to the events."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jetnae.cli import batch, reading

if TYPE_CHECKING:
    import torch

    from jetnae.batch.names import Inputs
    from jetnae.batch.run import BatchJob
    from jetnae.checkpoint import Checkpoint
    from jetnae.decorrelation import Decorrelation
    from jetnae.folds import FoldedCheckpoint
    from jetnae.io import ReadOptions
    from jetnae.scored import ScoreSummary

SUFFIXES = (".root", ".h5")


def score(
    files: list[Path] = typer.Argument(
        ...,
        help="Files with jets: ROOT (also as root:// and https://), HDF5, Parquet, NumPy; folders, patterns, @lists.",
    ),
    model: str = typer.Option(
        "", help="A bundled model, or a checkpoint or its folder. Default: the bundled one that fits (`jetnae models`)."
    ),
    layout: reading.Layout = "",
    collection: reading.Jets = "",
    output: Path | None = typer.Option(
        None, help="Output file, or folder for several inputs. Default: here, NAME.scores.root."
    ),
    keep: list[str] = typer.Option([], help="Column of the input to copy into the output; may be repeated."),
    decorrelate: Path | None = typer.Option(
        None, help="Map made by `jetnae sculpt --fit-decorrelation`; adds the column score_decorrelated."
    ),
    select: reading.Select = [],  # noqa: B006  typer copies it
    golden_json: reading.GoldenJson = None,
    cross_section: reading.CrossSection = None,
    luminosity: reading.Luminosity = None,
    sum_of_weights: reading.SumOfWeights = None,
    radius: reading.Radius = None,
    min_jet_pt: reading.MinPt = None,
    soft_drop: reading.SoftDrop = False,
    chunk_size: reading.Chunk = None,
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, ..."),
    engine: batch.EngineName = "torch",
    workers: batch.Workers = None,
    dask: batch.DaskAddress = "",
    dask_jobqueue: batch.JobQueue = "",
    dask_config: batch.DaskConfig = None,
    memory_limit: batch.MemoryLimit = "",
    resume: batch.Resume = False,
    skip_bad: batch.SkipBad = False,
    force: bool = typer.Option(False, "--force", help="Replace an existing output."),
) -> None:
    """Give every jet an anomaly score; larger is more anomalous.

    Writes a tree `scores` with one entry per input event, in order, to be used as a friend of the input tree. Jets that
    are cut away keep their place, without a score. Folders, patterns, lists, several workers, --resume and --skip-bad
    keep a ledger beside the outputs, and write scores.report.json.
    """
    from jetnae.batch.names import expand
    from jetnae.batch.settings import chunk_bytes
    from jetnae.cli.options import find_device
    from jetnae.engines import require_engine
    from jetnae.folds import load_scorer
    from jetnae.io import located

    where = batch.Where(workers, dask, dask_jobqueue, dask_config)
    files = [located(path) for path in files]  # a Path drops a slash of root://
    is_batch = batch.is_batch(files, where, resume=resume, skip_bad=skip_bad)
    inputs = expand([str(path) for path in files]) if is_batch else None
    files = files if inputs is None else list(inputs.files)
    targets = _targets(files, output, force=force) if inputs is None else {}
    decorrelation = None if decorrelate is None else _decorrelation(decorrelate)
    options = reading.read_options(
        layout=layout,
        collection=collection,
        chunk_size=chunk_size,
        select=select,
        golden_json=golden_json,
        keep=keep,
        normalization=reading.normalization(files, cross_section, luminosity, sum_of_weights),
        clustering=(radius, min_jet_pt, soft_drop),
    )
    options = replace(options, chunk_bytes=chunk_bytes(memory_limit) if memory_limit else None)
    require_engine(engine)
    model = model or _chosen(files, options)
    scoring = _Scoring(model, load_scorer(model), options, find_device(device), engine, decorrelation, force=force)
    if inputs is None:
        _one_by_one(targets, scoring)
    else:
        job = _batch_job(inputs, batch.output_folder(output, SUFFIXES), scoring, where)
        batch.score_many(replace(job, resume=resume, skip_bad=skip_bad), where)


def _chosen(files: list[Path], options: ReadOptions) -> str:
    """The bundled model that fits, after saying which and why."""
    from jetnae.bundled import choose_model

    found = choose_model(files, options)
    print(f"{'chosen':>16}  {found.name}: {found.reason}")
    return found.name


def _decorrelation(path: Path) -> Decorrelation:
    from jetnae.decorrelation import load_decorrelation

    return load_decorrelation(path)


@dataclass(frozen=True)
class _Scoring:
    """How to score, the same for all files."""

    model: str | Path
    checkpoint: Checkpoint | FoldedCheckpoint
    options: ReadOptions
    device: torch.device
    engine: str
    decorrelation: Decorrelation | None
    force: bool

    @property
    def command(self) -> str:
        return shlex.join(["jetnae", *sys.argv[1:]])


def _one_by_one(targets: dict[Path, Path], scoring: _Scoring) -> None:
    from jetnae.cli.options import progress_bar
    from jetnae.io import require_one_layout
    from jetnae.scoring import ScoreJob, score_file

    if len(targets) > 1:
        require_one_layout(list(targets), scoring.options)
    for path, target in targets.items():
        job = ScoreJob(
            path,
            target,
            scoring.checkpoint,
            scoring.options,
            scoring.device,
            scoring.force,
            scoring.command,
            scoring.decorrelation,
            scoring.engine,
        )
        with progress_bar(f"scoring {path.name}") as update:
            summary = score_file(job, update)
        _print(path, summary, scoring.checkpoint)


def _batch_job(inputs: Inputs, folder: Path, scoring: _Scoring, where: batch.Where) -> BatchJob:
    """What the driver needs; paths are absolute, workers may stand elsewhere."""
    from jetnae.batch.ledger import NAME, settings_hash
    from jetnae.batch.model_files import model_files
    from jetnae.batch.names import score_targets
    from jetnae.batch.run import BatchJob
    from jetnae.batch.settings import is_file, settings_of
    from jetnae.batch.tasks import Setup

    options, checkpoint = scoring.options, scoring.checkpoint
    if options.layout is not None and is_file(options.layout):
        options = replace(options, layout=str(Path(options.layout).absolute()))
    folder = folder.absolute()
    settings = settings_of(checkpoint, options, scoring.engine, scoring.decorrelation)
    setup = Setup(
        folder / NAME,
        checkpoint.header.sha256,
        settings_hash(settings),
        options,
        scoring.engine,
        str(scoring.device),
        scoring.decorrelation,
        scoring.command,
        overlap=where.is_here,
        model_name=checkpoint.header.name,
    )
    targets = score_targets([path.absolute() for path in inputs.files], folder)
    model = model_files(scoring.model, checkpoint)
    return BatchJob(
        targets, folder, setup, settings, model, force=scoring.force, notes=inputs.notes, problems=inputs.problems
    )


def _targets(files: list[Path], output: Path | None, *, force: bool) -> dict[Path, Path]:
    """Where the scores of each file go; everything that can go wrong with them is found before the work begins."""
    from jetnae.errors import InputError
    from jetnae.files import refuse_existing

    if output is not None and output.suffix in SUFFIXES and not os.path.isdir(output):
        if len(files) > 1:
            raise InputError(f"{output}: one file for the scores of {len(files)} inputs, expected a folder")
        if output.suffix != _suffix(files[0]):
            raise InputError(f"{output}: the scores of {files[0].name} are written as {_suffix(files[0])}, name it so")
        targets = {files[0]: output}
    else:
        targets = {path: (output or Path()) / f"{path.stem}.scores{_suffix(path)}" for path in files}
    inputs = {os.path.realpath(path) for path in files}
    for path, target in targets.items():
        if os.path.realpath(target) in inputs:
            raise InputError(f"{target}: is an input, scores are never written over one")
        if list(targets.values()).count(target) > 1 or files.count(path) > 1:
            raise InputError(f"{target}: several inputs would be written to it, score them one by one")
        refuse_existing(target, force=force)
    return targets


def _suffix(path: Path) -> str:
    from jetnae.io import container_of

    return ".root" if container_of(path) == "ROOT" else ".h5"


def _print(path: Path, summary: ScoreSummary, checkpoint: Checkpoint | FoldedCheckpoint) -> None:
    share = f" ({100 * summary.n_out_of_range / summary.n_jets:.0f} %)" if summary.n_jets else ""
    rate = summary.n_jets / summary.seconds if summary.seconds else 0.0
    lines = {
        "input": f"{path}  (layout {summary.layout}, jets {summary.collection})",
        "model": f"{checkpoint.header.name}  ({checkpoint.header.sha256[:12]})",
        "events": f"{summary.n_events}",
        "jets": f"{summary.n_jets}",
        "out of range": f"{summary.n_out_of_range}{share}, valid for {checkpoint.validity}",
        "no constituents": f"{summary.n_without_constituents}",
        "dropped": f"{summary.n_dropped} constituents that were not finite or belonged to no jet",
        "score": "  ".join(f"{100 * q:g} %: {value:.4g}" for q, value in summary.quantiles.items()) or "none",
        "time": f"{summary.seconds:.1f} s, {rate:.0f} jets/s",
        "output": f"{summary.output}",
    }
    if not summary.n_dropped:
        del lines["dropped"]
    for name, value in lines.items():
        print(f"{name:>16}  {value}")
    for line in reading.cut_flow_lines(summary.flow):
        print(f"{'':>16}  {line}")
    if reading.weight_warning(summary.weights):
        print(f"{'weights':>16}  {reading.weight_warning(summary.weights)}")
    if 2 * summary.n_out_of_range > summary.n_jets:
        print(
            "warning: most jets are out of the model's range, their scores are not comparable: train a model for them"
        )
