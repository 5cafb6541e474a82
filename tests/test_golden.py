"""Files of every format version so far stay readable, with the same content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from jetnae.bumphunt import Hunt
from jetnae.checkpoint import FORMAT_VERSION, load_checkpoint
from jetnae.io.scores import FORMAT_VERSION as SCORES_VERSION
from jetnae.io.scores import read_scores
from jetnae.results import from_json, to_json
from tests.golden.make import COUNTS, EVENTS, FALLING, JETS

CHECKPOINTS = [f"checkpoint-v{version}.safetensors" for version in range(1, FORMAT_VERSION + 1)]
SCORE_FILES = [f"scores-v{version}.{suffix}" for version in range(1, SCORES_VERSION + 1) for suffix in ("root", "h5")]
GOLDEN = Path(__file__).parent / "golden"
SCORE = 0.121126831
"""Of a bright block in an otherwise empty image, when version 1 was made."""


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_keep_their_scores(name: str) -> None:
    image = torch.zeros(1, 16, 16)
    image[0, 4:8, 7:9] = 2.0
    assert float(load_checkpoint(GOLDEN / name).model.score(image)) == pytest.approx(SCORE, rel=1e-5)


@pytest.mark.parametrize("name", SCORE_FILES)
def test_score_files_keep_their_content(name: str) -> None:
    scores = read_scores(GOLDEN / name)
    assert scores.counts.tolist() == COUNTS.tolist()
    for group, columns in ((scores.jets, JETS), (scores.events, EVENTS)):
        for key, column in columns.items():
            np.testing.assert_array_equal(group[key], column)


def test_results_of_searches_keep_their_content() -> None:
    content = json.loads((GOLDEN / "hunt-v1.json").read_text())
    found = from_json(Hunt, content)
    assert to_json(found) == content
    assert found.counts == (*FALLING[:5], None, None, *FALLING[7:])
    assert found.options.blind == (150, 170)
    assert (found.scan.first_bin, found.scan.width) == (content["scan"]["first_bin"], content["scan"]["width"])
