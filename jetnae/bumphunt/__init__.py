"""Bump hunts: is there a resonance on a smoothly falling spectrum? Numbers in, frozen results out."""

from jetnae.bumphunt.families import FAMILIES, NESTED, Family, families_of
from jetnae.bumphunt.fit import Fit, fit, pseudo_data
from jetnae.bumphunt.hunt import Hunt, HuntOptions, hunt
from jetnae.bumphunt.order import Order, choose_order
from jetnae.bumphunt.scan import Scan, scan
from jetnae.bumphunt.spectrum import Spectrum, from_hist

__all__ = [
    "FAMILIES",
    "NESTED",
    "Family",
    "Fit",
    "Hunt",
    "HuntOptions",
    "Order",
    "Scan",
    "Spectrum",
    "choose_order",
    "families_of",
    "fit",
    "from_hist",
    "hunt",
    "pseudo_data",
    "scan",
]
