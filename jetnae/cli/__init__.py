"""The command line: it reads options, calls the library, prints; one line for an expected error."""

from __future__ import annotations

import logging
import sys
import traceback

import click
import typer
from rich.console import Console

from jetnae.cli import models, plot, sample, score, train
from jetnae.errors import JetnaeError
from jetnae.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="jetnae",
    help="Find the unexpected in LHC jets: anomaly scores from normalized autoencoders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("score")(score.score)
app.command("train")(train.train)
app.command("models")(models.models)
app.command("sample")(sample.sample)
app.command("plot")(plot.plot)


def _version(show: bool) -> None:
    if show:
        print(f"jetnae {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show where an error came from; may stand anywhere."),
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 a bug, 2 input or usage, 130 interrupted."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        sys.exit(app(arguments, standalone_mode=False))
    except JetnaeError as error:
        sys.exit(_fail(str(error), error.exit_code, debug))
    except click.ClickException as error:
        hint = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        sys.exit(_fail(error.format_message() + hint, 2, debug))
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_fail("interrupted, nothing half-written was left", 130, debug))
    except Exception as error:
        message = f"internal error, please report it with the output of --debug: {type(error).__name__}: {error}"
        sys.exit(_fail(message, 1, debug))


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {message}", highlight=False, markup=True)
    return code
