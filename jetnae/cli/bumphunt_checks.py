"""What starts from the result of a search: coverage, injected and spurious signals, limits, exports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from jetnae.bumphunt import Hunt
    from jetnae.bumphunt.spectrum import Floats

Result = Annotated[Path, typer.Argument(help="The JSON file that `jetnae bumphunt scan` wrote.")]
Mean = Annotated[float | None, typer.Option(help="Mean of a Gaussian signal, in the unit of the observable.")]
Width = Annotated[float | None, typer.Option(help="Standard deviation of the Gaussian signal.")]
Template = Annotated[str | None, typer.Option(help="Shape of the signal instead: FILE.root:HISTOGRAM or FILE.csv.")]
Experiments = Annotated[int, typer.Option(min=2, help="Spectra to throw, of each kind.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the pseudo-experiments.")]
Output = Annotated[Path | None, typer.Option(help="Result file.  [default: RESULT.CHECK.json]")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]

CHECK_FAILED = 4


def coverage(
    result: Result,
    experiments: Experiments = 600,
    toys: Annotated[int, typer.Option(min=1, help="Pseudo-experiments of each search.")] = 300,
    seed: Seed = 1,
    output: Output = None,
    force: Force = False,
) -> None:
    """Repeat the whole search in spectra without signal: small p-values must be as rare as they say.

    Exit code 4 when the share of p < 0.05 or p < 0.01 is more than three standard deviations off.
    """
    import numpy as np

    from jetnae.bumphunt.validation import coverage as run
    from jetnae.cli.options import progress_bar

    found, target = _read(result), _target(result, "coverage", output, force=force)
    options = replace(found.options, n_toys=toys)
    with progress_bar("searching") as update:
        rng = np.random.default_rng(seed)
        done = run(found.fit, options, n_experiments=experiments, rng=rng, progress=update)
    write_result(target, done, force=force)
    for size, fraction, deviation in zip(done.sizes, done.fractions, done.deviations, strict=True):
        print(f"P(p < {size:g}) = {fraction:.4f}, expected {size:g} ± {deviation:.4f}")
    _finish(target, done.passed(), done.n_not_converged, experiments)


def inject(
    result: Result,
    yields: Annotated[list[float], typer.Option("--yield", help="Signal events to inject; may be repeated.")],
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    experiments: Experiments = 200,
    seed: Seed = 1,
    output: Output = None,
    force: Force = False,
) -> None:
    """Add a signal to the fitted background and fit it back; exit code 4 for mean pulls beyond 0.5."""
    import numpy as np

    from jetnae.bumphunt.validation import injection

    found, target = _read(result), _target(result, "inject", output, force=force)
    rng = np.random.default_rng(seed)
    shape = _shape(found, mean, width, template)
    done = injection(found.fit, shape, yields=np.array(yields), n_experiments=experiments, rng=rng)
    write_result(target, done, force=force)
    for i, n in enumerate(done.injected):
        print(
            f"injected {n:g}: fitted {done.fitted[i]:.4g} ± {done.fitted_error[i]:.2g}, pull {done.pull[i]:.3f} ± "
            f"{done.pull_error[i]:.3f}, width {done.pull_width[i]:.3f}, mean significance {done.significance[i]:.2f}"
        )
    _finish(target, done.passed(), sum(done.n_not_converged), experiments * len(yields))


def bias(
    result: Result,
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    alternative: Annotated[list[str] | None, typer.Option(help="Function to throw from; may be repeated.")] = None,
    experiments: Experiments = 200,
    seed: Seed = 1,
    output: Output = None,
    force: Force = False,
) -> None:
    """Fit a signal to signal-free spectra of other functions; exit code 4 for more than 0.5 errors on average."""
    import numpy as np

    from jetnae.bumphunt import families_of, fit
    from jetnae.bumphunt.validation import bias as run

    found, target = _read(result), _target(result, "bias", output, force=force)
    names = alternative or [name for name in ("dijet5", "ua2", "svj") if name != found.fit.family]
    others = tuple(
        fit(found.visible, family, sqrt_s=found.fit.sqrt_s, fitted=found.fit.fitted)
        for name in names
        for family in families_of(name)
    )
    rng, shape = np.random.default_rng(seed), _shape(found, mean, width, template)
    done = run(others, shape, found.fit.family, n_experiments=experiments, rng=rng)
    write_result(target, done, force=force)
    for i, name in enumerate(done.alternatives):
        print(
            f"{name}: spurious signal {done.spurious[i]:.4g} ± {done.spurious_error[i]:.2g} events, "
            f"{done.ratio[i]:.3f} ± {done.ratio_error[i]:.3f} statistical errors"
        )
    _finish(target, done.passed(), sum(done.n_not_converged), experiments * len(others))


def limit(
    result: Result,
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """Fit a signal with the background: yield, significance and 95 % CLs upper limit."""
    from jetnae.bumphunt.signal import fit_signal

    found, target = _read(result), _target(result, "limit", output, force=force)
    _require_unblinded(found)
    done = fit_signal(found.visible, _shape(found, mean, width, template), found.fit.family, sqrt_s=found.fit.sqrt_s)
    write_result(target, done, force=force)
    interval = done.n_signal_interval
    minos = "MINOS found none" if interval is None else f"MINOS {interval[0]:.4g} to {interval[1]:.4g}"
    print(f"signal events {done.n_signal:.4g} ± {done.n_signal_error:.3g}  ({minos})")
    print(f"significance {done.significance:.2f} sigma")
    expected = ", ".join(f"{each:.4g}" for each in done.expected_limits or ())
    print(f"95 % CLs upper limit {done.upper_limit:.4g} events  (expected, -2 to 2 sigma: {expected})")
    print(target)


def export(
    result: Result,
    hepdata: Annotated[Path | None, typer.Option(help="Folder for a HEPData submission.")] = None,
    pyhf: Annotated[Path | None, typer.Option(help="JSON file for a pyhf workspace.")] = None,
    region: Annotated[
        tuple[float, float] | None, typer.Option(metavar="LOW HIGH", help="Signal region of the pyhf workspace.")
    ] = None,
    mean: Mean = None,
    width: Width = None,
    template: Template = None,
    force: Force = False,
) -> None:
    """Write the result for HEPData, or as a pyhf workspace of the signal region with the sideband fit."""
    from jetnae.bumphunt.export import hepdata as submission
    from jetnae.errors import InputError
    from jetnae.files import write_bytes

    if hepdata is None and pyhf is None:
        raise InputError("nothing to export: give --hepdata FOLDER or --pyhf FILE")
    found = _read(result)
    texts = {} if hepdata is None else {hepdata / name: text for name, text in submission(found).items()}
    if pyhf is not None:
        content = _workspace(found, region, _shape(found, mean, width, template))
        texts[pyhf] = json.dumps(content, indent=1) + "\n"
    for path, text in texts.items():
        write_bytes(path, text.encode(), force=force)
        print(path)


def _workspace(found: Hunt, region: tuple[float, float] | None, template: Floats) -> dict[str, Any]:
    """Of the blinded region with its expectation for data, or of `region` with the sidebands fitted again."""
    from jetnae.bumphunt import families_of, fit
    from jetnae.bumphunt.export import pyhf_workspace
    from jetnae.errors import InputError

    if found.options.blind is not None:
        return pyhf_workspace(found.fit, None, template)
    if region is None:
        raise InputError("the search was not blinded: give the signal region with --region LOW HIGH")
    sidebands = ~found.visible.overlap(*region)
    family = families_of(found.fit.family)[0]
    fitted = fit(found.visible, family, sqrt_s=found.fit.sqrt_s, fitted=sidebands)
    return pyhf_workspace(fitted, found.visible, template)


def refuse_outputs(stem: Path, suffixes: tuple[str, ...], *, force: bool) -> list[Path]:
    """The outputs of a command, none of which may exist without `force`."""
    from jetnae.files import refuse_existing

    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in suffixes]
    for path in paths:
        refuse_existing(path, force=force)
    return paths


def write_result(path: Path, result: Any, *, force: bool) -> None:
    """Write a frozen result as JSON, atomically."""
    from jetnae.files import write_bytes
    from jetnae.results import to_json

    write_bytes(path, (json.dumps(to_json(result), allow_nan=False) + "\n").encode(), force=force)


def _read(path: Path) -> Hunt:
    from jetnae.bumphunt import Hunt
    from jetnae.errors import InputError
    from jetnae.results import from_json

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON, expected the result of `jetnae bumphunt scan`") from error
    return from_json(Hunt, content)


def _shape(found: Hunt, mean: float | None, width: float | None, template: str | None) -> Floats:
    """Share of the signal in each bin: a Gaussian, or the contents of a histogram with the bins of the search."""
    import numpy as np

    from jetnae.bumphunt.signal import gaussian
    from jetnae.cli.spectra import read_table
    from jetnae.errors import InputError

    if template is None and mean is not None and width is not None:
        return gaussian(found.edges, mean=mean, width=width)
    if template is None or mean is not None or width is not None:
        raise InputError("the shape of the signal is missing: give --mean and --width, or --template")
    spectrum = read_table(template)
    same = len(spectrum.edges) == len(found.edges) and np.allclose(spectrum.edges, found.edges, rtol=1e-9)
    if not same or not spectrum.counts.any():
        raise InputError(f"{template}: expected events of the signal in the same {len(found.counts)} bins as searched")
    return np.asarray(spectrum.counts / spectrum.counts.sum())


def _require_unblinded(found: Hunt) -> None:
    from jetnae.errors import InputError

    if found.options.blind is not None:
        raise InputError("the search was blinded, its result holds no counts in the signal region: search unblinded")


def _target(result: Path, check: str, output: Path | None, *, force: bool) -> Path:
    from jetnae.files import refuse_existing

    target = output or result.with_name(f"{result.stem}.{check}.json")
    refuse_existing(target, force=force)
    return target


def _finish(target: Path, passed: bool, n_failed: int, n: int) -> None:
    print(target)
    if n_failed:
        print(f"warning: {n_failed} of {n} fits did not converge")
    if not passed:
        print("the check failed")
        raise typer.Exit(CHECK_FAILED)
