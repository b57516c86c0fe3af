"""Cycles that nothing slows down: machines that spin, or tell each other in a circle; and timers that run out.

What counts as waiting: a timer, an event from outside, and the success of an operation that takes its time. What does
not: a timer of 0 s, the outcome of an instant operation, an outcome that says that nothing was achieved (`failed`,
`lost`, `some_failed`, `gone`: it may come at once), and a `tell`, which is delivered in the same turn. A round of rows
is a cycle without progress where it is made

- of such outcomes alone, whatever operations they are of (the machine hammers on what has just failed, or never ends
  its turn), or
- of outcomes of one and the same operation, whichever they are (it is asked again as soon as it has answered), with
  instant ones between.

A round that counts is none. So where variables are set or asked for on the way, the round is walked through with all
their values, and what is found is a round that comes back to the very values it began with. What the round does not set
stays as it is meanwhile, and payloads may be anything.

Machines that tell each other in a circle are found by their rows alone: a row that sets a variable which its own guard
asks for is taken to count.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from math import prod
from typing import TypeVar

from attrs import define, evolve, field, frozen

from fsm.checks.facts import Facts, hooks, scope
from fsm.errors import SpecError
from fsm.language.assignments import Pool, Values, assignments, pools
from fsm.language.edges import FAULTS
from fsm.language.expressions import Expr, NotOne, parse_duration
from fsm.language.spec import ELSE, SAME, Hook, Machine, Row

MOST = 20_000
"""Values of variables and payload that a round is walked through with."""
AT_ONCE = "after 0s"
"""What a state waits for whose timer takes no time."""
Key = TypeVar("Key", bound=Hashable)


def timers_that_stay(facts: Facts) -> Iterator[SpecError]:
    """A timer runs once for each time that its state is entered; a row that stays does not start it again."""
    for row in facts.machine.rows:
        if row.scope is None or row.target != SAME:
            continue
        idle = [s for s in row.sources if row in facts.rows(s, row.event) and s in facts.reachable]
        idle = [state for state in idle if facts.pending(state) is None]
        if idle:
            message = (
                f"{row.id} fires once and stays in {', '.join(idle)}, where the timer does not run again; "
                f"name the state in 'to', which starts it anew"
            )
            yield SpecError(row.at, message, "timer-stays")


@frozen
class _Asked:
    """An operation that is under way in a state."""

    state: str
    do: str


@frozen
class _Edge:
    """An outcome of what is under way makes a row ask for something else, or again."""

    source: _Asked
    event: str
    row: Row
    target: _Asked
    idle: bool
    """Nothing was achieved, or no time has passed."""


def spinning(facts: Facts) -> Iterator[SpecError]:
    """Nothing is asked again and again without a pause or a count."""
    edges = list(_edges(facts))
    instant = {do.name for row in facts.machine.rows if (do := row.do) is not None and facts.instant(do)} | {AT_ONCE}
    families = [[edge for edge in edges if edge.idle]]
    for name in dict.fromkeys(edge.source.do for edge in edges if edge.source.do not in instant):
        families.append([edge for edge in edges if {edge.source.do, edge.target.do} <= {name, *instant}])
    seen: set[frozenset[str]] = set()
    walked: set[tuple[int, ...]] = set()
    for family in families:
        for circle in circles({edge.source: {e.target for e in family if e.source == edge.source} for edge in family}):
            around = [edge for edge in family if edge.source in circle and edge.target in circle]
            key = tuple(map(id, around))
            found = None if key in walked else _Round(facts, around).found()
            walked.add(key)
            if found is not None and not any(frozenset(e.row.id for e in found[0]) <= other for other in seen):
                seen.add(frozenset(edge.row.id for edge in found[0]))
                yield _finding(*found)


def _finding(edges: Sequence[_Edge], case: str) -> SpecError:
    ids = ", ".join(dict.fromkeys(edge.row.id for edge in edges))
    message = (
        f"nothing makes the machine wait in the round {ids}{case}; "
        f"go through a state with an 'after' row that takes time, or count the tries in a variable"
    )
    return SpecError(edges[-1].row.at, message, "cycle-without-progress")


def _edges(facts: Facts) -> Iterator[_Edge]:
    at_once = {state: event for state in facts.reachable if (event := _at_once(facts, state)) is not None}
    for state in facts.reachable:
        stays = [row.do for row in facts.machine.rows if row.target == SAME and state in row.sources]
        under_way = [do for do in dict.fromkeys((facts.pending(state), *stays)) if do is not None]
        ends = [(AT_ONCE, at_once[state], True)] if state in at_once else []
        for do in {do.name: do for do in under_way if do == facts.pending(state) or facts.instant(do)}.values():
            idle = FAULTS if not facts.instant(do) else {event.rpartition(".")[2] for event in facts.outcomes(do)}
            ends += [(do.name, event, event.rpartition(".")[2] in idle) for event in facts.outcomes(do)]
        for asked, event, idle_end in ends:
            for row in facts.rows(state, event):
                target = state if row.target == SAME else row.target
                if row.do is not None:
                    yield _Edge(_Asked(state, asked), event, row, _Asked(target, row.do.name), idle_end)
                if row.target in at_once:
                    yield _Edge(_Asked(state, asked), event, row, _Asked(target, AT_ONCE), idle_end)


def _at_once(facts: Facts, state: str) -> str | None:
    """The timer of a state that takes no time at all; those of groups are not begun anew inside of them."""
    parameters = {name: float(value) for name, value in facts.machine.parameters.items()}
    own = (row for row in facts.machine.timers(state) if row.scope == state)
    return next((row.event for row in own if parse_duration(str(row.duration), parameters, row.at) == 0), None)


def circles(graph: Mapping[Key, set[Key]]) -> list[set[Key]]:
    """The strongly connected parts of a graph that have an edge, by Tarjan's algorithm, in the order of its keys."""
    number: dict[Key, int] = {}
    low: dict[Key, int] = {}
    open_keys: dict[Key, None] = {}
    found: list[set[Key]] = []
    for root in graph:
        path = [(root, iter(graph[root]))] if root not in number else []
        while path:
            key, targets = path[-1]
            if key not in number:
                number[key] = low[key] = len(number)
                open_keys[key] = None
            for target in targets:
                if target in graph and target not in number:
                    path.append((target, iter(graph[target])))
                    break
                if target in open_keys:
                    low[key] = min(low[key], low[target])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[key])
                if low[key] == number[key]:
                    part = {open_keys.popitem()[0]}
                    while key not in part:
                        part.add(open_keys.popitem()[0])
                    if len(part) > 1 or key in graph[key]:
                        found.append(part)
    place = {key: index for index, key in enumerate(graph)}
    return sorted(found, key=lambda part: min(place[key] for key in part))


