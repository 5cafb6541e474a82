"""What a graph does to its input before the model sees it, so that callers fill in numbers with units, or counts."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.inputs import Spec
from jetnae.level1 import MAX_COUNT, ObjectSpec, RegionSpec, Transform


def graph_spec(spec: Spec) -> Spec:
    """What makes the inputs of an exported file: features in their units, regions and objects in counts.

    Everything else as the model takes it.
    """
    if isinstance(spec, ImageSpec):
        return spec
    if isinstance(spec, FeatureSpec):
        return replace(spec, center=(), scale=())
    return RegionSpec("linear", 1.0) if isinstance(spec, RegionSpec) else ObjectSpec("linear", 1.0, 1.0)


def preparation(spec: Spec) -> nn.Module:
    """From inputs as `graph_spec` makes them, (n, *shape), to those that the model takes."""
    if isinstance(spec, FeatureSpec) and spec.center:
        return _Standardized(spec)
    return _Counts(spec) if isinstance(spec, RegionSpec | ObjectSpec) else nn.Identity()


class _Standardized(nn.Module):
    """Features, centered and scaled."""

    center: Tensor
    scale: Tensor

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self.register_buffer("center", torch.tensor(spec.center))
        self.register_buffer("scale", torch.tensor(spec.scale))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - self.center) / self.scale


class _Counts(nn.Module):
    """Counts of a crossing, transformed in double precision as `from_raw` does it, then rounded to single."""

    is_energy: Tensor

    def __init__(self, spec: RegionSpec | ObjectSpec) -> None:
        super().__init__()
        self.transform, self.angle_scale, self.most = spec.transform, 1.0, float(MAX_COUNT)
        self.window = spec.window if isinstance(spec, RegionSpec) else 1
        scale = torch.tensor(spec.scale * self.window**2, dtype=torch.float64)
        self.unit = float(_transformed(scale, spec.transform))
        is_energy = torch.ones(spec.shape, dtype=torch.bool)
        if isinstance(spec, ObjectSpec):
            is_energy = torch.arange(spec.shape[0]) % 3 == 0
            self.angle_scale, self.most = spec.angle_scale, float("inf")
        self.register_buffer("is_energy", is_energy)

    def forward(self, inputs: Tensor) -> Tensor:
        counts = inputs.double()
        # by comparisons, which leave what is not a number as it is, unlike the operators that cut a range in ONNX
        energy = torch.where(counts < 0, torch.zeros_like(counts), counts)
        energy = torch.where(energy > self.most, torch.full_like(counts, self.most), energy)
        energy = _transformed(_sums(energy, self.window), self.transform) / self.unit
        return torch.where(self.is_energy, energy, counts / self.angle_scale).float()


def _transformed(counts: Tensor, transform: Transform) -> Tensor:
    if transform == "linear":
        return counts
    return counts.sqrt() if transform == "sqrt" else counts.log1p()


def _sums(counts: Tensor, window: int) -> Tensor:
    """Sums of each region (n, phi, eta) and its neighbors: around the circle in phi, nothing beyond the ends in eta."""
    reach = window // 2
    if not reach:
        return counts
    n_phi, n_eta = counts.shape[1:]
    around = functional.pad(torch.cat([counts[:, -reach:], counts, counts[:, :reach]], dim=1), (reach, reach))
    total = torch.zeros_like(counts)
    for i in range(window):
        for j in range(window):
            total = total + around[:, i : i + n_phi, j : j + n_eta]
    return total
