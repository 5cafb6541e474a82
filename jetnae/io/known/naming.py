"""How names are put together, and what several layouts share."""

from __future__ import annotations


def of(prefix: str, names: str = "pt eta phi mass") -> dict[str, str]:
    """Columns that are called prefix_name."""
    return {name: f"{prefix}_{name}" for name in names.split()}


def dotted(prefix: str, **names: str) -> dict[str, str]:
    """Columns that are called prefix.name, our names to theirs."""
    return {key: f"{prefix}.{name}" for key, name in names.items()}


TAUS = {f"tau{n}": f"tau{n}" for n in (1, 2, 3, 4)}
EVENT_ID = {name: name for name in ("run", "luminosityBlock", "event")}
