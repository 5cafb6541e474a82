"""Files of every format version so far stay readable, with the same content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from jetnae.checkpoint import load_checkpoint
from jetnae.io.scores import read_scores
from tests.golden.make import COUNTS, EVENTS, JETS

GOLDEN = Path(__file__).parent / "golden"
SCORE = 0.121126831
"""Of a bright block in an otherwise empty image, when version 1 was made."""


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("checkpoint-v*")), ids=lambda path: path.name)
def test_checkpoints_keep_their_scores(path: Path) -> None:
    image = torch.zeros(1, 16, 16)
    image[0, 4:8, 7:9] = 2.0
    assert float(load_checkpoint(path).model.score(image)) == pytest.approx(SCORE, rel=1e-5)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("scores-v*")), ids=lambda path: path.name)
def test_score_files_keep_their_content(path: Path) -> None:
    scores = read_scores(path)
    assert scores.counts.tolist() == COUNTS.tolist()
    for group, columns in ((scores.jets, JETS), (scores.events, EVENTS)):
        for name, column in columns.items():
            np.testing.assert_array_equal(group[name], column)
