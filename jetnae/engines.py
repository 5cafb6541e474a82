"""What runs a model: torch, or ONNX Runtime where it is installed. The scores are the same to 1e-5."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from jetnae.errors import InputError, MissingExtraError
from jetnae.export.graph import INPUT, OUTPUT, require_onnx, to_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from jetnae.checkpoint import Checkpoint

    Floats = npt.NDArray[np.float32]

RUN_VALUES = {"torch": 100_000, "onnx": 16_384}
"""Numbers in the inputs of one run on a CPU: what its layers leave stays in the cache of a core."""


class Engine(Protocol):
    """A model ready to run."""

    def score(self, inputs: Floats) -> Floats:
        """Anomaly scores (n,) of inputs (n, *shape)."""


class TorchEngine:
    """The model as it was trained, in eager torch."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        # the order of channels in memory in which convolutions on CPUs are twice as fast
        self._model = checkpoint.model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device

    def score(self, inputs: Floats) -> Floats:
        """Anomaly scores (n,) of inputs (n, *shape)."""
        if self._device.type != "cpu":
            return self._run(inputs)
        return _in_runs(self._run, inputs, RUN_VALUES["torch"])

    def _run(self, inputs: Floats) -> Floats:
        scores: Floats = self._model.score(torch.from_numpy(inputs).to(self._device)).cpu().numpy()
        return scores


class OnnxEngine:
    """A graph in ONNX Runtime on the CPU, in one thread for each call."""

    def __init__(self, graph: bytes) -> None:
        require_onnx()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def score(self, inputs: Floats) -> Floats:
        """Anomaly scores (n,) of inputs (n, *shape)."""
        return _in_runs(self._run, inputs, RUN_VALUES["onnx"])

    def _run(self, inputs: Floats) -> Floats:
        (scores,) = self._session.run([OUTPUT], {INPUT: inputs})
        found: Floats = scores
        return found


def _in_runs(run: Callable[[Floats], Floats], inputs: Floats, n_values: int) -> Floats:
    """Scores (n,) of inputs (n, *shape), so many numbers at a time."""
    step = max(n_values // max(inputs[0].size, 1), 1) if len(inputs) else 1
    runs = [run(inputs[start : start + step]) for start in range(0, max(len(inputs), 1), step)]
    return runs[0] if len(runs) == 1 else np.concatenate(runs)


def _onnx_engine(checkpoint: Checkpoint, device: torch.device) -> OnnxEngine:
    if device.type != "cpu":
        raise InputError(f"engine 'onnx' on device '{device}': it runs on the CPU, choose --engine torch")
    return OnnxEngine(to_onnx(checkpoint))


ENGINES: dict[str, Callable[[Checkpoint, torch.device], Engine]] = {"torch": TorchEngine, "onnx": _onnx_engine}


def make_engine(name: str, checkpoint: Checkpoint, device: torch.device | None = None) -> Engine:
    """An engine by name; raises `InputError` for an unknown one, or one that does not run here."""
    require_engine(name)
    return ENGINES[name](checkpoint, device or torch.device("cpu"))


def require_engine(name: str) -> None:
    """Raises `InputError` for an unknown engine, `MissingExtraError` for one that is not installed."""
    if name not in ENGINES:
        raise InputError(f"unknown engine '{name}', expected one of {', '.join(ENGINES)}")
    if name == "onnx":
        try:
            require_onnx()
        except MissingExtraError as error:
            raise MissingExtraError(f"engine 'onnx': {error}, or choose --engine torch") from error


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Everything that computes in this process on so many threads, for measurements."""
    import numba

    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(number)
    numba.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])
