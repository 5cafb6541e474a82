"""Distillation: a small student learns the log-score of any teacher, in floating point or as firmware computes."""

from jetnae.distillation.agreement import Agreement, compare
from jetnae.distillation.config import SCAN, DistillConfig, Widths, preset
from jetnae.distillation.lesson import Lesson, prepare
from jetnae.distillation.run import School, Sources, distill, open_school, scan
from jetnae.distillation.scan import BitScan, Candidate, recommend
from jetnae.distillation.views import View, view_of

__all__ = [
    "SCAN",
    "Agreement",
    "BitScan",
    "Candidate",
    "DistillConfig",
    "Lesson",
    "School",
    "Sources",
    "View",
    "Widths",
    "compare",
    "distill",
    "open_school",
    "prepare",
    "preset",
    "recommend",
    "scan",
    "view_of",
]
