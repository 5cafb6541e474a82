"""The command line as a user meets it: what it writes, what it prints, and one line when something is wrong."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import uproot

from jetnae.cli import main
from jetnae.io.scores import read_scores
from tests.conftest import write_events
from tests.layout_files import WRITERS
from tests.test_checkpoint import edited


@dataclass(frozen=True)
class Result:
    """What a user sees of a command."""

    returncode: int
    stdout: str
    stderr: str


def jetnae(*arguments: object, cwd: Path) -> Result:
    """Run a command line in this process, as the installed script does."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["jetnae", *map(str, arguments)]
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = argv
    assert isinstance(code, int)
    return Result(code, out.getvalue(), err.getvalue())


def jetnae_process(*arguments: object, cwd: Path, limit: int = resource.RLIM_INFINITY) -> Result:
    """Run a command line in a process of its own, which cannot write files larger than `limit` bytes."""
    command = [sys.executable, "-c", "from jetnae.cli import main; main()", *map(str, arguments)]
    small_disk = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120, preexec_fn=small_disk
    )
    return Result(done.returncode, done.stdout, done.stderr)


def fails(*arguments: object, cwd: Path, run: Callable[..., Result] = jetnae) -> str:
    """Run a command that must fail with exit code 2, one line, no traceback, and nothing half-written."""
    before = {path.name for path in cwd.iterdir()}
    result = run(*arguments, cwd=cwd)
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert {path.name for path in cwd.iterdir()} == before
    return lines[0]


