"""Results in the forms other programs read: a pyhf workspace and a HEPData submission."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from jetnae.bumphunt.fit import Fit
from jetnae.bumphunt.hunt import Hunt
from jetnae.bumphunt.spectrum import Bools, Floats, Spectrum, require_counts
from jetnae.errors import InputError

Table = dict[str, Any]


def pyhf_workspace(
    fitted: Fit, spectrum: Spectrum | None, template: Floats, *, n_signal: float = 1.0
) -> dict[str, Any]:
    """A pyhf workspace of the bins that a sideband fit left out, as a dictionary in the format of its JSON schema.

    One channel `signal_region` with the sample `signal` (n_signal times `template`, free strength `mu`) and the sample
    `background`, whose uncertainty is one correlated shape per principal axis of the fit. Without `spectrum` the
    expected background stands for the data, as a blinded analysis needs it. Raises `InputError` when the fit used all
    bins: its uncertainty would then count the same events twice.
    """
    if spectrum is not None:
        require_counts(spectrum)
    observed = fitted.expected if spectrum is None else spectrum.counts
    bins = ~fitted.fitted
    if not bins.any():
        raise InputError("the fit used every bin, expected a fit to sidebands: blind the signal region in the fit")
    signal = n_signal * np.asarray(template, dtype=np.float64)[bins]
    if not (np.isfinite(signal).all() and (signal >= 0).all() and signal.any()):
        raise InputError("the template has no signal in the bins left out of the fit: give one that does")
    background = {"name": "background", "data": fitted.expected[bins].tolist(), "modifiers": _shapes(fitted, bins)}
    strength = {"name": "mu", "type": "normfactor", "data": None}
    return {
        "version": "1.0.0",
        "channels": [
            {
                "name": "signal_region",
                "samples": [{"name": "signal", "data": signal.tolist(), "modifiers": [strength]}, background],
            }
        ],
        "observations": [{"name": "signal_region", "data": observed[bins].tolist()}],
        "measurements": [{"name": "bump", "config": {"poi": "mu", "parameters": []}}],
    }


def _shapes(fitted: Fit, bins: Bools) -> list[dict[str, Any]]:
    """Up and down by one standard deviation along each principal axis of the fit's uncertainty in these bins."""
    axes = fitted.expected_axes[bins]
    nominal = fitted.expected[bins]
    return [
        {
            "name": f"background_axis_{i}",
            "type": "histosys",
            "data": {
                "hi_data": (nominal * np.exp(axis)).tolist(),
                "lo_data": (nominal * np.exp(-axis)).tolist(),
            },
        }
        for i, axis in enumerate(axes.T)
    ]


def hepdata(found: Hunt) -> dict[str, str]:
    """A HEPData submission as file names and texts: the spectrum with its background, and the p-value of each window.

    The texts are YAML in its JSON form. Blinded bins have no entry for the data.
    """
    spectrum, windows = _spectrum_table(found), _window_table(found)
    tables = {
        "spectrum.yaml": (spectrum, "Events per bin and the background fitted to them"),
        "windows.yaml": (windows, "Local p-value of every window of the BumpHunter scan"),
    }
    documents: list[dict[str, Any]] = [{"comment": _comment(found)}]
    documents += [
        {"name": name.removesuffix(".yaml").capitalize(), "description": text, "keywords": [], "data_file": name}
        for name, (_, text) in tables.items()
    ]
    files = {name: json.dumps(table, indent=1) + "\n" for name, (table, _) in tables.items()}
    return {"submission.yaml": "".join(f"---\n{json.dumps(each, indent=1)}\n" for each in documents), **files}


def _comment(found: Hunt) -> str:
    scan = found.scan
    low, high = (float(found.edges[i]) for i in scan.window)
    text = f"Background {found.fit.family}. Most significant window [{low:g}, {high:g}], local p {scan.local_p:.4g}"
    return text if scan.global_p is None else f"{text}, global p {scan.global_p:.4g} from {scan.n_toys} experiments"


def _spectrum_table(found: Hunt) -> Table:
    rows = zip(found.fit.expected.tolist(), found.fit.expected_error.tolist(), strict=True)
    background = [{"value": value, "errors": [{"symerror": error, "label": "fit"}]} for value, error in rows]
    data = [{"value": "-" if n is None else n} for n in found.counts]
    return {
        "independent_variables": [_bins(found.edges[:-1], found.edges[1:], found)],
        "dependent_variables": [
            {"header": {"name": "Data", "units": "events"}, "qualifiers": [], "values": data},
            {"header": {"name": "Background", "units": "events"}, "qualifiers": [], "values": background},
        ],
    }


def _window_table(found: Hunt) -> Table:
    scan = found.scan
    low, high = found.edges[scan.window_first], found.edges[scan.window_first + scan.window_width]
    return {
        "independent_variables": [_bins(low, high, found)],
        "dependent_variables": [
            {
                "header": {"name": "Local p-value"},
                "qualifiers": [],
                "values": [{"value": p} for p in scan.window_p.tolist()],
            }
        ],
    }


def _bins(low: Floats, high: Floats, found: Hunt) -> Table:
    values = [{"low": left, "high": right} for left, right in zip(low.tolist(), high.tolist(), strict=True)]
    return {"header": {"name": found.observable, "units": found.unit}, "values": values}
