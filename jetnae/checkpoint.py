"""Checkpoints: weights with everything needed to score with them, in one file that is safe to load."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from jetnae.config import parse
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.files import write_bytes
from jetnae.images import ImageSpec
from jetnae.inputs import KINDS, Spec, pixel_sum
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.models import MODELS, SCORERS, Model, Scorer
from jetnae.models.settings import with_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from torch import Tensor

    from jetnae.jets import Jets

FORMAT_VERSION = 3
KEY = "jetnae"
SCORING = ("model", "config", *KINDS, "validity")
"""The entries of the header that determine scores and flags, together with the weights."""


@dataclass(frozen=True)
class Validity:
    """The jets a model was trained on: pt range in GeV, largest |eta|, jet radius."""

    pt: tuple[float, float]
    abs_eta: float
    radius: float

    def contains(self, jets: Jets) -> npt.NDArray[np.bool_]:
        """Which jets (n_jets,) lie in this range; jets of unknown radius are taken to have the right one."""
        low, high = self.pt
        same_radius = jets.radius is None or math.isclose(jets.radius, self.radius)
        inside = (jets.pt >= low) & (jets.pt <= high) & (np.abs(jets.eta) <= self.abs_eta)
        return np.asarray(inside & same_radius)

    def __str__(self) -> str:
        return f"{self.pt[0]:g} < pt < {self.pt[1]:g} GeV, |eta| < {self.abs_eta:g}, R = {self.radius:g}"


@dataclass(frozen=True)
class Header:
    """What a checkpoint says about itself, stored as JSON beside the weights.

    sha256 : of all that determines a score, the same for the same training wherever and whenever it was run.
    seal : hash over the whole content, to find damage and changes.
    image, features, regions, objects : how jets, or crossings, become the input; one of these.
    """

    format_version: int
    kind: str
    name: str
    model: str
    config: dict[str, Any]
    validity: Validity
    layout: str
    image: ImageSpec | None = None
    features: FeatureSpec | None = None
    regions: RegionSpec | None = None
    objects: ObjectSpec | None = None
    training: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    seal: str = ""

    @property
    def spec(self) -> Spec:
        """How jets become this model's input; raises `InputError` where that is not said, or said twice."""
        specs: list[Spec] = [spec for spec in (getattr(self, name) for name in KINDS) if spec is not None]
        if len(specs) != 1:
            raise InputError(f"model '{self.name}': {len(specs)} kinds of input, expected one of {', '.join(KINDS)}")
        return specs[0]


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to score, with its header."""

    model: Scorer
    header: Header

    @property
    def spec(self) -> Spec:
        """How jets become this model's input."""
        return self.header.spec

    @property
    def validity(self) -> Validity:
        """The jets this model was trained on."""
        return self.header.validity


def build_model(name: str, config: Any, spec: Spec) -> Model:
    """Make an untrained model by name; raises `InputError` listing the known names, or on a bad configuration."""
    if name not in MODELS:
        advice = ": it learns from another model, use `jetnae distill`" if name in SCORERS else ""
        raise InputError(f"unknown model {name!r}, expected one of {', '.join(MODELS)}{advice}")
    model: Model = build_scorer(name, config, spec)  # type: ignore[assignment]  # all in MODELS are
    return model


def build_scorer(name: str, config: Any, spec: Spec) -> Scorer:
    """Make anything that a checkpoint may hold, as `build_model`."""
    if name not in SCORERS:
        raise InputError(f"unknown model {name!r}, expected one of {', '.join(SCORERS)}")
    kind, config_kind = SCORERS[name]
    settings = parse(config_kind, with_network(config_kind, config), f"model '{name}'")
    scorer: Scorer = kind(spec.shape, pixel_sum(spec), settings)
    return scorer


def save_checkpoint(path: Path, model: Scorer, header: Header) -> Header:
    """Write a checkpoint atomically; returns the header with its hashes filled in."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    content = json.loads(json.dumps(asdict(header) | {"sha256": "", "seal": ""}, default=str))  # as it will be read
    content["sha256"] = _hash({key: content[key] for key in SCORING if content[key] is not None}, tensors)
    content["seal"] = _hash(content, tensors)
    write_bytes(path, save(tensors, metadata={KEY: json.dumps(content, sort_keys=True)}), force=True)
    return _parse_header(content, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint without ever unpickling.

    Raises `InputError` when the file is no checkpoint, was altered, or is of a newer format than this version knows.
    """
    content, tensors = _read(path)
    header = _parse_header(content, path)
    if header.seal != _hash({**content, "seal": ""}, tensors):
        raise InputError(f"{path}: the content does not match its hash, the checkpoint is damaged or was altered")
    with torch.device("meta"):
        model = build_scorer(header.model, header.config, header.spec)
    _check_tensors(model, tensors, path)
    model.load_state_dict(tensors, assign=True)
    return Checkpoint(model.eval(), header)


def bundled_models() -> dict[str, Path]:
    """The models that come with jetnae, by name."""
    folder = resources.files("jetnae") / "assets" / "models"
    files = sorted(Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".safetensors"))
    return {path.stem: path for path in files}


def load_model(name_or_path: str | Path) -> Checkpoint:
    """Load a bundled model by name, or any checkpoint by path; raises `InputError` when there is neither."""
    return load_checkpoint(find_model(name_or_path))


def find_model(name_or_path: str | Path) -> Path:
    """The file of a bundled model or of a checkpoint; raises `InputError` when there is neither."""
    bundled = bundled_models()
    if str(name_or_path) in bundled:
        return bundled[str(name_or_path)]
    path = Path(name_or_path)
    if os.path.isdir(path):  # unlike Path.is_dir, never raises
        path = path / "model.safetensors"
    if not os.path.exists(path):
        raise InputError(
            f"no model '{name_or_path}': neither a file nor one of the bundled models ({', '.join(bundled)})"
        )
    return path


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: not a checkpoint, or a damaged one ({str(error)[:100]})") from error
    try:
        content = json.loads(metadata[KEY])
    except (KeyError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: a safetensors file without a jetnae header, expected a checkpoint") from error
    if not isinstance(content, dict) or content.get("kind") != "checkpoint":
        raise InputError(f"{path}: not a jetnae checkpoint")
    for key, value in tensors.items():
        if value.dtype != torch.float32 or not math.isfinite(float(value.abs().sum())):
            raise InputError(f"{path}: the weights '{key}' are not finite 32-bit numbers")
    return content, tensors


def _parse_header(content: dict[str, Any], path: Path) -> Header:
    version = content.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(
            f"{path}: checkpoint format {version!r}, this version of jetnae knows up to {FORMAT_VERSION}: update jetnae"
        )
    return parse(Header, content, str(path))


def _check_tensors(model: Scorer, tensors: Mapping[str, Tensor], path: Path) -> None:
    expected = {key: value.shape for key, value in model.state_dict().items()}
    found = {key: value.shape for key, value in tensors.items()}
    if found != expected:
        odd = min(key for key, _ in set(expected.items()) ^ set(found.items()))
        raise InputError(f"{path}: the weights do not fit the model '{type(model).__name__}' (first: {odd})")


def _hash(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for key in sorted(tensors):
        value = tensors[key]
        digest.update(f"{key}{value.dtype}{tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
