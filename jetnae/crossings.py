"""Score files as samples of bunch crossings: one number per event, its largest score, decisions of triggers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.io.scores import read_scores, read_units
from jetnae.jets import WEIGHT
from jetnae.scored import NO_CONSTITUENTS, NOT_SELECTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from jetnae.io.scores import Scores

    Values = npt.NDArray[np.floating[Any]]
    Mask = npt.NDArray[np.bool_]

SIGNAL = 1
MIXED = 100.0
"""Ratio of medians that only different units explain: they differ by 1000 or more, data of one study do not."""
LUMINOSITY = re.compile(r"lumi|pile|npv|npu|trueint|^mu$|^pu$", re.IGNORECASE)
"""Names of columns for which that holds."""


@dataclass(frozen=True)
class Crossings:
    """The events of one or more score files of one model, each a bunch crossing.

    scores : (n,) of each event the largest of its jets, -inf where none counts; of columns of events as they are.
    columns : numbers of events, (n,) each. weight : (n,), None where there are none. file : (n,) number of the file.
    units : of each column by file, as far as files say. inputs : names of what was scored, by what identifies it.
    """

    scores: Mapping[str, Values]
    columns: Mapping[str, Any]
    weight: Values | None
    file: npt.NDArray[np.integer[Any]]
    names: tuple[str, ...]
    units: tuple[Mapping[str, str], ...]
    model: str
    model_sha256: str
    inputs: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.file)

    def column(self, name: str) -> Values:
        """A column of the events as numbers; raises `InputError` naming those there are."""
        if name not in self.columns:
            known = ", ".join(self.columns) or "none"
            raise InputError(f"no column '{name}' of the events in {', '.join(self.names)}, found {known}")
        return np.asarray(self.columns[name], dtype=np.float64)

    def decisions(self, patterns: Sequence[str]) -> dict[str, Mask]:
        """Columns of true and false whose names fit one of the patterns, as HLT_*."""
        return decisions_of(self.columns, patterns)


def read_zero_bias(paths: Sequence[Path], names: Sequence[str], *, all_jets: bool = False) -> Crossings:
    """Crossings that were recorded, or simulated, whatever was in them.

    names : what is cut on, the score first. Raises `InputError` for events that are labeled signal or weighted, and
    for files of several models or given twice.
    """
    parts = []
    for path in paths:
        scores = read_scores(path)
        n_signal = int(np.count_nonzero(_is_signal(scores)))
        if n_signal:
            raise InputError(
                f"{path}: {n_signal} of {len(scores.counts)} events are labeled signal (label {SIGNAL}), expected zero "
                "bias: give signals with --signal NAME=FILE"
            )
        weight = np.asarray(scores.events.get(WEIGHT, np.ones(1)))
        if len(weight) and weight.min() != weight.max():
            raise InputError(
                f"{path}: weights from {weight.min():.4g} to {weight.max():.4g}, expected zero-bias events that all "
                "count the same: rates and their intervals are those of counts"
            )
        parts.append(_crossings(path, scores, names, all_jets=all_jets))
    return replace(_join(parts), weight=None)


def read_signal(paths: Sequence[Path], names: Sequence[str], like: Crossings, *, all_jets: bool = False) -> Crossings:
    """Events with a signal, scored by the model of `like`; of a file with labels those that are labeled so.

    Raises `InputError` where all labels are those of background, and for other models.
    """
    parts = []
    for path in paths:
        scores = read_scores(path)
        found, mask = _crossings(path, scores, names, all_jets=all_jets), _is_signal(scores)
        if _has_labels(scores) and not mask.any():
            raise InputError(
                f"{path}: none of {len(mask)} events is labeled signal (label {SIGNAL}), expected a signal"
            )
        parts.append(_select(found, mask) if _has_labels(scores) else found)
    joined = _join(parts)
    if joined.model_sha256 != like.model_sha256:
        raise InputError(
            f"{', '.join(joined.names)}: scores of {joined.model} ({joined.model_sha256[:8]}), those of the zero bias "
            f"are of {like.model} ({like.model_sha256[:8]}): expected one model"
        )
    return joined


def unit_of(sample: Crossings, name: str) -> str:
    """The unit of a column, empty where no file says; raises `InputError` where files or sections disagree.

    Of luminosities and pile-up, medians above 0 of files and luminosity sections that are further apart than `MIXED`
    are of different units, as 2e34 /cm2/s and 20 Hz/nb, whatever the files say.
    """
    said = {file: units[name] for file, units in zip(sample.names, sample.units, strict=True) if name in units}
    if len(set(said.values())) > 1:
        each = " and ".join(f"{unit} in {file}" for file, unit in said.items())
        raise InputError(f"mixed units of '{name}': {each}, expected one: convert the files")
    unit = next(iter(said.values()), "")
    if LUMINOSITY.search(name):
        _require_one_magnitude(sample, name)
    return unit


def _require_one_magnitude(sample: Crossings, name: str) -> None:
    none = np.zeros(len(sample))
    where = [sample.file, sample.columns.get("run", none), sample.columns.get("luminosityBlock", none)]
    places, index = np.unique(np.stack(where), axis=1, return_inverse=True)
    medians = _medians(sample.column(name), index.reshape(-1), places.shape[1])
    if not (medians > 0).any():
        return
    low, high = int(np.argmin(np.where(medians > 0, medians, np.inf))), int(np.argmax(medians))
    if medians[high] > MIXED * medians[low]:
        raise InputError(
            f"mixed units of '{name}': about {medians[low]:.4g} in {_place(sample, places[:, low])} and "
            f"{medians[high]:.4g} in {_place(sample, places[:, high])}, expected one unit: convert the files"
        )


def decisions_of(columns: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Mask]:
    """The columns of true and false, or 1 and 0, whose names fit one of the patterns."""
    chosen = {}
    for name, column in columns.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            values = np.asarray(column)
            if values.ndim != 1 or (values.dtype != bool and not np.isin(values, (0, 1)).all()):
                raise InputError(f"'{name}' is no decision of a trigger: expected one true or false for each event")
            chosen[name] = values.astype(bool)
    return chosen


def _place(sample: Crossings, place: npt.NDArray[Any]) -> str:
    file, run, section = (int(each) for each in place)
    where = f", run {run}, luminosity section {section}" if "luminosityBlock" in sample.columns else ""
    return f"{sample.names[file]}{where}"


def _medians(values: Values, index: npt.NDArray[np.integer[Any]], n: int) -> Values:
    """Median of the values (n_values,) with each index."""
    order = np.lexsort((values, index))
    counts = np.bincount(index, minlength=n)
    start = np.cumsum(counts) - counts
    return np.asarray(values[order][start + counts // 2])


def _crossings(path: Path, scores: Scores, names: Sequence[str], *, all_jets: bool) -> Crossings:
    n_events = len(scores.counts)
    if not n_events:
        raise InputError(f"{path}: no events, expected one for each crossing")
    columns = {
        name: column
        for name, column in scores.events.items()
        if isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "biuf"
    }
    found = {name: _per_event(path, scores, columns, name, all_jets or i > 0) for i, name in enumerate(names)}
    weight = columns.pop(WEIGHT, None)
    n_never = int(np.count_nonzero(found[names[0]] == -np.inf))
    note = f"{path.name}: {n_never} of {n_events} crossings have no jet that could pass, they count in every rate"
    return Crossings(
        scores=found,
        columns=columns,
        weight=None if weight is None else np.asarray(weight, dtype=np.float64),
        file=np.zeros(n_events, dtype=np.int64),
        names=(path.name,),
        units=(read_units(path),),
        model=str(scores.provenance.get("model", "model")),
        model_sha256=str(scores.provenance.get("model_sha256", "")),
        inputs={str(scores.provenance.get("input_id", path)): path.name},
        notes=(note,) if n_never else (),
    )


def _per_event(path: Path, scores: Scores, columns: Mapping[str, Any], name: str, all_jets: bool) -> Values:
    """A column of the jets as the largest of each event, or one of the events; NaN where a score is missing."""
    if name in scores.jets:
        values = np.asarray(scores.jets[name], dtype=np.float64)
        status = np.asarray(scores.jets.get("status", np.zeros(len(values))))
        # empty jets, and those that a selection took away, are no failure: they pass no threshold
        never = np.isnan(values) & np.isin(status, (NO_CONSTITUENTS, NOT_SELECTED))
        if not all_jets:
            never |= ~np.asarray(scores.jets["in_range"], dtype=bool)
        largest = np.full(len(scores.counts), -np.inf)
        event = np.repeat(np.arange(len(scores.counts)), scores.counts)
        with np.errstate(invalid="ignore"):  # a score that is missing stays so, and is refused later
            np.maximum.at(largest, event[~never], values[~never])
        return largest
    if name not in columns:
        known = ", ".join({**scores.jets, **columns})
        raise InputError(f"{path}: no column '{name}' with one number per jet or event, found {known}")
    return np.asarray(columns[name], dtype=np.float64)


def _has_labels(scores: Scores) -> bool:
    return "label" in scores.jets or "label" in scores.events


def _is_signal(scores: Scores) -> Mask:
    """Which events are labeled signal, or hold a jet that is."""
    found = np.zeros(len(scores.counts), dtype=bool)
    if "label" in scores.events:
        found |= np.asarray(scores.events["label"]) == SIGNAL
    if "label" in scores.jets:
        event = np.repeat(np.arange(len(scores.counts)), scores.counts)
        found[event[np.asarray(scores.jets["label"]) == SIGNAL]] = True
    return found


def _select(sample: Crossings, mask: Mask) -> Crossings:
    return replace(
        sample,
        scores={name: values[mask] for name, values in sample.scores.items()},
        columns={name: values[mask] for name, values in sample.columns.items()},
        weight=None if sample.weight is None else sample.weight[mask],
        file=sample.file[mask],
    )


def _join(parts: Sequence[Crossings]) -> Crossings:
    """Samples of one model as one, with the columns they share."""
    if not parts:
        raise InputError("no score files, expected one or more made by `jetnae score`")
    first, inputs = parts[0], [key for part in parts for key in part.inputs]
    if any(part.model_sha256 != first.model_sha256 for part in parts):
        models = ", ".join(sorted({f"{part.model} ({part.model_sha256[:8]})" for part in parts}))
        raise InputError(f"scores of several models, {models}: expected those of one")
    for part in parts:
        if inputs.count(next(iter(part.inputs))) > 1:
            raise InputError(f"{part.names[0]}: given more than once, its crossings would count as often")
    shared = [name for name in first.columns if all(name in part.columns for part in parts)]
    weights = [np.ones(len(part)) if part.weight is None else part.weight for part in parts]
    return replace(
        first,
        scores={name: np.concatenate([part.scores[name] for part in parts]) for name in first.scores},
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in shared},
        weight=None if all(part.weight is None for part in parts) else np.concatenate(weights),
        file=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        names=tuple(part.names[0] for part in parts),
        units=tuple(part.units[0] for part in parts),
        inputs={key: name for part in parts for key, name in part.inputs.items()},
        notes=tuple(note for part in parts for note in part.notes),
    )
