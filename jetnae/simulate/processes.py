"""Physics processes as Pythia 8 settings."""

from dataclasses import dataclass, replace
from typing import Literal

from jetnae.errors import InputError


@dataclass(frozen=True)
class Process:
    """A hard process and everything Pythia is told about it.

    `truth` says which partons a jet of label 1 is matched to. `bias_power` > 0 oversamples high pT: events
    then carry the weight (bias_reference / pTHat)^bias_power. `veto` leaves out events of that pTHat or more, in GeV.
    """

    name: str
    code: int
    settings: tuple[str, ...]
    truth: Literal["none", "top", "w", "dark"] = "none"
    bias_power: float = 0.0
    bias_reference: float = 1.0
    veto: float | None = None


def qcd(*, pt_hat_min: float = 500.0, pt_hat_max: float = 750.0) -> Process:
    """QCD dijets at 14 TeV, as in the top-tagging reference set; pTHat window in GeV."""
    return Process("qcd", 0, ("HardQCD:all = on", *_beam(14000.0), *_pt_hat(pt_hat_min, pt_hat_max)))


def top(*, pt_hat_min: float = 500.0, pt_hat_max: float = 750.0) -> Process:
    """Top pairs at 14 TeV with both W decaying to quarks; pTHat window in GeV."""
    settings = (
        "Top:gg2ttbar = on",
        "Top:qqbar2ttbar = on",
        "24:onMode = off",
        "24:onIfAny = 1 2 3 4 5",
        *_beam(14000.0),
        *_pt_hat(pt_hat_min, pt_hat_max),
    )
    return Process("top", 1, settings, truth="top")


def w(*, pt_hat_min: float = 500.0, pt_hat_max: float = 750.0) -> Process:
    """W pairs at 14 TeV, both decaying to quarks; pTHat window in GeV."""
    settings = (
        "WeakDoubleBoson:ffbar2WW = on",
        "24:onMode = off",
        "24:onIfAny = 1 2 3 4 5",
        *_beam(14000.0),
        *_pt_hat(pt_hat_min, pt_hat_max),
    )
    return Process("w", 4, settings, truth="w")


def weighted_qcd(*, pt_hat_min: float = 150.0, bias_power: float = 4.0) -> Process:
    """QCD dijets at 13 TeV with the high-pT tail oversampled: every event has a weight to be used."""
    settings = (
        "HardQCD:all = on",
        "PhaseSpace:bias2Selection = on",
        f"PhaseSpace:bias2SelectionPow = {bias_power}",
        f"PhaseSpace:bias2SelectionRef = {pt_hat_min}",
        *_beam(13000.0),
        *_pt_hat(pt_hat_min, -1.0),
    )
    return Process("qcd", 0, settings, bias_power=bias_power, bias_reference=pt_hat_min)


def semivisible(*, m_mediator: float, m_dark: float, r_inv: float) -> Process:
    """Z' → dark quarks at 13 TeV: dark mesons of which a fraction `r_inv` is invisible.

    Masses in GeV. All four dark mesons (diagonal or not, spin 0 or 1) decay, to dark matter with branching
    `r_inv` and to quarks otherwise, so that `r_inv` is the invisible fraction itself: with only the diagonal
    mesons decaying (and the others stable), r_inv = 0.3 would make 0.66 of them invisible. Raises
    `InputError` outside the model's range.
    """
    if not (0.0 <= r_inv <= 1.0 and 0.0 < 2.0 * m_dark < m_mediator):
        raise InputError(
            f"semivisible jets need 0 <= r_inv <= 1 and 0 < 2 m_dark < m_mediator, "
            f"found r_inv = {r_inv}, m_dark = {m_dark} GeV, m_mediator = {m_mediator} GeV"
        )
    settings = (*_mediator(m_mediator), *_dark_sector(m_dark), *_dark_decays(m_dark, r_inv), *_beam(13000.0))
    return Process("semivisible", 2, settings, truth="dark")


def soft(*, veto: float) -> Process:
    """Inelastic collisions, diffractive ones included, whose hardest scattering is below `veto` GeV of pTHat."""
    return Process("soft", 0, ("SoftQCD:inelastic = on", *_crossing()), veto=veto)


def hard(low: float, high: float) -> Process:
    """QCD collisions with a hardest scattering in a window of pTHat in GeV; `high` -1 for no end."""
    name = f"hard_{low:g}_{high:g}" if high > 0 else f"hard_{low:g}"
    return Process(name, 0, ("HardQCD:all = on", *_pt_hat(low, high), *_crossing()))


