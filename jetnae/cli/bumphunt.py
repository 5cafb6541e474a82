"""`jetnae bumphunt`: search a spectrum for a bump, and check what such a search is worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from jetnae.cli import bumphunt_checks as checks
from jetnae.cli import bumphunt_export
from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing, prepare_result, write_result

if TYPE_CHECKING:
    from jetnae.bumphunt import Hunt, HuntOptions, Spectrum


POOR_FIT = 0.01


class _ScanByDefault(TyperGroup):
    """`jetnae bumphunt FILE` is `jetnae bumphunt scan FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["scan", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ScanByDefault,
    no_args_is_help=True,
    help="Search a spectrum for a bump: `jetnae bumphunt FILE` scans it, checks start from the JSON file it writes.",
)


@app.command("scan")
def scan(
    file: str = typer.Argument(..., help="A score file, FILE.root:HISTOGRAM, or FILE.csv with low, high, count."),
    column: str = typer.Option("mass", help="Observable of a score file: a column of jets or of events."),
    score: str = typer.Option("score", help="Column of jets to cut on, as score_decorrelated."),
    score_above: float | None = typer.Option(None, help="Keep jets (or events) with a larger score."),
    background_efficiency: float | None = typer.Option(None, help="Keep this share of the jets in the sidebands."),
    signal_region: tuple[float, float] | None = typer.Option(
        None, metavar="LOW HIGH", help="What is no sideband for --background-efficiency; default: what is blinded."
    ),
    force_cut: bool = typer.Option(False, "--force-cut", help="Choose the cut on all jets, signal or not."),
    bins: int | None = typer.Option(None, min=1, help="Bins of the spectrum of a score file.  [default: 50]"),
    mass_range: tuple[float, float] | None = typer.Option(
        None, "--range", metavar="LOW HIGH", help="Range of the spectrum."
    ),
    all_jets: bool = typer.Option(False, "--all", help="Also jets outside the validity range of the model."),
    pseudo_data: float | None = typer.Option(
        None, help="Throw counts from a fit to a weighted spectrum, with this many times its luminosity."
    ),
    family: str = typer.Option("dijet", help="dijet: the F-test chooses the order; or dijet2 to dijet5, ua2, svj."),
    sqrt_s: float = typer.Option(13_000.0, help="Collision energy in the unit of the observable."),
    widths: tuple[int, int] | None = typer.Option(
        None, metavar="MIN MAX", help="Widths of windows in bins.  [default: 2 to half of the bins]"
    ),
    toys: int = typer.Option(10_000, min=0, help="Pseudo-experiments."),
    seed: int = typer.Option(1, min=0, help="Of the pseudo-experiments."),
    blind: tuple[float, float] | None = typer.Option(
        None, metavar="LOW HIGH", help="Range whose counts are neither used nor shown."
    ),
    sideband_criterion: bool = typer.Option(
        False, "--sideband-criterion", help="Only windows between sidebands that agree with the background."
    ),
    no_refit: bool = typer.Option(False, "--no-refit", help="Do not fit the pseudo-experiments: quick, too cautious."),
    observable: str = typer.Option(
        "", help="What the spectrum is of, with its unit, as 'Dijet mass [GeV]'.  [default: the column, or m, in GeV]"
    ),
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    no_figures: checks.NoFigures = False,
    output: Path | None = typer.Option(None, help="NAME of the results.  [default: FILE.bumphunt, here]"),
    force: bool = typer.Option(False, "--force", help="Replace existing files."),
) -> None:
    """Fit a smooth background, find the most significant window, and say how often chance makes a larger one.

    Writes NAME.json with all numbers, and the figures NAME, NAME.windows and NAME.toys as PDF and PNG. The checks and
    exports (see `jetnae bumphunt --help`) start from NAME.json.
    """
    import numpy as np

    from jetnae.bumphunt import HuntOptions, hunt
    from jetnae.cli.spectra import Selection, is_table, read_spectrum

    stem = checks.name_of(output) if output else Path(f"{Path(file.rpartition('.')[0] or file).name}.bumphunt")
    drawing = find_drawing(look, title, label)
    prepare_result("hunt", stem, force=force)
    selection = Selection(
        column, score, score_above, background_efficiency, signal_region, force_cut, bins, mass_range, all_jets, blind
    )
    spectrum, source = read_spectrum(file, selection)
    narrowest, widest = widths or (2, None)
    options = HuntOptions(
        family=family,
        sqrt_s=sqrt_s,
        min_width=narrowest,
        max_width=widest,
        n_toys=toys,
        sideband_criterion=sideband_criterion,
        refit=not no_refit,
        blind=blind,
    )
    rng = np.random.default_rng(seed)
    spectrum, source = _counts(spectrum, source, options, pseudo_data, rng)
    name, unit = _observable(observable or f"{'m' if is_table(file) else column} [GeV]")
    found = replace(hunt(spectrum, options, rng), source=source, observable=name, unit=unit)
    _print(found)
    write_result(found, stem, None if no_figures else drawing, force=force)


def _observable(text: str) -> tuple[str, str]:
    """'Dijet mass [GeV]' as the name and the unit."""
    name, _, unit = text.partition("[")
    return name.strip(), unit.strip(" ]")


def _counts(
    spectrum: Spectrum, source: str, options: HuntOptions, scale: float | None, rng: Any
) -> tuple[Spectrum, str]:
    """Plain counts: as they are, or pseudo-data from a fit to a weighted spectrum."""
    from jetnae.bumphunt import pseudo_data
    from jetnae.bumphunt.hunt import fit_background, visible_bins
    from jetnae.errors import InputError

    if scale is not None:
        fitted, _ = fit_background(spectrum, options, fitted=visible_bins(spectrum, options.blind))
        return pseudo_data(fitted, rng, scale=scale), f"pseudo-data, {scale:g} times {source}"
    if spectrum.weighted:
        raise InputError(
            f"{source}: the spectrum is weighted, expected plain counts: throw pseudo-data from a smooth fit to it "
            "with --pseudo-data 1 (or another multiple of its luminosity)"
        )
    return spectrum, source


def _print(found: Hunt) -> None:
    best, fit = found.scan, found.fit
    low, high = (found.edges[i] for i in best.window)
    parameters = zip(fit.parameter_names, fit.parameters, fit.parameter_errors, strict=True)
    quality = f"chi2 {fit.chi2:.2f} / {fit.ndf}, deviance {fit.deviance:.2f} (p {fit.p_value:.3g})"
    lines = {
        "spectrum": f"{found.source}: {sum(n or 0 for n in found.counts)} events in {len(found.counts)} bins",
        "background": f"{fit.family}, {quality}",
        "parameters": ", ".join(f"{name} = {value:.5g} ± {error:.2g}" for name, value, error in parameters),
        "best window": f"[{low:g}, {high:g}], bin {best.first_bin}, width {best.width}, of {best.n_windows} windows",
        "counts": f"{best.counts:.0f} where {best.expected:.2f} are expected",
        "local p": f"{best.local_p:.5g}  (t = {best.t:.5f}, {max(best.local_significance, 0):.2f} sigma)",
        "global p": _global(found),
    }
    for name, value in lines.items():
        print(f"{name:>16}  {value}")
    if found.options.blind:
        print(f"{'blinded':>16}  {sum(n is None for n in found.counts)} bins, no window touches them")
    if fit.p_value < POOR_FIT:
        print("warning: the background fits the spectrum poorly: a bump may be a failing of the function")
    if found.n_toys_not_converged:
        print(f"warning: {found.n_toys_not_converged} of {best.n_toys} fits to pseudo-experiments did not converge")
    if not found.options.refit:
        print("warning: pseudo-experiments were not fitted, the global p-value is too large")


def _global(found: Hunt) -> str:
    best = found.scan
    if best.global_p is None or best.global_p_interval is None:
        return "not computed, there were no pseudo-experiments"
    low, high = best.global_p_interval
    return f"{best.global_p:.5g}  ({best.n_above} of {best.n_toys} above, 68 % interval {low:.3g} to {high:.3g})"


app.command("coverage")(checks.coverage)
app.command("inject")(checks.inject)
app.command("bias")(checks.bias)
app.command("limit")(checks.limit)
app.command("export")(bumphunt_export.export)
