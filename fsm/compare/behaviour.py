"""What a change does to the behaviour of a system or model: what can be reached now or no more, which verdicts have
moved, and the shortest story that tells the two versions apart.

Each version is explored once (`fsm.search.explore`), and both are walked together once (`fsm.compare.walk`); each of
the three has the same limits. Of a version that was not explored to its end, what it reached it reaches; of what it did
not reach nothing is known. A verdict has moved where both versions have decided, each otherwise.

States are those of machines, not of the whole pool: a state is reached where its machine begins in it, or a row that
leads to it has fired. A model has none; its rows are its actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen

from fsm.compare.walk import Walked, walk
from fsm.language.spec import Machine
from fsm.search.explore import explore
from fsm.search.result import OPEN, Limits, Progress, Result, Verdict
from fsm.search.space import Space
from fsm.search.trace import Trace


@frozen
class Moved:
    """A property whose verdict has moved; None where a version has no such property. `trace` is a story of the version
    `side` (old or new): what shows the new verdict, or the old one where nothing shows the new."""

    property: str
    why: str
    old: str | None
    new: str | None
    trace: Trace | None
    side: str


@frozen
class Behaviour:
    """Two versions of a space compared.

    Arguments:
        name: of the space.
        old, new: what was found of each.
        rows, states: (gained, lost): what only the new, and only the old version was seen to reach.
        moved: verdicts that have moved, in the order of the properties.
        walked: what came of walking both together.
    """

    name: str
    old: Result
    new: Result
    rows: tuple[tuple[str, ...], tuple[str, ...]]
    states: tuple[tuple[str, ...], tuple[str, ...]]
    moved: tuple[Moved, ...]
    walked: Walked

    @property
    def differs(self) -> bool:
        """Whether anything is different for sure."""
        gained = self.old.finished and (self.rows[0] or self.states[0])
        lost = self.new.finished and (self.rows[1] or self.states[1])
        counts = self.finished and (self.old.distinct, self.old.edges) != (self.new.distinct, self.new.edges)
        return bool(gained or lost or counts or self.moved or self.walked.apart)

    @property
    def finished(self) -> bool:
        """Whether both versions were explored to their end."""
        return self.old.finished and self.new.finished

    @property
    def known(self) -> bool:
        """Whether nothing was cut short: then what does not differ is the same."""
        return self.finished and self.walked.finished


def compare(
    old: Space[Any],
    new: Space[Any],
    limits: Limits,
    progress: Callable[[Progress], None],
    pairs: Callable[[int], None],
) -> Behaviour:
    """Explores and walks two versions.

    Arguments:
        limits: of each of the three searches.
        progress: told how far an exploration is, about once a second.
        pairs: told how many pairs of states the walk has found.
    Errors: `SpecError` where a world breaks its own rules.
    """
    was, now = (explore(space, limits=limits, progress=progress) for space in (old, new))
    reached = [frozenset(reached_states(machines(result.space), result.fired)) for result in (was, now)]
    order = [
        f"{machine.name}.{state}" for space in (new, old) for machine in machines(space) for state in machine.states
    ]
    return Behaviour(
        new.name, was, now,
        _gained_and_lost((*new.rows, *old.rows), was.fired, now.fired),
        _gained_and_lost(order, *reached),
        tuple(_moved(was, now)),
        walk(old, new, limits, pairs),
    )  # fmt: skip


def machines(space: Space[Any]) -> Sequence[Machine]:
    """The machines of a space; a model has none."""
    system = getattr(space, "system", None)
    return () if system is None else system.machines


def reached_states(machines: Iterable[Machine], fired: frozenset[str]) -> Iterable[str]:
    """The states, as MACHINE.STATE, that machines begin in or come to by rows that have fired."""
    for machine in machines:
        targets = {row.target for row in machine.rows if row.id in fired}
        yield from (f"{machine.name}.{s}" for s in machine.states if s in targets or s == machine.initial)


def _gained_and_lost(
    order: Iterable[str], old: frozenset[str], new: frozenset[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    once = tuple(dict.fromkeys(order))
    return tuple(x for x in once if x in new - old), tuple(x for x in once if x in old - new)


def _moved(old: Result, new: Result) -> Iterable[Moved]:
    was, now = ({v.property.name: v for v in result.verdicts} for result in (old, new))
    for name in dict.fromkeys((*now, *was)):
        before, after = was.get(name), now.get(name)
        if _word(before) != _word(after) and OPEN not in (_word(before), _word(after)):
            shown = after or before
            assert shown is not None  # it is the name of one of them
            shows = [(v.trace, side) for v, side in ((after, "new"), (before, "old")) if v is not None and v.trace]
            trace, side = shows[0] if shows else (None, "new")
            yield Moved(name, shown.property.why, _word(before), _word(after), trace, side)


def _word(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.verdict
