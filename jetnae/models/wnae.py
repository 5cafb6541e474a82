"""The Wasserstein normalized autoencoder: its chains are trained to end where the data are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from jetnae.distances import exact, sinkhorn, sliced_wasserstein
from jetnae.errors import InputError
from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.chains import Chains
from jetnae.models.model import Logs
from jetnae.models.negatives import ImageSampler, Sampling, check_replay, longer
from jetnae.models.networks import NetworkConfig
from jetnae.sampling import Bounds, Langevin, replay_starts, replay_store, run_chain, sphere_points
from jetnae.sampling.bounds import Walls, share_at

Transport = Literal["exact", "sinkhorn", "sliced"]
MAX_EXACT_DIM = 20
MARGIN = 1.1
PUBLISHED = Langevin(10, 0.22**2 / (2 * 0.063), 0.22)
"""Temperature 0.063 and noise 0.22, in units of standardized features."""


@dataclass(frozen=True)
class WnaeConfig(AutoencoderConfig):
    """Chains and transport of a Wasserstein normalized autoencoder.

    transport : exact needs POT; by default exact up to 20 values per input, else sliced.
    start : persistent where earlier chains ended, contrastive at the data of the batch.
    visible : by default the published rule for standardized features, in their own units; for images that of the
        normalized autoencoder, on the energy in units of its scale.
    bounds : lowest and highest value of every feature; none: 1.1 times the largest one of the data. walls : at them.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    transport: Transport | None = None
    start: Literal["persistent", "contrastive"] = "persistent"
    visible: Langevin | None = None
    bounds: tuple[float, float] | None = None
    walls: Walls = "clamp"
    replay_size: int = 10_000
    replay_ratio: float = 0.95
    n_projections: int = 200

    def __post_init__(self) -> None:
        check_replay(self.replay_size, self.replay_ratio)
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise InputError(f"model: bounds = {self.bounds}, expected low < high")
        if self.n_projections < 1:
            raise InputError(f"model: n_projections = {self.n_projections}, expected at least 1")
        if self.visible is not None and self.visible.metropolis is not None:
            raise InputError("model: the chains are differentiated, Metropolis steps cannot be: leave metropolis out")


class WassersteinNormalizedAutoencoder(Autoencoder):
    """Wasserstein normalized autoencoder (arXiv:2510.02168): p(x) = exp(-E(x)/T) / Omega, trained by transport.

    The loss is the squared Wasserstein distance between a batch of data and the ends of the chains. Its gradient goes
    through all steps of the chains. Bounded below, unlike the likelihood: the smaller, the better the model.
    """

    config: WnaeConfig
    energy_scale: Tensor
    bounds: Tensor

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: WnaeConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.register_buffer("energy_scale", torch.ones(()))
        self.register_buffer("bounds", torch.zeros(2))
        self.replay: Tensor | None = None

    @torch.no_grad()
    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """Fix energy scale and bounds from inputs (n, *shape) and fill the replay buffer with noise."""
        energies = torch.cat([self.energy(batch) for batch in torch.split(x, 1024)])
        self.energy_scale.fill_(energies.mean().clamp_min(1e-12))
        largest = MARGIN * float(x.abs().max())
        self.bounds.copy_(torch.tensor(self.config.bounds or (-largest, largest)))
        self.replay = self._noise(self.config.replay_size, generator)

    def training_state(self) -> dict[str, Tensor]:
        """The replay buffer, once there is one."""
        return {} if self.replay is None else {"replay": self.replay}

    def load_training_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the replay buffer."""
        self.replay = tensors.get("replay")

    @property
    def rule(self) -> Langevin:
        """Step rule of the chains."""
        if self.config.visible is not None:
            return self.config.visible
        return PUBLISHED if len(self.shape) == 1 else Sampling().visible

    @property
    def transport(self) -> Transport:
        """Which transport the loss is."""
        return self.config.transport or ("exact" if self.n_values <= MAX_EXACT_DIM else "sliced")

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Transport between the data (n, *shape) and the ends of as many chains, in squared units of the values."""
        if self.replay is None:
            raise InputError("the replay buffer is empty: call begin after pretraining")
        starts, slots = replay_starts(self.replay, self._noise(len(x), generator), self.config.replay_ratio, generator)
        if self.config.start == "contrastive":
            starts = x
        ends = self._run(starts, generator, create_graph=True)
        self.replay = replay_store(self.replay, slots, ends)
        loss = self.distance(x, ends, generator)
        with torch.no_grad():
            logs = {"energy_data": float(self.energy(x).mean()), "energy_negative": float(self.energy(ends).mean())}
        return loss, logs | {"transport": float(loss.detach())}

    def distance(self, a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
        """The transport of the loss between two samples; select a model by that between held-out data and chains."""
        if self.transport == "exact":
            return exact(a, b)
        if self.transport == "sinkhorn":
            return sinkhorn(a, b)
        return sliced_wasserstein(a, b, generator, n_projections=self.config.n_projections)

    def chains(self, n: int, generator: torch.Generator, *, length: int = 1) -> Chains:
        """`n` fresh chains from noise, of `length` times the usual number of steps."""
        starts = self._noise(n, generator)
        samples = self._run(starts, generator, length=length)
        of_features = len(self.shape) == 1
        clamped = share_at(samples, *self._limits) if of_features else self._images.at_bounds(samples)
        unit = 1.0 if of_features else float(self.energy_scale)
        return Chains(starts, starts, samples, clamped, {"visible": self.rule.temperature * unit})

    def _noise(self, n: int, generator: torch.Generator) -> Tensor:
        """Gaussian features in bounds, or decoded latent vectors: images of pure noise are too far from anything."""
        if len(self.shape) == 1:
            return torch.randn(n, *self.shape, generator=generator, device=generator.device).clamp(*self._limits)
        with torch.no_grad():
            decoded: Tensor = self.decoder(self._images.fresh(n, generator))
        return decoded

    def _run(
        self, starts: Tensor, generator: torch.Generator, *, length: int = 1, create_graph: bool = False
    ) -> Tensor:
        if len(self.shape) > 1:
            return self._images.visible(starts, generator, length=length, create_graph=create_graph)
        space = Bounds(*self._limits, self.config.walls)
        rule = longer(self.rule, length)
        return run_chain(self.energy, starts, rule, generator, space=space, create_graph=create_graph)

    @property
    def _limits(self) -> tuple[float, float]:
        low, high = self.bounds.tolist()
        if not low < high:
            raise InputError("the bounds of the features are not set: call begin after pretraining")
        return low, high

    @property
    def _images(self) -> ImageSampler:
        return ImageSampler(
            self.energy,
            self.decoder,
            float(self.energy_scale),
            self.shape,
            self.pixel_sum,
            lambda n, generator: sphere_points(n, self.config.network.latent_dim, generator),
            settings=Sampling(visible=self.rule),
        )
