"""Models by name; what they have in common is in `Model`, and what all that scores has in `Scorer`."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.chains import Chains, Density
from jetnae.models.denoising import DenoisingAutoencoder, DenoisingConfig
from jetnae.models.mahalanobis import MahalanobisAutoencoder, MahalanobisConfig
from jetnae.models.model import Model, Scorer
from jetnae.models.mpdr import MpdrConfig, RecoveredAutoencoder, RecoveredScalar
from jetnae.models.nae import NormalizedAutoencoder
from jetnae.models.nae_config import NaeConfig
from jetnae.models.pca import PcaConfig, PrincipalComponents
from jetnae.models.sparse import SparseAutoencoder, SparseConfig
from jetnae.models.student import Student, StudentConfig
from jetnae.models.vae import VaeConfig, VariationalAutoencoder
from jetnae.models.wae import WaeConfig, WassersteinAutoencoder
from jetnae.models.wnae import WassersteinNormalizedAutoencoder, WnaeConfig

__all__ = [
    "MODELS",
    "SCORERS",
    "Autoencoder",
    "AutoencoderConfig",
    "Chains",
    "Density",
    "Model",
    "NaeConfig",
    "NormalizedAutoencoder",
    "Scorer",
    "Student",
    "StudentConfig",
]

MODELS: dict[str, tuple[type[Any], type[Any]]] = {
    "ae": (Autoencoder, AutoencoderConfig),
    "nae": (NormalizedAutoencoder, NaeConfig),
    "wnae": (WassersteinNormalizedAutoencoder, WnaeConfig),
    "mpdr_r": (RecoveredAutoencoder, MpdrConfig),
    "mpdr_s": (RecoveredScalar, MpdrConfig),
    "dae": (DenoisingAutoencoder, DenoisingConfig),
    "sparse": (SparseAutoencoder, SparseConfig),
    "vae": (VariationalAutoencoder, VaeConfig),
    "wae": (WassersteinAutoencoder, WaeConfig),
    "pca": (PrincipalComponents, PcaConfig),
    "mahalanobis": (MahalanobisAutoencoder, MahalanobisConfig),
}
"""What learns from background by itself."""

SCORERS: Mapping[str, tuple[type[Any], type[Any]]] = ChainMap({"student": (Student, StudentConfig)}, MODELS)
"""What a checkpoint may hold: also what learns from one of the models. What is added to these is in here, too."""
