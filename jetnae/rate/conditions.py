"""How many crossings a second a trigger sees, and what share of them a rate is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from jetnae.errors import InputError

ORBIT_FREQUENCY = 11245.6
"""Turns of a bunch around the LHC per second, in Hz."""
N_BUNCHES = 2544
"""Colliding bunches of the usual Run-3 filling: 28.6 MHz of crossings with collisions."""
ALL_BUNCHES = 3564
"""Slots for bunches in an orbit: with all of them, empty ones too, crossings come at 40.08 MHz."""

AGREE = 0.01
"""Relative difference between two input rates that are meant to be one, as 40 MHz and 40.08 MHz."""
UNITS = {"hz": 1.0, "khz": 1e3, "mhz": 1e6}
_QUANTITY = re.compile(r"\s*([0-9.]+(?:e[+-]?\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Conditions:
    """Rate of crossings, in Hz, that zero-bias crossings were drawn from, and the prescale of the new trigger.

    n_bunches, orbit_frequency : what the rate is the product of, None where it was given as such.
    """

    input_rate: float
    prescale: float = 1.0
    n_bunches: int | None = None
    orbit_frequency: float | None = None

    def khz(self, share: Any) -> Any:
        """Rate in kHz of a share of the crossings, any shape, after the prescale."""
        return share * (self.input_rate / self.prescale / 1e3)

    def share(self, khz: float) -> float:
        """The share of crossings that may pass before the prescale for a rate in kHz."""
        return khz * 1e3 * self.prescale / self.input_rate

    def told(self) -> str:
        """In words."""
        product = "" if self.n_bunches is None else f" ({self.n_bunches} bunches x {self.orbit_frequency:g} Hz)"
        prescale = "" if self.prescale == 1 else f", prescale {self.prescale:g}"
        return f"{self.input_rate / 1e6:.4g} MHz of crossings{product}{prescale}"


def make_conditions(
    *,
    n_bunches: int | None = None,
    orbit_frequency: float = ORBIT_FREQUENCY,
    input_rate: float | None = None,
    prescale: float = 1.0,
) -> Conditions:
    """Conditions from a filling scheme, or from an input rate in Hz; by default the Run-3 filling.

    The zero-bias crossings must be drawn from the same crossings: colliding bunches for `N_BUNCHES`, any for
    `ALL_BUNCHES`. Raises `InputError` for numbers that cannot be, and an input rate that the bunches contradict.
    """
    if not (np.isfinite(prescale) and prescale >= 1):
        raise InputError(f"prescale {prescale:g}, expected 1 or more: one of so many passing crossings is kept")
    if n_bunches is not None and not 1 <= n_bunches <= ALL_BUNCHES:
        raise InputError(f"{n_bunches} bunches, expected 1 to {ALL_BUNCHES}, the slots of an orbit")
    if not (np.isfinite(orbit_frequency) and orbit_frequency > 0):
        raise InputError(f"orbit frequency {orbit_frequency:g} Hz, expected more than 0, as {ORBIT_FREQUENCY:g}")
    product = (N_BUNCHES if n_bunches is None else n_bunches) * orbit_frequency
    if input_rate is None or (n_bunches is not None and abs(input_rate / product - 1) <= AGREE):
        return Conditions(product, prescale, N_BUNCHES if n_bunches is None else n_bunches, orbit_frequency)
    if n_bunches is not None:
        raise InputError(
            f"an input rate of {input_rate / 1e6:.4g} MHz, but {n_bunches} bunches x {orbit_frequency:g} Hz are "
            f"{product / 1e6:.4g} MHz: give one of them"
        )
    if not (np.isfinite(input_rate) and input_rate > 0):
        raise InputError(f"input rate {input_rate:g} Hz, expected more than 0, as 40MHz")
    return Conditions(input_rate, prescale)


def parse_rate(text: str) -> float:
    """A rate in Hz from a text with its unit, as 40MHz; raises `InputError` without one."""
    found = _QUANTITY.fullmatch(text)
    unit = found[2].lower() if found else ""
    if found is None or unit not in UNITS or found[1].count(".") > 1 or found[1].strip(".") == "":
        raise InputError(f"input rate {text!r}, expected a number with its unit: Hz, kHz or MHz, as 40MHz")
    return float(found[1]) * UNITS[unit]
