"""How latent vectors fill their sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from jetnae.diagnostics.result import Latent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from jetnae.diagnostics.result import Values

N_BINS = 12
DEAD = 0.01


@torch.no_grad()
def latent_occupancy(encoder: nn.Module, data: Tensor, negative: Tensor) -> Latent:
    """Where an encoder puts data and negative samples, (n, *shape), on the unit sphere."""
    of_data, of_negative = (
        torch.cat([encoder(part) for part in torch.split(each, 1024)]).double().cpu().numpy()
        for each in (data, negative)
    )
    dim = of_data.shape[1]
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(of_data.T)))[::-1].clip(min=0)
    n_dead = int((variances < DEAD / dim).sum())
    if dim != 3:
        return Latent(variances, n_dead)
    cells = on_sphere(of_data)
    return Latent(variances, n_dead, cells, on_sphere(of_negative), float((cells > 0).mean()))


def on_sphere(points: Values, n_bins: int = N_BINS) -> Values:
    """Share of points (n, 3) in cells of equal area, (n_bins, 2 n_bins), in cos(theta) from -1 and phi from -pi."""
    edges = (np.linspace(-1, 1, n_bins + 1), np.linspace(-np.pi, np.pi, 2 * n_bins + 1))
    cosine = np.clip(points[:, 2], -1, 1)
    counts, *_ = np.histogram2d(cosine, np.arctan2(points[:, 1], points[:, 0]), bins=edges)
    return np.asarray(counts / max(len(points), 1))
