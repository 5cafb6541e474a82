"""`jetnae distill`: a small student learns the score of a trained model, in floating point or as firmware computes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jetnae.cli import reading
from jetnae.errors import InputError

if TYPE_CHECKING:
    from jetnae.checkpoint import Header
    from jetnae.distillation import Agreement, BitScan, DistillConfig, School, Sources


def distill(
    teacher: str = typer.Argument(..., help="The model to learn from: a checkpoint, or a bundled model."),
    files: list[Path] = typer.Argument(..., help="Background, as the teacher was trained on: zero bias, or jets."),
    output: Path = typer.Option(..., "--output", "-o", help="The student's checkpoint, as student.safetensors."),
    bits: str = typer.Option("", help="Bits of a weight, as 8, for fixed point; with --scan several, as 8,6,4."),
    scan: bool = typer.Option(False, "--scan", help="Compare several widths, take one by a rule, write OUTPUT.json."),
    hidden: str = typer.Option("", help="Sizes of the dense layers, as 32,16; 'none' for a linear student."),
    channels: int | None = typer.Option(
        None, help="Channels of a convolution over 2 x 2 values before them; by default 8 for regions, else 0."
    ),
    n_jets: int | None = typer.Option(None, "--n-jets", help="Use at most so many background inputs."),
    steps: int | None = typer.Option(None, help="Steps in floating point; half as many follow in fixed point."),
    seed: int = typer.Option(1, min=0, help="Of weights, batches, split and broadened inputs."),
    signal: list[Path] = typer.Option([], help="With --scan: also list the efficiency for this file; not used else."),
    layout: reading.Layout = "",
    collection: reading.Jets = "",
    select: reading.Select = [],  # noqa: B006  typer copies it
    golden_json: reading.GoldenJson = None,
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, ..."),
    force: bool = typer.Option(False, "--force", help="Replace existing files."),
) -> None:
    """Let a small network learn the log-score of a trained model, from background alone.

    It also sees broadened background, scored by the teacher, so that it is right where signals would be. With --bits it
    goes on in fixed point, rounding and saturating as firmware does, and its scores are those of firmware bit by bit.
    """
    from jetnae.cli.options import find_device
    from jetnae.distillation import Sources
    from jetnae.selection import Selection

    widths = _numbers("--bits", bits)
    if (len(widths) > 1 or signal) and not scan:
        raise InputError("several --bits, or --signal, without --scan: give one width, or --scan to compare them")
    given = {"n_jets": n_jets, "channels": channels, "hidden": None if not hidden else _numbers("--hidden", hidden)}
    config = _config(given, seed, steps, None if scan or not widths else widths[0])
    sources = Sources(
        teacher,
        tuple(files),
        layout or None,
        collection or None,
        Selection(tuple(select), golden_json),
        find_device(device),
    )
    if scan:
        _scan(sources, config, output, (widths, signal), force=force)
    else:
        _distill(sources, config, output, force=force)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers between commas; raises `InputError` for anything else."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["none"]:
        return ()
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"{option} {text!r}: expected whole numbers, as 8 or 32,16")
    return tuple(int(part) for part in parts)


def _config(given: dict[str, Any], seed: int, steps: int | None, bits: int | None) -> DistillConfig:
    """The defaults, but for what is given."""
    from jetnae.distillation import DistillConfig

    chosen = {name: value for name, value in given.items() if value is not None}
    if steps is not None:
        chosen |= {"n_steps": steps, "quantized_steps": max(1, steps // 2)}
    return DistillConfig(**chosen, seed=seed, bits=bits)


def _distill(sources: Sources, config: DistillConfig, output: Path, *, force: bool) -> None:
    from jetnae.distillation import distill as make
    from jetnae.files import refuse_existing

    refuse_existing(output, force=force)
    with _opened(sources, config) as school:
        header, agreement = make(school, output, force=force)
    _print_student(header, agreement, output)


def _scan(
    sources: Sources, config: DistillConfig, output: Path, asked: tuple[tuple[int, ...], list[Path]], *, force: bool
) -> None:
    from jetnae.distillation import SCAN
    from jetnae.distillation import scan as make
    from jetnae.files import refuse_existing, write_bytes
    from jetnae.results import to_json

    table = output.with_suffix(".json")
    for path in (output, table):
        refuse_existing(path, force=force)
    widths, signals = asked
    with _opened(sources, config) as school:
        header, result = make(school, output, widths or SCAN, signals, force=force)
    write_bytes(table, (json.dumps(to_json(result), allow_nan=False) + "\n").encode(), force=force)
    _print_scan(result)
    chosen = next(each for each in result.candidates if each.bits == result.recommended)
    _print_student(header, chosen.agreement, output)
    print(f"{'scan':>16}  {table}")


@contextmanager
def _opened(sources: Sources, config: DistillConfig) -> Iterator[School]:
    """Everything read and scored by the teacher, with a progress bar for what follows."""
    from jetnae.cli.options import progress_bar
    from jetnae.distillation import open_school

    with progress_bar("distilling") as update:

        def report(what: str, step: int, total: int, logs: dict[str, float]) -> None:
            update(step, total, f"{what}  loss {logs['loss']:.4f}")

        yield open_school(sources, config, report)


def _print_student(header: Header, agreement: Agreement, output: Path) -> None:
    training = header.training
    size = training["size"]
    width = training["distillation"]["bits"]
    lines = {
        "student": f"{header.name}  ({header.sha256[:12]})",
        "teacher": f"{training['teacher']}  ({training['teacher_sha256'][:12]})",
        "numbers": "floating point" if width is None else f"fixed point, weights of {width} bits",
        "size": f"{size['n_weights']} weights, {size['weight_bits']} bits, {size['multiplications']} multiplications",
        "rank correlation": f"{agreement.correlation:.4f}, {agreement.correlation_tail:.4f} in the upper 1 %",
    }
    for point in agreement.points:
        lines[f"passing {point.share:g}"] = f"{100 * point.agreement:.1f} % of the teacher's, of {point.n_pass}"
    if agreement.retention is not None:
        lines["efficiency kept"] = (
            f"{100 * agreement.retention:.1f} % for broadened background at {agreement.working_point:g}"
        )
    for name, value in lines.items():
        print(f"{name:>16}  {value}")
    print(f"{'output':>16}  {output}")


def _print_scan(result: BitScan) -> None:
    print(f"{'bits':>16}  {'kept':>7}  {'tail':>7}  {'weight bits':>12}  {'bit operations':>15}")
    for each in result.candidates:
        kept = "-" if each.agreement.retention is None else f"{100 * each.agreement.retention:.1f} %"
        name = "floating point" if each.bits is None else str(each.bits)
        mark = "  recommended" if each.bits == result.recommended else ""
        numbers = f"{each.size.weight_bits:>12}  {each.size.bit_operations:>15}"
        print(f"{name:>16}  {kept:>7}  {each.agreement.correlation_tail:>7.4f}  {numbers}{mark}")
