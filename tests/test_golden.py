"""Files of every format version so far stay readable, with the same content."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jetnae.bumphunt import Hunt
from jetnae.bumphunt.signal import SignalFit
from jetnae.bumphunt.validation import Bias, Coverage, Injection
from jetnae.checkpoint import FORMAT_VERSION, load_checkpoint
from jetnae.distillation.scan import BitScan
from jetnae.export.report import HlsReport
from jetnae.io.scores import FORMAT_VERSION as SCORES_VERSION
from jetnae.io.scores import read_scores
from jetnae.latency import Latency
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.models import Student
from jetnae.plotting.results import draw_result
from jetnae.rate import Rate, Thresholds
from jetnae.results import from_json, to_json
from tests.golden.make import COUNTS, EVENTS, FALLING, JETS, STUDENT_BITS

CHECKPOINTS = [f"checkpoint-v{version}.safetensors" for version in range(1, FORMAT_VERSION + 1)]
SCORE_FILES = [f"scores-v{version}.{suffix}" for version in range(1, SCORES_VERSION + 1) for suffix in ("root", "h5")]
GOLDEN = Path(__file__).parent / "golden"
SCORE = 0.121126831
"""Of a bright block in an otherwise empty image, when version 1 was made."""

CROSSING_SCORES = {"regions": 0.0837393552, "objects": 0.382517189}
"""Of a ramp from 0 to 1, when version 3 was made."""

STUDENT_SCORES = [0.140625, -0.3203125]
"""Of ramps from 0 to 8 and to 64, when version 3 was made."""


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_keep_their_scores(name: str) -> None:
    image = torch.zeros(1, 16, 16)
    image[0, 4:8, 7:9] = 2.0
    assert float(load_checkpoint(GOLDEN / name).model.score(image)) == pytest.approx(SCORE, rel=1e-5)


@pytest.mark.parametrize(("kind", "score"), CROSSING_SCORES.items())
def test_checkpoints_of_crossings_keep_their_scores_and_their_input(kind: str, score: float) -> None:
    checkpoint = load_checkpoint(GOLDEN / f"checkpoint-{kind}-v3.safetensors")
    expected = RegionSpec(scale=512.0) if kind == "regions" else ObjectSpec(transform="linear")
    assert checkpoint.spec == expected
    ramp = torch.linspace(0, 1, math.prod(expected.shape)).view(1, *expected.shape)
    assert float(checkpoint.model.score(ramp)) == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("name", SCORE_FILES)
def test_score_files_keep_their_content(name: str) -> None:
    scores = read_scores(GOLDEN / name)
    assert scores.counts.tolist() == COUNTS.tolist()
    for group, columns in ((scores.jets, JETS), (scores.events, EVENTS)):
        for key, column in columns.items():
            np.testing.assert_array_equal(group[key], column)


def test_a_student_in_fixed_point_keeps_its_scores_in_every_bit() -> None:
    checkpoint = load_checkpoint(GOLDEN / "checkpoint-student-v3.safetensors")
    assert checkpoint.spec == RegionSpec("linear", 16.0)
    assert isinstance(checkpoint.model, Student)
    assert checkpoint.model.config.bits == STUDENT_BITS
    ramp = torch.linspace(0, 1, 252).view(1, 18, 14)
    assert [float(checkpoint.model.score(size * ramp)) for size in (8, 64)] == STUDENT_SCORES


DRAWN: dict[str, type[Any]] = {
    "hunt": Hunt,
    "coverage": Coverage,
    "injection": Injection,
    "bias": Bias,
    "signal_fit": SignalFit,
    "rate": Rate,
}
TABLES: dict[str, type[Any]] = {
    "thresholds": Thresholds,
    "latency": Latency,
    "bit_scan": BitScan,
    "hls_report": HlsReport,
}
"""Results without a figure."""
RESULTS = DRAWN | TABLES


def files_of(kinds: Iterable[str]) -> list[Path]:
    return [path for kind in kinds for path in sorted(GOLDEN.glob(f"{kind}-v*.json"))]


@pytest.mark.parametrize("path", files_of(RESULTS), ids=lambda path: path.stem)
def test_results_keep_their_content(path: Path) -> None:
    content = json.loads(path.read_text())
    kind = content["kind"]
    again = to_json(from_json(RESULTS[kind], content))
    assert path.name == f"{kind}-v{content['format_version']}.json"
    assert {name: again[name] for name in content if name != "format_version"} == {
        name: value for name, value in content.items() if name != "format_version"
    }
    added = {name: value for name, value in again.items() if name not in content}
    earlier = {"observable": "m", "unit": "GeV"} | ({"counts": None} if kind == "signal_fit" else {})
    assert added == (earlier if content["format_version"] < again["format_version"] else {})


@pytest.mark.parametrize("path", files_of(DRAWN), ids=lambda path: path.stem)
def test_results_can_be_drawn(path: Path, tmp_path: Path) -> None:
    drawn = draw_result(json.loads(path.read_text()), tmp_path / "figure")
    assert bool(drawn) == (path.name != "signal_fit-v1.json")  # which does not hold the counts


def test_every_format_of_a_result_has_its_file() -> None:
    for kind, cls in RESULTS.items():
        for version in range(1, getattr(cls, "FORMAT_VERSION", 1) + 1):
            assert (GOLDEN / f"{kind}-v{version}.json").exists()


@pytest.mark.parametrize("version", [1, 2])
def test_results_of_searches_keep_their_content(version: int) -> None:
    content = json.loads((GOLDEN / f"hunt-v{version}.json").read_text())
    found = from_json(Hunt, content)
    assert (found.observable, found.unit) == (("m", "GeV") if version == 1 else ("Dijet mass", "TeV"))
    assert found.counts == (*FALLING[:5], None, None, *FALLING[7:])
    assert found.options.blind == (150, 170)
    assert (found.scan.first_bin, found.scan.width) == (content["scan"]["first_bin"], content["scan"]["width"])