@define
class _Round:
    """The edges of one strongly connected part, walked through with all values of the variables they use."""

    facts: Facts
    edges: Sequence[_Edge]
    carried: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        known = {*self.facts.machine.variables, *self.facts.machine.siblings}
        names = {n for edge in self.edges for expr in self._looked_at(edge) for n in expr.names}
        self.carried = tuple(sorted(names & known))

    def found(self) -> tuple[list[_Edge], str] | None:
        """A round that comes back to where it began, and with which values; None where each of them ends."""
        if not self.carried:
            return list(self.edges), ""
        names = {name: domain for edge in self.edges for name, domain in scope(self.facts, edge.event).items()}
        looked_at = [expr for edge in self.edges for expr in self._looked_at(edge)]
        if any(self._wide(edge) for edge in self.edges):
            return list(self.edges), ", which asks for too much to be walked through"
        seats = pools(names, [evolve(expr, names=expr.names & set(self.carried)) for expr in looked_at])
        for seat in seats if not isinstance(seats, int) else ():
            moves: dict[tuple[_Asked, Values], dict[tuple[_Asked, Values], _Edge]] = {}
            for edge in self.edges:
                for before, after in self._moves(edge, seat):
                    moves.setdefault((edge.source, before), {})[edge.target, after] = edge
            for circle in circles({key: set(targets) for key, targets in moves.items()}):
                path, values = _around(moves, circle)
                return path, f" with {evolve(seat, names=self.carried).show(values)}"
        return None

    def _guards(self, edge: _Edge) -> list[tuple[Expr, bool]]:
        """The guards that let a row fire, each with the answer wanted of it."""
        if isinstance(edge.row.guard, Expr):
            return [(edge.row.guard, True)]
        if edge.row.guard != ELSE:
            return []
        others = self.facts.rows(edge.source.state, edge.event)
        return [(row.guard, False) for row in others if isinstance(row.guard, Expr)]

    def _blocks(self, edge: _Edge) -> list[tuple[tuple[str, Expr], ...]]:
        left, entered = self.facts.hooks(edge.row, edge.source.state)
        return [*(hook.set for hook in left), edge.row.set, *(hook.set for hook in entered)]

    def _looked_at(self, edge: _Edge) -> list[Expr]:
        updates = [expr for block in self._blocks(edge) for _, expr in block]
        return [*(guard for guard, _ in self._guards(edge)), *updates]

    def _wide(self, edge: _Edge) -> bool:
        """Whether a row and the carried names have more values than can be walked through in a moment."""
        looked_at = [evolve(expr, names=expr.names | set(self.carried)) for expr in self._looked_at(edge)]
        found = pools(scope(self.facts, edge.event), looked_at)
        return isinstance(found, int) or sum(prod(map(len, pool.domains)) for pool in found) > MOST

    def _moves(self, edge: _Edge, seat: Pool) -> Iterator[tuple[Values, Values]]:
        """The carried values before and after a row, for every payload under which it fires."""
        names = scope(self.facts, edge.event)
        payload = sorted({n for expr in self._looked_at(edge) for n in expr.names} - set(self.carried))
        domains = (*seat.domains, *(tuple(names[name].values(seat.n)) for name in payload))
        pool = evolve(seat, names=(*self.carried, *payload), domains=domains)
        guards = pool.functions([guard for guard, _ in self._guards(edge)])
        blocks = [
            list(zip([name for name, _ in block], pool.functions([expr for _, expr in block]), strict=True))
            for block in self._blocks(edge)
        ]
        wanted = [answer for _, answer in self._guards(edge)]
        for values in assignments(pool):
            try:
                if all(bool(guard(values)) is answer for guard, answer in zip(guards, wanted, strict=True)):
                    after = list(values)
                    for block in blocks:
                        now = tuple(after)
                        for name, function in block:
                            if name in self.carried:
                                after[self.carried.index(name)] = function(now)
                    yield values[: len(self.carried)], tuple(after[: len(self.carried)])
            except NotOne:
                continue  # reported where that guard or update stands


