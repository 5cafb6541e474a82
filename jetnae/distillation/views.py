"""The same jets for teacher and student: what lies below the inputs of both, and how they are made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jetnae.distillation.broadening import GRID, ROWS, Broaden, grid_turned
from jetnae.distillation.objects import OBJECT_WAYS
from jetnae.features import FeatureSpec
from jetnae.fixed_point import FixedFormat
from jetnae.images import ImageSpec
from jetnae.inputs import Spec, make_inputs
from jetnae.level1 import MAX_COUNT, ObjectSpec, RegionSpec

if TYPE_CHECKING:
    from jetnae.jets import Jets

Array = npt.NDArray[Any]
Crossing = RegionSpec | ObjectSpec
REGIONS = RegionSpec("linear", 16.0)
"""What a student sees of regions: a scale of about the typical deposit, with which training begins well."""
REGION_FORMAT = FixedFormat(10, 6, signed=False)
OBJECTS = ObjectSpec("linear", 16.0, 16.0)
OBJECT_FORMAT = FixedFormat(13, 9)
"""Holds 4095 counts of momentum, and angles of either sign."""


@dataclass(frozen=True)
class View:
    """How jets become raw values (n, *shape), and these the inputs of the teacher and of the student.

    spec : of the student. ways : to broaden raw values, by name. tidy : makes raw values that a file could hold of
    any. dtype : that holds raw values without error. input_format : that holds all inputs of the student without error,
    None where there is none. turned : moves raw values as a symmetry of the detector allows, None without one.
    channels : of the student's convolution where nothing is said.
    """

    spec: Spec
    raw: Callable[[Jets], Array]
    teacher: Callable[[Tensor], Tensor]
    student: Callable[[Tensor], Tensor]
    ways: Mapping[str, Broaden]
    tidy: Callable[[Array], Array]
    dtype: npt.DTypeLike = np.float32
    input_format: FixedFormat | None = None
    turned: Broaden | None = None
    channels: int = 0


def view_of(spec: Spec) -> View:
    """The view for a teacher with these inputs: counts below both for crossings, otherwise the inputs themselves."""
    if isinstance(spec, RegionSpec):
        tidy: Callable[[Array], Array] = lambda counts: np.clip(np.rint(counts), 0, MAX_COUNT)  # noqa: E731
        return replace(_of_counts(spec, REGIONS, REGION_FORMAT, GRID, tidy), turned=grid_turned, channels=8)
    if isinstance(spec, ObjectSpec):
        return _of_counts(spec, OBJECTS, OBJECT_FORMAT, OBJECT_WAYS, np.rint)
    if isinstance(spec, FeatureSpec):
        return View(
            spec, lambda jets: make_inputs(jets, spec), torch.Tensor.float, torch.Tensor.float, ROWS, np.asarray
        )
    return _of_images(spec)


def _of_counts(
    spec: Crossing, student: Crossing, fmt: FixedFormat, ways: Mapping[str, Broaden], tidy: Callable[[Array], Array]
) -> View:
    """The same counts through the transform of the teacher, and through the exact one of the student."""

    def through(which: Crossing) -> Callable[[Tensor], Tensor]:
        return lambda raw: torch.from_numpy(which.from_raw(raw.cpu().numpy())).to(raw.device)

    return View(
        spec=student,
        raw=spec.raw,
        teacher=through(spec),
        student=lambda raw: raw.float() * fmt.step,
        ways=ways,
        tidy=tidy,
        dtype=np.int16,
        input_format=fmt,
    )


def _of_images(spec: ImageSpec) -> View:
    """Teacher and student see the same image, whose sum stays what it was."""

    def tidy(values: Array) -> Array:
        if spec.pixel_sum is None:
            return values
        return np.asarray(spec.pixel_sum * values / np.maximum(values.sum(axis=(1, 2), keepdims=True), 1e-30))

    return View(spec, lambda jets: make_inputs(jets, spec), torch.Tensor.float, torch.Tensor.float, GRID, tidy)
