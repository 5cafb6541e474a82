"""Laws of jet images: what must not change them, and what they must add up to."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from jetnae.errors import InputError
from jetnae.images import ImageSpec, make_images
from jetnae.jets import four_vectors, select
from tests.conftest import jets_of, random_constituents

COUNTS = [30, 1, 2, 55, 3, 80, 10]
SPECS = [
    ImageSpec(),
    ImageSpec(smearing=1.0),
    ImageSpec(smearing=2.0, rebin=2, pixel_sum=40.0),
    ImageSpec(pixel_power=0.5, pixel_sum=None),
    ImageSpec(smearing=1.5, rebin=2, smeared_power=0.5),
]


def rotated(constituents: ak.Array, angle: float) -> ak.Array:
    """Turn constituents around the origin of the (eta, phi) plane."""
    eta = np.cos(angle) * constituents.eta - np.sin(angle) * constituents.phi
    phi = np.sin(angle) * constituents.eta + np.cos(angle) * constituents.phi
    return four_vectors(constituents.pt, eta, phi, constituents.mass)


def at_origin(constituents: ak.Array) -> ak.Array:
    """Move the hardest constituent of each jet to the origin, away from the seam in phi."""
    hardest = ak.argmax(constituents.pt, axis=1, keepdims=True)
    deta = constituents.eta - ak.flatten(constituents.eta[hardest])
    dphi = (constituents.phi - ak.flatten(constituents.phi[hardest]) + np.pi) % (2 * np.pi) - np.pi
    return four_vectors(constituents.pt, deta, dphi, constituents.mass)


@pytest.mark.parametrize("spec", SPECS)
def test_permuting_the_constituents_changes_nothing(spec: ImageSpec) -> None:
    jets = random_constituents(COUNTS)
    order = ak.argsort(ak.Array([np.random.default_rng(i).random(n) for i, n in enumerate(COUNTS)]), axis=1)
    np.testing.assert_allclose(make_images(jets_of(jets[order]), spec), make_images(jets_of(jets), spec), atol=1e-4)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shift", [0.3, np.pi / 2, np.pi - 0.01, 4.0])
def test_turning_the_detector_in_phi_changes_nothing(spec: ImageSpec, shift: float) -> None:
    jets = random_constituents(COUNTS)
    phi = (jets.phi + shift + np.pi) % (2 * np.pi) - np.pi
    moved = four_vectors(jets.pt, jets.eta, phi, jets.mass)
    np.testing.assert_allclose(make_images(jets_of(moved), spec), make_images(jets_of(jets), spec), atol=1e-4)


@pytest.mark.parametrize("spec", SPECS)
def test_zero_padding_changes_nothing(spec: ImageSpec) -> None:
    jets = random_constituents(COUNTS)
    zeros = ak.Array([[0.0] * 20] * len(COUNTS))
    padded = four_vectors(*(ak.concatenate([jets[f], zeros], axis=1) for f in ("pt", "eta", "phi", "mass")))
    np.testing.assert_array_equal(make_images(jets_of(padded), spec), make_images(jets_of(jets), spec))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("angle", [0.2, 1.0, np.pi / 2, np.pi, 5.0])
def test_rotating_a_jet_changes_nothing(spec: ImageSpec, angle: float) -> None:
    jets = at_origin(random_constituents(COUNTS))
    np.testing.assert_allclose(
        make_images(jets_of(rotated(jets, angle)), spec), make_images(jets_of(jets), spec), atol=1e-4
    )


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(("mirror_eta", "mirror_phi"), [(-1, 1), (1, -1), (-1, -1)])
def test_mirroring_a_jet_changes_nothing(spec: ImageSpec, mirror_eta: int, mirror_phi: int) -> None:
    jets = at_origin(random_constituents(COUNTS))
    mirrored = four_vectors(jets.pt, mirror_eta * jets.eta, mirror_phi * jets.phi, jets.mass)
    np.testing.assert_allclose(make_images(jets_of(mirrored), spec), make_images(jets_of(jets), spec), atol=1e-4)


@pytest.mark.parametrize("smearing", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("power", [1.0, 0.3])
def test_pixels_sum_to_the_pt_inside_the_window(smearing: float, power: float) -> None:
    jets = jets_of(at_origin(random_constituents([40, 60, 1])))
    spec = ImageSpec(
        center=False, rotate=False, flip=False, half_width=0.2, smearing=smearing, pixel_power=power, pixel_sum=None
    )
    eta = jets.constituents.eta - jets.eta
    phi = jets.constituents.phi - jets.phi
    inside = (abs(eta) < 0.2) & (abs(phi) < 0.2)
    expected = ak.sum(jets.constituents.pt[inside], axis=1)
    assert ak.any(~inside)  # otherwise the test says nothing about the window
    np.testing.assert_allclose(make_images(jets, spec).sum(axis=(1, 2)), expected, rtol=1e-5)


def test_pixels_are_those_of_a_histogram() -> None:
    jets = jets_of(at_origin(random_constituents(COUNTS)))
    spec = ImageSpec(center=False, rotate=False, flip=False, pixel_sum=None)
    edges = np.linspace(-spec.half_width, spec.half_width, spec.n_pixels + 1)
    for image, jet, eta, phi in zip(make_images(jets, spec), jets.constituents, jets.eta, jets.phi, strict=True):
        expected, _, _ = np.histogram2d(
            ak.to_numpy(jet.phi) - phi, ak.to_numpy(jet.eta) - eta, bins=(edges, edges), weights=ak.to_numpy(jet.pt)
        )
        np.testing.assert_allclose(image, expected, rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_smearing_is_a_gaussian_filter(sigma: float) -> None:
    jets = jets_of(random_constituents(COUNTS))
    plain = make_images(jets, ImageSpec(pixel_sum=None))
    smeared = make_images(jets, ImageSpec(pixel_sum=None, smearing=sigma))
    expected = np.stack([gaussian_filter(image, sigma) for image in plain])
    np.testing.assert_allclose(smeared, expected, atol=1e-4)


def test_rebinning_sums_blocks() -> None:
    jets = jets_of(random_constituents(COUNTS))
    fine = make_images(jets, ImageSpec(pixel_sum=None, smearing=1.0))
    coarse = make_images(jets, ImageSpec(pixel_sum=None, smearing=1.0, rebin=4))
    np.testing.assert_allclose(coarse, fine.reshape(-1, 10, 4, 10, 4).sum(axis=(2, 4)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("power", [0.5, 0.7])
def test_the_power_of_smeared_pixels_keeps_their_sum(power: float) -> None:
    jets = jets_of(random_constituents(COUNTS))
    plain = make_images(jets, ImageSpec(smearing=1.0, rebin=2))
    raised = make_images(jets, ImageSpec(smearing=1.0, rebin=2, smeared_power=power))
    expected = plain**power
    np.testing.assert_allclose(raised, expected / expected.sum(axis=(1, 2), keepdims=True), rtol=1e-4, atol=1e-7)


def test_principal_axis_is_vertical_and_the_flips_hold() -> None:
    images = make_images(jets_of(random_constituents([50] * 20)), ImageSpec(half_width=1.0))
    center = np.arange(40) - 19.5
    vertical = np.einsum("nij,i->n", images, center**2)
    horizontal = np.einsum("nij,j->n", images, center**2)
    assert (vertical > horizontal).all()
    assert (images[:, :, :20].sum(axis=(1, 2)) >= images[:, :, 20:].sum(axis=(1, 2))).all()
    assert (images[:, 20:].sum(axis=(1, 2)) >= images[:, :20].sum(axis=(1, 2))).all()


@pytest.mark.parametrize("spec", SPECS)
def test_one_jet_alone_equals_the_same_jet_in_a_batch(spec: ImageSpec) -> None:
    jets = jets_of(random_constituents(COUNTS))
    batch = make_images(jets, spec)
    for i in range(len(jets)):
        alone = make_images(jets_of(jets.constituents[i : i + 1]), spec)
        np.testing.assert_array_equal(alone[0], batch[i])


@pytest.mark.parametrize("spec", SPECS)
def test_few_constituents(spec: ImageSpec) -> None:
    images = make_images(jets_of(random_constituents([0, 1, 2])), spec)
    assert np.isfinite(images).all()
    assert images[0].sum() == 0
    if spec.pixel_sum is not None:
        np.testing.assert_allclose(images[1:].sum(axis=(1, 2)), spec.pixel_sum, rtol=1e-5)


def test_no_jets_give_no_images() -> None:
    none = select(jets_of(random_constituents([3])), np.array([False]))
    assert make_images(none, ImageSpec(rebin=2)).shape == (0, 20, 20)


def test_the_jets_are_left_as_they_were() -> None:
    jets = jets_of(random_constituents(COUNTS))
    before = ak.to_list(jets.constituents)
    make_images(jets)
    assert ak.to_list(jets.constituents) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_pixels": 0},
        {"rebin": 3},
        {"smearing": -1.0},
        {"half_width": 0.0},
        {"pixel_power": 0.0},
        {"smeared_power": 0.0},
        {"pixel_sum": 0.0},
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        ImageSpec(**wrong)
