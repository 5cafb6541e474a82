"""Scoring many files from the command line: what it takes, what it says, what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jetnae.batch.ledger import NAME
from jetnae.io.scores import read_scores
from tests.conftest import write_events
from tests.test_cli import fails, jetnae


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, two of them of the same name."""
    for i, name in enumerate(("in/0/a.root", "in/1/a.root", "in/b.root")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_events(tmp_path / name, [[3], [4, 5]][: 1 + i % 2], seed=i)
    return tmp_path


def test_a_folder_is_scored_into_a_folder(folder: Path, small_checkpoint: Path) -> None:
    result = jetnae("score", "in", "in/b.root", "--model", small_checkpoint, "--output", "out", cwd=folder)
    assert result.returncode == 0, result.stderr
    for expected in ("3 of 3", "events  4", "jets  5", "named more than once"):
        assert expected in result.stdout
    outputs = {str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*.*")}
    assert outputs == {"0/a.scores.root", "1/a.scores.root", "b.scores.root", "scores.report.json"}
    assert read_scores(folder / "out/1/a.scores.root").counts.tolist() == [1, 2]


def test_bad_files_are_left_out_with_exit_code_3(folder: Path, small_checkpoint: Path) -> None:
    (folder / "in/b.root").write_bytes(b"root")
    score = ("score", "in", "--model", small_checkpoint, "--output", "out")
    strict = jetnae(*score, cwd=folder)
    assert strict.returncode == 2
    assert "--resume goes on, --skip-bad leaves such files out" in strict.stderr
    result = jetnae(*score, "--skip-bad", "--resume", cwd=folder)
    assert result.returncode == 3
    assert "in/b.root: not a complete ROOT file" in result.stdout
    report = json.loads((folder / "out/scores.report.json").read_text())
    assert [Path(each["input"]).name for each in report["skipped"]] == ["b.root"]
    write_events(folder / "in/b.root", [[3]])
    assert jetnae(*score, "--resume", cwd=folder).returncode == 0
    assert (folder / "out/b.scores.root").exists()
    assert not (folder / "out" / NAME).exists()


def test_resuming_what_is_finished_does_nothing(folder: Path, small_checkpoint: Path) -> None:
    score = ("score", "in", "--model", small_checkpoint, "--output", "out")
    assert jetnae(*score, cwd=folder).returncode == 0
    times = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*.root")}
    assert "--force" in fails(*score, cwd=folder)
    assert "3 of 3, 3 of them before" in jetnae(*score, "--resume", cwd=folder).stdout
    assert times == {path: path.stat().st_mtime_ns for path in times}
    assert "exists already" in fails(*score, "--resume", "--select", "pt > 100", cwd=folder)


def test_what_is_wrong_with_the_options_is_one_line(folder: Path, small_checkpoint: Path) -> None:
    score = ("score", "in", "--model", small_checkpoint)
    (folder / "dask.toml").write_text("jobs = 2\n")
    cases = {
        ("--workers", "2", "--dask", "localhost:1"): "exclude each other",
        ("--dask-jobqueue", "slurm"): "belong together",
        ("--dask-config", "dask.toml"): "belong together",
        ("--dask-jobqueue", "abacus", "--dask-config", "dask.toml"): "expected one of htcondor, slurm",
        ("--engine", "steam"): "expected one of torch, onnx",
        ("--memory-limit", "1MB"): "a worker needs at least",
        ("--output", "one.root"): "expected a folder",
    }
    for options, message in cases.items():
        assert message in fails(*score, *options, cwd=folder), options
    assert "no files in none*" in fails("score", "none*", cwd=folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody who may not read")
def test_a_folder_that_cannot_be_listed_is_said(folder: Path) -> None:
    (folder / "in/locked").mkdir(mode=0o000)
    code = (
        "import os; os.seteuid(65534)\n"
        "from jetnae.batch.names import expand\n"
        f"found = expand([{str(folder / 'in')!r}])\n"
        "print(len(found.files), found.problems)\n"
    )
    for parent in [folder, *folder.parents]:
        if "pytest" in str(parent):
            parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("3 "), done.stderr
    assert "cannot be listed (Permission denied)" in done.stdout


def test_progress_is_a_plain_line_where_there_is_no_terminal(
    folder: Path, small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetnae.cli.batch.EVERY", 0.0)
    result = jetnae("score", "in", "--model", small_checkpoint, "--output", "out", cwd=folder)
    last = result.stderr.strip().splitlines()[-1]
    for expected in ("files 3/3", "events 4/4", "jets 5", "jets/s", "failed 0", "retries 0", "workers 1"):
        assert expected in last
