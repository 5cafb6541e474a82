"""What a firmware person has to know about an exported student: ports, formats, scale, threshold, how to build."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetnae.export.estimate import Estimate
    from jetnae.export.fidelity import WorkingPoint
    from jetnae.export.report import HlsReport

_FORMAT = re.compile(r"ap_(u?)fixed<(\d+),(-?\d+)")


def handbook(report: HlsReport, top: str) -> str:
    """README.txt of a project, in plain text of 100 columns."""
    sections = {
        f"Anomaly score '{report.model}' as firmware": _about(report),
        "Ports": _ports(report, top),
        "What goes in": _input(report),
        "What comes out": _output(report),
        "Formats of all numbers": [f"  {name:<16} {value}" for name, value in report.formats.items()],
        "What was checked": _checks(report),
        "Resources and latency: AN ESTIMATE": _estimate(report.estimate, float(report.settings["clock"])),
        "Files and commands": _files(top),
    }
    lines = [line for title, body in sections.items() for line in (title, "-" * len(title), *body, "")]
    return "\n".join(each for line in lines for each in _wrapped(line)) + "\n"


def code_step(fmt: str) -> tuple[int, int, bool]:
    """Bits, bits after the point and whether signed, of a format as written in C++."""
    found = _FORMAT.match(fmt)
    if found is None:
        raise ValueError(fmt)
    return int(found[2]), int(found[2]) - int(found[3]), not found[1]


def _about(report: HlsReport) -> Iterator[str]:
    settings = report.settings
    yield (
        f"Model {report.model}, sha256 {report.model_sha256}, exported by jetnae {report.jetnae} with hls4ml "
        f"{report.hls4ml} for Vitis HLS: part {settings['part']}, clock {settings['clock']} ns, reuse factor "
        f"{settings['reuse_factor']}. All numbers of this text and more are in report.json."
    )


def _ports(report: HlsReport, top: str) -> Iterator[str]:
    output = list(report.formats)[-1]
    yield f"The top function is {top} (firmware/{top}.cpp). Handshake ap_vld, all values in parallel."
    yield f"  inputs           {report.input['shape']}, row after row, each {report.formats['input']}"
    yield f"  score            1 value, {report.formats[output]}"


def _input(report: HlsReport) -> Iterator[str]:
    width, fraction, signed = code_step(report.formats["input"])
    kind = "integer in two's complement" if signed else "unsigned integer"
    yield (
        f"Each input has {width} bits, an {kind}; times 2^{-fraction} it is the value that the model was "
        "trained with. Values off that grid are rounded, and values beyond its ends take the end, as the format says."
    )
    yield "How crossings or jets become these values, as the model says:"
    yield from (f"  {name:<16} {value}" for name, value in report.input.items())
    if report.input.get("transform") == "linear" and float(report.input["scale"]) == 2.0**fraction:
        yield "So the bits of an input are the count itself: no arithmetic is needed before the port."
    elif report.input.get("transform", "linear") != "linear":
        yield f"The transform ({report.input['transform']}) has to be done before the port, as with a table."


def _output(report: HlsReport) -> Iterator[str]:
    fmt = list(report.formats.values())[-1]
    _, fraction, _ = code_step(fmt)
    yield (
        f"The score is an integer code times 2^{-fraction}; larger is more anomalous. It stands for {report.slope:g} * "
        f"(log s - {report.offset:g}), where s is the score of the model that the student learned from."
    )
    if report.working_point is None:
        yield "No threshold: none was asked for (`jetnae export --hls --jets FILE --budget KHZ`, or `jetnae rate`)."
        return
    yield from _threshold(report.working_point, fraction)


def _threshold(found: WorkingPoint, fraction: int) -> Iterator[str]:
    at = found.fixed
    yield (
        f"THRESHOLD for {at.budget:g} kHz of {found.conditions.told()}: score >= {at.value!r}, that is code >= "
        f"{round(at.value * 2.0**fraction)}. It was set on the scores in fixed point, not carried over."
    )
    yield (
        f"  rate             {at.rate.value:.4g} kHz (68 %: {at.rate.low:.4g} to {at.rate.high:.4g}), "
        f"{at.n_passing} of {found.background.n} crossings pass, {at.n_tied} of them exactly at the threshold"
    )
    if at.looser_value is not None and at.looser_rate is not None:
        yield f"  next lower score {at.looser_value!r}: {at.looser_rate.value:.4g} kHz"


def _checks(report: HlsReport) -> Iterator[str]:
    bits = report.bits
    yield (
        f"Bits: the C simulation ({report.compiler}) and the fixed-point student of jetnae give the same score in "
        f"every bit for {bits.n_inputs} of {bits.n_inputs} inputs ({bits.inputs}; {bits.n_scores} different scores)."
    )
    yield f"Floating point below means: {report.reference}."
    if report.separation is None:
        yield "AUC: not compared, no signal was given."
    else:
        each = report.separation
        yield (
            f"AUC: {each.fixed.value:.4f} +- {each.fixed.error:.4f} in fixed point, {each.floating.value:.4f} +- "
            f"{each.floating.error:.4f} in floating point; change {each.change.value:+.5f} +- {each.change.error:.5f}."
        )
    if report.working_point is None:
        yield "Rate: not compared, no budget was given."
        return
    point = report.working_point
    yield (
        f"Rate: {point.fixed.rate.value:.4g} kHz in fixed point, {point.floating.rate.value:.4g} kHz in floating, "
        f"each at its own threshold; of the background that passes either {point.background.share:.1%} passes both."
    )
    effs = [each.sig_eff.get("signal") for each in (point.fixed, point.floating)]
    if effs[0] is not None and effs[1] is not None and point.signal is not None:
        yield (
            f"Signal efficiency: {effs[0].value:.4g} ({effs[0].low:.4g} to {effs[0].high:.4g}) in fixed point, "
            f"{effs[1].value:.4g} in floating point; of what passes either {point.signal.share:.1%} passes both."
        )


def _estimate(found: Estimate, clock: float) -> Iterator[str]:
    tool = "no vendor tool is installed here" if found.vendor_tool is None else f"{found.vendor_tool} was not run"
    yield f"These are rules of thumb, {tool}: synthesize before you believe them."
    yield f"  products         {found.products}"
    yield f"  LUT, FF, DSP     {found.lut}, {found.flip_flops}, {found.dsp}"
    yield f"  latency          {found.cycles} periods of {clock:g} ns = {found.latency:g} ns"
    keeps = "keeps up with" if found.every_crossing else "does NOT keep up with"
    yield f"  interval         {found.interval:g} ns between inputs: {keeps} a crossing every 25 ns"
    yield found.formula


def _files(top: str) -> Iterator[str]:
    yield f"  firmware/        C++ of the model: {top}.cpp, formats in defines.h, weights in weights/*.h"
    yield "  build_prj.tcl    synthesis with Vitis HLS: vitis_hls -f build_prj.tcl (or vitis-run --tcl build_prj.tcl)"
    yield "  build_lib.sh     C simulation as a shared library, needs g++ only: bash build_lib.sh"
    yield f"  {f'{top}_test.cpp':<16} test bench; tb_data/ holds inputs and the scores that must come out"
    yield "  report.json      formats, checks, estimate, and the configuration of hls4ml"


def _wrapped(line: str) -> list[str]:
    indent = " " * 19 if line.startswith("  ") else ""
    return textwrap.wrap(line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]
