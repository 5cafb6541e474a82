"""Scoring of many files: nothing is lost, nothing is done twice, and the outputs are those of one file at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from jetnae.batch import pools
from jetnae.batch.ledger import NAME, Ledger, key_of, settings_hash
from jetnae.batch.model_files import MODEL, model_files
from jetnae.batch.names import expand, score_targets
from jetnae.batch.report import BatchSummary
from jetnae.batch.run import BatchJob, run_batch
from jetnae.batch.settings import chunk_bytes, settings_of
from jetnae.batch.tasks import Setup, Task
from jetnae.batch.work import Patience
from jetnae.checkpoint import load_checkpoint, save_checkpoint
from jetnae.errors import InputError, JetnaeError
from jetnae.folds import FoldModel, load_scorer, write_folds
from jetnae.io import ReadOptions
from jetnae.io.scores import read_scores
from jetnae.scoring import ScoreJob, score_file
from tests.conftest import write_events
from tests.layout_files import WRITERS

EVENTS = [[12, 30], [5], [], [1, 0, 2], [40], [8, 9, 7], [20]]
UNSTABLE = {"command", "settings", "engine"}


def make_job(files: list[Path], folder: Path, model: Path, *, engine: str = "torch", **options: Any) -> BatchJob:
    """A job on these files; `options` are of `ReadOptions` or of `BatchJob`."""
    of_job = {name: options.pop(name) for name in ("resume", "skip_bad", "force", "patience") if name in options}
    checkpoint, reading = load_scorer(model), ReadOptions(**{"chunk_size": 2, **options})
    settings = settings_of(checkpoint, reading, engine, None)
    header = checkpoint.header
    setup = Setup(folder / NAME, header.sha256, settings_hash(settings), reading, engine, model_name=header.name)
    content = model_files(model, checkpoint)
    return BatchJob(score_targets(files, folder), folder, setup, settings, content, **of_job)


def run(files: list[Path], folder: Path, model: Path, **options: Any) -> BatchSummary:
    with pools.here() as pool:
        return run_batch(make_job(files, folder, model, **options), pool)


def content(path: Path) -> dict[str, Any]:
    """All that has to be the same in two score files: every column in its order, and the stable provenance."""
    scores = read_scores(path)
    stable = {name: value for name, value in scores.provenance.items() if name not in UNSTABLE}
    columns = {"counts": scores.counts, **scores.jets, **{f"event {name}": c for name, c in scores.events.items()}}
    return {"provenance": stable, **columns}


def assert_same(one: Mapping[str, Any], other: Mapping[str, Any], *, exact: bool = True) -> None:
    assert list(one) == list(other)
    for name, column in one.items():
        if name == "provenance":
            assert column == other[name]
            continue
        mine, its = (ak.to_numpy(ak.flatten(each, axis=None)) for each in (column, other[name]))
        assert mine.dtype == its.dtype, name
        if exact:
            np.testing.assert_array_equal(mine, its, err_msg=name)
        else:
            np.testing.assert_allclose(mine, its, rtol=1e-5, err_msg=name)


@pytest.fixture
def many(tmp_path: Path) -> list[Path]:
    """Files of different sizes, one of them without events."""
    folder = tmp_path / "in"
    folder.mkdir()
    sizes = (1, 7, 0, 3, 12)
    return [write_events(folder / f"{i}.root", (EVENTS * 2)[:n], seed=i + 1) for i, n in enumerate(sizes)]


@pytest.mark.parametrize("layout", WRITERS)
def test_parts_merge_into_what_one_pass_gives(layout: str, small_checkpoint: Path, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    folder = tmp_path / "out"
    summary = run([path], folder, small_checkpoint)
    (output,) = summary.outputs.values()
    single = folder / f"single{output.suffix}"
    score_file(ScoreJob(path, single, load_checkpoint(small_checkpoint), ReadOptions(chunk_size=2)))
    assert_same(content(single), content(output), exact=False)
    assert sorted(path.name for path in folder.iterdir()) == sorted({output.name, single.name, "scores.report.json"})


def test_columns_of_lists_pass_through_parts(small_checkpoint: Path, tmp_path: Path) -> None:
    path = write_events(tmp_path / "events.root", EVENTS)
    run([path], tmp_path, small_checkpoint, keep=("Jet_label", "nJet"))
    single = tmp_path / "single.root"
    options = ReadOptions(keep=("Jet_label", "nJet"), chunk_size=2)
    score_file(ScoreJob(path, single, load_checkpoint(small_checkpoint), options))
    with uproot.open(single) as one, uproot.open(tmp_path / "events.scores.root") as other:
        assert one["scores"].typenames() == other["scores"].typenames()
        for name in one["scores"].keys():  # noqa: SIM118  not a mapping
            mine, its = (ak.to_numpy(ak.flatten(file["scores"][name].array(), axis=None)) for file in (one, other))
            np.testing.assert_allclose(mine, its, rtol=1e-5, err_msg=name)


def test_one_damaged_file_of_many_is_said_and_left_out(
    many: list[Path], small_checkpoint: Path, tmp_path: Path
) -> None:
    many[1].write_bytes(many[1].read_bytes()[:2000])
    folder = tmp_path / "out"
    summary = run(many, folder, small_checkpoint, skip_bad=True)
    assert [each.input for each in summary.skipped] == [many[1]]
    report = json.loads((folder / "scores.report.json").read_text())
    assert [each["input"] for each in report["skipped"]] == [str(many[1])]
    assert "not a complete ROOT file" in report["skipped"][0]["reason"]
    assert report["finished"] == 4
    assert {path.name for path in folder.glob("*.root")} == {f"{i}.scores.root" for i in (0, 2, 3, 4)}


def test_without_skipping_a_damaged_file_ends_the_run_and_the_rest_can_go_on(
    many: list[Path], small_checkpoint: Path, tmp_path: Path
) -> None:
    good = many[1].read_bytes()
    many[1].write_bytes(good[:2000])
    with pytest.raises(InputError, match="--skip-bad leaves such files out"):
        run(many, tmp_path, small_checkpoint)
    many[1].write_bytes(good)
    assert len(run(many, tmp_path, small_checkpoint, resume=True).finished) == 5


def interrupted(job: BatchJob, after: int) -> None:
    """A run that stops once so many of its parts are there, as if it had been killed there."""

    class StopError(Exception):
        """Ends a run from outside."""

    def look(progress: object) -> None:
        del progress
        if len(list(job.setup.ledger.glob("*/*.part"))) >= after:
            raise StopError

    with pytest.raises(StopError), pools.here() as pool:
        run_batch(job, pool, look)


def test_a_resumed_run_gives_the_same_and_does_nothing_twice(small_checkpoint: Path, tmp_path: Path) -> None:
    path = many_clusters(tmp_path / "long.root")
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    run([path], whole, small_checkpoint)
    interrupted(make_job([path], resumed, small_checkpoint), 2)
    parts = {part: part.stat().st_mtime_ns for part in (resumed / NAME).glob("*/*.part")}
    assert len(parts) == 2
    assert not list(resumed.glob("*.scores.root"))
    interrupted(make_job([path], resumed, small_checkpoint, resume=True), 3)
    assert all(part.stat().st_mtime_ns == time for part, time in parts.items())
    run([path], resumed, small_checkpoint, resume=True)
    assert_same(content(whole / "long.scores.root"), content(resumed / "long.scores.root"))
    assert not (resumed / NAME).exists()


def many_clusters(path: Path, n: int = 40) -> Path:
    """A ROOT file with a cluster every fourth event: one range each, with two events per chunk, is eight."""
    events = write_events(path.with_name("source.root"), [[k % 9 + 1, k % 5] for k in range(n)])
    with uproot.open(events) as source, uproot.recreate(path) as file:
        tree = source["events"]
        names = [name for name in tree.keys(recursive=False) if not name.startswith("n")]
        data = tree.arrays(names, how=dict)
        packed: dict[str, Any] = {name: data[name] for name in names if "_" not in name}
        for kind in ("Jet", "Constituent"):
            fields = [name for name in names if name.startswith(f"{kind}_")]
            packed[kind] = ak.zip({name.removeprefix(f"{kind}_"): data[name] for name in fields})
        types = {k: ak.type(v).content for k, v in packed.items()}
        written = file.mktree("events", types, counter_name=lambda name: f"n{name}")
        for start in range(0, n, 4):
            written.extend({k: v[start : start + 4] for k, v in packed.items()})
    events.unlink()
    return path


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "record"])
def test_parts_that_are_lost_or_damaged_are_made_again(harm: str, small_checkpoint: Path, tmp_path: Path) -> None:
    path = many_clusters(tmp_path / "long.root")
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    run([path], whole, small_checkpoint)
    interrupted(make_job([path], resumed, small_checkpoint), 3)
    part = sorted((resumed / NAME).glob("*/*.part"))[1]
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 4
    harms: dict[str, Callable[[], object]] = {
        "flip": lambda: part.write_bytes(data),
        "cut": lambda: part.write_bytes(data[:-5]),
        "remove": part.unlink,
        "record": lambda: part.with_suffix(".json").write_text("{"),
    }
    harms[harm]()
    run([path], resumed, small_checkpoint, resume=True)
    assert_same(content(whole / "long.scores.root"), content(resumed / "long.scores.root"))


def test_a_file_that_changed_since_is_scored_anew(small_checkpoint: Path, tmp_path: Path) -> None:
    path = many_clusters(tmp_path / "long.root")
    interrupted(make_job([path], tmp_path / "out", small_checkpoint), 2)
    many_clusters(path, 44)
    summary = run([path], tmp_path / "out", small_checkpoint, resume=True)
    assert any("has changed since it was begun" in note for note in summary.notes)
    assert summary.total("n_events") == 44


def test_a_run_is_only_resumed_as_it_was_begun(small_checkpoint: Path, tmp_path: Path) -> None:
    path = many_clusters(tmp_path / "long.root")
    interrupted(make_job([path], tmp_path / "out", small_checkpoint), 2)
    with pytest.raises(InputError, match="--resume"):
        run([path], tmp_path / "out", small_checkpoint)
    job = make_job([path], tmp_path / "out", small_checkpoint, resume=True)
    changed = replace(job, settings={**job.settings, "select": ["pt > 300"]})
    with pools.here() as pool, pytest.raises(InputError, match="another select"):
        run_batch(changed, pool)
    assert run([path], tmp_path / "out", small_checkpoint, force=True).total("n_events") == 40


def test_scores_of_others_are_not_replaced(many: list[Path], small_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(many[:2], folder, small_checkpoint)
    assert run(many, folder, small_checkpoint, resume=True).n_resumed == 2  # without a ledger, going by the scores
    (folder / "0.scores.root").write_text("precious")
    for resume in (True, False):
        with pytest.raises(InputError, match="exists already"):
            run(many, folder, small_checkpoint, resume=resume)
    assert (folder / "0.scores.root").read_text() == "precious"
    assert not (folder / NAME).exists()


def test_a_finished_output_that_is_gone_is_made_again(many: list[Path], small_checkpoint: Path, tmp_path: Path) -> None:
    many[0].write_bytes(b"root")
    folder = tmp_path / "out"
    run(many, folder, small_checkpoint, skip_bad=True)
    before = content(folder / "4.scores.root")
    (folder / "4.scores.root").unlink()
    run(many, folder, small_checkpoint, skip_bad=True, resume=True)
    assert_same(before, content(folder / "4.scores.root"))


def test_copies_are_said(many: list[Path], small_checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.root"
    copy.write_bytes(many[1].read_bytes())
    summary = run([*many, copy], tmp_path / "out", small_checkpoint)
    assert any("copy.root: is a copy of" in note for note in summary.notes)
    assert len(summary.finished) == 6


def test_a_file_of_another_kind_is_a_bad_one(many: list[Path], small_checkpoint: Path, tmp_path: Path) -> None:
    odd = WRITERS["jetclass"](tmp_path)
    with pytest.raises(InputError, match="layout jetclass"):
        run([odd, *many], tmp_path / "strict", small_checkpoint)
    summary = run([odd, *many], tmp_path / "out", small_checkpoint, skip_bad=True)
    assert [each.input for each in summary.skipped] == [odd]


def test_a_checkpoint_that_changed_ends_the_run(many: list[Path], small_checkpoint: Path, tmp_path: Path) -> None:
    job = make_job(many, tmp_path / "out", small_checkpoint, skip_bad=True)
    data = bytearray(job.model[MODEL])
    data[-7] ^= 1
    with pools.here() as pool, pytest.raises(JetnaeError, match="damaged or was altered"):
        run_batch(replace(job, model={MODEL: bytes(data)}), pool)
    assert not list((tmp_path / "out").glob("*.root"))


@pytest.fixture
def folds(small_checkpoint: Path, tmp_path: Path) -> Path:
    """Two models that differ, as a training in folds leaves them."""
    models = []
    for k in range(2):
        one = load_checkpoint(small_checkpoint)
        with torch.no_grad():
            for values in one.model.parameters():
                values.mul_(1 + 0.5 * k)
        file = f"fold{k}/model.safetensors"
        header = save_checkpoint(tmp_path / "run" / file, one.model, one.header)
        models.append(FoldModel(file, header.sha256))
    write_folds(tmp_path / "run", "event", tuple(models))
    return tmp_path / "run"


def test_models_in_folds_score_as_one_file_at_a_time(folds: Path, many: list[Path], tmp_path: Path) -> None:
    run(many, tmp_path / "out", folds)
    for path in many:
        single = tmp_path / f"{path.stem}.single.root"
        score_file(ScoreJob(path, single, load_scorer(folds)))
        assert_same(content(single), content(tmp_path / "out" / f"{path.stem}.scores.root"))
    assert set(content(single)["fold"]) <= {0, 1}
    assert content(single)["provenance"]["folds"]["rule"] == "event"


class SleepyPool:
    """Two workers that never come back from some files, until they were replaced often enough."""

    n_workers = n_slots = 2

    def __init__(self, asleep: set[Path], n_restarts: int) -> None:
        self.asleep, self.left = asleep, n_restarts

    def submit(self, function: Callable[..., Any], setup: Setup, task: Task) -> Future[Any]:
        return Future() if self.left and task.path in self.asleep else pools.HerePool().submit(function, setup, task)

    def restart(self) -> None:
        self.left -= 1


@pytest.mark.parametrize(("n_restarts", "n_finished"), [(1, 5), (9, 3)])
def test_what_hangs_is_tried_again_and_then_given_up(
    n_restarts: int, n_finished: int, many: list[Path], small_checkpoint: Path, tmp_path: Path
) -> None:
    """Files that hang twice are said, the others are done."""
    job = make_job(many, tmp_path / "out", small_checkpoint, skip_bad=True, patience=Patience(stall=0.7))
    summary = run_batch(job, SleepyPool({many[0], many[3]}, n_restarts))
    assert len(summary.finished) == n_finished
    assert {each.input for each in summary.skipped} <= {many[0], many[3]}
    assert len(summary.skipped) == len(many) - n_finished
    assert all("no answer for 0.7 s, twice" in each.reason for each in summary.skipped)


def test_disks_and_networks_get_another_chance(
    many: list[Path], small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system fails to open files now and then, and one of them always."""
    opened = uproot.open
    calls: list[str] = []

    def flaky(path: Path, **options: Any) -> Any:
        calls.append(Path(path).name)
        if Path(path).name == "3.root" or calls.count(Path(path).name) in {1, 4}:
            raise OSError(5, "Input/output error")
        return opened(path, **options)

    monkeypatch.setattr(uproot, "open", flaky)
    folder = tmp_path / "out"
    summary = run(many, folder, small_checkpoint, skip_bad=True, patience=Patience(3, 0.01))
    assert [each.input.name for each in summary.skipped] == ["3.root"]
    assert "tried 3 times" in summary.skipped[0].reason
    assert len(summary.retries) == 2 + 2 * 4
    report = json.loads((folder / "scores.report.json").read_text())
    assert len(report["retries"]) == len(summary.retries)
    assert len(summary.finished) == 4


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_chunks_and_engines_do_not_change_a_score(engine: str, small_checkpoint: Path, tmp_path: Path) -> None:
    if engine == "onnx":
        pytest.importorskip("onnxruntime", reason="needs the extra jetnae[onnx]")
    path = many_clusters(tmp_path / "long.root")
    run([path], tmp_path / "one", small_checkpoint)
    run([path], tmp_path / "other", small_checkpoint, chunk_size=7, engine=engine)
    run([path], tmp_path / "again", small_checkpoint, chunk_size=7, engine=engine)
    one, other, again = (content(tmp_path / name / "long.scores.root") for name in ("one", "other", "again"))
    assert read_scores(tmp_path / "other" / "long.scores.root").provenance["engine"] == engine
    assert_same(one, other, exact=False)
    assert_same(other, again)


