"""Two samples on which scores are compared: labels, weights, and what is odd about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.intervals import effective_number

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]

NAMES = {True: "signal", False: "background"}


@dataclass(frozen=True)
class Samples:
    """Which jets are signal, and what they weigh.

    is_signal : (n_jets,). weight : (n_jets,), ones without weights. weighted : whether weights were given.
    """

    is_signal: npt.NDArray[np.bool_]
    weight: Values
    weighted: bool

    def notes(self) -> tuple[str, ...]:
        """What negative weights do, where there are any."""
        return tuple(
            f"{NAMES[kind]}: {np.mean(self.weight[self.is_signal == kind] < 0):.2%} of the jets have negative weights. "
            "Efficiencies need not rise steadily and can leave [0, 1]; intervals take the effective number of jets and "
            "are approximate, more so the fewer jets pass; errors from the bootstrap hold"
            for kind in (True, False)
            if (self.weight[self.is_signal == kind] < 0).any()
        )

    def n_eff(self, kind: bool) -> float:
        """Effective number of signal (True) or background (False) jets."""
        return effective_number(self.weight[self.is_signal == kind])


def make_samples(label: Any, weight: Any = None) -> Samples:
    """Samples from labels (n_jets,), 0 background and 1 signal, and weights (n_jets,).

    Raises `InputError` for other labels, one class alone, weights that are not finite or do not sum to more than 0.
    """
    label = np.asarray(label)
    odd = np.setdiff1d(label, [0, 1])
    if len(odd):
        raise InputError(f"label {odd[0]} found, expected 0 (background) and 1 (signal)")
    is_signal = label == 1
    weights = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=np.float64)
    if len(weights) != len(label) or not np.isfinite(weights).all():
        raise InputError(f"{len(weights)} weights for {len(label)} jets, expected one finite number for each")
    for kind, name in NAMES.items():
        chosen = weights[is_signal == kind]
        if not len(chosen):
            raise InputError(
                f"no {name} among {len(label)} jets, expected both classes: give files of one class each with "
                "--signal and --background, or jets with labels 0 and 1"
            )
        if chosen.sum() <= 0:
            raise InputError(f"the weights of the {name} sum to {chosen.sum():g}, expected more than 0")
    return Samples(is_signal, weights, weight is not None)
