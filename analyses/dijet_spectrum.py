"""What smooth functions say about the CMS dijet spectrum (arXiv:1911.03947), and whether there is a bump on it.

    python analyses/dijet_spectrum.py

Needs `dijet/cms_dijet_137fb_ins1764471.csv` in the folder JETNAE_REAL_DATA: the spectrum of HEPData record ins1764471
as counts, cross section times width times 137.5 fb^-1, rounded. All families are fitted; for the search the order is
chosen by the F-test, again in each of 10,000 pseudo-experiments. Writes analyses/results/dijet_spectrum.json (the
search, kind `hunt`) and dijet_spectrum_families.json (counts and all fits). Seconds on one core.

Expect chi2/ndf 39.7/39 for dijet3, which the F-test chooses, and no bump: global p-value 0.69.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import typer

from jetnae.bumphunt import FAMILIES, Fit, HuntOptions, fit, hunt
from jetnae.errors import InputError
from jetnae.files import write_bytes
from jetnae.io.spectra import read_csv_spectrum
from jetnae.results import to_json

SPECTRUM = Path("dijet") / "cms_dijet_137fb_ins1764471.csv"
SQRT_S = 13_000.0
RESULTS = Path(__file__).parent / "results"
DIGITS = 6
"""Of the t of the pseudo-experiments: all that a figure of them needs."""


def main() -> None:
    """Fit, search, write."""
    spectrum = read_csv_spectrum(spectrum_path())
    fits = [fit(spectrum, family, sqrt_s=SQRT_S) for family in FAMILIES.values()]
    for each in fits:
        typer.echo(described(each))
    found = hunt(spectrum, HuntOptions(sqrt_s=SQRT_S), np.random.default_rng(1))
    found = replace(found, source="CMS, 137 fb-1 (13 TeV), HEPData ins1764471", observable="mjj")
    scan = found.scan
    low, high = (found.edges[i] for i in scan.window)
    typer.echo(f"search over {found.fit.family}: best window [{low:g}, {high:g}] GeV, local p {scan.local_p:.4g}")
    typer.echo(f"global p {scan.global_p:.4g}, 68 % interval {scan.global_p_interval}")
    if scan.toy_t is not None:
        found = replace(found, scan=replace(scan, toy_t=np.round(scan.toy_t, DIGITS)))
    families = {"kind": "fits", "format_version": 1, "counts": found.counts, "fits": [to_json(each) for each in fits]}
    for name, content in (("dijet_spectrum", to_json(found)), ("dijet_spectrum_families", families)):
        path = RESULTS / f"{name}.json"
        write_bytes(path, (json.dumps(content, allow_nan=False) + "\n").encode(), force=True)
        typer.echo(path)


def spectrum_path() -> Path:
    """Where the spectrum lies; raises `InputError` when it is not there."""
    path = Path(os.environ.get("JETNAE_REAL_DATA", "../shared/data")) / SPECTRUM
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; set JETNAE_REAL_DATA to the folder that holds {SPECTRUM}")
    return path


def described(found: Fit) -> str:
    """Quality and parameters in words."""
    pairs = zip(found.parameter_names, found.parameters, found.parameter_errors, strict=True)
    parameters = ", ".join(f"{name} = {value:.5g} ± {error:.2g}" for name, value, error in pairs)
    quality = f"chi2/ndf {found.chi2:.1f}/{found.ndf}, -2 ln L {found.minus_two_ln_l:.2f}, p {found.p_value:.3g}"
    return f"{found.family:>7}: {quality}; {parameters}"


if __name__ == "__main__":
    try:
        typer.run(main)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from error
