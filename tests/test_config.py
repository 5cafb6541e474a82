"""Configuration is strict, and says what it would have accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from jetnae.config import parse, read_toml
from jetnae.errors import InputError
from jetnae.images import ImageSpec
from jetnae.models import NaeConfig
from jetnae.training import FitConfig, RunConfig, read_run_config

MINIMAL = """
[data]
files = ["qcd.root"]
n_jets = 100
pt = [550, 650]
abs_eta = 2.0
radius = 0.8
[model]
name = "nae"
[train]
n_steps = 5
learning_rate = 1e-4
"""


def test_a_minimal_configuration_takes_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(MINIMAL)
    config = read_run_config(path)
    assert config.data.pt == (550.0, 650.0)
    assert config.spec == ImageSpec()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("n_jets", "n_jet"), r"run\.toml: data: unknown key 'n_jet', the known ones are files, n_jets"),
        (("[train]", "[training]"), "unknown key 'training', the known ones are data, model, train, image"),
        (("n_steps = 5", ""), "missing train.n_steps"),
        (("n_steps = 5\nlearning_rate = 1e-4", ""), "missing train.n_steps, train.learning_rate"),
        (("n_steps = 5", 'n_steps = "many"'), "train.n_steps = 'many'"),
        (("[550, 650]", "[650, 550]"), r"pt = \(650\.0, 550\.0\), expected \[low, high\]"),
        (('name = "nae"', ""), "model.name is missing"),
        (('name = "nae"', "name = []"), "model.name is missing"),
        (("1e-4", "-1e-4"), "learning rates .* above 0"),
        (("n_steps = 5", "n_steps = 5\nseed = -1"), "seed from 0"),
        (("[data]", "[data"), "not valid TOML"),
    ],
)
def test_a_mistake_is_named(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(MINIMAL.replace(*change))
    with pytest.raises(InputError, match=message):
        read_run_config(path)


def test_unknown_keys_are_found_at_every_depth() -> None:
    with pytest.raises(InputError, match="latent: unknown key 'steps', the known ones are n_steps, step_size"):
        parse(NaeConfig, {"latent": {"n_steps": 1, "step_size": 1.0, "noise_std": 0.1, "steps": 2}}, "model")


def test_a_missing_file_is_said() -> None:
    with pytest.raises(InputError, match="No such file"):
        read_toml("nowhere.toml")


def test_the_configurations_in_the_repository_are_valid() -> None:
    paths = sorted((Path(__file__).parents[1] / "analyses").glob("*.toml"))
    assert paths
    assert all(isinstance(read_run_config(path), RunConfig) for path in paths)


def test_the_settings_of_the_digit_left_out_are_valid() -> None:
    paths = sorted((Path(__file__).parents[1] / "analyses" / "mnist").glob("*.toml"))
    assert paths
    for path in paths:  # one model may be scored in several ways
        assert path.stem.startswith(parse(FitConfig, read_toml(path), str(path)).model["name"])
