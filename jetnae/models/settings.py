"""Settings of models: tables given in part, and ranges."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from jetnae.errors import InputError


def with_network(kind: type[Any], config: Any) -> Any:
    """A configuration whose table `network`, where it is given in part, is filled from the defaults of this kind.

    A network of a variational autoencoder stays flat when only its width is given.
    """
    default = next((field.default_factory for field in fields(kind) if field.name == "network"), None)
    if not (callable(default) and isinstance(config, dict) and isinstance(config.get("network"), dict)):
        return config
    return {**config, "network": {**asdict(default()), **config["network"]}}


def check_settings(**values: tuple[float, float, float]) -> None:
    """Raise `InputError` for a setting outside its range; each is given as (value, lowest, highest)."""
    for name, (value, low, high) in values.items():
        if not low <= value <= high:
            raise InputError(f"model: {name} = {value}, expected {low:g} to {high:g}")
