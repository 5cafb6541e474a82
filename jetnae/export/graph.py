"""Models as ONNX graphs: from finished inputs, or from features in their units and counts of triggers, to scores."""

from __future__ import annotations

import io
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from jetnae.errors import InputError, MissingExtraError
from jetnae.export.preparation import preparation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetnae.checkpoint import Checkpoint
    from jetnae.inputs import Spec

INPUT, OUTPUT = "inputs", "scores"
"""Names in every graph: float32 (n, *shape) and (n,)."""
OPSETS = (13, 20)
"""Lowest and highest set of operators that can be written."""


@dataclass(frozen=True)
class GraphVersion:
    """The set of operators and the version of the file format; the default is what releases of experiments read.

    Raises `InputError` for operators that cannot be written, and for a format that is older than they are.
    """

    opset: int = 17
    ir: int = 8

    def __post_init__(self) -> None:
        require_onnx()
        import onnx

        low, high = OPSETS
        if not low <= self.opset <= high:
            raise InputError(f"opset {self.opset}, expected {low} to {high}")
        oldest = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", self.opset)])
        if not oldest <= self.ir <= onnx.IR_VERSION:
            raise InputError(
                f"version {self.ir} of the ONNX format, expected {oldest} to {onnx.IR_VERSION} for opset {self.opset}"
            )


def to_onnx(checkpoint: Checkpoint, version: GraphVersion | None = None, *, physics_units: bool = False) -> bytes:
    """The model from inputs (n, *shape) to scores (n,) as an ONNX graph.

    physics_units : the graph takes what `graph_spec` makes, and turns that into what the model takes: it centers and
    scales features, and transforms counts. A student in fixed point computes in double precision, which is exact.
    Raises `InputError` naming the layer that has no form in ONNX, and `MissingExtraError` where ONNX is not installed.
    """
    require_onnx()
    import onnx

    version = version or GraphVersion()
    score = _Score(checkpoint.model, checkpoint.spec if physics_units else None).eval()
    example = torch.zeros(2, *checkpoint.spec.shape)
    try:
        model = onnx.load_from_string(_export(score, example, version.opset))
    except RuntimeError as error:
        raise InputError(_refused(score, example, version.opset, error, checkpoint.header.name)) from error
    model.ir_version = version.ir
    model.producer_name, model.graph.name = "jetnae", "jetnae"
    return bytes(model.SerializeToString())


def require_onnx() -> None:
    """Raises `MissingExtraError` unless ONNX and ONNX Runtime are installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("ONNX Runtime is not installed: pip install 'jetnae[onnx]'") from error


class _Score(nn.Module):
    """The score as the forward pass, which is what gets exported."""

    def __init__(self, model: Any, spec: Spec | None) -> None:
        super().__init__()
        self.model = model
        self.prepare = nn.Identity() if spec is None else preparation(spec)

    def forward(self, inputs: Tensor) -> Tensor:
        scores: Tensor = self.model.score(self.prepare(inputs))
        return scores


def _export(module: nn.Module, example: Tensor, opset: int) -> bytes:
    buffer = io.BytesIO()
    with _quietly():
        torch.onnx.export(
            module,
            (example,),
            buffer,  # type: ignore[arg-type] # its annotation forgets files in memory
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
            opset_version=opset,
            dynamo=False,
        )
    return buffer.getvalue()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warning that this exporter, which writes one file of an old format, is the older one.

    And without the pages about the graph that it prints on failure, whatever it is asked.
    """
    name = "_jit_onnx_log"  # the only way: the exporter turns this log on by itself
    printed = getattr(torch._C, name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setattr(torch._C, name, lambda *_: None)
        try:
            yield
        finally:
            setattr(torch._C, name, printed)


def _refused(score: _Score, example: Tensor, opset: int, error: RuntimeError, name: str) -> str:
    operator = re.search(r"\w+::\w+", str(error))
    reason = f"the operator {operator[0]}" if operator else str(error).strip().split("\n")[0][:120]
    return (
        f"model '{name}': {_culprit(score, example, opset)} has no form in ONNX with opset {opset} ({reason}): choose "
        f"a higher --opset (up to {OPSETS[1]}), train a network of dense layers, convolutions and ReLU, make a student "
        "of this one with `jetnae distill`, or score with --engine torch"
    )


def _culprit(score: _Score, example: Tensor, opset: int) -> str:
    """The innermost layer that cannot be exported on its own; each is tried with what it takes in the model."""
    taken: dict[nn.Module, Tensor] = {}

    def take(module: nn.Module, given: tuple[Any, ...], output: object) -> None:
        del output
        if len(given) == 1 and isinstance(given[0], Tensor):
            taken[module] = given[0]

    hooks = [module.register_forward_hook(take) for module in score.modules()]
    try:
        with torch.no_grad():
            score(example)
    finally:
        for hook in hooks:
            hook.remove()
    where, layer = "", score.model
    while True:
        failing = ((name, child) for name, child in layer.named_children() if _fails(child, taken, opset))
        name, child = next(failing, (None, None))
        if child is None:
            break
        where, layer = f"{where}.{name}".strip("."), child
    kind = type(layer).__name__
    return f"the layer '{where}' ({kind})" if where else f"the score of {kind}"


def _fails(module: nn.Module, taken: dict[nn.Module, Tensor], opset: int) -> bool:
    if module not in taken:
        return False
    try:
        _export(module, taken[module], opset)
    except RuntimeError:
        return True
    return False
