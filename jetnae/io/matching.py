"""Which layout a file has: what each lacks, the one that fits, and what to say where none or several do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetnae.errors import InputError
from jetnae.io.known import LAYOUTS
from jetnae.io.layouts import read_layout
from jetnae.io.links import resolved_share

if TYPE_CHECKING:
    from jetnae.io.layouts import Collection, Layout
    from jetnae.io.source import Source

SAMPLE_ROWS = 100
"""Rows looked at to see whether references lead anywhere."""


@dataclass(frozen=True)
class Match:
    """A layout, a collection of it, and the tree of the file that holds them."""

    layout: Layout
    collection: Collection
    tree: str


@dataclass(frozen=True)
class Fit:
    """How well a collection of a layout fits a tree: the columns that are missing, of how many needed."""

    match: Match
    missing: tuple[str, ...]
    n_required: int
    has_label: bool

    @property
    def share(self) -> float:
        """Share of the needed columns that is there."""
        return 1 - len(self.missing) / self.n_required


def find_layouts(name: str | None) -> Sequence[Layout]:
    """All layouts, the one of that name, or that of a TOML file; raises `InputError` listing the known ones."""
    if name is None:
        return tuple(LAYOUTS.values())
    if name.endswith(".toml"):
        return (read_layout(name),)
    if name not in LAYOUTS:
        raise InputError(f"no layout '{name}': choose one of {', '.join(LAYOUTS)}, or a TOML file that describes yours")
    return (LAYOUTS[name],)


def fits(source: Source, layouts: Sequence[Layout]) -> list[Fit]:
    """How every collection of the layouts fits every tree that it could be in, in the order of the layouts."""
    return [
        _fit(source, Match(layout, collection, tree))
        for layout in layouts
        for tree in source.trees
        if layout.tree in {"*", tree} or tree.endswith(f"/{layout.tree}") or not tree
        for collection in layout.collections
    ]


def _fit(source: Source, match: Match) -> Fit:
    collection, tree = match.collection, match.tree
    missing = [column for column in collection.required if not source.has(tree, column)]
    missing += [name for name, widths in collection.widths.items() if not _has_width(source, tree, name, widths)]
    kinds = [tuple(kind.values()) for kind in collection.objects]
    if kinds and not any(all(source.has(tree, column) for column in kind) for kind in kinds):
        missing += kinds[0]
    label = collection.label
    n_required = len(collection.required) + (len(kinds[0]) if kinds else 0)
    return Fit(match, tuple(missing), n_required, label is None or source.has(tree, label.name))


def _has_width(source: Source, tree: str, column: str, widths: tuple[int, ...]) -> bool:
    return source.width(tree, column) in (*widths, None)


def choose(source: Source, layouts: Sequence[Layout], collection: str | None, path: str) -> Match:
    """The first layout, and in it the first collection, that is all in the file and whose references resolve.

    Jets with constituents go before jets without, and a layout whose label is also there before one without. Raises
    `InputError` that says what was tried, when layouts fit several trees, and for a collection that is not there.
    """
    found = sorted((fit for fit in fits(source, layouts) if not fit.missing), key=_rank)
    if collection is not None:
        found = _of_collection(source, found, collection, path)
    best = next((fit for fit in found if resolves(source, fit.match)), None)
    if best is None:
        raise InputError(_explain(source, layouts, path))
    equal = [fit for fit in found if _rank(fit) == _rank(best) and fit.match.tree != best.match.tree]
    rivals = {fit.match.tree: fit for fit in (*reversed(equal), best) if resolves(source, fit.match)}
    if len(rivals) > 1:
        several = " and ".join(f"{fit.match.layout.name} ('{tree}')" for tree, fit in sorted(rivals.items()))
        names = {fit.match.layout.name for fit in rivals.values()}
        how = (
            "choose one with --layout" if len(names) > 1 else "describe the one you want, with its tree, in a TOML file"
        )
        raise InputError(f"{path}: {several} fit equally well: {how}")
    return best.match


def _rank(fit: Fit) -> tuple[bool, bool]:
    return fit.match.collection.link == "none", not fit.has_label


def resolves(source: Source, match: Match) -> bool:
    """Whether the references of a collection lead to stored objects, at least half of them in the first rows."""
    return match.collection.link != "tref" or _share(source, match) >= 0.5


def _share(source: Source, match: Match) -> float:
    try:
        return resolved_share(source, match.tree, match.collection, SAMPLE_ROWS)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        return 0.0  # what cannot be read as references leads nowhere


def _of_collection(source: Source, found: list[Fit], collection: str, path: str) -> list[Fit]:
    wanted = [fit for fit in found if fit.match.collection.name == collection]
    if not wanted:
        names = list(dict.fromkeys(fit.match.collection.name for fit in found))
        if not names:
            return []
        raise InputError(
            f"{path}: no jet collection '{collection}', found {', '.join(names)}: choose one of these with --collection"
        )
    lost = [fit for fit in wanted if not resolves(source, fit.match)]
    if lost:
        share = _share(source, lost[0].match)
        good = dict.fromkeys(
            fit.match.collection.name for fit in found if _rank(fit)[0] is False and resolves(source, fit.match)
        )
        raise InputError(
            f"{path}: the constituents of '{collection}' refer to objects that are not stored ({100 * share:.0f} % "
            f"are), choose with --collection one whose constituents resolve: {', '.join(good) or 'there is none'}"
        )
    return wanted


def _explain(source: Source, layouts: Sequence[Layout], path: str) -> str:
    several = len(layouts) > 1
    what = f"{path}: no known jet layout fits" if several else f"{path}: the layout '{layouts[0].name}' does not fit"
    advice = "look with `jetnae inspect`, and describe your own layout in a TOML file (see the README)"
    tries = [fit for fit in fits(source, layouts) if fit.share > 0 or (fit.match.tree and fit.match.layout.tree != "*")]
    nearest = max(tries, key=_nearness, default=None)
    if nearest is None:
        found = _some(
            [name for tree in sorted(source.trees) for name in ([repr(tree)] if tree else source.columns(""))]
        )
        trees = ", ".join(dict.fromkeys(repr(layout.tree) for layout in layouts if layout.tree != "*"))
        expected = f", expected one of {trees}" if trees else ""
        return f"{what}: found {found or 'nothing'}{expected}; {advice}"
    match = nearest.match
    return (
        f"{what}: the nearest, '{match.layout.name}' with jets '{match.collection.name}', lacks "
        f"{_some(nearest.missing)} in '{match.tree}'; {advice}"
    )


def _nearness(fit: Fit) -> tuple[float, bool, int]:
    return fit.share, fit.match.collection.link == "none", -len(fit.missing)


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
