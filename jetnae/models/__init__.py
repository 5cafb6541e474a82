"""Models by name. A model has `loss(x, generator) -> (scalar, logs)` and `score(x) -> (n,)`."""

from __future__ import annotations

from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.chains import Chains
from jetnae.models.mpdr import MpdrConfig, RecoveredAutoencoder, RecoveredScalar
from jetnae.models.nae import NaeConfig, NormalizedAutoencoder
from jetnae.models.wnae import WassersteinAutoencoder, WnaeConfig

__all__ = [
    "MODELS",
    "Autoencoder",
    "AutoencoderConfig",
    "Chains",
    "MpdrConfig",
    "NaeConfig",
    "NormalizedAutoencoder",
    "RecoveredAutoencoder",
    "RecoveredScalar",
    "WassersteinAutoencoder",
    "WnaeConfig",
]

MODELS: dict[str, tuple[type[Autoencoder], type[AutoencoderConfig]]] = {
    "ae": (Autoencoder, AutoencoderConfig),
    "nae": (NormalizedAutoencoder, NaeConfig),
    "wnae": (WassersteinAutoencoder, WnaeConfig),
    "mpdr_r": (RecoveredAutoencoder, MpdrConfig),
    "mpdr_s": (RecoveredScalar, MpdrConfig),
}
