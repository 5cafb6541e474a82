"""Models by name. A model has `loss(x, generator) -> (scalar, logs)` and `score(x) -> (n,)`."""

from __future__ import annotations

from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.nae import NaeConfig, NormalizedAutoencoder

__all__ = ["MODELS", "Autoencoder", "AutoencoderConfig", "NaeConfig", "NormalizedAutoencoder"]

MODELS: dict[str, tuple[type[Autoencoder], type[AutoencoderConfig]]] = {
    "ae": (Autoencoder, AutoencoderConfig),
    "nae": (NormalizedAutoencoder, NaeConfig),
}
