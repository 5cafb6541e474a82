"""Makes one golden file per format version; run once per version, and never again for an old one.

python -m tests.golden.make
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from jetnae.bumphunt import HuntOptions, Spectrum, hunt
from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, build_model, save_checkpoint
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.io.scores import FORMAT_VERSION as SCORES_VERSION
from jetnae.io.scores import write_scores
from jetnae.results import to_json
from tests.conftest import SMALL_NETWORK

FOLDER = Path(__file__).parent
JETS = {"score": np.array([0.5, np.nan, 2.0], dtype=np.float32), "status": np.array([0, 1, 0], dtype=np.int32)}
COUNTS = np.array([2, 0, 1])
EVENTS = {"event": np.array([11, 12, 13], dtype=np.uint64)}
FALLING = [400, 301, 228, 170, 131, 95, 73, 58, 40, 33, 22, 17]
"""Counts of a search with bins 5 and 6 blinded."""


def main() -> None:
    """Write the files of the current versions."""
    torch.manual_seed(1)
    image = ImageSpec(n_pixels=16, pixel_sum=16.0)
    model = build_model("nae", SMALL_NETWORK, image)
    validity = Validity((550.0, 650.0), 2.0, 0.8)
    header = Header(FORMAT_VERSION, "checkpoint", "golden", "nae", SMALL_NETWORK, validity, "jetnae", image=image)
    save_checkpoint(FOLDER / f"checkpoint-v{FORMAT_VERSION}.safetensors", model, header)
    for suffix in ("root", "h5"):
        path = FOLDER / f"scores-v{SCORES_VERSION}.{suffix}"
        with write_scores(path, {"format_version": SCORES_VERSION, "kind": "scores"}, force=True) as writer:
            writer.append(JETS, COUNTS, EVENTS)
    write_features()
    write_search()


def write_features() -> None:
    """A model of features, which checkpoints have had since version 2."""
    torch.manual_seed(1)
    spec = FeatureSpec(("mass", "girth"), center=(80.0, 0.1), scale=(40.0, 0.05))
    validity = Validity((550.0, 650.0), 2.0, 0.8)
    header = Header(FORMAT_VERSION, "checkpoint", "golden", "ae", SMALL_NETWORK, validity, "jetnae", features=spec)
    model = build_model("ae", SMALL_NETWORK, spec)
    save_checkpoint(FOLDER / f"checkpoint-features-v{FORMAT_VERSION}.safetensors", model, header)


def write_search() -> None:
    """Write the result of a small blinded search."""
    spectrum = Spectrum(np.array(FALLING, dtype=float), np.linspace(100, 220, 13))
    options = HuntOptions(sqrt_s=1000.0, max_width=3, n_toys=5, blind=(150.0, 170.0), sideband_criterion=True)
    found = hunt(spectrum, options, np.random.default_rng(1))
    (FOLDER / "hunt-v1.json").write_text(json.dumps(to_json(found), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