def test_sample_score_plot(tmp_path: Path) -> None:
    for arguments in (["sample"], ["score", "events.root"], ["plot", "events.scores.root"]):
        result = jetnae_process(*arguments, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
    scores = read_scores(tmp_path / "events.scores.root")
    with uproot.open(tmp_path / "events.root") as file:
        assert scores.counts.tolist() == file["events/nJet"].array().tolist()
    assert np.isfinite(scores.jets["score"]).all()
    process = np.repeat(np.asarray(scores.events["process"]), scores.counts)
    inside = scores.jets["in_range"]
    medians = [np.median(scores.jets["score"][inside & (process == kind)]) for kind in (0, 1)]
    assert medians[1] > medians[0]  # tops are more anomalous than QCD
    assert (tmp_path / "events.scores.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "events.scores.png").read_bytes().startswith(b"\x89PNG")


def test_score_says_what_it_did(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    output = jetnae("score", events_root, "--model", small_checkpoint, "--keep", "nJet", cwd=tmp_path).stdout
    for expected in (
        "layout jetnae, jets Jet",
        "events  7",
        "jets  11",
        "no constituents  1",
        "50 < pt < 400 GeV",
        "50 %:",
        "jets/s",
        "events.scores.root",
    ):
        assert expected in output
    assert "nJet" in read_scores(tmp_path / "events.scores.root").events


def test_an_empty_tree_is_scored(small_checkpoint: Path, tmp_path: Path) -> None:
    write_events(tmp_path / "empty.root", [])
    result = jetnae("score", "empty.root", "--model", small_checkpoint, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(read_scores(tmp_path / "empty.scores.root").counts) == 0


def test_several_inputs_give_one_output_each(small_checkpoint: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_events(tmp_path / f"{name}.root", [[3], [4, 5]])
    result = jetnae("score", "a.root", "b.root", "--model", small_checkpoint, "--output", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.scores.root", "b.scores.root"}


def test_scoring_twice_needs_force(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("score", events_root, "--model", small_checkpoint)
    assert jetnae(*arguments, cwd=tmp_path).returncode == 0
    before = (tmp_path / "events.scores.root").read_bytes()
    assert "--force" in fails(*arguments, cwd=tmp_path)
    assert (tmp_path / "events.scores.root").read_bytes() == before
    assert jetnae(*arguments, "--force", cwd=tmp_path).returncode == 0


def test_what_is_wrong_with_the_input_is_one_line(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    data = events_root.read_bytes()
    (tmp_path / "cut.root").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.root").write_text("hello")
    with uproot.recreate(tmp_path / "nojets.root") as file:
        file.mktree("Events", {"nMuon": "int32"})
    expected = {
        "missing.root": "No such file",
        "cut.root": "cut.root",
        "text.root": "expected a file of one of ROOT, HDF5",
        "nojets.root": "no known jet layout fits: the nearest, 'nanoaod'",
    }
    for name, message in expected.items():
        assert message in fails("score", name, "--model", small_checkpoint, cwd=tmp_path)


def test_what_is_wrong_with_the_options_is_one_line(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    newer = edited(small_checkpoint, tmp_path / "newer.safetensors", format_version=99)
    tampered = edited(small_checkpoint, tmp_path / "tampered.safetensors", name="other")
    score = ("score", events_root, "--model", small_checkpoint)
    cases = {
        ("score", events_root, "--model", "no-such-model"): "bundled models",
        ("score", events_root, "--model", newer): "update jetnae",
        ("score", events_root, "--model", tampered): "does not match its hash",
        (*score, "--layout", "no-such-layout"): "choose one of",
        (*score, "--collection", "Muon"): "found Jet",
        (*score, "--keep", "nothing"): "no column nothing to keep",
        (*score, "--device", "abacus"): "choose auto or cpu",
        (*score, "--chunk-size", "0"): "chunk-size",
        (*score, "--output", "/dev/null/scores"): "cannot be written",
        (*score, "--output", "scores.h5"): "written as .root",
        (*score, "--wrong"): "--wrong",
        (*score, "--output", "x" * 300 + ".root"): "File name too long",
        (*score, "--device", "meta"): "choose auto or cpu",
        ("score", events_root, "--model", "x" * 5000): "bundled models",
        ("no-such-command",): "No such command",
        ("models", "no-such-model"): "bundled models",
    }
    for arguments, message in cases.items():
        assert message in fails(*arguments, cwd=tmp_path), arguments


@pytest.mark.parametrize("layout", ["jetnae", "toptag"])
@pytest.mark.parametrize("kilobytes", [1, 4])
def test_a_full_disk_leaves_nothing_behind(kilobytes: int, layout: str, small_checkpoint: Path, tmp_path: Path) -> None:
    path = WRITERS[layout](tmp_path)
    run = partial(jetnae_process, limit=1024 * kilobytes)
    assert "cannot be written" in fails("score", path, "--model", small_checkpoint, cwd=tmp_path, run=run)


def test_an_input_is_never_written_over(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    before = events_root.read_bytes()
    score = ("score", events_root, "--model", small_checkpoint, "--force", "--output")
    (tmp_path / "link.root").symlink_to(events_root)
    for output in ("events.root", tmp_path / "link.root"):
        assert "never written over" in fails(*score, output, cwd=tmp_path)
    assert events_root.read_bytes() == before


def test_targets_are_checked_before_the_work_begins(small_checkpoint: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "sub/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_events(tmp_path / f"{name}.root", [[3], [4, 5]])
    score = ("score", "--model", small_checkpoint, "a.root")
    assert "several inputs" in fails(*score, "sub/a.root", cwd=tmp_path)
    assert "several inputs" in fails(*score, "a.root", cwd=tmp_path)
    assert "expected a folder" in fails(*score, "b.root", "--output", "one.root", cwd=tmp_path)
    (tmp_path / "b.scores.root").touch()
    assert "--force" in fails(*score, "b.root", cwd=tmp_path)  # and a.scores.root is not there either


def test_a_new_output_folder_does_not_outlive_a_failure(small_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "text.root").write_text("hello")
    fails("score", "text.root", "--model", small_checkpoint, "--output", "new/folder", cwd=tmp_path)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_said(events_root: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    message = fails("score", events_root, "--model", small_checkpoint, "--output", folder, cwd=tmp_path)
    assert "cannot be written" in message


def test_an_unknown_key_in_a_training_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[data]\nfile = 'x'\n[model]\nname = 'ae'\n[train]\nn_steps = 1\n")
    assert "unknown key 'file', the known ones are files" in fails("train", "run.toml", cwd=tmp_path)


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    for arguments in (("--debug", "score", "missing.root"), ("score", "missing.root", "--debug")):
        result = jetnae(*arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert "Traceback" in result.stderr


def test_models_are_listed(small_checkpoint: Path, tmp_path: Path) -> None:
    assert "50 < pt < 400 GeV" in jetnae("models", small_checkpoint, cwd=tmp_path).stdout
    assert "qcd_ak8_nae" in jetnae("models", cwd=tmp_path).stdout
    assert "AUC" in jetnae("models", "qcd_ak8_nae", cwd=tmp_path).stdout


def test_help_does_not_import_what_it_does_not_need(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['jetnae', '--help']\n"
        "from jetnae.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'uproot', 'awkward', 'numba', 'matplotlib', 'numpy', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "score" in result.stdout


def test_scoring_does_not_import_what_it_does_not_need(
    events_root: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    code = (
        f"import sys; sys.argv = ['jetnae', 'score', {str(events_root)!r}, '--model', {str(small_checkpoint)!r}]\n"
        "from jetnae.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "others = {'distributed', 'onnxruntime', 'iminuit', 'fastjet', 'torch._dynamo', 'torch.onnx'}\n"
        "heavy = {'matplotlib', 'mplhep', 'hist', 'scipy.stats', 'scipy.special', *others} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_behind(number: int, small_checkpoint: Path, tmp_path: Path) -> None:
    write_events(tmp_path / "many.root", [[20, 20]] * 3000)
    command = [sys.executable, "-c", "from jetnae.cli import main; main()", "score", "many.root", "--chunk-size", "1"]
    # a job in the background of a script has SIGINT ignored from the start, and must still end on SIGTERM
    # and one in the foreground does not, whatever started the tests
    handler = signal.SIG_IGN if number == signal.SIGTERM else signal.SIG_DFL
    background = partial(signal.signal, signal.SIGINT, handler)
    with subprocess.Popen(
        [*command, "--model", small_checkpoint],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        preexec_fn=background,  # noqa: PLW1509  there are no threads of ours here
    ) as process:
        while process.poll() is None and not list(tmp_path.glob(".many.scores.root.*")):
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(timeout=60)
    assert process.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["many.root"]