def test_what_a_user_means_by_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["a/1.root", "a/2.root", "b/1.root", "b/deep/3.h5", "b/2.scores.root", "b/.hidden.root", "b/notes.txt"]
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("list.txt").write_text("# two\na/1.root\n\nb\n")
    assert [str(path) for path in expand(["a", "b"]).files] == ["a/1.root", "a/2.root", "b/1.root", "b/deep/3.h5"]
    assert [str(path) for path in expand(["*/1.root"]).files] == ["a/1.root", "b/1.root"]
    assert [str(path) for path in expand(["b/**/*.h5"]).files] == ["b/deep/3.h5"]
    assert [str(path) for path in expand(["@list.txt"]).files] == ["a/1.root", "b/1.root", "b/deep/3.h5"]
    twice = expand(["a/1.root", "a", str(tmp_path / "a/2.root")])
    assert [str(path) for path in twice.files] == ["a/1.root", "a/2.root"]
    assert "2 files were named more than once" in twice.notes[0]
    for wrong, message in {"none*": "no files", "@no.txt": "one path per line"}.items():
        with pytest.raises(InputError, match=message):
            expand([wrong])
    Path("nested.txt").write_text("@list.txt\n")
    with pytest.raises(InputError, match="in a list"):
        expand(["@nested.txt"])


