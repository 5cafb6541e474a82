"""The verdict on a training: whether its chains and its data tell the same density."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jetnae.diagnostics.result import Diagnosis

Kind = Literal["converged", "not equilibrated", "diverged", "collapsed"]

RATIO = (0.85, 1.15)
"""Range of E-/E+ on fresh chains in which a training can be interpreted."""
STABLE = 0.05
"""How much the ratio may change when chains run longer; also the largest error with which that can be told."""
MOST_OF_MEAN_IMAGE = 0.9
"""A reconstruction error above this share of the mean image's is that of a model that has learned nothing."""
MOST_FLOORS, MOST_FLOOR = 2.0, 0.1
"""Largest distance in units of the floor, and largest floor in units of the width of the data."""
MOST_CLAMPED = 0.1
"""Largest share of clamped values, beyond the share of data values that are zero."""
MOST_REPEATED, FARTHEST = 0.5, 10.0
"""Largest share of repeated samples, and largest extent of the samples in that of the data."""


@dataclass(frozen=True)
class Verdict:
    """What a training has come to, and why, in sentences."""

    kind: Kind
    reasons: tuple[str, ...]


def judge(found: Diagnosis) -> Verdict:
    """Judge a training by what was measured of it; nothing else enters.

    Diverged: a number is not finite, or the samples of the chains, or the reconstructions, lie `FARTHEST` times as far
    out as the data.
    Collapsed: the reconstruction is not clearly better than the mean image (below `MOST_OF_MEAN_IMAGE` of its error,
    by three standard errors), or more than `MOST_REPEATED` of the samples repeat others.
    Not equilibrated, where any of these does not hold: E-/E+ on fresh chains is in `RATIO`, at the usual length and for
    the long chains; the two agree to `STABLE` within two standard errors, which are themselves at most `STABLE`; the
    distance from data to samples, for both lengths, is at most `MOST_FLOORS` times the floor between data and data,
    with samples large enough that the floor is at most `MOST_FLOOR` of the width of the data; at most `MOST_CLAMPED`
    more of the values are clamped than data have zeros. Converged: all of that holds.

    Each is needed. An untrained and a constant model have a ratio of one by accident; the ratio of a plain autoencoder
    is stable; chains that copy a few data have the right energies but not the right distribution; a distance alone
    says nothing where the sample is small.
    """
    for kind, rule in RULES.items():
        reasons = tuple(rule(found))
        if reasons:
            return Verdict(kind, reasons)
    return Verdict("converged", tuple(_converged(found)))


def _converged(found: Diagnosis) -> Iterator[str]:
    (low, high), energies, distances = RATIO, found.energies, found.distances
    ratio, longer = (f"{each.value:.3f} ± {each.error:.3f}" for each in (energies.ratio, energies.ratio_long))
    yield (
        f"E-/E+ on fresh chains is {ratio}, inside {low:g} to {high:g}, and {longer} for chains {energies.length} "
        "times as long."
    )
    yield (
        f"Negative samples are {_floors(found, 'negative'):.2f} floors from the data; the floor is "
        f"{distances.floor.value / distances.data_width:.3f} of the width of the data ({distances.n} inputs each, "
        f"{distances.n_projections} directions)."
    )


def _diverged(found: Diagnosis) -> Iterator[str]:
    numbers = {
        **{f"energy of {name}": each.mean.value for name, each in found.energies.samples.items()},
        **{f"weights {name}": value for name, value in found.weight_norms.items()},
        **{f"distance of {name}": each.value for name, each in found.distances.samples.items()},
        "reconstruction error": found.reconstruction.model or 0.0,
        "energy ratio": found.energies.ratio.value,
    }
    odd = [name for name, value in numbers.items() if not math.isfinite(value)]
    if odd:
        yield f"Not finite: {', '.join(odd[:3])}{' and more' if len(odd) > 3 else ''}."
    elif not found.chains.extent <= FARTHEST:
        yield f"Samples lie {found.chains.extent:.3g} times as far from the mean as data: the chains run away."
    elif not (found.reconstruction.model or 0.0) <= FARTHEST**2 * found.reconstruction.mean_image:
        times = (found.reconstruction.model or 0.0) / found.reconstruction.mean_image
        yield f"The reconstruction error is {times:.3g} times that of the mean image: the weights ran away."


def _collapsed(found: Diagnosis) -> Iterator[str]:
    energy, error = found.energies.samples["data"].mean, found.reconstruction.model
    mean_image = found.reconstruction.mean_image
    if error is not None:
        upper = error * (1 + 3 * energy.error / energy.value if energy.value else 1.0)
        if not upper < MOST_OF_MEAN_IMAGE * mean_image:
            yield (
                f"Reconstructions are hardly better than the mean image: error {error:.4g} against {mean_image:.4g}, "
                "collapsed to a constant or hardly trained."
            )
    if found.chains.repeated > MOST_REPEATED:
        yield f"The chains end in few places: {100 * found.chains.repeated:.0f} % of the samples repeat others."


def _not_equilibrated(found: Diagnosis) -> Iterator[str]:
    yield from _energies(found)
    yield from _distance(found)
    for name, share in (
        ("", found.chains.at_bounds),
        (f" for chains {found.energies.length} times as long", found.chains.at_bounds_long),
    ):
        if not share <= found.chains.data_at_bounds + MOST_CLAMPED:
            yield f"{100 * share:.0f} % of the values are clamped in the last step{name}: the chains are at the bounds."


def _energies(found: Diagnosis) -> Iterator[str]:
    low, high = RATIO
    for name, ratio in (
        ("fresh chains", found.energies.ratio),
        (f"chains {found.energies.length} times as long", found.energies.ratio_long),
    ):
        if not low <= ratio.value <= high:
            yield f"E-/E+ on {name} is {ratio.value:.3f} ± {ratio.error:.3f}, outside {low:g} to {high:g}."
    change = found.energies.stability
    if not change.error <= STABLE:
        yield f"The error of E-/E+ is {change.error:.3f}, too large to see a change of {STABLE:g}: use more chains."
    if not abs(change.value - 1) <= STABLE + 2 * min(change.error, STABLE):
        factor = f"{change.value:.3f} ± {change.error:.3f}"
        yield f"E-/E+ changes by a factor {factor} for chains {found.energies.length} times as long."


def _distance(found: Diagnosis) -> Iterator[str]:
    distances = found.distances
    relative = distances.floor.value / distances.data_width if distances.data_width > 0 else math.inf
    if not relative <= MOST_FLOOR:
        yield (
            f"The floor of the distance is {relative:.2g} of the width of the data, above {MOST_FLOOR:g}: "
            f"{distances.n} inputs in each sample are too few, use more."
        )
    for name, what in (("negative", "Negative samples"), ("negative_long", "Those of longer chains")):
        if not _floors(found, name) <= MOST_FLOORS:
            yield (
                f"{what} are {_floors(found, name):.2f} floors from the data, more than {MOST_FLOORS:g} "
                f"({distances.n} inputs each, {distances.n_projections} directions)."
            )


def _floors(found: Diagnosis, name: str) -> float:
    """The distance from data to a sample of the model in units of the floor."""
    floor = found.distances.floor.value
    return found.distances.samples[name].value / floor if floor > 0 else math.inf


RULES: dict[Kind, Callable[[Diagnosis], Iterator[str]]] = {
    "diverged": _diverged,
    "collapsed": _collapsed,
    "not equilibrated": _not_equilibrated,
}
"""What speaks for each verdict, the gravest first."""
