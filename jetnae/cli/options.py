"""What several commands share: devices, where outputs go, a progress bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from jetnae.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from _typeshed import DataclassInstance

    from jetnae.plotting import Style


def find_device(name: str) -> torch.device:
    """`auto` is the first CUDA device, or the CPU where there is none."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"device '{name}' cannot be used here, choose auto or cpu") from error
    return device


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error that shows itself on terminals only; yields `update(done, total, note)`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None, note="")

        def update(done: int, total: int, note: str = "") -> None:
            progress.update(task, completed=done, total=total, note=note)

        yield update


LOOK = Annotated[str, typer.Option("--style", help="Look of the figures: plain, CMS, ATLAS or LHCb.")]
TITLE = Annotated[str, typer.Option(help="What the jets are; stands above the figures, as 'Simulation, no pile-up'.")]


LABEL = Annotated[
    str, typer.Option(help="Stands behind the experiment of --style, as 'Private work'; without it none is named.")
]


@dataclass(frozen=True)
class Drawing:
    """How figures are drawn: in which style, and what stands above them."""

    look: Style
    title: str
    label: str


def find_drawing(look: str, title: str, label: str) -> Drawing:
    """The options of a command on figures; raises `InputError` for an unknown style."""
    return Drawing(find_style(look), title, label)


def find_style(name: str) -> Style:
    """The style of that name; raises `InputError` naming the known ones."""
    from jetnae.plotting import Style

    if name not in set(Style):
        raise InputError(f"unknown style '{name}', expected one of {', '.join(Style)}")
    return Style(name)


def prepare_result(kind: str, stem: Path, *, force: bool) -> None:
    """Find out before the work begins whether its result can be written; raises `InputError` when not."""
    from jetnae.files import refuse_existing
    from jetnae.plotting.results import figure_files, result_file

    for path in (result_file(kind, stem), *figure_files(kind, stem)):
        refuse_existing(path, force=force)


def write_result(result: DataclassInstance, stem: Path, drawing: Drawing | None, *, force: bool) -> None:
    """Write a result file and draw its figures as `jetnae plot` would draw them again, printing each path.

    Without `drawing` no figures are drawn.
    """
    from jetnae.files import write_bytes
    from jetnae.plotting.results import draw_result, result_file
    from jetnae.results import to_json

    content = to_json(result)
    path, data = result_file(content["kind"], stem), json.dumps(content, allow_nan=False) + "\n"
    write_bytes(path, data.encode(), force=force)
    print(path)
    for each in draw_result(json.loads(data), stem, force=force, **asdict(drawing)) if drawing else ():
        print(each)