def test_files_of_the_same_name_keep_their_folders(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("run/0/a.root", "run/1/a.root", "b.root")]
    out = tmp_path / "out"
    assert list(score_targets(files, out).values()) == [
        out / "0/a.scores.root",
        out / "1/a.scores.root",
        out / "b.scores.root",
    ]
    with pytest.raises(InputError, match="one by one"):
        score_targets([tmp_path / "a.h5", tmp_path / "a.npz"], out)


def test_two_runs_do_not_share_a_ledger(small_checkpoint: Path, many: list[Path], tmp_path: Path) -> None:
    job = make_job(many, tmp_path, small_checkpoint)
    with job_ledger(job).locked(), pytest.raises(InputError, match="another run"):
        run(many, tmp_path, small_checkpoint)


def job_ledger(job: BatchJob) -> Ledger:
    return Ledger(job.setup.ledger)


def test_a_limit_on_memory_is_a_size() -> None:
    assert chunk_bytes("2GB") < chunk_bytes("2GiB") < chunk_bytes("3000 MB")
    for wrong in ("much", "2 bananas", "10MB"):
        with pytest.raises(InputError, match="memory limit"):
            chunk_bytes(wrong)


def test_the_key_of_a_file_is_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "link.root").symlink_to(tmp_path / "a.root")
    assert key_of(tmp_path / "link.root") == key_of(tmp_path / "a.root") != key_of(tmp_path / "b.root")
    assert os.sep not in key_of(tmp_path)