def _around(
    moves: Mapping[tuple[_Asked, Values], Mapping[tuple[_Asked, Values], _Edge]], circle: set[tuple[_Asked, Values]]
) -> tuple[list[_Edge], Values]:
    """The edges of one way round a circle, and the values it begins with."""
    start = next(key for key in moves if key in circle)
    before: dict[tuple[_Asked, Values], tuple[tuple[_Asked, Values], _Edge]] = {}
    waiting = [start]
    for key in waiting:
        for target, edge in moves[key].items():
            if target in circle and target not in before:
                before[target] = key, edge
                waiting.append(target)
    path: list[_Edge] = []
    key = start
    while not path or key != start:
        key, edge = before[key]
        path.insert(0, edge)
    return path, start[1]


Fires = tuple[str, str, str]
"""A row that fires: its machine, the state, its id."""


def told_in_a_circle(machines: Sequence[Machine]) -> Iterator[SpecError]:
    """Machines of one host that tell each other, or themselves, on and on: the turn would never end."""
    nodes: dict[Fires, Row] = {}
    for machine in machines:
        for state in machine.states:
            for event in dict.fromkeys(row.event for row in machine.rows):
                nodes |= {(machine.name, state, row.id): row for row in machine.candidates(state, event)}
    by_event: dict[tuple[str, str], set[Fires]] = {}
    for key, row in nodes.items():
        by_event.setdefault((key[0], row.event), set()).add(key)
    named = {machine.name: machine for machine in machines}
    graph = {key: _next(named[key[0]], key, row, by_event) for key, row in nodes.items() if not _counts(row)}
    for circle in circles(graph):
        following = _that_follow(circle, graph, nodes)
        rows = {nodes[key].id: nodes[key] for key in graph if key in following}
        if rows:
            message = (
                f"{', '.join(rows)} make each other fire for ever, all in one turn; "
                f"drop a 'tell', or count the rounds in a variable that the guard asks for"
            )
            yield SpecError(next(iter(rows.values())).at, message, "cycle-without-progress")


def _counts(row: Row) -> bool:
    """Whether a row sets a variable that its own guard asks for."""
    return isinstance(row.guard, Expr) and any(name in row.guard.names for name, _ in row.set)


def _next(machine: Machine, key: Fires, row: Row, by_event: Mapping[tuple[str, str], set[Fires]]) -> set[Fires]:
    """The rows that a row makes fire in the same turn: of those it tells, and of an instant answer."""
    left, entered = hooks(machine, row, key[1])
    blocks: tuple[Hook | Row, ...] = (*left, row, *entered)
    told = [tell for block in blocks for tell in block.tell if not tell.signal]
    found = {fires for tell in told for fires in by_event.get((tell.target, tell.name), set())}
    if row.do is not None and machine.ports[row.do.port].operations[row.do.operation].instant:
        for outcome in machine.ports[row.do.port].operations[row.do.operation].outcomes:
            answers = by_event.get((key[0], f"{row.do.port}.{outcome}"), set())
            found |= {fires for fires in answers if fires[1] == _then(key, row)}
    return found


def _then(key: Fires, row: Row) -> str:
    return key[1] if row.target == SAME else row.target


def _that_follow(circle: set[Fires], graph: Mapping[Fires, set[Fires]], nodes: Mapping[Fires, Row]) -> set[Fires]:
    """Those of a circle whose states can come again in the same turn: a machine that is told something in one state
    must get back there by rows that the circle makes fire, or this is its last time."""
    turn, waiting = set(circle), list(circle)
    while waiting:
        new = graph.get(waiting.pop(), set()) - turn
        turn |= new
        waiting += new
    moves: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for key in turn:
        moves.setdefault(key[:2], set()).add((key[0], _then(key, nodes[key])))
    for key in turn:
        moves.setdefault((key[0], _then(key, nodes[key])), set())
    again = {state for part in circles(moves) for state in part}
    left = {key for key in circle if key[:2] in again}
    return left if left == circle else {k for part in circles({k: graph[k] & left for k in left}) for k in part}
