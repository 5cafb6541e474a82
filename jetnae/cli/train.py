"""`jetnae train`: a model from a configuration file, or from one's own jet files."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jetnae.cli import reading
from jetnae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetnae.checkpoint import Header
    from jetnae.training import Group, RunConfig

CONFIG = "config.toml"


def train(
    files: list[Path] = typer.Argument(
        ..., help="A configuration, such as analyses/jet_nae.toml, or files with background jets."
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="Folder for the training. Default: runs/NAME."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the saved state."),
    folds: int = typer.Option(
        0, help="Train so many models, none of which sees an event it will score. Default: one on all events."
    ),
    model: str = typer.Option("", help="With jet files: ae, nae, ... with its default settings. Default: nae."),
    features: str = typer.Option("", help="With jet files: train on these features, as mass,girth, not on images."),
    input_: str = typer.Option("", "--input", help="With files of bunch crossings: train on regions, or objects."),
    n_jets: int | None = typer.Option(None, "--n-jets", min=20, help="With jet files: use at most so many."),
    seed: int | None = typer.Option(None, min=0, help="With jet files: of weights, batches and split. Default: 1."),
    ignore_weights: bool = typer.Option(False, "--ignore-weights", help="With jet files: all jets count the same."),
    layout: reading.Layout = "",
    collection: reading.Jets = "",
    select: reading.Select = [],  # noqa: B006  typer copies it
    golden_json: reading.GoldenJson = None,
    radius: reading.Radius = None,
    min_jet_pt: reading.MinPt = None,
    soft_drop: reading.SoftDrop = False,
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, ..."),
    tensorboard: bool = typer.Option(False, "--tensorboard", help="Also log for TensorBoard, into the same folder."),
) -> None:
    """Train a model on background jets; no label of any signal is ever used.

    From a configuration, whose keys the README lists, or from jet files alone: then the range of the model follows from
    the jets, the settings are the defaults, and both are written to config.toml in the output. With --resume, an
    interrupted training goes on to the same result, and a finished one can be made longer with a larger n_steps.
    Under `torchrun --nproc-per-node N -m jetnae train ...` several processes share the work.
    """
    from jetnae.cli.options import find_device
    from jetnae.training import join_group, read_run_config

    options = {
        "model": model,
        "features": tuple(name.strip() for name in features.split(",") if name.strip()),
        "input": input_,
        "n_jets": n_jets,
        "seed": seed,
        "layout": layout,
        "collection": collection,
        "radius": radius,
        "min_pt": min_jet_pt,
        "soft_drop": soft_drop,
        "weights": False if ignore_weights else None,
    }
    is_config = files[0].suffix == ".toml"
    if is_config:
        _require_alone(files, [name for name, value in options.items() if value] + select, ignore_weights)
    folder = output or Path("runs") / files[0].stem
    with join_group(find_device(device)) as (group, own_device):
        if not group.writes:
            logging.disable(logging.WARNING)
        if is_config:
            config = read_run_config(files[0])
        elif resume and os.path.exists(folder / CONFIG):
            config = read_run_config(folder / CONFIG)
        else:
            config = _from_files(files, options, select, golden_json)
            _print_choice(config, group)
        run = _Run(config, folder, folds, own_device, resume, group)
        _print(run(tensorboard), folder, group)


def _require_alone(files: list[Path], given: list[str], ignore_weights: bool) -> None:
    """A configuration says everything: options that would say it again are refused."""
    if len(files) > 1:
        raise InputError(f"{files[0]} and {files[1]}: expected one configuration, or jet files only")
    if given or ignore_weights:
        raise InputError(f"{files[0]}: options that choose jets and model are for jet files, set them in this file")


def _from_files(files: list[Path], options: dict[str, Any], select: list[str], golden_json: Path | None) -> RunConfig:
    from jetnae.selection import Selection
    from jetnae.training import Request, configure

    given = {name: value for name, value in options.items() if value not in ("", (), None)}
    return configure(files, Request(**given, selection=Selection(tuple(select), golden_json)))


class _Run:
    """A training to be run, with a progress bar and what TensorBoard wants."""

    def __init__(self, config: RunConfig, folder: Path, folds: int, device: Any, resume: bool, group: Group) -> None:
        self.config, self.folder, self.folds, self.group = config, folder, folds, group
        self.keywords: dict[str, Any] = {"device": device, "resume": resume, "group": group}

    def __call__(self, tensorboard: bool) -> list[Header]:
        from jetnae.training import train as train_one
        from jetnae.training import train_folds

        board = _tensorboard(self.folder) if tensorboard and self.group.writes else None
        with _reporting(f"training {self.folder.name}", board, self.group) as report:
            if self.folds:
                headers = train_folds(self.config, self.folder, self.folds, report=report, **self.keywords)[1]
            else:
                headers = [train_one(self.config, self.folder, report=report, **self.keywords)]
        if board is not None:
            board.close()
        return headers


def _reporting(what: str, board: Any, group: Group) -> Any:
    """A context that gives what the loop calls after every step."""
    from contextlib import contextmanager

    from jetnae.cli.options import progress_bar

    @contextmanager
    def reporting() -> Iterator[Callable[[int, int, dict[str, float]], None] | None]:
        if not group.writes:
            yield None
            return
        latest: dict[str, float] = {}
        lines = 0
        with progress_bar(what) as update:

            def report(step: int, total: int, logs: dict[str, float]) -> None:
                nonlocal lines
                lines += 1
                latest.update({key: value for key, value in logs.items() if key.startswith("check_")})
                update(step, total, _line({**latest, **logs}))
                for key, value in logs.items() if board is not None else ():
                    board.add_scalar(key, value, lines)

            yield report

    return reporting()


SHOWN = {
    "energy_data": "E+",
    "energy_negative": "E-",
    "check_mean_input": "of mean input",
    "check_ratio": "fresh E-/E+",
    "check_distance": "distance",
}


def _line(logs: dict[str, float]) -> str:
    """The numbers to watch, shortly."""
    return "  ".join(f"{name} {logs[key]:.3g}" for key, name in SHOWN.items() if math.isfinite(logs.get(key, math.nan)))


def _tensorboard(folder: Path) -> Any:
    from jetnae.errors import MissingExtraError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("--tensorboard needs: pip install 'jetnae[tensorboard]'") from error
    return SummaryWriter(str(folder))


def _print_choice(config: RunConfig, group: Group) -> None:
    """What the jets decided."""
    if group.writes:
        data, total = config.data, config.train.total
        print(f"{'trains on':>16}  {data.n_jets} jets with {data.validity}")
        print(f"{'settings':>16}  {config.model['name']}, {total} steps, {config.spec}")


def _print(headers: list[Header], folder: Path, group: Group) -> None:
    from jetnae.folds import MANIFEST

    if not group.writes:
        return
    for header in headers:
        for name, value in _lines(header).items():
            print(f"{name:>16}  {value}")
        for warning in header.training["warnings"]:
            print(f"{'warning':>16}  {warning}")
    print(f"{'output':>16}  {folder / (MANIFEST if len(headers) > 1 else 'model.safetensors')}")


def _lines(header: Header) -> dict[str, str]:
    """What came out, by name."""
    summary = header.training
    share = summary["energy_data"] / max(summary["energy_mean_image"], 1e-300)
    lines = {
        "model": f"{header.name}  ({header.sha256[:12]})",
        "E data": f"{summary['energy_data']:.4g}   {100 * share:.0f} % of the mean input's",
        "time": f"{summary['seconds']:.0f} s",
    }
    if "energy_ratio" in summary:
        lines["E-/E+"] = f"{summary['energy_ratio']:.3f} +- {summary['energy_ratio_error']:.3f} on fresh, long chains"
    if "selected" in summary:
        chosen = summary["selected"]
        numbers = {"E-/E+": chosen.get("ratio"), "distance": chosen.get("distance"), "E+": chosen["energy_data"]}
        said = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items() if value is not None)
        lines["selected"] = f"step {chosen['step']} of {summary['steps']:.0f}: {said}"
    if "folds" in summary:
        lines["fold"] = f"{summary['folds']['fold']} of {summary['folds']['n_folds']}, by {summary['folds']['rule']}"
    for event in summary["events"]:
        lines[f"{event['kind']}, step {event['step']}"] = event["text"]
    return lines
