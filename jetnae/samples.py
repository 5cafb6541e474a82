"""Score files as samples of jets: columns with one entry per jet, weights, labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.io.scores import PREFIX, read_scores
from jetnae.jets import WEIGHT
from jetnae.scored import NOT_SELECTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from jetnae.io.scores import Scores

    Values = npt.NDArray[np.floating[Any]]
    Indices = npt.NDArray[np.integer[Any]]
    Mask = npt.NDArray[np.bool_]

BACKGROUND, SIGNAL = 0, 1


@dataclass(frozen=True)
class Sample:
    """Jets of one or more score files of one model.

    columns : numbers with one entry per jet, (n_jets,), those of events repeated for each of their jets. weight :
    (n_jets,), None where no file has weights. label : (n_jets,). event : (n_jets,) number of the event each jet belongs
    to. inputs : of the files that were scored, by what identifies them. notes : which jets were left out. of_events :
    columns that all jets of an event share.
    """

    columns: Mapping[str, Values]
    weight: Values | None
    label: Indices
    event: Indices
    model: str
    model_sha256: str
    inputs: Mapping[str, str]
    notes: tuple[str, ...] = ()
    of_events: frozenset[str] = frozenset()

    def column(self, name: str) -> Values:
        """A column as numbers; raises `InputError` naming those there are."""
        if name not in self.columns:
            raise InputError(
                f"no column '{name}' in {', '.join(self.inputs.values())}, found {', '.join(self.columns)}"
            )
        return np.asarray(self.columns[name], dtype=np.float64)

    def select(self, mask: Mask) -> Sample:
        """The jets where a mask (n_jets,) is true."""
        return replace(
            self,
            columns={name: column[mask] for name, column in self.columns.items()},
            weight=None if self.weight is None else self.weight[mask],
            label=self.label[mask],
            event=self.event[mask],
        )

    def __len__(self) -> int:
        return len(self.label)


def read_sample(path: Path, *, label: int | None = None, all_jets: bool = False) -> Sample:
    """The jets of a score file, those in the validity range of the model, or all.

    label : what these jets are; a file that knows both signal and background jets gives those of this label, any other
    gives all of its jets. None takes the labels of the file. Jets that were cut away before scoring, and jets of
    signal events that belong to no signal particle, are left out. Raises `InputError` when the labels are asked of a
    file that has none.
    """
    scores = read_scores(path)
    columns = _columns(scores)
    labels, kept = _labels(scores, columns, label, path)
    cut_away = np.asarray(scores.jets["status"]) == NOT_SELECTED
    outside = np.zeros(len(kept), dtype=bool) if all_jets else ~np.asarray(scores.jets["in_range"], dtype=bool)
    other = "are of signal events but of no signal particle" if label is None else "belong to the other class"
    counts = {
        "were cut away before scoring": int(cut_away.sum()),
        other: int((~kept & ~cut_away).sum()),
        "are outside the validity range": int((kept & outside & ~cut_away).sum()),
    }
    weight = columns.pop(WEIGHT, None)
    sample = Sample(
        columns=columns,
        weight=None if weight is None else np.asarray(weight, dtype=np.float64),
        label=labels,
        event=np.repeat(np.arange(len(scores.counts)), scores.counts),
        model=str(scores.provenance.get("model", "model")),
        model_sha256=str(scores.provenance.get("model_sha256", "")),
        inputs={str(scores.provenance.get("input_id", path)): path.name},
        notes=tuple(f"{path.name}: {n} jets {what} and are left out" for what, n in counts.items() if n),
        of_events=frozenset(scores.events),
    )
    return sample.select(kept & ~outside & ~cut_away)


def join(samples: Sequence[Sample]) -> Sample:
    """Samples of one model as one, with the columns they share; raises `InputError` for none, or several models."""
    if not samples:
        raise InputError("no score files, expected one or more made by `jetnae score`")
    first = samples[0]
    if any(sample.model_sha256 != first.model_sha256 for sample in samples):
        names = sorted({f"{sample.model} ({sample.model_sha256[:8]})" for sample in samples})
        raise InputError(f"scores of several models, {', '.join(names)}: expected those of one")
    _refuse_repeated(samples)
    shared = [name for name in first.columns if all(name in sample.columns for sample in samples)]
    weights = [np.ones(len(sample)) if sample.weight is None else sample.weight for sample in samples]
    starts = np.cumsum([0, *(int(sample.event.max(initial=-1)) + 1 for sample in samples[:-1])])
    return replace(
        first,
        columns={name: np.concatenate([sample.columns[name] for sample in samples]) for name in shared},
        weight=None if all(sample.weight is None for sample in samples) else np.concatenate(weights),
        label=np.concatenate([sample.label for sample in samples]),
        event=np.concatenate([sample.event + start for sample, start in zip(samples, starts, strict=True)]),
        inputs={key: name for sample in samples for key, name in sample.inputs.items()},
        notes=tuple(note for sample in samples for note in sample.notes),
    )


def _refuse_repeated(samples: Sequence[Sample]) -> None:
    """The signal and the background of one file may come apart, but no jet may come twice."""
    seen = set()
    for sample in samples:
        for key, name in sample.inputs.items():
            for label in np.unique(sample.label).tolist():
                if (key, label) in seen:
                    raise InputError(f"{name}: given more than once, its jets would count as often")
                seen.add((key, label))


def by_model(samples: Sequence[Sample]) -> dict[str, Sample]:
    """Samples joined per model, by the name of the model, with part of its hash where names repeat.

    Raises `InputError` unless the models scored the same jets.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.model_sha256, []).append(sample)
    joined = [join(sorted(group, key=lambda sample: sorted(sample.inputs))) for group in groups.values()]
    if not joined:
        raise InputError("no score files, expected one or more made by `jetnae score`")
    for other in joined[1:]:
        _require_same_jets(joined[0], other)
    names = [sample.model for sample in joined]
    return {
        sample.model if names.count(sample.model) == 1 else f"{sample.model} {sample.model_sha256[:8]}": sample
        for sample in joined
    }


