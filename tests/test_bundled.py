"""The models that come with the package: whole, documented, and chosen by what a file has."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

import jetnae
from jetnae.bundled import choose_model
from jetnae.checkpoint import bundled_models, load_model
from jetnae.errors import InputError
from jetnae.images import ImageSpec
from jetnae.io import ReadOptions, read_jets
from jetnae.io.scores import read_scores
from jetnae.scoring import score_jets
from jetnae.training import read_run_config
from tests.features import SAMPLE
from tests.layout_files import WRITERS, write_nanoaod
from tests.test_cli import fails
from tests.test_cli import jetnae as command

ANALYSES = Path(__file__).parents[1] / "analyses"
IMAGES, FEATURES = "qcd_ak8_nae", "qcd_ak8_nae_features"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample without its constituents, with the features of the bundled model."""
    from tests.test_feature_models import without_constituents

    path = tmp_path_factory.mktemp("bare") / "events.root"
    path.write_bytes(SAMPLE.read_bytes())
    return without_constituents(path, ("sd_mass", "tau1", "tau2", "tau3"))  # as NanoAOD has them


@pytest.mark.parametrize("name", bundled_models())
class TestEachModel:
    def test_it_loads_has_a_card_and_is_small(self, name: str) -> None:
        path, header = bundled_models()[name], load_model(name).header
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert header.name == name
        assert card.startswith(f"# {name}\n")
        for part in (
            header.sha256[:12],
            "**Data.**",
            "**Command.**",
            "**Valid for**",
            "AUC",
            "pile-up",
            "`jetnae diagnose`: converged.",
        ):
            assert part in card
        assert path.stat().st_size < 4_000_000

    def test_it_says_where_it_comes_from(self, name: str) -> None:
        header = load_model(name).header
        config = header.training["config"]
        assert {"jetnae", "python", "torch"} <= set(header.provenance)
        assert header.training["files"]
        assert config["data"]["flat_pt"]
        assert tuple(config["data"]["pt"]) == header.validity.pt

    def test_it_is_what_its_configuration_trains(self, name: str) -> None:
        header, config = load_model(name).header, read_run_config(ANALYSES / f"{name}.toml")
        assert header.training["config"]["train"]["seed"] == config.train.seed
        assert header.training["config"]["data"]["n_jets"] == config.data.n_jets
        assert header.validity == config.data.validity
        assert header.model == config.model["name"]
        assert isinstance(header.spec, type(config.spec))

    def test_tops_and_semivisible_jets_of_the_sample_are_more_anomalous(self, name: str) -> None:
        jets = read_jets(SAMPLE)
        scored = score_jets(jets, load_model(name))
        assert np.isfinite(scored.score).all()
        assert scored.in_range.mean() > 0.9
        label = jets.label
        assert np.median(scored.score[label == 1]) > np.median(scored.score[label == 0])


def test_images_are_set_up_as_in_the_study_of_both_directions() -> None:
    study, bundled = (tomllib.loads((ANALYSES / name).read_text()) for name in ("jet_nae.toml", f"{IMAGES}.toml"))
    for table in ("image", "model", "train"):
        assert bundled[table] == study[table]


def test_constituents_are_scored_as_images() -> None:
    found = choose_model([SAMPLE])
    assert isinstance(load_model(found.name).spec, ImageSpec)
    assert (found.name, found.reason) == (IMAGES, "the jets 'Jet' (layout jetnae) have constituents")


def test_without_constituents_the_features_of_the_file_are_scored(bare: Path, tmp_path: Path) -> None:
    done = command("score", bare, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    reason = "the jets 'Jet' (layout jetnae) have no constituents, but all of its features"
    assert f"chosen  {FEATURES}: {reason}" in done.stdout
    scores = read_scores(next(tmp_path.glob("*.scores.root"))).jets["score"]
    whole = score_jets(read_jets(SAMPLE), load_model(FEATURES)).score
    np.testing.assert_allclose(scores, whole, rtol=1e-3)  # the file has 32-bit numbers
    np.testing.assert_array_equal(scores, jetnae.score(bare).score)


def test_the_model_that_is_named_is_taken(tmp_path: Path) -> None:
    done = command("score", SAMPLE, "--model", FEATURES, cwd=tmp_path)
    assert done.returncode == 0
    assert "chosen" not in done.stdout
    assert f"model  {FEATURES}" in done.stdout


def test_where_none_fits_it_says_what_each_lacks(tmp_path: Path) -> None:
    path = write_nanoaod(tmp_path)
    with pytest.raises(InputError, match=r"no bundled model fits the jets 'FatJet' \(layout nanoaod\)"):
        choose_model([path])
    message = fails("score", path, cwd=tmp_path)
    for part in (f"{IMAGES} needs constituents", f"{FEATURES} needs ", "`jetnae train`", "features pt, eta"):
        assert part in message


def test_files_that_cannot_be_read_are_passed_over(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.root").write_bytes(b"root, but not really")
    assert choose_model([tmp_path / "bad.root", bare]).name == FEATURES
    assert choose_model([tmp_path / "bad.root"]).reason == "no file could be read"


@pytest.mark.parametrize("layout", WRITERS)
def test_the_choice_does_not_depend_on_what_else_is_read(layout: str, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    try:
        found = choose_model([path])
    except InputError:
        assert read_jets(path).constituents is None
        return
    options = ReadOptions(chunk_size=1, keep=("no such column",))
    assert choose_model([path], options) == found
    assert (read_jets(path).constituents is not None) == isinstance(load_model(found.name).spec, ImageSpec)


def test_both_are_listed_with_their_ranges(bare: Path, tmp_path: Path) -> None:
    listed = command("models", cwd=tmp_path).stdout
    seen = command("inspect", bare, cwd=tmp_path).stdout
    for name in bundled_models():
        header = load_model(name).header
        assert f"{name}  NAE on " in listed
        assert str(header.validity) in listed
        assert f"{name}: " in seen
        assert str(header.validity) in seen
    assert f"{IMAGES}: does not fit, it needs constituents" in seen
    assert f"{FEATURES}: fits, " in seen
