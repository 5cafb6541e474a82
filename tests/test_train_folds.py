"""Models in folds: no event is ever scored by a model that has seen it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from jetnae.checkpoint import load_checkpoint
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.folds import FoldedCheckpoint, entry_keys, event_keys, fold_of, load_scorer
from jetnae.inputs import make_inputs
from jetnae.io import ReadOptions, iter_jets, read_jets
from jetnae.io.scores import read_scores
from jetnae.scoring import ScoreJob, score, score_file, score_jets
from jetnae.training import RunConfig, TrainConfig, train_folds
from jetnae.training_data import DataConfig, read_table, split, without_fold
from tests.conftest import write_events
from tests.test_cli import jetnae
from tests.training import AE, CPU
from tests.training import SPEC as NAMES

N_FOLDS = 3
SPEC = FeatureSpec(NAMES.names, (0.0,) * 4, (1.0,) * 4)  # unscaled, so that a jet can be told by its values


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """Two files of sixty events with two jets each; event numbers 100 to 159 in both."""
    for name, seed in (("a", 1), ("b", 2)):
        write_events(tmp_path / f"{name}.root", np.random.default_rng(seed).integers(5, 40, (60, 2)).tolist(), seed)
    monkeypatch.setenv("JETNAE_DATA", str(tmp_path))
    return run_config("a.root", "b.root")


def run_config(*files: str) -> RunConfig:
    data = DataConfig(files, 120 * len(files), (1.0, 5000.0), 3.0, 0.8, label=None)
    return RunConfig(data, AE, TrainConfig(n_steps=4, learning_rate=1e-3, batch_size=16), features=SPEC)


def rows(values: torch.Tensor) -> set[tuple[float, ...]]:
    return {tuple(row) for row in values.tolist()}


def test_no_event_is_scored_by_a_model_that_has_seen_it(config: RunConfig, tmp_path: Path) -> None:
    train_folds(config, tmp_path / "run", N_FOLDS, device=CPU)
    model = load_scorer(tmp_path / "run")
    assert isinstance(model, FoldedCheckpoint)
    score_file(ScoreJob(tmp_path / "a.root", tmp_path / "a.scores.root", model))
    scores = read_scores(tmp_path / "a.scores.root")
    jets = read_jets(tmp_path / "a.root")
    event = jets.events["event"][jets.event_index]
    np.testing.assert_array_equal(scores.jets["fold"], event % N_FOLDS)
    table = read_table(config.data, SPEC)
    for fold, checkpoint in enumerate(model.checkpoints):
        mine = scores.jets["fold"] == fold
        np.testing.assert_allclose(scores.jets["score"][mine], score_jets(jets, checkpoint).score[mine], rtol=1e-5)
        data = split(without_fold(table, fold, N_FOLDS), config.data, SPEC, config.train.seed)
        assert data.spec == checkpoint.spec
        seen = rows(torch.cat([data.training, data.validation]))
        own = rows(torch.from_numpy(make_inputs(jets, checkpoint.spec)))
        assert len(own & seen) == np.sum(~mine)
        assert not rows(torch.from_numpy(make_inputs(jets, checkpoint.spec)[mine])) & seen
    assert scores.provenance["folds"]["rule"] == "event"
    assert scores.provenance["folds"]["models"] == [each.header.sha256 for each in model.checkpoints]
    in_memory = score(tmp_path / "a.root", tmp_path / "run")
    np.testing.assert_array_equal(in_memory.fold, scores.jets["fold"])
    assert model.checkpoints[1].header.training["folds"] == {"fold": 1, "n_folds": 3, "rule": "event"}


def test_workers_use_for_each_event_the_model_that_has_not_seen_it(config: RunConfig, tmp_path: Path) -> None:
    train_folds(config, tmp_path / "run", N_FOLDS, device=CPU)
    score_file(ScoreJob(tmp_path / "a.root", tmp_path / "alone.root", load_scorer(tmp_path / "run")))
    options = ("--model", "run", "--workers", "2", "--chunk-size", "17", "--output", "out")
    result = jetnae("score", "a.root", "b.root", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    alone, together = (read_scores(tmp_path / name) for name in ("alone.root", "out/a.scores.root"))
    np.testing.assert_array_equal(together.jets["fold"], alone.jets["fold"])
    np.testing.assert_allclose(together.jets["score"], alone.jets["score"], rtol=1e-5)
    assert together.provenance["folds"] == alone.provenance["folds"]


def test_the_fold_follows_from_the_event_number_only(config: RunConfig, tmp_path: Path) -> None:
    reference = read_table(config.data, SPEC)
    turned = read_table(run_config("b.root", "a.root").data, SPEC)
    assert reference.rule == "event"
    expected = dict(zip(map(tuple, reference.values.tolist()), fold_of(reference.keys, 5).tolist(), strict=True))
    found = dict(zip(map(tuple, turned.values.tolist()), fold_of(turned.keys, 5).tolist(), strict=True))
    assert found == expected
    chunks = list(iter_jets(tmp_path / "a.root", ReadOptions(chunk_size=7)))
    parts = np.concatenate([event_keys(jets) for jets in chunks])
    np.testing.assert_array_equal(parts, np.repeat(np.arange(100, 160), 2))
    for same in (np.arange(100, 160, dtype=np.float64), np.arange(100, 160, dtype=np.int32)):
        write_events(tmp_path / "c.root", [[5]] * 60, event=same)
        np.testing.assert_array_equal(event_keys(read_jets(tmp_path / "c.root")), np.arange(100, 160))


def test_without_event_numbers_the_row_decides_wherever_the_file_lies(tmp_path: Path) -> None:
    write_events(tmp_path / "a.root", [[5, 6]] * 300)
    whole = entry_keys(read_jets(tmp_path / "a.root"), tmp_path / "a.root")
    chunks = iter_jets(tmp_path / "a.root", ReadOptions(chunk_size=13))
    np.testing.assert_array_equal(np.concatenate([entry_keys(jets, "elsewhere/a.root") for jets in chunks]), whole)
    assert (whole[::2] == whole[1::2]).all()  # jets of one event stay together
    assert (entry_keys(read_jets(tmp_path / "a.root"), "b.root") != whole).all()
    counts = np.bincount(fold_of(whole[::2], 3), minlength=3)
    assert (np.abs(counts - 100) < 5 * (300 * 2 / 9) ** 0.5).all()  # five standard deviations of a multinomial


def test_folds_go_on_where_they_were_stopped(config: RunConfig, tmp_path: Path) -> None:
    folds, headers = train_folds(config, tmp_path / "whole", 2, device=CPU)

    class StopError(Exception):
        pass

    steps = []

    def stop(step: int, total: int, logs: dict[str, float]) -> None:
        steps.append(step)
        if len(steps) == 6:  # in the second fold
            raise StopError

    with pytest.raises(StopError):
        train_folds(config, tmp_path / "cut", 2, device=CPU, report=stop)
    with pytest.raises(InputError, match="already holds a training"):
        train_folds(config, tmp_path / "cut", 2, device=CPU)
    again, _ = train_folds(config, tmp_path / "cut", 2, device=CPU, resume=True)
    assert again.sha256 == folds.sha256
    assert len({header.sha256 for header in headers}) == 2


def test_models_that_do_not_belong_together_and_odd_folds_are_refused(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2"):
        train_folds(config, tmp_path / "run", 1, device=CPU)
    write_events(tmp_path / "even.root", [[20, 25]] * 60, event=2 * np.arange(60))
    with pytest.raises(InputError, match="event numbers that do not spread"):
        train_folds(run_config("even.root"), tmp_path / "even", 2, device=CPU)
    train_folds(config, tmp_path / "run", 2, device=CPU)
    manifest = tmp_path / "run" / "folds.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    first = load_checkpoint(tmp_path / "run" / "fold0" / "model.safetensors")
    assert content["models"][0]["sha256"] == first.header.sha256
    for change, message in (
        ({"models": content["models"][::-1]}, None),
        ({"models": [{**content["models"][0], "sha256": "0"}, content["models"][1]]}, "is not the model"),
        ({"models": [{**content["models"][0], "file": "../x"}, content["models"][1]]}, "inside its folder"),
        ({"format_version": 99}, "this version knows up to 1"),
        ({"kind": "hunt"}, "of kind 'hunt'"),
        ({"models": content["models"][:1]}, "at least 2"),
    ):
        manifest.write_text(json.dumps({**content, **change}), encoding="utf-8")
        if message is None:
            assert isinstance(load_scorer(tmp_path / "run"), FoldedCheckpoint)
            continue
        with pytest.raises(InputError, match=message):
            load_scorer(tmp_path / "run")
