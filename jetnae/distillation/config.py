"""How a student learns: sizes, steps, and the widths of its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from jetnae.errors import InputError

MIN_BITS, MAX_BITS = 2, 16
"""Of a weight; below there is nothing to learn, above nothing to gain."""
SCAN = (10, 8, 6, 5, 4, 3)
"""Bits of a weight that are compared where nothing is said."""


@dataclass(frozen=True)
class Widths:
    """Bits of weights, biases, activations and the score."""

    weights: int
    biases: int
    activations: int
    output: int = 16


def preset(bits: int) -> Widths:
    """Widths that go with weights of so many bits; raises `InputError` where that makes no sense.

    Activations get two bits more, since their errors add up over fewer terms; biases cost nothing beside products.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise InputError(f"weights of {bits} bits, expected {MIN_BITS} to {MAX_BITS}")
    return Widths(bits, bits + 6, bits + 2)


@dataclass(frozen=True)
class DistillConfig:
    """How a student learns from a teacher.

    n_jets : at most so many background inputs are used. validation : share held out for the report.
    hidden, channels : sizes, as in `StudentConfig`; channels None: what suits the input. bits : of a weight, None for
        floating point.
    n_steps, learning_rate : in floating point, falling to zero along half a cosine; quantized_* : after it, with the
    formats. batch_size : inputs in each step, `share_broadened` of them broadened.
    broadened : broadened inputs that are made for each of the background.
    turned : copies of the background for the student to learn from, moved as the symmetries of the detector allow.
    tail : power of the survival probability that background is drawn with the inverse of; 0 draws all alike.
    """

    n_jets: int = 200_000
    validation: float = 0.3
    hidden: tuple[int, ...] = (64, 16)
    channels: int | None = None
    bits: int | None = None
    n_steps: int = 10_000
    learning_rate: float = 1e-2
    quantized_steps: int = 4000
    quantized_learning_rate: float = 1e-3
    batch_size: int = 512
    broadened: float = 2.0
    share_broadened: float = 0.4
    turned: int = 1
    tail: float = 0.8
    seed: int = 1

    def __post_init__(self) -> None:
        if self.bits is not None:
            preset(self.bits)
        if min(self.n_steps, self.quantized_steps) < 1 or self.batch_size < 2 or self.n_jets < 2:
            raise InputError("expected n_steps and quantized_steps of at least 1, batch_size and n_jets of at least 2")
        if not (0 < self.validation < 1 and 0 < self.share_broadened < 1 and 0 < self.broadened <= 10):
            raise InputError("expected validation and share_broadened between 0 and 1, broadened in (0, 10]")
        if min(self.learning_rate, self.quantized_learning_rate) <= 0 or not 0 <= self.tail <= 1:
            raise InputError("expected learning rates above 0, and tail from 0 to 1")
        if self.turned < 0:
            raise InputError(f"turned = {self.turned}, expected copies, 0 or more")
        if not 0 <= self.seed < 2**63:
            raise InputError("expected a seed from 0 to 2^63 - 1")
