"""What every recipe shows while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Callable

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from jetnae.errors import JetnaeError
from jetnae.simulate.chunks import Job
from jetnae.simulate.run import Request, produce

Report = Callable[[int], None]
"""Called with how much is done."""


def with_progress(what: str, total: int, make: Callable[[Report], None]) -> None:
    """Run `make` with a progress bar; an expected error is one line and an exit code."""
    console = Console()
    try:
        with Progress(what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(what, total=total)
            make(lambda done: bar.update(task, completed=done))
    except JetnaeError as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None


def run_recipe(make: Callable[[], tuple[Job, Request]]) -> None:
    """Produce the sample that `make` describes with a progress bar; an expected error is one line and an exit code."""
    console = Console()
    try:
        job, request = make()
        with Progress("simulating", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(request.unit, total=request.number)
            summary = produce(job, request, on_progress=lambda done: bar.update(task, completed=done))
    except JetnaeError as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None
    console.print(f"{request.folder / request.name}.root and .h5", markup=False)
    console.print(summary)
