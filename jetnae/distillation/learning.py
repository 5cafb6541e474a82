"""How a student learns: in floating point first, then with the formats it will compute in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from jetnae.distillation.formats import choose_formats
from jetnae.errors import NotConvergedError
from jetnae.fixed_point import quantize
from jetnae.models import Student, StudentConfig

if TYPE_CHECKING:
    from jetnae.distillation.config import DistillConfig
    from jetnae.distillation.lesson import Lesson, Part
    from jetnae.distillation.views import View

Report = Callable[[int, int, dict[str, float]], None]
"""Called after every step with the step, the number of steps and what was logged."""
BETA = 0.1
"""Deviation, in widths of the background, from which on the loss is linear: outliers do not lead."""
MAX_GRADIENT = 1.0
N_RANGES = 20_000
"""Inputs of each kind whose values decide the ranges of the formats."""


@dataclass(frozen=True)
class Schedule:
    """Steps, and the rate of the first of them, which falls to zero along half a cosine."""

    n_steps: int
    learning_rate: float

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return self.learning_rate * (1 + math.cos(math.pi * step / self.n_steps)) / 2


class Draw:
    """Draws raw values and targets of a part by their odds, with a generator of its own."""

    def __init__(self, part: Part, lesson: Lesson, device: torch.device) -> None:
        self._raw = part.raw.to(device)
        self._target = (lesson.slope * (part.log_score.double() - lesson.offset)).float().to(device)
        self._cumulative = part.odds.cumsum(0)

    def __call__(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Raw values (n, *shape) and targets (n,)."""
        uniform = torch.rand(n, generator=generator, dtype=torch.float64) * self._cumulative[-1]
        index = torch.searchsorted(self._cumulative, uniform, right=True).clamp_max(len(self._cumulative) - 1)
        index = index.to(self._raw.device)
        return self._raw[index], self._target[index]


def learn(lesson: Lesson, view: View, config: DistillConfig, device: torch.device, report: Report | None) -> Student:
    """A student in floating point."""
    with torch.random.fork_rng(devices=[]):  # layers initialize from the global generator: leave it as it was
        torch.manual_seed(config.seed)
        channels = view.channels if config.channels is None else config.channels
        settings = StudentConfig(config.hidden, channels, lesson.offset, lesson.slope)
        student = Student(view.spec.shape, None, settings).to(device)
    schedule = Schedule(config.n_steps, config.learning_rate)
    _train(student, lesson, view, (config, schedule), report)
    return student.eval()


def learn_fixed(
    floating: Student, bits: int, lesson: Lesson, view: View, config: DistillConfig, *, report: Report | None
) -> Student:
    """A student in fixed point that goes on from one in floating point: it learns what rounding leaves of it.

    All that is computed in training is what firmware computes, and only the gradient looks past the rounding.
    """
    device = next(floating.parameters()).device
    ranges = torch.cat([view.student(part.raw[:N_RANGES].to(device)) for part in (lesson.background, lesson.broadened)])
    formats = choose_formats(floating, ranges, bits, view.input_format)
    student = Student(view.spec.shape, None, replace(floating.config, bits=formats)).to(device)
    student.load_state_dict(floating.state_dict())
    student.double()
    schedule = Schedule(config.quantized_steps, config.quantized_learning_rate)
    _train(student, lesson, view, (config, schedule), report)
    with torch.no_grad():
        for layer, each in zip(student.sequence, formats.layers, strict=True):
            layer.weight.copy_(quantize(layer.weight, each.weight))
            if layer.bias is not None:
                layer.bias.copy_(quantize(layer.bias, each.bias))
    return student.float().eval()


def _train(
    student: Student, lesson: Lesson, view: View, how: tuple[DistillConfig, Schedule], report: Report | None
) -> None:
    """Take all steps: batches of background and of broadened inputs, one robust loss on the log-score."""
    # moments of gradients fall below 1e-38, where a processor takes tens of times longer for each operation
    torch.set_flush_denormal(True)
    config, schedule = how
    device = next(student.parameters()).device
    generator = torch.Generator().manual_seed(config.seed)
    draws = [Draw(part, lesson, device) for part in (lesson.background, lesson.broadened)]
    n_broadened = max(1, round(config.share_broadened * config.batch_size))
    optimizer = torch.optim.Adam(student.parameters())
    for step in range(schedule.n_steps):
        sizes = (config.batch_size - n_broadened, n_broadened)
        drawn = [draw(n, generator) for draw, n in zip(draws, sizes, strict=True)]
        raw, target = (torch.cat(each) for each in zip(*drawn, strict=True))
        found = student(view.student(raw))
        loss = functional.smooth_l1_loss(found, target.to(found.dtype), beta=BETA)
        if not math.isfinite(float(loss.detach())):
            raise NotConvergedError(f"the loss is not finite in step {step + 1}: lower the learning rate")
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(student.parameters(), MAX_GRADIENT)
        optimizer.step()
        if report is not None:
            report(step + 1, schedule.n_steps, {"loss": float(loss.detach())})
