"""What runs a model: torch, or ONNX Runtime where it is installed. The scores are the same to 1e-5."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Protocol

import torch

from jetnae.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from jetnae.checkpoint import Checkpoint

    Floats = npt.NDArray[np.float32]


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
        scores: Floats = self._model.score(torch.from_numpy(inputs).to(self._device)).cpu().numpy()
        return scores


class OnnxEngine:
    """The model as an ONNX graph, made in memory, in ONNX Runtime on the CPU, in one thread for each call."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        if device.type != "cpu":
            raise InputError(f"engine 'onnx' on device '{device}': it runs on the CPU, choose --engine torch")
        runtime = _onnx_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        graph = to_onnx(checkpoint)
        self._session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def score(self, inputs: Floats) -> Floats:
        """Anomaly scores (n,) of inputs (n, *shape)."""
        (scores,) = self._session.run(None, {"inputs": inputs})
        found: Floats = scores
        return found


ENGINES: dict[str, Callable[[Checkpoint, torch.device], Engine]] = {"torch": TorchEngine, "onnx": OnnxEngine}


def make_engine(name: str, checkpoint: Checkpoint, device: torch.device | None = None) -> Engine:
    """An engine by name; raises `InputError` for an unknown one, or one that does not run here."""
    require_engine(name)
    return ENGINES[name](checkpoint, device or torch.device("cpu"))


def require_engine(name: str) -> None:
    """Raises `InputError` for an unknown engine, `MissingExtraError` for one that is not installed."""
    if name not in ENGINES:
        raise InputError(f"unknown engine '{name}', expected one of {', '.join(ENGINES)}")
    if name == "onnx":
        _onnx_runtime()


class _Score(torch.nn.Module):
    """The score as the forward pass, which is what gets exported."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.model.score(inputs)
        return scores


def to_onnx(checkpoint: Checkpoint) -> bytes:
    """The model from inputs (n, *shape) to scores (n,) as an ONNX graph."""
    buffer = io.BytesIO()
    example = torch.zeros(2, *checkpoint.spec.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package says that it is the older one
        torch.onnx.export(
            _Score(checkpoint.model).eval(),
            (example,),
            buffer,  # type: ignore[arg-type] # its annotation forgets files in memory
            input_names=["inputs"],
            output_names=["scores"],
            dynamic_axes={"inputs": {0: "n"}, "scores": {0: "n"}},
            dynamo=False,
        )
    return buffer.getvalue()


def _onnx_runtime() -> Any:
    try:
        import onnx  # noqa: F401  the exporter asks for it
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            "engine 'onnx' needs ONNX Runtime: pip install 'jetnae[onnx]', or choose --engine torch"
        ) from error
    return onnxruntime
