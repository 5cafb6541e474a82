"""Which state of a training becomes its result: chosen on background alone, no label anywhere.

Every `check_every` steps the model is measured on held-out background and on fresh chains, which start neither from
data nor from the replay buffer, with the same random numbers at every check. The rule, for models with a density:

1. Among the states after the burn-in with E-/E+ between 0.85 and 1.15, and a reconstruction better than that of the
   mean input, the one with the smallest distance between held-out data and samples.
2. If there is none, the state after the burn-in with the smallest |log(E-/E+)|; the header says that none qualified.
3. If no state comes after the burn-in, the same among all. States whose reconstruction is no better than the mean input
   come last.

For models without a density: the lowest mean energy of held-out background.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from jetnae.diagnostics.verdict import RATIO
from jetnae.distances import sliced_distance
from jetnae.models import Model
from jetnae.models.chains import Chains, Density
from jetnae.models.model import energies
from jetnae.training.batches import Inputs

N_HELD_OUT, N_CHAINS, LENGTH = 2000, 500, 1
"""Held-out inputs, chains, and their length in units of the usual, of a check."""
FINAL_CHAINS, FINAL_LENGTH = 1000, 1
"""The same for the numbers that a header quotes."""

Distance = Callable[[Tensor, Tensor, torch.Generator], float]


@dataclass(frozen=True)
class Check:
    """What a state is like, from background alone.

    step : after which. energy_data, energy_negative : mean energies of held-out data and of fresh chains, with errors.
    mean_input : error of the reconstruction over that of the mean input, None where nothing is reconstructed.
    distance : between held-out data and the chains' samples, in the unit of the values. at_bounds : share of values
    that the chains' last step had to clamp. weight_norm : of all weights together. What needs chains is None for models
    without a density.
    """

    step: int
    energy_data: float
    energy_data_error: float
    weight_norm: float
    mean_input: float | None = None
    energy_negative: float | None = None
    energy_negative_error: float | None = None
    distance: float | None = None
    at_bounds: float | None = None

    @property
    def ratio(self) -> float | None:
        """E-/E+ on fresh chains: 1 where chains and data agree."""
        return None if self.energy_negative is None else self.energy_negative / max(self.energy_data, 1e-300)

    @property
    def ratio_error(self) -> float:
        """Error of `ratio` from the sizes of both samples."""
        negative, error = self.energy_negative or math.nan, self.energy_negative_error or math.nan
        relative = math.hypot(error / negative, self.energy_data_error / max(self.energy_data, 1e-300))
        return negative / max(self.energy_data, 1e-300) * relative

    def numbers(self) -> dict[str, float]:
        """Everything that was measured, by name."""
        found = {**asdict(self), "ratio": self.ratio}
        return {name: float(value) for name, value in found.items() if value is not None and name != "step"}

    def averaged(self, average: Callable[[Mapping[str, float]], dict[str, float]]) -> Check:
        """The same with every number replaced by its mean over all processes."""
        numbers = {name: value for name, value in self.numbers().items() if name != "ratio"}
        return replace(self, **average(numbers))  # type: ignore[arg-type]


def preference(check: Check, collapse_limit: float, *, burned_in: bool) -> tuple[int, float]:
    """The rule of this module as something to sort by: the smallest is the state to keep, class 0 qualifies."""
    numbers = check.numbers()
    if not all(math.isfinite(value) for name, value in numbers.items() if not name.endswith("_error")):
        return 4, math.inf
    collapsed = check.mean_input is not None and check.mean_input >= collapse_limit
    if check.ratio is None or check.distance is None:
        return 3 * collapsed, check.energy_data
    if burned_in and RATIO[0] <= check.ratio <= RATIO[1] and not collapsed:
        return 0, check.distance
    return (3 if collapsed else 1 if burned_in else 2), abs(math.log(max(check.ratio, 1e-300)))


def measure(
    model: Model,
    held_out: Inputs,
    generator: torch.Generator,
    *,
    step: int,
    chains: tuple[int, int] = (N_CHAINS, LENGTH),
    distance: Distance = sliced_distance,
) -> tuple[Check, Chains | None]:
    """Measure a state; `chains` are their number, at most that of the data, and length.

    Returns the chains too, None without a density."""
    energy, error = held_out.mean(energies(model.energy, held_out.x))
    check = Check(step, energy, error, weight_norm(model))
    if not isinstance(model, Density):
        return check, None
    found = model.chains(min(chains[0], len(held_out)), generator, length=chains[1])
    negative, negative_error = Inputs(found.samples).mean(energies(model.energy, found.samples))
    data = held_out.draw(len(found.samples), generator)
    check = replace(
        check,
        energy_negative=negative,
        energy_negative_error=negative_error,
        distance=distance(data, found.samples, generator),
        at_bounds=float(found.at_bounds),
    )
    return check, found


def weight_norm(model: nn.Module) -> float:
    """Norm of all weights together."""
    weights = [parameter.detach() for parameter in model.parameters()]
    return float(nn.utils.get_total_norm(weights)) if weights else 0.0
