"""Decides the properties of a system while a search hands over what it finds.

Each property is decided at the first state (or edge) that settles it, and not looked at again. States are numbered by
what properties can see of them, so that a formula is evaluated once for each observation, and a `step` formula once for
each pair of observations that an edge joins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from fsm.explore.properties import Facts, Formula, Observation, Observer
from fsm.explore.tables import MASK, Numbered, Tables
from fsm.explore.trace import Trace
from fsm.search.space import Property

HOLDS, VIOLATED, NOT_REACHED, OPEN = "holds", "violated", "not reached", "open"


@frozen
class Verdict:
    """What is known of a property: `holds`, `violated`, `not reached`, or `open` where a search was cut short.

    `trace` is the shortest counterexample, or the shortest way to what is reachable."""

    property: Property
    verdict: str
    trace: Trace | None = None


@frozen
class Settled:
    """Where a property was decided: the position of a state, for an edge also that of its target."""

    source: int
    target: int | None = None


class Judge:
    """The properties of one search.

    Arguments:
        observer: the compiled properties.
        tables: what packed states stand for.
    """

    def __init__(self, observer: Observer, tables: Tables) -> None:
        self.observer, self.tables = observer, tables
        self.settled: dict[str, Settled] = {}
        self.violated = False
        self.steps = [formula for formula in observer.formulas if formula.property.kind == "step"]
        self.recoveries = [formula for formula in observer.formulas if formula.property.kind == "recoverable"]
        self._open = [formula for formula in observer.formulas if formula.property.kind in ("always", "reachable")]
        self._observations, self._facts = Numbered(), Numbered()
        self._facts_of: dict[int, int] = {}
        self._rows: list[dict[tuple[int, int, int], tuple[bool, ...]]] = [{} for _ in tables.local_shifts]
        self.pairs: set[int] = set()

    def state(self, packed: int, position: int) -> int:
        """The number of what properties see of a new state, judged if nothing like it was seen before."""
        tables = self.tables
        w, p = (packed >> tables.world_shift) & MASK, (packed >> tables.pool_shift) & MASK
        f = self._facts_of.get(w)
        if f is None:
            facts = self.observer.facts_of(tables.worlds.values[w])
            f = self._facts_of[w] = self._facts.number(facts, facts)
        rows = []
        for host, shift in enumerate(tables.local_shifts):
            key = ((packed >> shift) & MASK, p, f)
            row = self._rows[host].get(key)
            if row is None:
                row = self._rows[host][key] = self._row(host, *key)
            rows.append(row)
        known = len(self._observations.values)
        number = self._observations.number((p, f, *rows), None)
        if number == known:
            observation = self.observer.observation(tuple(rows), tables.pools.values[p], self._facts.values[f])
            self._observations.values[number] = observation
            self._judge(observation, position)
        return number

    def edge(self, before: int, after: int, source: int, target: int) -> None:
        """Judges an edge between two states, given the numbers of what is seen of them and their positions.

        `pairs` remembers that edges between such states were judged; the search asks it before it calls."""
        self.pairs.add(before << 32 | after)
        seen = self._observations.values
        for formula in list(self.steps):
            if not formula.holds(seen[before], seen[after]):
                self.steps.remove(formula)
                self.settled[formula.property.name] = Settled(source, target)
                self.violated = True

    def where(self, formula: Formula, seen: Iterable[int]) -> list[int]:
        """The positions of the states in which a formula holds, given the number of what is seen of each."""
        holds = [formula.holds(observation) for observation in self._observations.values]
        return [position for position, number in enumerate(seen) if holds[number]]

    def strand(self, formula: Formula, position: int) -> None:
        """Decides a `recoverable` property: no way leads on from this state."""
        self.settled[formula.property.name] = Settled(position)
        self.violated = True

    def verdict(self, property_: Property, finished: bool) -> str:
        """What is known of a property now."""
        settled = property_.name in self.settled
        if property_.kind == "reachable":
            return HOLDS if settled else NOT_REACHED if finished else OPEN
        return VIOLATED if settled else HOLDS if finished else OPEN

    def _row(self, host: int, local: int, p: int, f: int) -> tuple[bool, ...]:
        values: Any = self.tables.locals.values[local]
        facts: Facts = self._facts.values[f]
        return self.observer.conditions(host, values, self.tables.pools.values[p], facts)

    def _judge(self, observation: Observation, position: int) -> None:
        for formula in list(self._open):
            wanted = formula.property.kind == "reachable"
            if formula.holds(observation) == wanted:
                self._open.remove(formula)
                self.settled[formula.property.name] = Settled(position)
                self.violated |= not wanted
