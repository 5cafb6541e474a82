"""Makes one golden file per format version; run once per version, and never again for an old one.

python -m tests.golden.make
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jetnae.bumphunt import FAMILIES, HuntOptions, Spectrum, fit, hunt
from jetnae.bumphunt.signal import fit_signal, gaussian
from jetnae.bumphunt.validation import bias, coverage, injection
from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, build_model, save_checkpoint
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.io.scores import FORMAT_VERSION as SCORES_VERSION
from jetnae.io.scores import write_scores
from jetnae.level1 import ObjectSpec, RegionSpec
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
    write_crossings()
    write_searches()


def write_features() -> None:
    """A model of features, which checkpoints have had since version 2."""
    torch.manual_seed(1)
    spec = FeatureSpec(("mass", "girth"), center=(80.0, 0.1), scale=(40.0, 0.05))
    validity = Validity((550.0, 650.0), 2.0, 0.8)
    header = Header(FORMAT_VERSION, "checkpoint", "golden", "ae", SMALL_NETWORK, validity, "jetnae", features=spec)
    model = build_model("ae", SMALL_NETWORK, spec)
    save_checkpoint(FOLDER / f"checkpoint-features-v{FORMAT_VERSION}.safetensors", model, header)


def write_crossings() -> None:
    """Models of regions and of objects of bunch crossings, which checkpoints have had since version 3."""
    validity = Validity((0.0, 1e6), 100.0, 0.6)
    network = {"network": {**SMALL_NETWORK["network"], "output": "sigmoid"}}
    for kind, spec in (("regions", RegionSpec(scale=512.0)), ("objects", ObjectSpec(transform="linear"))):
        torch.manual_seed(1)
        header = Header(FORMAT_VERSION, "checkpoint", "golden", "ae", network, validity, "crossings", **{kind: spec})
        path = FOLDER / f"checkpoint-{kind}-v{FORMAT_VERSION}.safetensors"
        save_checkpoint(path, build_model("ae", network, spec), header)


def write_searches() -> None:
    """Write the results of a small blinded search, and of all that is done with an open one."""
    spectrum, rng = Spectrum(np.array(FALLING, dtype=float), np.linspace(100, 220, 13)), np.random.default_rng(1)
    options = HuntOptions(sqrt_s=1000.0, max_width=3, n_toys=5, blind=(150.0, 170.0), sideband_criterion=True)
    _write(replace(hunt(spectrum, options, rng), observable="Dijet mass", unit="TeV"))
    dijet3, ua2 = (fit(spectrum, FAMILIES[name], sqrt_s=1000.0) for name in ("dijet3", "ua2"))
    signal = gaussian(spectrum.edges, mean=160.0, width=8.0)
    _write(replace(fit_signal(spectrum, signal, "dijet3", sqrt_s=1000.0), observable="Dijet mass", unit="TeV"))
    few = HuntOptions(sqrt_s=1000.0, max_width=3, n_toys=5, family="dijet3")
    _write(coverage(dijet3, few, n_experiments=4, rng=rng))
    _write(injection(dijet3, signal, yields=np.array([0.0, 50.0]), n_experiments=4, rng=rng))
    _write(bias((ua2,), signal, "dijet3", n_experiments=4, rng=rng))


def _write(result: Any) -> None:
    content = to_json(result)
    path = FOLDER / f"{content['kind']}-v{content['format_version']}.json"
    path.write_text(json.dumps(content, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
