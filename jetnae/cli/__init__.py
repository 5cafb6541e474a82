"""The command line: it reads options, calls the library, prints; one line for an expected error."""

from __future__ import annotations

import logging
import signal
import sys
import traceback

import typer
from rich.console import Console
from rich.text import Text

from jetnae.cli import (
    bumphunt,
    convert,
    diagnose,
    distill,
    export,
    inspect,
    latency,
    models,
    plot,
    rate,
    roc,
    sample,
    score,
    sculpt,
    train,
    working_points,
)
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
app.command("inspect")(inspect.inspect)
app.command("convert")(convert.convert)
app.command("train")(train.train)
app.command("distill")(distill.distill)
app.command("diagnose")(diagnose.diagnose)
app.command("export")(export.export)
app.command("latency")(latency.latency)
app.command("models")(models.models)
app.command("sample")(sample.sample)
app.command("roc")(roc.roc)
app.command("rate")(rate.rate)
app.command("workingpoints")(working_points.working_points)
app.command("sculpt")(sculpt.sculpt)
app.command("plot")(plot.plot)
app.add_typer(bumphunt.app, name="bumphunt")


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
    """Run the command line; exit codes: 0 done, 1 a bug, 2 input or usage, 4 a check failed, 130 interrupted."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems end jobs so: clean up as for Ctrl-C
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        sys.exit(app(arguments, prog_name="jetnae", standalone_mode=False))
    except JetnaeError as error:
        sys.exit(_fail(str(error), error.exit_code, debug))
    except typer.TyperException as error:
        sys.exit(_fail(_usage(error), 2, debug))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_fail("interrupted, nothing half-written was left", 130, debug))
    except Exception as error:
        message = f"internal error, please report it with the output of --debug: {type(error).__name__}: {error}"
        sys.exit(_fail(message, 1, debug))


def _usage(error: typer.TyperException) -> str:
    """What was wrong with the options, and where they are explained."""
    describe = getattr(error, "format_message", None)
    message = (str(error) if describe is None else describe()).rstrip(".")
    context = getattr(error, "ctx", None)
    if not message:
        return ""  # no arguments at all: the help is printed already
    return message if context is None else f"{message} (see {context.command_path} --help)"


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if message:
        line = Text.assemble(("error:", "bold red"), " ", message)
        Console(stderr=True, soft_wrap=True).print(line, highlight=False)
    return code
