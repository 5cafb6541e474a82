"""jetnae: find the unexpected in LHC jets.

    jets = jetnae.read_jets("events.root")
    scored = jetnae.score("events.root")

Names that need torch are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jetnae.version import __version__

if TYPE_CHECKING:
    from jetnae.checkpoint import load_model
    from jetnae.images import ImageSpec, make_images
    from jetnae.io import read_jets
    from jetnae.jets import Jets
    from jetnae.scoring import score

__all__ = ["ImageSpec", "Jets", "__version__", "load_model", "make_images", "read_jets", "score"]

_HOMES = {
    "ImageSpec": "jetnae.images",
    "Jets": "jetnae.jets",
    "load_model": "jetnae.checkpoint",
    "make_images": "jetnae.images",
    "read_jets": "jetnae.io",
    "score": "jetnae.scoring",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jetnae' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