def four_bottom(*, m_resonance: float, m_scalar: float) -> Process:
    """Gluon fusion to a heavy scalar that decays to two light ones, each to a pair of bottom quarks; masses in GeV.

    Raises `InputError` where the decay is not open.
    """
    if not 10.0 < 2 * m_scalar < m_resonance:
        raise InputError(f"four bottom quarks need 10 < 2 m_scalar < m_resonance, found {m_scalar} and {m_resonance}")
    settings = (
        "Higgs:useBSM = on",
        "HiggsBSM:gg2H2 = on",
        "HiggsH2:coup2A3A3 = 1",
        f"35:m0 = {m_resonance}",
        "35:onMode = off",
        "35:onIfMatch = 36 36",
        f"36:m0 = {m_scalar}",
        "36:onMode = off",
        "36:onIfMatch = 5 -5",
    )
    return Process("four_bottom", 3, (*settings, *_crossing()))


def in_crossing(process: Process) -> Process:
    """The same process at 13.6 TeV with multiple interactions, to be one of the collisions of a crossing."""
    return replace(process, settings=(*process.settings, *_crossing()), truth="none")


def _crossing() -> tuple[str, ...]:
    return ("Beams:eCM = 13600.0", "PartonLevel:MPI = on")


def _beam(energy: float) -> tuple[str, ...]:
    # Without multiple interactions everywhere: the reference set has none, and all samples must agree.
    return (f"Beams:eCM = {energy}", "PartonLevel:MPI = off")


def _pt_hat(low: float, high: float) -> tuple[str, ...]:
    return (f"PhaseSpace:pTHatMin = {low}", f"PhaseSpace:pTHatMax = {high}")


def _mediator(mass: float) -> tuple[str, ...]:
    # Quark channels let the Z' be produced; without them Pythia finds only vanishing cross sections.
    quarks = (f"4900023:addChannel = 1 0.003 102 {flavor} -{flavor}" for flavor in range(1, 7))
    # The window around the mass is a hundred widths: the resonance is narrow on purpose.
    return (
        "HiddenValley:ffbar2Zv = on",
        f"4900023:m0 = {mass}",
        f"4900023:mMin = {mass - 1}",
        f"4900023:mMax = {mass + 1}",
        "4900023:mWidth = 0.01",
        "4900023:oneChannel = 1 0.982 102 4900101 -4900101",
        *quarks,
        "4900023:onMode = off",
        "4900023:onIfAny = 4900101",
    )


def _dark_sector(m_dark: float) -> tuple[str, ...]:
    scale = 3.2 * m_dark**0.8
    return (
        "HiddenValley:Ngauge = 2",
        "HiddenValley:nFlav = 2",
        "HiddenValley:spinFv = 0",
        "HiddenValley:FSR = on",
        "HiddenValley:fragment = on",
        "HiddenValley:alphaOrder = 1",
        f"HiddenValley:Lambda = {scale}",
        f"HiddenValley:pTminFSR = {1.1 * scale}",
        "HiddenValley:probVector = 0.75",
        f"4900101:m0 = {m_dark / 2}",
        *(f"{meson}:m0 = {m_dark}" for meson in (4900111, 4900113, 4900211, 4900213)),
    )


def _dark_decays(m_dark: float, r_inv: float) -> tuple[str, ...]:
    dark_matter = tuple(f"{code}:m0 = {m_dark / 2 - 0.01}" for code in (51, 53))
    # A spin-0 meson needs a mass insertion, so it decays to strange quarks here; a spin-1 meson to five
    # flavors alike.
    pseudoscalars = tuple(
        line
        for meson in (4900111, 4900211)
        for line in (
            f"{meson}:oneChannel = 1 {r_inv} 0 51 -51",
            f"{meson}:addChannel = 1 {1 - r_inv} 91 3 -3",
        )
    )
    vectors = tuple(
        line
        for meson in (4900113, 4900213)
        for line in (
            f"{meson}:oneChannel = 1 {r_inv} 0 53 -53",
            *(f"{meson}:addChannel = 1 {(1 - r_inv) / 5} 91 {flavor} -{flavor}" for flavor in range(1, 6)),
        )
    )
    return (*dark_matter, *pseudoscalars, *vectors)
