"""Laws of the simplex: what each projection keeps, which one is nearest, and what the other does to bright pixels."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import brentq

from jetnae.errors import InputError
from jetnae.sampling.simplex import dequantize, nearest, rescale, share_of_zeros

TOTAL = 40.0


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sparse_images(n: int = 50, n_bright: int = 8) -> torch.Tensor:
    """Images of 8 x 8 pixels, all but the first `n_bright` of them dark."""
    x = torch.zeros(n, 64)
    x[:, :n_bright] = torch.rand(n, n_bright, generator=generator()) + 0.5
    return (TOTAL * x / x.sum(dim=1, keepdim=True)).view(n, 8, 8)


@pytest.mark.parametrize("projection", [rescale, nearest])
def test_projections_keep_sum_and_sign_and_what_is_already_there(projection: object) -> None:
    project = projection(TOTAL)  # type: ignore[operator]
    for x in (torch.randn(10, 8, 8, generator=generator()), 30 * torch.randn(10, 8, 8, generator=generator())):
        y = project(x)
        assert bool((y >= 0).all())
        torch.testing.assert_close(y.flatten(1).sum(dim=1), torch.full((10,), TOTAL))
        torch.testing.assert_close(project(y), y, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(project(sparse_images()), sparse_images(), atol=1e-5, rtol=1e-5)


def test_the_nearest_image_is_the_one_below_a_common_level() -> None:
    x = torch.randn(20, 64, generator=generator()).double()
    y = nearest(5.0)(x)
    for image, projected in zip(x, y, strict=True):
        level = brentq(lambda c: float((image - c).clamp_min(0).sum()) - 5.0, -5.0, 5.0)  # noqa: B023  used at once
        torch.testing.assert_close(projected, (image - level).clamp_min(0), atol=1e-9, rtol=0)


def test_no_other_image_is_nearer() -> None:
    x = torch.randn(200, 10, generator=generator()).double()
    y = nearest(1.0)(x)
    corners = torch.distributions.Dirichlet(torch.full((10,), 0.3)).sample((500,)).double()
    # the nearest point of a convex set: the way to any other makes an obtuse angle with the way back to x
    angles = torch.einsum("ni,nki->nk", x - y, corners[None] - y[:, None])
    assert float(angles.max()) <= 1e-9
    assert bool(((x - y).square().sum(1) <= (x - rescale(1.0)(x)).square().sum(1) + 1e-12).all())


def test_clamping_and_rescaling_dims_bright_pixels_and_lights_dark_ones() -> None:
    images, std = sparse_images(2000), 0.1
    noisy = images + std * torch.randn(images.shape, generator=generator(2))
    bright = images > 0
    n_dark = 56
    scaled, projected = rescale(TOTAL)(noisy), nearest(TOTAL)(noisy)
    # the positive half of the noise of the dark pixels, std / sqrt(2 pi) each, is taken out of the bright ones
    factor = TOTAL / (TOTAL + n_dark * std / (2 * torch.pi) ** 0.5)
    assert float(scaled[bright].mean() / images[bright].mean()) == pytest.approx(factor, abs=5e-4)
    assert float((scaled[~bright] == 0).double().mean()) == pytest.approx(0.5, abs=0.01)
    # the nearest image keeps more dark pixels dark, and is nearer to the image without noise
    assert float((projected[~bright] == 0).double().mean()) > 0.75
    assert float((projected - images).square().mean()) < 0.5 * float((scaled - images).square().mean())
    assert share_of_zeros(images) == 56 / 64


def test_dequantized_images_have_no_zeros_and_the_same_sum() -> None:
    images = sparse_images(2000)
    y = dequantize(images, 0.1, generator(2))
    assert float(y.min()) > 0
    torch.testing.assert_close(y.flatten(1).sum(dim=1), torch.full((2000,), TOTAL))
    spread = 0.1 * TOTAL / 64
    # on average, noise is flat; even on the simplex, its relative spread is about 1
    noise = y - 0.9 * images
    torch.testing.assert_close(noise.mean(dim=0), torch.full((8, 8), spread), rtol=5 / 2000**0.5, atol=0)
    assert float(noise.std() / spread) == pytest.approx((63 / 65) ** 0.5, rel=0.02)
    with pytest.raises(InputError, match="between 0 and 1"):
        dequantize(images, 1.0, generator())
