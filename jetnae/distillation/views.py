"""The same jets for teacher and student: what lies below the inputs of both, and how they are made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jetnae.distillation.broadening import GRID, ROWS, Broaden
from jetnae.features import FeatureSpec
from jetnae.fixed_point import FixedFormat
from jetnae.images import ImageSpec
from jetnae.inputs import Spec, make_inputs

if TYPE_CHECKING:
    from jetnae.jets import Jets

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class View:
    """How jets become raw values (n, *shape), and these the inputs of the teacher and of the student.

    spec : of the student. ways : to broaden raw values, by name. tidy : makes raw values that a file could hold of
    any. dtype : that holds raw values without error. input_format : that holds all inputs of the student without error,
    None where there is none.
    """

    spec: Spec
    raw: Callable[[Jets], Array]
    teacher: Callable[[Tensor], Tensor]
    student: Callable[[Tensor], Tensor]
    ways: Mapping[str, Broaden]
    tidy: Callable[[Array], Array]
    dtype: npt.DTypeLike = np.float32
    input_format: FixedFormat | None = None


def view_of(spec: Spec) -> View:
    """The view for a teacher with these inputs."""
    if isinstance(spec, ImageSpec):
        return _of_images(spec)
    return _of_features(spec)


def _of_images(spec: ImageSpec) -> View:
    """Teacher and student see the same image, whose sum stays what it was."""

    def tidy(values: Array) -> Array:
        if spec.pixel_sum is None:
            return values
        return np.asarray(spec.pixel_sum * values / np.maximum(values.sum(axis=(1, 2), keepdims=True), 1e-30))

    return View(spec, lambda jets: make_inputs(jets, spec), torch.Tensor.float, torch.Tensor.float, GRID, tidy)


def _of_features(spec: FeatureSpec) -> View:
    """Teacher and student see the same features."""
    ways = ROWS
    return View(spec, lambda jets: make_inputs(jets, spec), torch.Tensor.float, torch.Tensor.float, ways, np.asarray)
