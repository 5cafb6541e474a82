"""The smooth functions that falling mass spectra are fitted with, all of them linear in their logarithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from jetnae.bumphunt.spectrum import Floats
from jetnae.errors import InputError

LOG_BASIS: Mapping[str, Callable[[Floats], Floats]] = {
    "1": np.ones_like,
    "x": lambda x: x,
    "-x": lambda x: -x,
    "-x^2": lambda x: -(x**2),
    "ln(1-x)": lambda x: np.log1p(-x),
    "ln x": np.log,
    "-ln x": lambda x: -np.log(x),
    "ln^2 x": lambda x: np.log(x) ** 2,
    "-ln^2 x": lambda x: -(np.log(x) ** 2),
    "-ln^3 x": lambda x: -(np.log(x) ** 3),
}
"""What the logarithm of a spectrum is a sum of; x = m / sqrt(s)."""


@dataclass(frozen=True)
class Family:
    """A function of x = m / sqrt(s), ln f = sum of parameters times `basis`, in events per unit of m."""

    name: str
    formula: str
    basis: tuple[str, ...]
    parameters: tuple[str, ...]

    def log_basis(self, x: Floats) -> Floats:
        """The values of the basis at `x`, shape x.shape + (n_parameters,)."""
        return np.stack([LOG_BASIS[term](x) for term in self.basis], axis=-1)


def _family(name: str, formula: str, *basis: str, parameters: tuple[str, ...] = ()) -> Family:
    names = parameters or tuple(f"p{i}" for i in range(1, len(basis) + 1))
    return Family(name, formula, ("1", *basis), ("ln p0", *names[: len(basis)]))


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        _family("dijet2", "p0 x^-p1", "-ln x"),
        _family("dijet3", "p0 (1-x)^p1 x^-p2", "ln(1-x)", "-ln x"),
        _family("dijet4", "p0 (1-x)^p1 x^-(p2 + p3 ln x)", "ln(1-x)", "-ln x", "-ln^2 x"),
        _family("dijet5", "p0 (1-x)^p1 x^-(p2 + p3 ln x + p4 ln^2 x)", "ln(1-x)", "-ln x", "-ln^2 x", "-ln^3 x"),
        _family("ua2", "p0 x^-p1 exp(-p2 x - p3 x^2)", "-ln x", "-x", "-x^2"),
        # written with p2 p3 for the last exponent, which makes it linear in the logarithm
        _family("svj", "p0 exp(p1 x) x^(p2 (1 + p3 ln x))", "x", "ln x", "ln^2 x", parameters=("p1", "p2", "p2 p3")),
    )
}
"""The functions by name. An entry is all that a further one needs."""

NESTED: Mapping[str, tuple[str, ...]] = {"dijet": ("dijet2", "dijet3", "dijet4", "dijet5")}
"""Sequences of families, each containing the one before: what an F-test chooses among."""


def families_of(name: str) -> tuple[Family, ...]:
    """The family of that name, or the families of a nested sequence; raises `InputError` naming the known ones."""
    known = (*FAMILIES, *NESTED)
    if name not in known:
        raise InputError(f"no family '{name}', expected one of {', '.join(known)}")
    return tuple(FAMILIES[each] for each in NESTED.get(name, (name,)))
