"""How long a model keeps one jet, or many, waiting on one thread: torch, compiled torch and ONNX Runtime."""

from __future__ import annotations

import copy
import os
import platform
import time
import warnings
from collections.abc import Mapping  # a result's types must be known when it is read
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from jetnae.engines import TorchEngine, make_engine, require_engine, threads
from jetnae.errors import InputError, MissingExtraError
from jetnae.inputs import make_inputs
from jetnae.jets import select
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from jetnae.checkpoint import Checkpoint
    from jetnae.engines import Engine
    from jetnae.jets import Jets

    Floats = npt.NDArray[np.float32]
    Work = Callable[[int], object]
    """Does the work of one call, given its number."""

Stage = Literal["model", "jets to score"]
"""The model on finished inputs; or images or features of the jets as well."""
CPU = torch.device("cpu")
MOST_JETS = 5000
MOST_CALLS, FEWEST_CALLS = 2000, 10
N_WARM_UP = 5
MOST_PARTS = 100
"""Portions of jets that take turns, so that no call finds its own inputs in the cache."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds per call of `n_jets` jets: quantiles over `n_calls` calls, None where these are too few for one.

    stage : "model" or "jets to score". rate : jets/s at the median.
    """

    stage: str
    engine: str
    n_jets: int
    n_calls: int
    p50: float
    p90: float
    p99: float | None
    largest: float
    rate: float


@dataclass(frozen=True)
class Latency:
    """The timings of a model, and the machine they were taken on; notes say which engines could not run."""

    model: str
    model_sha256: str
    jets: str
    timings: tuple[Timing, ...]
    environment: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LatencyOptions:
    """Which engines, how many jets per call, and the seconds that each number of jets may take, warm-up not counted.

    Raises `InputError` for unknown engines, and for numbers out of range.
    """

    engines: tuple[str, ...] = ()
    n_jets: tuple[int, ...] = (1, 10, 1000)
    seconds: float = 5.0
    stages: tuple[Stage, ...] = field(default=("model", "jets to score"))

    def __post_init__(self) -> None:
        for name in self.engines:
            if name not in ENGINES:
                raise InputError(f"unknown engine '{name}', expected one of {', '.join(ENGINES)}")
        if not self.n_jets or not all(1 <= n <= MOST_JETS for n in self.n_jets):
            raise InputError(f"jets per call: {', '.join(map(str, self.n_jets)) or 'none'}, expected 1 to {MOST_JETS}")
        if not 0 < self.seconds <= 3600:
            raise InputError(f"{self.seconds} seconds, expected more than 0, at most 3600")


