"""`jetnae latency`: how long a model keeps one jet, or many, waiting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from jetnae.latency import Latency


def latency(
    model: str = typer.Argument(..., help="A bundled model (see `jetnae models`), or a checkpoint or its folder."),
    engine: list[str] = typer.Option(
        [], help="torch, compiled or onnx; may be repeated. Default: all that run here. Compiling takes a minute."
    ),
    n_jets: list[int] = typer.Option([1, 10, 1000], "--n-jets", help="Jets per call; may be repeated."),
    jets: Path | None = typer.Option(None, "--jets", help="File with jets. Default: the bundled events."),
    seconds: float = typer.Option(5.0, help="For each number of jets and stage; at least 10 calls are timed."),
    output: Path | None = typer.Option(None, help="Write the result here, as JSON."),
    force: bool = typer.Option(False, "--force", help="Replace an existing output."),
) -> None:
    """Time a model on one thread: the model alone, and from jets to scores; milliseconds per call, and jets per second.

    For a high-level trigger, which scores the jets of one event at a time. The engines take turns, so that they see the
    same machine; use one with nothing else to do.
    """
    from importlib import resources

    from jetnae.checkpoint import Checkpoint
    from jetnae.export.parity import read_some
    from jetnae.files import refuse_existing
    from jetnae.folds import load_scorer
    from jetnae.latency import LatencyOptions, measure_latency

    options = LatencyOptions(tuple(engine), tuple(n_jets), seconds)
    if output is not None:
        refuse_existing(output, force=force)
    found = load_scorer(model)
    checkpoint = found if isinstance(found, Checkpoint) else found.checkpoints[0]  # the folds are of one kind
    path = jets or Path(str(resources.files("jetnae") / "assets" / "events.root"))
    result = measure_latency(checkpoint, read_some(path, checkpoint), path.name, options)
    _print(result)
    if output is not None:
        _write(result, output, force=force)


def _print(result: Latency) -> None:
    print(f"{result.model}  ({result.model_sha256[:12]}), jets of {result.jets}, one thread, ms per call")
    print(f"{'':15}{'jets':>6} {'engine':>9} {'p50':>9} {'p90':>9} {'p99':>9} {'max':>9} {'jets/s':>9} {'calls':>6}")
    stage = ""
    for each in result.timings:
        said = each.stage if each.stage != stage else ""
        stage = each.stage
        p99 = "-" if each.p99 is None else f"{each.p99:.3f}"
        print(
            f"{said:15}{each.n_jets:>6} {each.engine:>9} {each.p50:>9.3f} {each.p90:>9.3f} {p99:>9} "
            f"{each.largest:>9.3f} {each.rate:>9.0f} {each.n_calls:>6}"
        )
    print(", ".join(f"{name} {value}" for name, value in result.environment.items()))
    for note in result.notes:
        print(f"note: {note}")


def _write(result: Latency, output: Path, *, force: bool) -> None:
    import json

    from jetnae.files import write_bytes
    from jetnae.results import to_json

    write_bytes(output, (json.dumps(to_json(result), allow_nan=False) + "\n").encode(), force=force)
    print(output)
