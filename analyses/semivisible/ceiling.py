"""What a classifier reaches that has seen the signal: the ceiling for models that have not."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from analyses.semivisible.jet_level import match_pt
from analyses.semivisible.samples import Sample, Values
from analyses.semivisible.settings import Settings
from jetnae.features import FeatureSpec

AVERAGE = 0.99


def classify(signal: Sample, background: Sample, settings: Settings, seed: int) -> tuple[tuple[Values, Values], float]:
    """Scores (n, 2) of all jets of signal and background by a classifier of one grid point, and the seconds that took.

    It learns from the training halves, on features and log pt; the signal is weighted to the background's pt, so that
    pt itself tells nothing, and what it learns holds for any spectrum of pt that both have.
    """
    torch.set_num_threads(1)
    begin = time.monotonic()
    spec = settings.features.standardized(_table(background)[np.repeat(background.trains, 2)].astype(np.float32))
    x = [_inputs(each, spec) for each in (signal, background)]
    equal = replace(background, weight=np.ones(len(background)))
    matched = match_pt(signal, equal, (signal.trains, background.trains))
    weights = [torch.from_numpy(each.ravel()) for each in (matched.signal_weight, matched.background_weight)]
    network = _train(x, weights, settings, seed)
    with torch.no_grad():
        found = [network(each)[:, 0].double().numpy().reshape(-1, 2) for each in x]
    return (found[0], found[1]), time.monotonic() - begin


def _train(x: list[Tensor], weights: list[Tensor], settings: Settings, seed: int) -> nn.Module:
    """Minimize the cross entropy, half a batch of each kind; the result is the mean of the last weights."""
    options = settings.ceiling
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _network(x[0].shape[1], options.hidden)
    mean = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE),  # type: ignore[no-untyped-call]
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.n_steps)
    target = torch.tensor([1.0, 0.0]).repeat_interleave(options.batch_size // 2)
    for _ in range(options.n_steps):
        drawn = [
            each[torch.multinomial(weight, options.batch_size // 2, replacement=True, generator=generator)]
            for each, weight in zip(x, weights, strict=True)
        ]
        loss = nn.functional.binary_cross_entropy_with_logits(network(torch.cat(drawn))[:, 0], target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        mean.update_parameters(network)
    return mean


def _network(n_inputs: int, hidden: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(n_inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1)
    )


def _table(sample: Sample) -> Values:
    return sample.features.reshape(-1, sample.features.shape[-1])


def _inputs(sample: Sample, spec: FeatureSpec) -> Tensor:
    """Standardized features, tails pulled in, and log pt."""
    features = np.arcsinh((_table(sample) - np.asarray(spec.center)) / np.asarray(spec.scale))
    log_pt = np.log(sample.pt.reshape(-1, 1) / 500.0)
    return torch.from_numpy(np.concatenate([features, log_pt], axis=1).astype(np.float32))
