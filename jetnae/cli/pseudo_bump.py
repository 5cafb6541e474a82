"""A bump hunt in background alone after cuts on a score: whatever it finds, the cut has made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jetnae.errors import InputError, JetnaeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jetnae.samples import Sample
    from jetnae.sculpting import MassDependence, PseudoBump

    Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Wanted:
    """Where to look, LOW:HIGH in GeV, in how many bins, with which function at which energy, and how many toys."""

    range: str
    n_bins: int
    family: str
    sqrt_s: float
    n_toys: int

    def ends(self) -> tuple[float, float]:
        """Both ends of the range in GeV; raises `InputError` when it is none."""
        low, _, high = self.range.partition(":")
        try:
            ends = float(low), float(high)
        except ValueError as error:
            raise InputError(f"--bump-range {self.range}: expected LOW:HIGH in GeV, as 1500:5000") from error
        if not 0 < ends[0] < ends[1] < self.sqrt_s:
            raise InputError(f"--bump-range {self.range}: expected 0 < LOW < HIGH < {self.sqrt_s:g} GeV")
        return ends


def check_counts(sample: Sample) -> None:
    """Raises `InputError` where jets are no counts, because they have weights."""
    import numpy as np

    if sample.weight is not None and not np.all(sample.weight == 1):
        raise InputError(
            "--bump-range: the events have weights, which are no counts: leave it out, or throw pseudo-data with "
            "`jetnae bumphunt --pseudo-data`"
        )


def hunt_pseudo_bumps(
    sample: Sample, score: Values, found: MassDependence, wanted: Wanted, rng: np.random.Generator
) -> tuple[tuple[PseudoBump, ...], tuple[str, ...]]:
    """Hunt for a bump in the mass of the jets that pass each cut on the score (n_jets,).

    A mass that all jets of an event share counts once, for an event with a jet that passes. Returns what was found, and
    a note on each cut after which the fit failed.
    """
    import numpy as np

    from jetnae.bumphunt import HuntOptions, Spectrum, hunt
    from jetnae.sculpting import PseudoBump

    mass = sample.column(found.mass)
    edges = np.linspace(*wanted.ends(), wanted.n_bins + 1)
    options = HuntOptions(family=wanted.family, sqrt_s=wanted.sqrt_s, n_toys=wanted.n_toys)
    bumps, notes = [], []
    for cut in found.cuts:
        passing = np.flatnonzero(score > cut.threshold)
        if found.mass in sample.of_events:
            passing = passing[np.unique(sample.event[passing], return_index=True)[1]]
        counts = np.histogram(mass[passing], edges)[0].astype(np.float64)
        try:
            scan = hunt(Spectrum(counts, edges), options, rng).scan
        except JetnaeError as error:
            notes.append(f"no bump hunt at eps_B {cut.bkg_eff:g}: {error}")
            continue
        first, last = scan.window
        low, high = scan.global_p_interval or (0.0, 1.0)
        window = float(edges[first]), float(edges[last])
        bumps.append(PseudoBump(cut.bkg_eff, window, scan.local_p, scan.global_p or 1.0, low, high))
    return tuple(bumps), tuple(notes)
