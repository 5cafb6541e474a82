"""`jetnae score`: one anomaly score per jet, next to the events."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from jetnae.checkpoint import Checkpoint
    from jetnae.scoring import ScoreSummary


def score(
    files: list[Path] = typer.Argument(..., help="ROOT or HDF5 files with jets and their constituents."),
    model: str = typer.Option(
        "", help="A bundled model (see `jetnae models`) or a checkpoint file; empty: the default."
    ),
    layout: str = typer.Option("", help="How the file names its branches; empty: detect it."),
    collection: str = typer.Option("", help="Jet collection; empty: the first that resolves, large radius first."),
    output: Path | None = typer.Option(
        None, help="Output file, or folder for several inputs. Default: here, NAME.scores.root."
    ),
    keep: list[str] = typer.Option([], help="Column of the input to copy into the output; may be repeated."),
    chunk_size: int | None = typer.Option(None, min=1, help="Events read at once; default: as many as make 32 MB."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, ..."),
    force: bool = typer.Option(False, "--force", help="Replace an existing output."),
) -> None:
    """Give every jet an anomaly score; larger is more anomalous.

    Writes a tree `scores` with one entry per input event, in order, to be used as a friend of the input tree.
    """
    from jetnae.checkpoint import load_model
    from jetnae.cli.options import find_device, progress_bar
    from jetnae.io import ReadOptions
    from jetnae.scoring import DEFAULT_MODEL, ScoreJob, score_file

    checkpoint = load_model(model or DEFAULT_MODEL)
    options = ReadOptions(layout or None, collection or None, chunk_size, tuple(keep))
    found_device = find_device(device)
    command = shlex.join(["jetnae", *sys.argv[1:]])
    for path, target in _targets(files, output).items():
        job = ScoreJob(path, target, checkpoint, options, found_device, force, command)
        with progress_bar(f"scoring {path.name}") as update:
            summary = score_file(job, update)
        _print(path, summary, checkpoint)


def _targets(files: list[Path], output: Path | None) -> dict[Path, Path]:
    """Where the scores of each file go; raises `InputError` when two would land in one place."""
    from jetnae.errors import InputError

    if output is not None and len(files) == 1 and not output.is_dir() and output.suffix:
        expected = _suffix(files[0])
        if output.suffix != expected:
            raise InputError(f"{output}: the scores of {files[0].name} are written as {expected}, name the output so")
        return {files[0]: output}
    folder = output or Path()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file, expected a folder for the scores of {len(files)} inputs")
    targets = {path: folder / f"{path.stem}.scores{_suffix(path)}" for path in files}
    clashes = sorted(target.name for target in set(targets.values()) if list(targets.values()).count(target) > 1)
    if clashes or len(targets) < len(files):
        raise InputError(
            f"several inputs would be written to {', '.join(clashes) or 'one file'}: score them separately"
        )
    return targets


def _suffix(path: Path) -> str:
    from jetnae.io import READERS, reader_for

    return ".h5" if reader_for(path) is READERS["hdf5"] else ".root"


def _print(path: Path, summary: ScoreSummary, checkpoint: Checkpoint) -> None:
    low, high = checkpoint.validity.pt
    share = f" ({100 * summary.n_out_of_range / summary.n_jets:.0f} %)" if summary.n_jets else ""
    rate = summary.n_jets / summary.seconds if summary.seconds else 0.0
    lines = {
        "input": f"{path}  (layout {summary.layout}, jets {summary.collection})",
        "model": f"{checkpoint.header.name}  ({checkpoint.header.sha256[:12]})",
        "events": f"{summary.n_events}",
        "jets": f"{summary.n_jets}",
        "out of range": f"{summary.n_out_of_range}{share}, valid for {low:g} < pt < {high:g} GeV, "
        f"|eta| < {checkpoint.validity.abs_eta:g}, R = {checkpoint.validity.radius:g}",
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
