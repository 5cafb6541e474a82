"""A student as an hls4ml project: its layers, the format of every number, and the C++ that hls4ml makes of them."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import warnings
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from jetnae.errors import InputError, MissingExtraError
from jetnae.fixed_point import quantize
from jetnae.models import Student
from jetnae.models.student import PATCH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jetnae.checkpoint import Checkpoint
    from jetnae.fixed_point import FixedFormat
    from jetnae.models.student import StudentBits

log = logging.getLogger(__name__)

CONVERTIBLE = ("Conv2d", "Linear", "ReLU", "Flatten")
"""Layers whose C++ computes exactly what they compute."""
PORT = "inputs"
TOP = "student"
"""Name of the function in C++ that firmware is made of."""


@dataclass(frozen=True)
class HlsSettings:
    """What firmware is made for.

    part : name of the chip. clock : period in ns. reuse_factor : products that share a multiplier, and clock periods
    from one input to the next.
    """

    part: str = "xcvu13p-flga2577-2-e"
    clock: float = 6.25
    reuse_factor: int = 1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]{3,60}", self.part):
            raise InputError(f"part {self.part!r}, expected the name of a chip, as xcvu13p-flga2577-2-e")
        if not 0.5 <= self.clock <= 1000:
            raise InputError(f"clock {self.clock:g} ns, expected a period of 0.5 to 1000 ns")
        if not 1 <= self.reuse_factor <= 4096:
            raise InputError(f"reuse factor {self.reuse_factor}, expected 1 to 4096")


def require_student(checkpoint: Checkpoint) -> tuple[Student, StudentBits]:
    """The student of a checkpoint with its formats; raises `InputError` naming the layer that does not convert."""
    name, model = checkpoint.header.name, checkpoint.model
    if not isinstance(model, Student):
        raise InputError(
            f"model '{name}' does not convert to firmware: {_obstacle(model)}. Only {', '.join(CONVERTIBLE)} convert "
            "exactly: make a student of it with `jetnae distill`, and export that"
        )
    if model.config.bits is None:
        raise InputError(
            f"model '{name}' does not convert to firmware: its layer layers.0 ({type(model.layers[0]).__name__}) "
            "computes in floating point: make a student in fixed point with `jetnae distill`, and export that"
        )
    return model, model.config.bits


def _obstacle(model: nn.Module) -> str:
    """The first layer of each kind that does not convert, in words."""
    found: dict[str, str] = {}
    for name, module in model.named_modules():
        own = next(module.children(), None) is None or next(module.parameters(recurse=False), None) is not None
        kind = type(module).__name__
        if name and own and kind not in CONVERTIBLE:
            found.setdefault(kind, name)
    if not found:
        return f"its score is no output of a layer, but what {type(model).__name__} computes of them"
    layers = [f"{name} ({kind})" for kind, name in list(found.items())[:3]]
    more = ", ..." if len(found) > len(layers) else ""
    return f"it has the layer{'s' * (len(found) > 1)} {', '.join(layers)}{more}"


def require_hls4ml() -> Any:
    """The package; raises `MissingExtraError` where it is not installed."""
    try:
        with quiet():
            import hls4ml
    except ImportError as error:
        raise MissingExtraError("firmware needs hls4ml: pip install 'jetnae[hls]'") from error
    return hls4ml


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What others print and warn about goes to our log."""
    said = io.StringIO()
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(said):
        warnings.simplefilter("always")
        yield
    for line in [*said.getvalue().splitlines(), *(str(each.message) for each in warned)]:
        log.debug("%s", line)


class Network(nn.Sequential):
    """The layers of a student one after the other, weights and biases rounded to their formats."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores (n, 1) of inputs, (n, n_values) or (n, 1, rows, columns)."""
        for layer in self:
            inputs = layer(inputs)
        return inputs


def make_network(student: Student, bits: StudentBits) -> Network:
    """What hls4ml converts; layers are named layer0, relu0, layer1, ..."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, (layer, formats) in enumerate(zip(student.sequence, bits.layers, strict=True)):
        layers[f"layer{i}"] = _rounded(layer, formats.weight, formats.bias)
        if formats.activation is not None:
            layers[f"relu{i}"] = nn.ReLU()
        if isinstance(layer, nn.Conv2d):
            layers["flatten"] = nn.Flatten()
    return Network(layers).eval()


def _rounded(layer: nn.Conv2d | nn.Linear, weight: FixedFormat, bias: FixedFormat) -> nn.Module:
    made: nn.Conv2d | nn.Linear
    if isinstance(layer, nn.Conv2d):
        made = nn.Conv2d(1, layer.out_channels, PATCH, stride=PATCH)
    else:
        made = nn.Linear(layer.in_features, layer.out_features)
    trained = layer.state_dict()
    rounded = {"weight": quantize(trained["weight"], weight), "bias": quantize(trained["bias"], bias)}
    made.load_state_dict({name: value.float() for name, value in rounded.items()})
    return made


def port_shape(student: Student) -> tuple[int, ...]:
    """Shape of one input of the network: rows one after the other, or one channel of an image for convolutions."""
    return (1, *student.shape) if student.config.channels else (math.prod(student.shape),)


def configuration(student: Student, bits: StudentBits, settings: HlsSettings) -> dict[str, Any]:
    """What hls4ml is told about every layer; no format is left to its choice.

    Sums are exact in their format, so that it does not matter in which order firmware adds; all positions of a
    convolution are computed at once.
    """
    hls4ml = require_hls4ml()
    with quiet():
        config: dict[str, Any] = hls4ml.utils.config_from_pytorch_model(
            make_network(student, bits),
            port_shape(student),
            granularity="name",
            backend="Vitis",
            default_reuse_factor=settings.reuse_factor,
        )
    layers = config["LayerName"]
    layers[PORT]["Precision"]["result"] = str(bits.input)
    for i, (layer, formats, sums) in enumerate(zip(student.sequence, bits.layers, student.accumulators(), strict=True)):
        layers[f"layer{i}"]["Precision"].update(
            weight=str(formats.weight),
            bias=str(formats.bias),
            accum=str(replace(sums, rounding="TRN", overflow="WRAP")),  # the plain kind costs nothing
            result=str(formats.result),
        )
        if formats.activation is not None:
            layers[f"relu{i}"]["Precision"]["result"] = str(formats.activation)
        if isinstance(layer, nn.Conv2d):
            layers[f"layer{i}"]["ParallelizationFactor"] = student.n_values // PATCH**2
            layers["flatten"]["Precision"]["result"] = str(formats.activation)
    return config


def write_project(student: Student, bits: StudentBits, folder: Path, settings: HlsSettings) -> dict[str, Any]:
    """Write the C++ of a student into a folder, with the scripts that make firmware of it; returns the configuration.

    Raises `MissingExtraError` without hls4ml.
    """
    hls4ml = require_hls4ml()
    config = configuration(student, bits, settings)
    with quiet():
        graph = hls4ml.converters.convert_from_pytorch_model(
            make_network(student, bits),
            output_dir=str(folder),
            project_name=TOP,
            backend="Vitis",
            hls_config=config,
            io_type="io_parallel",
            part=settings.part,
            clock_period=settings.clock,
        )
        graph.write()
    # it holds a dump of Python objects, and the name of a folder that is temporary; nothing needs it
    (folder / "hls4ml_config.yml").unlink(missing_ok=True)
    return {key: config[key] for key in ("Model", "LayerName")}
