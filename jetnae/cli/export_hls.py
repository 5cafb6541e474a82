"""The part of `jetnae export` that makes firmware: options to library, and what is printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jetnae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetnae.checkpoint import Checkpoint
    from jetnae.export.estimate import Estimate
    from jetnae.export.fidelity import WorkingPoint
    from jetnae.export.firmware import Sample, Trial
    from jetnae.export.report import HlsReport

PANEL = "Firmware (--hls)"

Folder = Annotated[
    Path | None,
    typer.Option(
        "--hls", rich_help_panel=PANEL, help="Write an hls4ml project of a fixed-point student into this folder."
    ),
]
Signal = Annotated[
    Path | None,
    typer.Option("--signal", rich_help_panel=PANEL, help="File with a signal: AUC and efficiency are compared."),
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget", rich_help_panel=PANEL, help="Rate in kHz to set the threshold for, on the crossings of --jets."
    ),
]
Bunches = Annotated[
    int | None,
    typer.Option("--n-bunches", rich_help_panel=PANEL, help="Colliding bunches, for the rate.  [default: 2544]"),
]
InputRate = Annotated[
    str, typer.Option("--input-rate", rich_help_panel=PANEL, help="Rate of crossings instead of bunches, as 40MHz.")
]
Reference = Annotated[
    str,
    typer.Option(
        "--reference",
        rich_help_panel=PANEL,
        help="Checkpoint in floating point to compare with. Default: the student's own weights, not rounded.",
    ),
]
Part = Annotated[str, typer.Option("--part", rich_help_panel=PANEL, help="Chip the firmware is for.")]
Clock = Annotated[float, typer.Option("--clock", rich_help_panel=PANEL, help="Clock period in ns.")]
ReuseFactor = Annotated[
    int, typer.Option("--reuse-factor", rich_help_panel=PANEL, help="Products that share a multiplier.")
]
AucLoss = Annotated[
    float, typer.Option("--max-auc-loss", rich_help_panel=PANEL, help="What the AUC may lose in fixed point.")
]
RateLoss = Annotated[
    float, typer.Option("--max-rate-loss", rich_help_panel=PANEL, help="What the rate may lose to ties, relative.")
]
EfficiencyLoss = Annotated[
    float,
    typer.Option(
        "--max-efficiency-loss", rich_help_panel=PANEL, help="What the signal may lose at the rate, relative."
    ),
]

Layout = Annotated[
    str, typer.Option("--layout", rich_help_panel=PANEL, help="How these files name their columns; empty: detect.")
]
Jets = Annotated[str, typer.Option("--collection", rich_help_panel=PANEL, help="Jet collection of these files.")]


@dataclass(frozen=True)
class HlsOptions:
    """The options of the command line, one for one."""

    jets: Path | None
    signal: Path | None
    budget: float | None
    n_bunches: int | None
    input_rate: str
    reference: str
    target: tuple[str, float, int]
    losses: tuple[float, float, float]
    read: tuple[str, str]


def refuse_options(*given: object) -> None:
    """Raises `InputError` where options of firmware are given for another export."""
    if any(given):
        raise InputError("--signal, --budget, --n-bunches, --input-rate and --reference belong to --hls")


def export_hls(model: str, folder: Path, options: HlsOptions, *, force: bool) -> None:
    """Write the project of a student and say how it compares."""
    from jetnae.checkpoint import load_model
    from jetnae.export.firmware import REPORT, export_hls
    from jetnae.export.hls import HlsSettings, require_hls4ml, require_student
    from jetnae.export.simulation import require_compiler
    from jetnae.files import refuse_existing

    refuse_existing(folder, force=force)
    checkpoint = load_model(model)
    require_student(checkpoint)
    settings = HlsSettings(*options.target)
    require_hls4ml()
    require_compiler()
    trial = _trial(checkpoint, options)
    report = export_hls(checkpoint, folder, trial, settings, reference=_reference(options), force=force)
    for name, value in _lines(report):
        print(f"{name:>12}  {value}")
    print(f"{'output':>12}  {folder} (README.txt, {REPORT})")


def _reference(options: HlsOptions) -> str:
    from jetnae.checkpoint import load_model

    if not options.reference:
        return ""
    header = load_model(options.reference).header
    return f"the model {header.name} ({header.sha256[:12]})"


def _trial(checkpoint: Checkpoint, options: HlsOptions) -> Trial:
    from jetnae.checkpoint import load_model
    from jetnae.export.fidelity import Tolerances
    from jetnae.export.firmware import Trial
    from jetnae.export.trial import floating_point, read_sample
    from jetnae.io import ReadOptions
    from jetnae.rate import make_conditions, parse_rate

    if options.jets is None and (options.signal is not None or options.budget is not None):
        raise InputError("--signal and --budget compare with crossings of the background: give them with --jets")
    tolerances = Tolerances(*options.losses)
    given = parse_rate(options.input_rate) if options.input_rate else None
    conditions = make_conditions(n_bunches=options.n_bunches, input_rate=given)
    floating = load_model(options.reference) if options.reference else floating_point(checkpoint)

    layout, collection = options.read
    how = ReadOptions(layout or None, collection or None)

    def read(path: Path | None) -> Sample | None:
        return None if path is None else read_sample(path, checkpoint, floating, how)

    return Trial(read(options.jets), read(options.signal), conditions, options.budget, tolerances)


def _lines(report: HlsReport) -> Iterator[tuple[str, str]]:
    bits, settings = report.bits, report.settings
    yield "model", f"{report.model}  ({report.model_sha256[:12]})"
    yield "bits", f"{bits.n_inputs} of {bits.n_inputs} scores of the C simulation equal: {bits.inputs}"
    if not report.samples:
        yield "", "only random inputs: give crossings with --jets"
    if report.separation is not None:
        each = report.separation
        change = f"{each.change.value:+.5f} +- {each.change.error:.5f}"
        yield "AUC", f"{each.fixed.value:.4f} +- {each.fixed.error:.4f}, change {change}"
    if report.working_point is not None:
        yield from _working_point(report.working_point)
    yield from _estimate(report.estimate)
    target = f"{settings['part']}, {settings['clock']} ns, reuse factor {settings['reuse_factor']}"
    yield "made for", f"{target}; hls4ml {report.hls4ml}, {report.compiler}, compiled in {report.compile_seconds:.1f} s"


def _working_point(found: WorkingPoint) -> Iterator[tuple[str, str]]:
    at, before = found.fixed, found.floating
    ends = f"{at.rate.low:.4g} to {at.rate.high:.4g}"
    ties = f"{at.n_tied} of {at.n_passing} at the threshold"
    agree = f"floating point {before.rate.value:.4g} kHz, {found.background.share:.1%} pass both"
    yield "threshold", f"score >= {at.value!r} for {at.budget:g} kHz of {found.conditions.told()}"
    yield "rate", f"{at.rate.value:.4g} kHz ({ends}), {ties}; {agree}"
    eff, eff_before = (each.sig_eff.get("signal") for each in (at, before))
    if eff is not None and eff_before is not None and found.signal is not None:
        agree = f"floating point {eff_before.value:.4g}, {found.signal.share:.1%} pass both"
        yield "signal", f"efficiency {eff.value:.4g} ({eff.low:.4g} to {eff.high:.4g}), {agree}"


def _estimate(found: Estimate) -> Iterator[tuple[str, str]]:
    keeps = "" if found.every_crossing else ", too slow for a crossing every 25 ns"
    yield "estimate", f"{found.products} products, {found.lut} LUT, {found.flip_flops} FF, {found.dsp} DSP"
    yield (
        "",
        f"latency {found.latency:g} ns, one input every {found.interval:g} ns{keeps}; rules of thumb, no synthesis",
    )
