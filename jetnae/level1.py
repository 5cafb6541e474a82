"""What a first-level trigger sees of a bunch crossing: energies of calorimeter regions, and a few objects.

Regions: (18, 14) transverse energies, 18 steps of 20 degrees in phi from -pi, 14 steps of 3/7 in eta from -3; integers
from 0 to 1023, one count is 0.5 GeV. Objects: 57 integers, (pt, eta, phi) of the missing transverse momentum, of 4
electrons or photons, 4 muons and 10 jets, each kind by falling pt, zeros where there are fewer; one count of pt is 0.5
GeV, of eta 3/70, of phi 2 pi / 144, from -72 to 71.
"""

from __future__ import annotations

import math

N_PHI, N_ETA = 18, 14
ETA_MAX = 3.0
"""Largest |eta| of the regions."""
COUNT = 0.5
"""GeV, of one count of transverse energy or momentum."""
MAX_COUNT = 1023
"""What a region saturates at, 511.5 GeV."""
PHI_COUNTS = 144
"""Counts of phi around the circle, eight in a region."""
PHI_UNIT = 2 * math.pi / PHI_COUNTS
ETA_UNIT = 2 * ETA_MAX / (10 * N_ETA)
"""One count of eta, of which a region has ten."""
KINDS = {"met": 1, "eg": 4, "mu": 4, "jet": 10}
"""The objects in their order, and how many of each."""
MAX_PT = {"met": 4095, "eg": 511, "mu": 511, "jet": 2047}
"""Counts that the pt of each kind saturates at."""
N_OBJECTS = sum(KINDS.values())
FIRST = {name: sum(list(KINDS.values())[:i]) for i, name in enumerate(KINDS)}
"""Position of the first object of each kind."""
