"""What is written beside exported firmware: what it is, how it compares, how large it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jetnae.export.estimate import Estimate
from jetnae.export.fidelity import BitParity, Separation, Tolerances, WorkingPoint


@dataclass(frozen=True)
class HlsReport:
    """What was exported, how, and how it compares; everything that was checked has passed.

    formats : of each number, as written in C++. separation, working_point : None where no files were given for them.
    reference : what floating point means here. configuration : what hls4ml was told.
    """

    model: str
    model_sha256: str
    jetnae: str
    hls4ml: str
    compiler: str
    settings: Mapping[str, str]
    formats: Mapping[str, str]
    input: Mapping[str, str]
    offset: float
    slope: float
    compile_seconds: float
    bits: BitParity
    reference: str
    samples: Mapping[str, str]
    tolerances: Tolerances
    separation: Separation | None
    working_point: WorkingPoint | None
    estimate: Estimate
    configuration: Mapping[str, str]
