"""One score per jet, next to the events it belongs to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

import jetnae
from jetnae.checkpoint import load_checkpoint
from jetnae.errors import InputError
from jetnae.io import ReadOptions, read_jets
from jetnae.io.scores import read_scores, write_scores
from jetnae.scored import NO_CONSTITUENTS, OUTSIDE_WINDOW
from jetnae.scoring import ScoreJob, score_file, score_jets
from tests.conftest import jets_of, random_constituents, write_events
from tests.layout_files import WRITERS


def scored(path: Path, output: Path, checkpoint: Path, **options: object) -> Path:
    score_file(ScoreJob(path, output, load_checkpoint(checkpoint), ReadOptions(**options)))
    return output


def friend(path: Path) -> dict[str, ak.Array]:
    with uproot.open(path) as file:
        return file["scores"].arrays(how=dict)


def test_the_friend_tree_has_one_row_per_event_in_order(
    events_root: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    tree = friend(scored(events_root, tmp_path / "out.root", small_checkpoint, keep=("nJet",)))
    with uproot.open(events_root) as file:
        events = file["events"].arrays()
    assert tree["event"].tolist() == events.event.tolist()
    assert tree["jetnae_nJet"].tolist() == tree["nJet"].tolist() == events.nJet.tolist()
    np.testing.assert_allclose(ak.flatten(tree["jetnae_pt"]), ak.flatten(events.Jet_pt), rtol=1e-6)
    assert tree["jetnae_label"].tolist() == events.Jet_label.tolist()
    assert tree["jetnae_weight"].tolist() == events.weight.tolist()
    assert tree["jetnae_n_constituents"].tolist() == [[12, 30], [5], [], [1, 0, 2], [40], [8, 9, 7], [20]]


def test_event_scores_are_the_two_largest(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    tree = friend(scored(events_root, tmp_path / "out.root", small_checkpoint))
    for row, jets in enumerate(tree["jetnae_score"].tolist()):
        best = [*sorted((score for score in jets if np.isfinite(score)), reverse=True), np.nan, np.nan]
        np.testing.assert_equal(tree["jetnae_max_score"][row], np.float32(best[0]))
        np.testing.assert_equal(tree["jetnae_second_score"][row], np.float32(best[1]))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_the_number_of_threads_does_not_change_a_score(
    n_threads: int, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = write_events(tmp_path / "events.root", [[10, 20], [5], [40, 3, 2]] * 30)
    alone = friend(scored(events, tmp_path / "alone.root", small_checkpoint))["jetnae_score"]
    monkeypatch.setattr("jetnae.boards.BATCH_VALUES", 256 * 7)  # many parts, so that they could be mixed up
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        found = friend(scored(events, tmp_path / "out.root", small_checkpoint))["jetnae_score"]
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(ak.flatten(found), ak.flatten(alone), rtol=1e-5)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 100])
def test_the_chunk_size_does_not_change_a_score(
    chunk_size: int, events_root: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    whole = friend(scored(events_root, tmp_path / "whole.root", small_checkpoint))
    parts = friend(scored(events_root, tmp_path / "parts.root", small_checkpoint, chunk_size=chunk_size))
    assert whole.keys() == parts.keys()
    for name, column in whole.items():
        mine, other = (ak.to_numpy(ak.flatten(each, axis=None)) for each in (column, parts[name]))
        np.testing.assert_allclose(mine, other, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("n_images", [1, 3])
def test_the_batch_size_does_not_change_a_score(
    n_images: int, small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load_checkpoint(small_checkpoint)
    jets = jets_of(random_constituents([10, 20, 30, 5, 50, 1, 2]))
    expected = score_jets(jets, checkpoint).score
    monkeypatch.setattr("jetnae.boards.BATCH_VALUES", 256 * n_images)
    np.testing.assert_allclose(score_jets(jets, checkpoint).score, expected, rtol=1e-5)


def test_a_jet_without_constituents_has_no_score_and_says_why(small_checkpoint: Path) -> None:
    constituents = random_constituents([4, 0, 2])
    far = ak.to_list(constituents.eta)
    far[2] = [far[2][0] - 3.0, far[2][0] + 3.0]
    apart = ak.with_field(constituents, ak.Array(far), "eta")
    equal = ak.with_field(apart, ak.ones_like(apart.pt), "pt")
    result = score_jets(jets_of(equal), load_checkpoint(small_checkpoint))
    assert np.isfinite(result.score).tolist() == [True, False, True]
    assert result.status.tolist() == [0, NO_CONSTITUENTS, OUTSIDE_WINDOW]


def test_jets_outside_the_validity_range_are_scored_and_flagged(
    events_root: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    tree = friend(scored(events_root, tmp_path / "out.root", small_checkpoint))
    pt, eta = tree["jetnae_pt"], tree["jetnae_eta"]
    expected = (pt >= 50) & (pt <= 400) & (abs(eta) <= 2)
    assert tree["jetnae_in_range"].tolist() == expected.tolist()
    assert not ak.all(expected)
    assert ak.any(np.isfinite(tree["jetnae_score"][~expected]))


@pytest.mark.parametrize(("radius", "right"), [(None, True), (0.8, True), (0.4, False)])
def test_jets_of_another_radius_are_flagged(radius: float | None, right: bool, small_checkpoint: Path) -> None:
    jets = jets_of(random_constituents([20, 30, 20]))
    checkpoint = load_checkpoint(small_checkpoint)
    inside = score_jets(jets, checkpoint).in_range
    assert inside.any()
    assert (score_jets(replace(jets, radius=radius), checkpoint).in_range == (inside & right)).all()


def test_the_sum_of_squared_pixels_is_that_of_the_image(events_root: Path, small_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(small_checkpoint)
    jets = read_jets(events_root)
    images = jetnae.make_images(jets, checkpoint.header.image)
    np.testing.assert_allclose(score_jets(jets, checkpoint).sum_sq, (images**2).sum(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_can_be_scored(layout: str, small_checkpoint: Path, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    output = scored(path, tmp_path / f"scores{'.root' if path.suffix == '.root' else '.h5'}", small_checkpoint)
    scores, jets = read_scores(output), read_jets(path)
    assert scores.counts.tolist() == jets.jets_per_event.tolist()
    expected = score_jets(jets, load_checkpoint(small_checkpoint))
    np.testing.assert_allclose(scores.jets["score"], expected.score, rtol=1e-5)
    assert scores.provenance["layout"] == jets.layout
    assert ("label" in scores.jets) == (jets.label is not None)


@pytest.mark.parametrize("suffix", [".root", ".h5"])
def test_scores_survive_writing(suffix: str, tmp_path: Path) -> None:
    jets = {"score": np.array([1.0, 2.0, np.nan], dtype=np.float32), "in_range": np.array([True, False, True])}
    events = {"event": np.array([7, 8, 9], dtype=np.uint64), "jetnae_max_score": np.array([1.0, np.nan, 2.0])}
    path = tmp_path / f"scores{suffix}"
    with write_scores(path, {"format_version": 1, "who": "me"}) as writer:
        writer.append({k: v[:1] for k, v in jets.items()}, np.array([1, 0]), {k: v[:2] for k, v in events.items()})
        writer.append({k: v[1:] for k, v in jets.items()}, np.array([2]), {k: v[2:] for k, v in events.items()})
    back = read_scores(path)
    assert back.counts.tolist() == [1, 0, 2]
    assert back.provenance["who"] == "me"
    for group, columns in ((back.jets, jets), (back.events, events)):
        assert set(group) == set(columns)
        for name, column in columns.items():
            np.testing.assert_array_equal(group[name], column)


def test_printed_quantiles_are_those_of_all_scores(
    events_root: Path, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_events(tmp_path / "more.root", [[n % 9 + 1, n % 7 + 2] for n in range(100)])
    checkpoint = load_checkpoint(small_checkpoint)
    monkeypatch.setattr("jetnae.scored.Tally.most", 20)
    job = ScoreJob(path, tmp_path / "out.root", checkpoint, ReadOptions(chunk_size=3))
    summary = score_file(job)
    # thinned to every 16th score, evenly over the file
    every = score_jets(read_jets(path), checkpoint).score[::16]
    assert summary.quantiles == pytest.approx({q: float(np.quantile(every, q)) for q in summary.quantiles}, rel=1e-5)


def test_an_empty_tree_gives_an_empty_valid_output(small_checkpoint: Path, tmp_path: Path) -> None:
    path = write_events(tmp_path / "empty.root", [])
    tree = friend(scored(path, tmp_path / "out.root", small_checkpoint))
    assert len(tree["jetnae_score"]) == 0
    assert {"jetnae_nJet", "jetnae_score", "jetnae_status", "jetnae_max_score", "event"} <= set(tree)


def test_provenance_is_in_the_file(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    output = scored(events_root, tmp_path / "out.root", small_checkpoint)
    with uproot.open(output) as file, uproot.open(events_root) as source:
        provenance = json.loads(str(file["provenance"]))
        assert provenance["input_id"] == str(source.file.uuid)
    assert provenance["model_sha256"] == load_checkpoint(small_checkpoint).header.sha256
    assert provenance["jetnae"] == jetnae.__version__


def write_and_fail(path: Path) -> None:
    with write_scores(path, {"format_version": 1}) as writer:
        writer.append({"score": np.zeros(1)}, np.array([1]), {})
        raise InputError("something")


@pytest.mark.parametrize("suffix", [".root", ".h5"])
def test_nothing_is_left_of_an_output_that_failed(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="something"):
        write_and_fail(tmp_path / f"scores{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_stays(tmp_path: Path) -> None:
    path = tmp_path / "scores.root"
    path.write_text("precious")
    with pytest.raises(InputError, match="--force"), write_scores(path, {"format_version": 1}):
        pass
    assert path.read_text() == "precious"


def test_a_score_file_is_told_from_others(events_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a score file"):
        read_scores(events_root)
    with pytest.raises(InputError, match="no such file"):
        read_scores(tmp_path / "none.root")
    newer = tmp_path / "newer.root"
    with write_scores(newer, {"format_version": 99}) as writer:
        writer.append({"score": np.zeros(1)}, np.array([1]), {})
    with pytest.raises(InputError, match="update jetnae"):
        read_scores(newer)
