"""Makes one golden file per format version; run once per version, and never again for an old one.

python -m tests.golden.make
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jetnae.bumphunt import FAMILIES, HuntOptions, Spectrum, fit, hunt
from jetnae.bumphunt.signal import fit_signal, gaussian
from jetnae.bumphunt.validation import bias, coverage, injection
from jetnae.checkpoint import FORMAT_VERSION, Header, Validity, build_model, save_checkpoint
from jetnae.distillation.agreement import Agreement, Point, Way
from jetnae.distillation.scan import BitScan, Candidate, Efficiency
from jetnae.distillation.size import Size
from jetnae.export import fidelity
from jetnae.export.estimate import Estimate, LayerEstimate
from jetnae.export.report import HlsReport
from jetnae.features import FeatureSpec
from jetnae.fixed_point import FixedFormat
from jetnae.images import ImageSpec
from jetnae.io.scores import FORMAT_VERSION as SCORES_VERSION
from jetnae.io.scores import write_scores
from jetnae.latency import Latency, Timing
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.models import Student, StudentConfig
from jetnae.models.student import LayerBits, StudentBits
from jetnae.rate import Conditions, Signal, ZeroBias, closure, make_conditions, measure
from jetnae.rate.dependence import Against, Where, bin_edges
from jetnae.rate.result import Threshold
from jetnae.results import to_json
from jetnae.roc.area import Auc
from tests.conftest import SMALL_NETWORK

FOLDER = Path(__file__).parent
JETS = {"score": np.array([0.5, np.nan, 2.0], dtype=np.float32), "status": np.array([0, 1, 0], dtype=np.int32)}
COUNTS = np.array([2, 0, 1])
EVENTS = {"event": np.array([11, 12, 13], dtype=np.uint64)}
FALLING = [400, 301, 228, 170, 131, 95, 73, 58, 40, 33, 22, 17]
"""Counts of a search with bins 5 and 6 blinded."""
STUDENT_BITS = StudentBits(
    FixedFormat(10, 6, signed=False),
    (
        LayerBits(FixedFormat(5, 1), FixedFormat(7, 2), FixedFormat(9, 5), FixedFormat(7, 4, signed=False)),
        LayerBits(FixedFormat(4, 0), FixedFormat(6, 1, rounding="TRN"), FixedFormat(8, 3), FixedFormat(6, 2, False)),
        LayerBits(FixedFormat(6, 1), FixedFormat(8, 3), FixedFormat(10, 3, overflow="WRAP")),
    ),
)


def main() -> None:
    """Write the files of the current versions."""
    torch.manual_seed(1)
    image = ImageSpec(n_pixels=16, pixel_sum=16.0)
    model = build_model("nae", SMALL_NETWORK, image)
    validity = Validity((550.0, 650.0), 2.0, 0.8)
    header = Header(FORMAT_VERSION, "checkpoint", "golden", "nae", SMALL_NETWORK, validity, "jetnae", image=image)
    save_checkpoint(FOLDER / f"checkpoint-v{FORMAT_VERSION}.safetensors", model, header)
    for suffix in ("root", "h5"):
        path = FOLDER / f"scores-v{SCORES_VERSION}.{suffix}"
        with write_scores(path, {"format_version": SCORES_VERSION, "kind": "scores"}, force=True) as writer:
            writer.append(JETS, COUNTS, EVENTS)
    write_features()
    write_crossings()
    write_student()
    write_searches()
    write_trigger()


def write_features() -> None:
    """A model of features, which checkpoints have had since version 2."""
    torch.manual_seed(1)
    spec = FeatureSpec(("mass", "girth"), center=(80.0, 0.1), scale=(40.0, 0.05))
    validity = Validity((550.0, 650.0), 2.0, 0.8)
    header = Header(FORMAT_VERSION, "checkpoint", "golden", "ae", SMALL_NETWORK, validity, "jetnae", features=spec)
    model = build_model("ae", SMALL_NETWORK, spec)
    save_checkpoint(FOLDER / f"checkpoint-features-v{FORMAT_VERSION}.safetensors", model, header)


def write_crossings() -> None:
    """Models of regions and of objects of bunch crossings, which checkpoints have had since version 3."""
    validity = Validity((0.0, 1e6), 100.0, 0.6)
    network = {"network": {**SMALL_NETWORK["network"], "output": "sigmoid"}}
    for kind, spec in (("regions", RegionSpec(scale=512.0)), ("objects", ObjectSpec(transform="linear"))):
        torch.manual_seed(1)
        header = Header(FORMAT_VERSION, "checkpoint", "golden", "ae", network, validity, "crossings", **{kind: spec})
        path = FOLDER / f"checkpoint-{kind}-v{FORMAT_VERSION}.safetensors"
        save_checkpoint(path, build_model("ae", network, spec), header)


def write_student() -> None:
    """A student in fixed point, which checkpoints have had since version 3."""
    torch.manual_seed(1)
    spec, bits = RegionSpec("linear", 16.0), STUDENT_BITS
    model = Student(spec.shape, None, StudentConfig((4,), channels=2, offset=-3.0, slope=2.0, bits=bits))
    header = Header(
        FORMAT_VERSION,
        "checkpoint",
        "golden",
        "student",
        asdict(model.config),
        Validity((0.0, 1e6), 100.0, 0.6),
        "crossings",
        regions=spec,
        training={"teacher": "large"},
    )
    save_checkpoint(FOLDER / f"checkpoint-student-v{FORMAT_VERSION}.safetensors", model, header)


def write_searches() -> None:
    """Write the results of a small blinded search, and of all that is done with an open one."""
    spectrum, rng = Spectrum(np.array(FALLING, dtype=float), np.linspace(100, 220, 13)), np.random.default_rng(1)
    options = HuntOptions(sqrt_s=1000.0, max_width=3, n_toys=5, blind=(150.0, 170.0), sideband_criterion=True)
    _write(replace(hunt(spectrum, options, rng), observable="Dijet mass", unit="TeV"))
    dijet3, ua2 = (fit(spectrum, FAMILIES[name], sqrt_s=1000.0) for name in ("dijet3", "ua2"))
    signal = gaussian(spectrum.edges, mean=160.0, width=8.0)
    _write(replace(fit_signal(spectrum, signal, "dijet3", sqrt_s=1000.0), observable="Dijet mass", unit="TeV"))
    few = HuntOptions(sqrt_s=1000.0, max_width=3, n_toys=5, family="dijet3")
    _write(coverage(dijet3, few, n_experiments=4, rng=rng))
    _write(injection(dijet3, signal, yields=np.array([0.0, 50.0]), n_experiments=4, rng=rng))
    _write(bias((ua2,), signal, "dijet3", n_experiments=4, rng=rng))


def write_trigger() -> None:
    """Write the results of what a trigger asks: rates, thresholds, widths, firmware, latency."""
    n, rng = 1000, np.random.default_rng(1)
    npv, section = rng.poisson(40, n).astype(float), np.arange(n) // 250
    score = np.round(rng.normal(npv / 40, 1), 1)
    zero_bias = ZeroBias(
        {"score": score, "total_et": np.round(rng.gamma(npv, 10), -1)},
        {"L1_ET": rng.random(n) < 0.05},
        {"npv": Against(npv, bin_edges(npv, 3, "npv"), "collisions")},
        Where(np.ones(n, dtype=np.int64), section),
    )
    top = Signal({"score": rng.normal(3, 1, 50), "total_et": np.round(rng.gamma(45, 10, 50), -1)})
    found = measure(zero_bias, make_conditions(prescale=2.0), [1000.0, 3000.0], signals={"top": top})
    checked = closure(score, found.conditions, found.budgets, rng)
    rate = replace(found, closure=checked, provenance={"model": "golden"}, notes=("a note",))
    threshold = rate.curves[0].thresholds[0]
    for result in (rate, rate.chosen(), _latency(), _bit_scan(), _hls_report(rate.conditions, threshold)):
        _write(result)


def _latency() -> Latency:
    few = Timing("model", "torch", 1, 50, 0.5, 0.6, None, 0.9, 2000.0)
    many = Timing("jets to score", "onnx", 1000, 200, 50.0, 60.0, 80.0, 90.0, 20_000.0)
    return Latency("golden", "0" * 64, "events.root", (few, many), {"cpu": "some", "cores": "2"}, ("a note",))


def _bit_scan() -> BitScan:
    way = Way(0.5, 0.4, 0.9, 0.8)
    some = Agreement(1000, 0.9, 0.6, (Point(0.01, 10, 0.8), Point(0.1, 100, 0.9)), 0.01, {"shifted": way}, 0.8)
    floating = Candidate(None, some, Size(100, 0, 3200, 100, 102_400), (), {})
    signal = {"top.h5": (Efficiency(0.01, 0.3, 0.2),)}
    names = tuple(str(each) for each in (STUDENT_BITS.input, STUDENT_BITS.layers[-1].result))
    fixed = Candidate(8, replace(some, retention=None), Size(100, 3, 776, 97, 7760), names, signal)
    return BitScan("large", "1" * 64, (floating, fixed), 8, "a rule")


def _hls_report(conditions: Conditions, threshold: Threshold | None) -> HlsReport:
    if threshold is None:
        raise ValueError("no threshold")
    agree = fidelity.Agreement(400, 20, 2, 1)
    layer = LayerEstimate("layer0", 100, 90, 0, 4000, 900, 3)
    return HlsReport(
        model="golden",
        model_sha256="0" * 64,
        jetnae="0.1.0",
        hls4ml="1.3.0",
        compiler="g++ 13",
        settings={"part": "xcvu13p-flga2577-2-e", "clock": "6.25", "reuse_factor": "1"},
        formats={"input": str(STUDENT_BITS.input)},
        input={"kind": "regions", "transform": "linear", "scale": "16.0"},
        offset=-3.0,
        slope=2.0,
        compile_seconds=10.0,
        bits=fidelity.BitParity("400 of zero_bias.h5", 400, 0, 0.0, 90, 0, 1),
        reference="its own weights",
        samples={"zero_bias.h5": "400 crossings"},
        tolerances=fidelity.Tolerances(),
        separation=fidelity.Separation(Auc(0.9, 0.01), Auc(0.89, 0.01), Auc(-0.01, 0.001)),
        working_point=fidelity.WorkingPoint(conditions, threshold, threshold, agree, None),
        estimate=Estimate((layer,), 100, 0, 4000, 900, 5, 31.25, 6.25, True, None, True, "a formula"),
        configuration={"Strategy": "Latency"},
    )


def _write(result: Any) -> None:
    content = to_json(result)
    path = FOLDER / f"{content['kind']}-v{content['format_version']}.json"
    path.write_text(json.dumps(content, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
