"""What the README promises works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import awkward as ak
import uproot

from jetnae.io import LAYOUTS, read_jets
from jetnae.scored import ScoredJets
from jetnae.scoring import score_jets
from tests.conftest import jets_of, random_constituents

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    shutil.copy(ROOT / "jetnae" / "assets" / "events.root", tmp_path)
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    result = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "score.png").stat().st_size > 1000


def test_every_layout_and_every_branch_is_described(small_checkpoint: Path) -> None:
    from jetnae.checkpoint import load_checkpoint

    assert all(f"`{name}`" in README for name in LAYOUTS)
    scored: ScoredJets = score_jets(jets_of(random_constituents([5])), load_checkpoint(small_checkpoint))
    for name in scored.columns():
        assert f"`jetnae_{name}`" in README or f"`_{name}`" in README, name
    for name in scored.event_columns():
        assert f"`{name}`" in README, name


def test_the_example_of_a_layout_reads_such_a_file(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(name = .*?)```", README, flags=re.DOTALL)
    (tmp_path / "mine.toml").write_text(example, encoding="utf-8")
    jets = {"pt": [[30.0, 20.0], []], "eta": [[0.0, 1.0], []], "phi": [[0.0, 2.0], []], "m": [[3.0, 2.0], []]}
    tracks = {"pt": [[9.0, 8.0, 7.0], [5.0]], "eta": [[1.0, 0.0, 1.1], [0.0]], "phi": [[2.0, 0.0, 2.1], [0.0]]}
    links = {"jet": [[1, 0, 1], []], "track": [[0, 1, 2], []]}
    data = {"LRJ": ak.zip({k: ak.Array(v) for k, v in jets.items()})}
    data |= {"Track": ak.zip({k: ak.Array(v) for k, v in tracks.items()})}
    data |= {"LRJTrack": ak.zip({k: ak.Array(v) for k, v in links.items()})}
    with uproot.recreate(tmp_path / "ntuple.root") as file:
        types = {name: ak.type(column).content for name, column in data.items()}
        file.mktree("analysis/Events", types, counter_name=lambda name: f"n{name}").extend(data)
    read = read_jets(tmp_path / "ntuple.root", layout=str(tmp_path / "mine.toml"))
    assert (read.collection, read.radius, read.n_events) == ("LargeRJet", 1.0, 2)
    assert ak.to_list(read.constituents.pt) == [[8.0], [9.0, 7.0]]


def test_every_folder_and_module_on_the_map_exists() -> None:
    house = README.split("## The house")[1]
    for name in re.findall(r"^  ([a-z_]+(?:\.py|/))", house, flags=re.MULTILINE):
        assert (ROOT / "jetnae" / name).exists(), name
    for name in re.findall(r"^([a-z_]+/)", house, flags=re.MULTILINE):
        assert (ROOT / name).exists(), name
