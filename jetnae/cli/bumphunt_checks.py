"""What starts from the result of a search: coverage, injected and spurious signals, limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing, prepare_result, write_result
from jetnae.cli.searches import Mean, Result, Template, Width, read_search, signal_shape

if TYPE_CHECKING:
    from jetnae.bumphunt import Hunt

Experiments = Annotated[int, typer.Option(min=2, help="Spectra to throw, of each kind.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the pseudo-experiments.")]
Output = Annotated[Path | None, typer.Option(help="NAME of the results.  [default: RESULT.KIND, beside it]")]
NoFigures = Annotated[bool, typer.Option("--no-figures", help="Write the result only.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]

CHECK_FAILED = 4


def coverage(
    result: Result,
    experiments: Experiments = 600,
    toys: Annotated[int, typer.Option(min=1, help="Pseudo-experiments of each search.")] = 300,
    seed: Seed = 1,
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    no_figures: NoFigures = False,
    output: Output = None,
    force: Force = False,
) -> None:
    """Repeat the whole search in spectra without signal: small p-values must be as rare as they say.

    Exit code 4 when the share of p < 0.05 or p < 0.01 is more than three standard deviations off.
    """
    import numpy as np

    from jetnae.bumphunt.validation import coverage as run
    from jetnae.cli.options import progress_bar

    drawing = None if no_figures else find_drawing(look, title, label)
    found, stem = _prepare("coverage", result, output, force=force)
    options = replace(found.options, n_toys=toys)
    with progress_bar("searching") as update:
        rng = np.random.default_rng(seed)
        done = run(found.fit, options, n_experiments=experiments, rng=rng, progress=update)
    for size, fraction, deviation in zip(done.sizes, done.fractions, done.deviations, strict=True):
        print(f"P(p < {size:g}) = {fraction:.4f}, expected {size:g} ± {deviation:.4f}")
    write_result(done, stem, drawing, force=force)
    _finish(done.passed(), done.n_not_converged, experiments, "a share is more than three standard deviations off")


def inject(
    result: Result,
    yields: Annotated[list[float], typer.Option("--yield", help="Signal events to inject; may be repeated.")],
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    experiments: Experiments = 200,
    seed: Seed = 1,
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    no_figures: NoFigures = False,
    output: Output = None,
    force: Force = False,
) -> None:
    """Add a signal to the fitted background and fit it back; exit code 4 for mean pulls beyond 0.5."""
    import numpy as np

    from jetnae.bumphunt.validation import injection

    drawing = None if no_figures else find_drawing(look, title, label)
    found, stem = _prepare("injection", result, output, force=force)
    rng = np.random.default_rng(seed)
    shape = signal_shape(found, mean, width, template)
    done = injection(found.fit, shape, yields=np.array(yields), n_experiments=experiments, rng=rng)
    for i, n in enumerate(done.injected):
        print(
            f"injected {n:g}: fitted {done.fitted[i]:.4g} ± {done.fitted_error[i]:.2g}, pull {done.pull[i]:.3f} ± "
            f"{done.pull_error[i]:.3f}, width {done.pull_width[i]:.3f}, mean significance {done.significance[i]:.2f}"
        )
    write_result(done, stem, drawing, force=force)
    _finish(done.passed(), sum(done.n_not_converged), experiments * len(yields), "a mean pull is beyond 0.5")


def bias(
    result: Result,
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    alternative: Annotated[list[str] | None, typer.Option(help="Function to throw from; may be repeated.")] = None,
    experiments: Experiments = 200,
    seed: Seed = 1,
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    no_figures: NoFigures = False,
    output: Output = None,
    force: Force = False,
) -> None:
    """Fit a signal to signal-free spectra of other functions; exit code 4 for more than 0.5 errors on average."""
    import numpy as np

    from jetnae.bumphunt import families_of, fit
    from jetnae.bumphunt.validation import bias as run

    drawing = None if no_figures else find_drawing(look, title, label)
    found, stem = _prepare("bias", result, output, force=force)
    names = alternative or [name for name in ("dijet5", "ua2", "svj") if name != found.fit.family]
    others = tuple(
        fit(found.visible, family, sqrt_s=found.fit.sqrt_s, fitted=found.fit.fitted)
        for name in names
        for family in families_of(name)
    )
    rng, shape = np.random.default_rng(seed), signal_shape(found, mean, width, template)
    done = run(others, shape, found.fit.family, n_experiments=experiments, rng=rng)
    for i, name in enumerate(done.alternatives):
        print(
            f"{name}: spurious signal {done.spurious[i]:.4g} ± {done.spurious_error[i]:.2g} events, "
            f"{done.ratio[i]:.3f} ± {done.ratio_error[i]:.3f} statistical errors"
        )
    write_result(done, stem, drawing, force=force)
    _finish(
        done.passed(), sum(done.n_not_converged), experiments * len(others), "a spurious signal is beyond 0.5 errors"
    )


def limit(
    result: Result,
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    no_figures: NoFigures = False,
    output: Output = None,
    force: Force = False,
) -> None:
    """Fit a signal with the background: yield, significance and 95 % CLs upper limit."""
    from jetnae.bumphunt.signal import fit_signal

    drawing = None if no_figures else find_drawing(look, title, label)
    found, stem = _prepare("signal_fit", result, output, force=force)
    _require_unblinded(found)
    shape = signal_shape(found, mean, width, template)
    done = fit_signal(found.visible, shape, found.fit.family, sqrt_s=found.fit.sqrt_s)
    done = replace(done, observable=found.observable, unit=found.unit)
    interval = done.n_signal_interval
    minos = "MINOS found none" if interval is None else f"MINOS {interval[0]:.4g} to {interval[1]:.4g}"
    print(f"signal events {done.n_signal:.4g} ± {done.n_signal_error:.3g}  ({minos})")
    print(f"significance {done.significance:.2f} sigma")
    expected = ", ".join(f"{each:.4g}" for each in done.expected_limits or ())
    print(f"95 % CLs upper limit {done.upper_limit:.4g} events  (expected, -2 to 2 sigma: {expected})")
    write_result(done, stem, drawing, force=force)


def _require_unblinded(found: Hunt) -> None:
    from jetnae.errors import InputError

    if found.options.blind is not None:
        raise InputError("the search was blinded, its result holds no counts in the signal region: search unblinded")


def _prepare(kind: str, result: Path, output: Path | None, *, force: bool) -> tuple[Hunt, Path]:
    """The search to start from, and the stem of what is written, once it is known that nothing is in the way."""
    found = read_search(result)
    stem = name_of(output) if output else result.with_name(f"{result.stem}.{kind}")
    prepare_result(kind, stem, force=force)
    return found, stem


def name_of(output: Path) -> Path:
    """The stem of results that the user calls `output`, with .json or without."""
    return output.with_suffix("") if output.suffix == ".json" else output


def _finish(passed: bool, n_failed: int, n: int, criterion: str) -> None:
    if n_failed:
        print(f"warning: {n_failed} of {n} fits did not converge")
    if not passed:
        print(f"the check failed: {criterion}")
        raise typer.Exit(CHECK_FAILED)
