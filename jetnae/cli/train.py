"""`jetnae train`: a model from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from jetnae.checkpoint import Header

EQUILIBRATED = (0.85, 1.15)
"""Range of E-/E+ on fresh chains in which a training can be interpreted."""


def train(
    config: Path = typer.Argument(..., help="Configuration, such as analyses/qcd_ak8_nae.toml."),
    output: Path | None = typer.Option(None, help="Folder for the training. Default: runs/NAME."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the saved state."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, ..."),
    tensorboard: bool = typer.Option(False, "--tensorboard", help="Also log for TensorBoard, into the same folder."),
) -> None:
    """Train a model on background jets; no label of any signal is ever used.

    The README lists the keys of a configuration. With --resume, an interrupted training goes on to the same result,
    and a finished one can be made longer with a larger n_steps.
    """
    from jetnae.cli.options import find_device, progress_bar
    from jetnae.training import read_run_config
    from jetnae.training import train as run

    settings = read_run_config(config)
    folder = output or Path("runs") / config.stem
    board = _tensorboard(folder) if tensorboard else None
    with progress_bar(f"training {config.stem}") as update:

        def report(step: int, total: int, logs: dict[str, float]) -> None:
            update(step, total, "  ".join(f"{key} {value:.4g}" for key, value in logs.items()))
            if board is not None:
                for key, value in logs.items():
                    board.add_scalar(key, value, step)

        header = run(settings, folder, device=find_device(device), resume=resume, report=report)
    if board is not None:
        board.close()
    _print(header, folder)


def _tensorboard(folder: Path) -> Any:
    from jetnae.errors import MissingExtraError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("--tensorboard needs: pip install 'jetnae[tensorboard]'") from error
    return SummaryWriter(str(folder))


def _print(header: Header, folder: Path) -> None:
    summary = header.training
    lines = {
        "model": f"{header.name}  ({header.sha256[:12]})",
        "E data": f"{summary['energy_data']:.4g}   mean image {summary['energy_mean_image']:.4g}",
        "time": f"{summary['seconds']:.0f} s",
        "output": f"{folder / 'model.safetensors'}",
    }
    if "energy_ratio" in summary:
        lines["E-/E+"] = f"{summary['energy_ratio']:.3f} +- {summary['energy_ratio_error']:.3f} on fresh chains"
    for name, value in lines.items():
        print(f"{name:>16}  {value}")
    if summary["energy_data"] > 0.9 * summary["energy_mean_image"]:
        print("warning: reconstructions are hardly better than the mean image: collapsed, or hardly begun")
    low, high = EQUILIBRATED
    if not low <= summary.get("energy_ratio", 1.0) <= high:
        print(f"warning: E-/E+ is outside {low:g} to {high:g}: chains and data disagree; raise n_steps and --resume")
