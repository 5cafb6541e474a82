"""How well a score separates two samples: ROC curves and working points. Numbers in, frozen result out."""

from __future__ import annotations

from jetnae.roc.area import Auc, auc, auc_difference
from jetnae.roc.compare import compare
from jetnae.roc.curve import RocOptions, roc_curve
from jetnae.roc.result import Roc, RocCurve
from jetnae.roc.samples import Samples, make_samples

__all__ = [
    "Auc",
    "Roc",
    "RocCurve",
    "RocOptions",
    "Samples",
    "auc",
    "auc_difference",
    "compare",
    "make_samples",
    "roc_curve",
]