def _require_same_jets(first: Sample, other: Sample) -> None:
    names = ("pt", "eta", "phi", "mass")
    if len(first) != len(other) or any(
        not np.array_equal(first.column(name), other.column(name), equal_nan=True) for name in names
    ):
        raise InputError(
            f"{', '.join(first.inputs.values())} ({first.model}) and {', '.join(other.inputs.values())} "
            f"({other.model}) hold different jets ({len(first)} and {len(other)}): expected the same jets scored by "
            "each model, give --all if their validity ranges differ"
        )


def _columns(scores: Scores) -> dict[str, Any]:
    """Per-jet columns, and those of events that hold one number each, repeated."""
    per_event = {
        name: np.repeat(column, scores.counts)
        for name, column in scores.events.items()
        if isinstance(column, np.ndarray) and column.ndim == 1 and np.issubdtype(column.dtype, np.number)
    }
    return {**per_event, **scores.jets}


def _labels(scores: Scores, columns: Mapping[str, Any], given: int | None, path: Path) -> tuple[Indices, Mask]:
    """Label of each jet, and which jets have the label they are asked for."""
    label, n_jets = scores.jets.get("label"), int(np.sum(scores.counts))
    if label is None and given is None:
        raise InputError(
            f"{path}: the jets have no labels ({PREFIX}_label), say what they are: --signal FILE for signal, "
            "--background FILE for background"
        )
    if label is None:
        return np.full(n_jets, given), np.ones(n_jets, dtype=bool)
    unmatched = (np.asarray(columns.get("process", np.zeros(n_jets))) > 0) & (label == BACKGROUND)
    if given is None:
        return np.asarray(label), ~unmatched
    mixed = len(np.unique(label)) > 1
    return np.full(n_jets, given), (label == given) & ~unmatched if mixed else np.ones(n_jets, dtype=bool)
