"""Operations that may be asked again although nobody knows what became of them: they must be declared idempotent.

A machine asks *again* when it starts an operation that it has started before and whose end it has not heard of. Two
things bring it there:

- It restarts. The process ends in the state that waits, and begins anew in the initial state. What is in memory is
  lost, what is on the host or in the pool stands as the row that started the operation has left it, for a durable
  `set` is committed before the `do`.
- It gives up. The state is left by an event, a timer or `cancel`, or by an outcome that does not say what happened:
  `lost`, or `some_failed`, after which a part of the hosts has done it.

From there the table is walked along every row whose guard can be true with what is known of the durable variables. Only
what the rows of this machine set to a constant is known; what other machines do meanwhile is left out. So a machine
that must not ask twice says so itself: it leaves a durable trace before the first time, and its guard asks for it.
Where that would be too much to walk through, less is taken to be known, and a guard with many names to be true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from math import prod

from attrs import define, evolve, field

from fsm.checks.facts import Facts, scope
from fsm.errors import SpecError
from fsm.language.assignments import assignments, pools
from fsm.language.domains import Value
from fsm.language.expressions import Expr, NotOne
from fsm.language.spec import ELSE, SAME, Do, Fields, Row

Known = frozenset[tuple[str, Value]]
Node = tuple[str, Known]
NOTHING: Known = frozenset()
UNCLEAR = ("lost", "some_failed")
LARGEST = 500
"""States, each with what is known there, that are walked through."""
MOST = 2_000
"""Assignments that are tried for one guard."""
_POOL_WORD = re.compile(r"\b(me|everybody)\b")


def asked_again(facts: Facts) -> Iterator[SpecError]:
    """What a restarted machine, or one that has given up, may ask again is declared idempotent."""
    machine = facts.machine
    asked = {row.do.name: row.do for row in machine.rows if row.do is not None}
    suspects = [do for do in asked.values() if not (facts.instant(do) or _idempotent(facts, do))]
    if not suspects:
        return
    walk = _Walk(facts)
    first = walk.everything([(machine.initial, NOTHING)])
    for do in suspects:
        for started, how, left, where in walk.interrupted(first, do):
            again = left if left is not None and _starts(left, do) else walk.asks(where, do)
            if again is not None:
                message = (
                    f"{again.id} asks {do.name} again after {how} (started by {started.id}), when it may have been "
                    f"done already; declare it 'idempotent: true' in the port, or leave a durable trace that stops it"
                )
                yield SpecError(again.at, message, "asked-again")
                break


def _starts(row: Row, do: Do) -> bool:
    return row.do is not None and row.do.name == do.name


def _idempotent(facts: Facts, do: Do) -> bool:
    return facts.machine.ports[do.port].operations[do.operation].idempotent


@define(eq=False)
class _Walk:
    """The table with what is known of durable variables."""

    facts: Facts
    tracked: frozenset[str] = field(init=False)
    _possible: dict[tuple[tuple[str, ...], Known], list[Row]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        guards = [row.guard for row in self.facts.machine.rows if isinstance(row.guard, Expr)]
        asked = {name for guard in guards for name in guard.names}
        durable = {variable.name for variable in self.facts.machine.variables.values() if variable.store != "memory"}
        self.tracked = frozenset(asked & durable)

    def moves(self, node: Node) -> Iterator[tuple[str, Row, Node]]:
        """(event, row, where it leads) of every row that can fire."""
        state, known = node
        facts = self.facts
        for event in dict.fromkeys(event for call in facts.calls(state) for event in facts.coming(state, call)):
            for row in self.possible(state, event, known):
                yield event, row, (state if row.target == SAME else row.target, self.known_after(row, state, known))

    def everything(self, start: Sequence[Node]) -> dict[Node, list[tuple[str, Row, Node]]]:
        """All nodes that can be reached, each with its moves."""
        found: dict[Node, list[tuple[str, Row, Node]]] = {}
        waiting = list(start)
        while waiting:
            node = waiting.pop()
            if node not in found:
                if len(found) == LARGEST and self.tracked:
                    self.tracked = frozenset()
                    return self.everything([(state, NOTHING) for state, _ in start])
                found[node] = list(self.moves(node))
                waiting += [target for _, _, target in found[node]]
        return found

    def interrupted(
        self, nodes: Mapping[Node, list[tuple[str, Row, Node]]], do: Do
    ) -> Iterator[tuple[Row, str, Row | None, Node]]:
        """Where a machine stands that does not know what became of an operation: the row that began it, what came
        between, the row that gave up (None: a restart), and where that leads."""
        clear = {event for event in self.facts.outcomes(do) if event.rpartition(".")[2] not in UNCLEAR}
        for moves in list(nodes.values()):
            for _, row, (state, known) in moves:
                if not _starts(row, do):
                    continue
                yield row, f"a restart in {state}", None, (self.facts.machine.initial, known)
                for event, left, target in nodes[state, known]:
                    if event not in clear and left.target != SAME:
                        yield row, f"{event!r} in {state}", left, target

    def asks(self, start: Node, do: Do) -> Row | None:
        """The first row on some way from there that starts the operation."""
        nodes = self.everything([start])
        return next((row for moves in nodes.values() for _, row, _ in moves if _starts(row, do)), None)

    def known_after(self, row: Row, state: str, known: Known) -> Known:
        """What is known of the durable variables once a row has fired."""
        values = dict(known)
        left, entered = self.facts.hooks(row, state)
        for block in (*(hook.set for hook in left), row.set, *(hook.set for hook in entered)):
            for name, expr in block:
                values.pop(name, None)
                if name in self.tracked and not expr.names and not _POOL_WORD.search(expr.template):
                    with suppress(NotOne):
                        values[name] = expr.function({}, 0, 1)(None, None, ())
        return frozenset(values.items())

    def possible(self, state: str, event: str, known: Known) -> list[Row]:
        """The rows of a (state, event) whose guards can hold with what is known."""
        rows = self.facts.rows(state, event)
        key = tuple(row.id for row in rows), known
        if key not in self._possible:
            guards = [row.guard for row in rows if isinstance(row.guard, Expr)]
            domains = scope(self.facts, event)
            self._possible[key] = [
                row
                for row in rows
                if row.guard is None
                or (row.guard == ELSE and _can([(guard, False) for guard in guards], domains, dict(known)))
                or (isinstance(row.guard, Expr) and _can([(row.guard, True)], domains, dict(known)))
            ]
        return self._possible[key]


def _can(wanted: Sequence[tuple[Expr, bool]], domains: Fields, known: Mapping[str, Value]) -> bool:
    """Whether some values give every guard the answer wanted of it."""
    found = pools(domains, [guard for guard, _ in wanted])
    if isinstance(found, int):
        return True  # reported as too many assignments
    for pool in found:
        domains_left = tuple(
            (known[name],) if name in known else values for name, values in zip(pool.names, pool.domains, strict=True)
        )
        if prod(len(values) for values in domains_left) > MOST:
            return True
        functions = pool.functions([guard for guard, _ in wanted])
        for values in assignments(evolve(pool, domains=domains_left)):
            try:
                if all(bool(f(values)) is answer for f, (_, answer) in zip(functions, wanted, strict=True)):
                    return True
            except NotOne:
                continue
    return False