class CompiledEngine:
    """The model compiled by torch, anew for every number of inputs; needs a C++ compiler."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        # a copy, because the order of channels in memory that is best for one engine is not for the other
        model = copy.deepcopy(checkpoint.model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._score: Callable[[torch.Tensor], torch.Tensor] = torch.compile(model.score, dynamic=False)

    def score(self, inputs: Floats) -> Floats:
        """Anomaly scores (n,) of inputs (n, *shape)."""
        scores: Floats = self._score(torch.from_numpy(inputs)).numpy()
        return scores


ENGINES: dict[str, Callable[[Checkpoint], Engine]] = {
    "torch": lambda checkpoint: TorchEngine(checkpoint, CPU),
    "compiled": CompiledEngine,
    "onnx": lambda checkpoint: make_engine("onnx", checkpoint, CPU),
}


def measure_latency(checkpoint: Checkpoint, jets: Jets, name: str, options: LatencyOptions | None = None) -> Latency:
    """Time a model on jets of a file called `name`, on one thread, the engines turn by turn.

    Without engines in the options, all that run here. Raises `InputError` for one that was asked for and does not run,
    and for no jets.
    """
    options = options or LatencyOptions()
    if len(jets) < max(options.n_jets):
        raise InputError(
            f"{name}: {len(jets)} jets, but {max(options.n_jets)} per call: give more with --jets, or fewer --n-jets"
        )
    timings: list[Timing] = []
    before = _load()
    with threads(1):
        engines, notes = _start(checkpoint, options)
        for stage in options.stages:
            for n_jets in options.n_jets:
                work = _work(stage, engines, jets, n_jets, checkpoint)
                seconds = _in_turns(work, options.seconds)
                timings += [_timing(stage, engine, n_jets, seconds[engine]) for engine in engines]
    header, environment = checkpoint.header, describe_environment() | {"load before, after": f"{before}, {_load()}"}
    return Latency(header.name, header.sha256, name, tuple(timings), environment, tuple(notes))


def describe_environment() -> dict[str, str]:
    """What the numbers depend on: processor, cores, versions, threads."""
    packages = ("torch", "onnxruntime", "numpy", "numba")
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "threads": "1",
        "system": platform.platform(),
        "python": platform.python_version(),
        "jetnae": __version__,
        **{name: _version(name) for name in packages},
    }


def _start(checkpoint: Checkpoint, options: LatencyOptions) -> tuple[dict[str, Engine], list[str]]:
    """The engines, each warmed up on all numbers of jets, and why others do not run."""
    engines, notes = {}, []
    for name in options.engines or tuple(ENGINES):
        try:
            if name == "onnx":
                require_engine(name)
            engine = ENGINES[name](checkpoint)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's compiler uses what torch calls deprecated
                _warm_up(engine, checkpoint, options)
        except (MissingExtraError, RuntimeError) as error:
            reason = f"engine '{name}' does not run here: {str(error).strip().splitlines()[0][:200]}"
            if options.engines:
                raise InputError(reason) from error
            notes.append(reason)
        else:
            engines[name] = engine
    return engines, notes


def _warm_up(engine: Engine, checkpoint: Checkpoint, options: LatencyOptions) -> None:
    for n_jets in options.n_jets:
        for _ in range(N_WARM_UP):
            engine.score(np.zeros((n_jets, *checkpoint.spec.shape), dtype=np.float32))


def _work(stage: Stage, engines: dict[str, Engine], jets: Jets, n_jets: int, checkpoint: Checkpoint) -> dict[str, Work]:
    """What each engine does in one call, on one portion of the jets after the other."""
    spec = checkpoint.spec
    starts = range(0, len(jets) - n_jets + 1, n_jets)[:MOST_PARTS]
    parts = [select(jets, slice(start, start + n_jets)) for start in starts]
    inputs = [make_inputs(part, spec) for part in parts]
    torch.set_num_threads(1)  # the threads of the images' compiler are those of torch too

    def of(engine: Engine) -> Work:
        if stage == "model":
            return lambda i: engine.score(inputs[i % len(inputs)])
        return lambda i: engine.score(make_inputs(parts[i % len(parts)], spec))

    return {name: of(engine) for name, engine in engines.items()}


def _in_turns(work: dict[str, Work], most_seconds: float) -> dict[str, list[float]]:
    """Seconds of each call; the engines take turns, so that a busy machine slows all alike."""
    for call in work.values():
        for i in range(N_WARM_UP):
            call(i)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    end = time.perf_counter() + most_seconds
    for i in range(MOST_CALLS):
        if i >= FEWEST_CALLS and time.perf_counter() > end:
            break
        for name, call in work.items():
            started = time.perf_counter()
            call(i)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def _timing(stage: Stage, engine: str, n_jets: int, seconds: Sequence[float]) -> Timing:
    p50, p90, p99 = (1e3 * float(q) for q in np.quantile(seconds, (0.5, 0.9, 0.99)))
    enough = len(seconds) >= 100
    rate = 1e3 * n_jets / p50
    return Timing(stage, engine, n_jets, len(seconds), p50, p90, p99 if enough else None, 1e3 * max(seconds), rate)


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if os.path.exists(path) else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _load() -> str:
    """Processes that wanted to run over the last minute: with more than cores, the numbers are too large."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
