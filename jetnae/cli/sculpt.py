"""`jetnae sculpt`: whether cuts on the score shape the background mass, and a map that undoes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jetnae.cli.options import LABEL, LOOK, TITLE, find_drawing, prepare_result, write_result
from jetnae.cli.roc import bare_name

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    import numpy.typing as npt

    from jetnae.decorrelation import Decorrelation
    from jetnae.samples import Sample
    from jetnae.sculpting import MassDependence, Sculpting, SculptOptions
    from jetnae.sculpting.result import WithFloor

    Values = npt.NDArray[np.floating[Any]]


def sculpt(
    files: list[Path] = typer.Argument(..., help="Score files of background; jets labeled signal are left out."),
    score: str = typer.Option("score", help="Column to cut on, as score_decorrelated."),
    mass: str = typer.Option("mass", help="Column whose spectrum must not change, as mjj."),
    bkg_eff: list[float] = typer.Option([0.5, 0.1, 0.05, 0.01], help="Background efficiency; may be repeated."),
    fit_decorrelation: Path | None = typer.Option(
        None, help="Fit a map that makes the score independent of --on, and write it here."
    ),
    on: list[str] = typer.Option([], help="Column of the map, one or two of them. Default: the mass."),
    bump_range: str = typer.Option("", help="LOW:HIGH in GeV: hunt for a bump in what passes the cuts."),
    bump_bins: int = typer.Option(40, min=10, help="Bins of that range."),
    bump_family: str = typer.Option("dijet", help="Function that is fitted there."),
    sqrt_s: float = typer.Option(13_000.0, help="Center-of-mass energy in GeV, for that function."),
    toys: int = typer.Option(1000, min=1, help="Pseudo-experiments of the bump hunt."),
    seed: int = typer.Option(1, min=0, help="Of permutations and pseudo-experiments."),
    all_jets: bool = typer.Option(False, "--all", help="Also jets outside the validity range of the model."),
    output: Path | None = typer.Option(None, help="NAME of the results. Default: beside the first file, by its name."),
    look: LOOK = "plain",
    title: TITLE = "",
    label: LABEL = "",
    force: bool = typer.Option(False, "--force", help="Replace existing results."),
) -> None:
    """Compare the background mass before and after cuts on the score, and with what random jets would give.

    Writes NAME.sculpting.json and its figures. With --fit-decorrelation, the map is fitted on every second event and
    all results are of the others, before and after it; apply it with `jetnae score --decorrelate`. A map fluctuates
    with the jets it was fitted on: with equal halves, a perfect one leaves about 1.3 times what random jets give.
    """
    import numpy as np

    from jetnae.cli.pseudo_bump import Wanted, check_counts, hunt_pseudo_bumps
    from jetnae.decorrelation import save_decorrelation
    from jetnae.errors import InputError
    from jetnae.files import refuse_existing
    from jetnae.samples import join, read_sample
    from jetnae.sculpting import Sculpting, SculptOptions

    if on and fit_decorrelation is None:
        raise InputError("--on says what a map depends on: give --fit-decorrelation too")
    wanted = Wanted(bump_range, bump_bins, bump_family, sqrt_s, toys) if bump_range else None
    stem = output or files[0].with_name(bare_name(files[0]))
    drawing = find_drawing(look, title, label)
    prepare_result("sculpting", stem, force=force)
    if fit_decorrelation is not None:
        refuse_existing(fit_decorrelation, force=force)
    sample = join([read_sample(path, label=0, all_jets=all_jets) for path in files])
    if wanted is not None:
        check_counts(sample)
    tested, columns, decorrelation = _columns(sample, score, on or [mass], fitted=fit_decorrelation is not None)
    rng, options = np.random.default_rng(seed), SculptOptions(bkg_effs=tuple(bkg_eff))
    found = tuple(_measure(tested, name, column, mass, (options, rng)) for name, column in columns.items())
    last = list(columns.values())[-1]
    bumps, failures = ((), ()) if wanted is None else hunt_pseudo_bumps(tested, last, found[-1], wanted, rng)
    background = "+".join(bare_name(path) for path in files)
    result = Sculpting(found, bumps, background, _provenance(sample), (*sample.notes, *failures))
    _print(result)
    write_result(result, stem, drawing, force=force)
    if fit_decorrelation is not None and decorrelation is not None:
        save_decorrelation(fit_decorrelation, decorrelation, force=force)
        print(fit_decorrelation)


def _columns(
    sample: Sample, score: str, on: list[str], *, fitted: bool
) -> tuple[Sample, dict[str, Values], Decorrelation | None]:
    """The jets to test with the scores to test on them, and the map where one is fitted on the other jets."""
    import numpy as np

    from jetnae.decorrelation import Decorrelation, apply, fit

    if not fitted:
        return sample, {score: sample.column(score)}, None
    # counted among the events that are left, lest the halves differ where a file alternates between classes
    turn = np.unique(sample.event, return_inverse=True)[1] % 2
    source, tested = (sample.select(turn == parity) for parity in (0, 1))
    found = fit(source.column(score), {name: source.column(name) for name in on}, weight=source.weight)
    mapped = apply(found, tested.column(score), {name: tested.column(name) for name in on})
    provenance = {**_provenance(sample), "score": score}
    decorrelation = Decorrelation(found, sample.model, sample.model_sha256, len(source), provenance)
    return tested, {score: tested.column(score), f"{score}_decorrelated": mapped}, decorrelation


def _measure(
    sample: Sample, name: str, column: Values, mass: str, how: tuple[SculptOptions, np.random.Generator]
) -> MassDependence:
    from jetnae.sculpting import mass_dependence

    options, rng = how
    return mass_dependence(column, sample.column(mass), rng, weight=sample.weight, names=(name, mass), options=options)


def _provenance(sample: Sample) -> dict[str, str]:
    inputs = ", ".join(sample.inputs.values())
    return {"model": sample.model, "model_sha256": sample.model_sha256, "inputs": inputs}


def _print(result: Sculpting) -> None:
    for found in result.scores:
        print(f"{found.name}, {found.n_jets} jets" + ("" if len(result.scores) == 1 else " that no map was fitted on"))
        distance = found.distance_correlation
        print(f"    distance correlation with {found.mass}  {_told(distance)}")
        for cut in found.cuts:
            print(f"    eps_B {cut.bkg_eff:<6g} JSD  {_told(cut.jsd)}  KS p {cut.ks_p_value:.2g}")
        for note in found.notes:
            print(f"note: {note}")
    for bump in result.pseudo_bumps:
        low, high = bump.window
        where = f"largest excess in {low:.0f} to {high:.0f} GeV, global p {bump.global_p:.3g}"
        print(f"    eps_B {bump.bkg_eff:<6g} {where} [{bump.global_p_low:.2g}, {bump.global_p_high:.2g}]")
    for note in result.notes:
        print(f"note: {note}")


def _told(found: WithFloor) -> str:
    verdict = "compatible with chance" if found.compatible else "more than chance"
    return f"{found.value:.4f}  (random jets {found.floor:.4f}, 95 % below {found.floor_high:.4f}: {verdict})"
