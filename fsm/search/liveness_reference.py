"""Promises of the future, decided in plain Python: there to be believed, as `fsm.search.reference` is.

`recoverable` asks of every state that was found: does some way lead from here to a state in which the formula holds,
when no operator does anything and no fault happens but those that are counted on? In words of temporal logic it is
AG EF over those moves. What it finds is the state that is stuck; what it does not find is a pool that goes round for
ever beside an exit that it never takes.

That is for `eventually` and `leads_to`. They are broken by a *round*: states without the goal, of which each can be
reached from each by moves that may go on for ever, and in which every debt can be paid (`fsm.search.fairness`):
- a group with a weak debt is not possible in one of the states, or one of its moves leads from state to state inside;
- a group with a strong debt is possible in none of the states, or one of its moves leads from state to state inside.
A run may also stay where it is for ever: a single state is a round, where no group is possible that owes something.
A group is possible where one of its moves changes the state.

A largest set of states of which each can be reached from each pays as many weak debts as any of its parts. What
it cannot pay of the strong ones, it pays by leaving out the states in which that is possible: so it is taken apart
until it is a round, or nothing is left of it.

Counterexamples lead into the nearest round: `eventually` from the beginning through states without the goal, `leads_to`
from the beginning to any state where `text` holds and the goal does not, and on through states without the goal. On
that way anything may happen, faults and orders included.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic

from attrs import define

from fsm.search.engine import Lasso
from fsm.search.fairness import NEVER, STRONG, WEAK, Group, at_once, debt
from fsm.search.lasso import Round, lay
from fsm.search.reference import ReferenceSearch
from fsm.search.result import Limits
from fsm.search.space import Property, S, Space

Moves = Mapping[S, Sequence[tuple[S, Group]]]
"""Of every state moves that change it: where each leads, and its group."""
Came = Mapping[tuple[bool, S], tuple[bool, S] | None]
"""How each (whether a promise is waited for, state) was reached, in the order of the search."""


def decide_reference(
    search: ReferenceSearch[S],
    space: Space[S],
    asked: Sequence[Property],
    limits: Limits = Limits(),  # noqa: B008 - it is immutable
) -> dict[str, Lasso | None]:
    """Decides `recoverable`, `eventually` and `leads_to`.

    Arguments:
        search: a finished one. What was found with symmetry is found once more without: fairness tells hosts apart.
        asked: the properties.
        limits: of that second search, and the seconds of all of it; what they cut short is not decided.
    Returns: for each that is decided by its name a counterexample, the keys of which are states, or None.
    Errors: `SpecError` where a formula has no value.
    """
    until = math.inf if limits.seconds is None else time.monotonic() + limits.seconds
    if search.symmetry:
        search = ReferenceSearch(space)
        if not search.run(limits, None, False):
            return {}
    moves: dict[S, list[tuple[S, Group]]] = {}
    for state in search.parents:
        if time.monotonic() >= until:
            return {}
        moves[state] = _moves(space, state)
    future, decided = _Future(space, moves), dict[str, Lasso | None]()
    for property_ in asked:
        if time.monotonic() < until:
            decided[property_.name] = future.decide(property_)
    return decided


def _moves(space: Space[S], state: S) -> list[tuple[S, Group]]:
    return [
        (edge.target, (edge.group, edge.fault))
        for edge in space.edges(state)
        if edge.target is not None and not edge.cut and edge.target != state
    ]


@define(eq=False)
class _Future(Generic[S]):
    """`moves` gives for every state each move that changes it: where it leads, and its group."""

    space: Space[S]
    moves: Moves[S]

    def decide(self, property_: Property) -> Lasso | None:
        """A counterexample, or None."""
        groups = {group for moves in self.moves.values() for _, group in moves}
        debts = {group: debt(self.space.fairness, group, property_.counting_on) for group in groups}
        lasting = {
            state: [(target, group) for target, group in moves if debts[group] != NEVER]
            for state, moves in self.moves.items()
        }
        if property_.kind == "recoverable":
            return self.stranded(property_, lasting)
        came = self.ways(property_)
        round_of: dict[S, Round[S]] = {}
        for states in rounds({state for waits, state in came if waits}, lasting, debts):
            possible = {group for state in states for _, group in lasting[state]}
            owed = {group: debts[group] for group in possible if debts[group] in (WEAK, STRONG)}
            round_of |= dict.fromkeys(
                states, Round(states, lasting.__getitem__, owed, lasting_states(states, lasting).__contains__)
            )
        entry = next((state for waits, state in came if waits and state in round_of), None)
        if entry is None:
            return None
        way, (walk, taken) = _way(came, (True, entry)), lay(round_of[entry], entry)
        return Lasso([*way, *walk], len(way) - 1, taken)

    def stranded(self, property_: Property, lasting: Moves[S]) -> Lasso | None:
        """The way to a first state from which no way leads on to one where the formula holds."""
        before = defaultdict(list)
        for state, moves in lasting.items():
            for target, _ in moves:
                before[target].append(state)
        waiting = deque(state for state in self.moves if self.space.holds(property_, "text", state))
        arrives = set(waiting)
        while waiting:
            for state in before[waiting.popleft()]:
                if state not in arrives:
                    arrives.add(state)
                    waiting.append(state)
        lost = next((state for state in self.moves if state not in arrives), None)
        return None if lost is None else Lasso(_way(self.ways(property_), (False, lost)))

    def ways(self, property_: Property) -> Came[S]:
        """Breadth first, what can be reached from the beginning: (False, state) if a state can, (True, state) if the
        promise is given and not kept so far when the state is reached."""
        part = "goal" if property_.kind == "leads_to" else "text"
        kept = {state for state in self.moves if self.space.holds(property_, part, state)}
        beginning = list(self.space.initial())
        given = {state for state in self.moves if self.space.holds(property_, "text", state)}
        given = {"leads_to": given, "eventually": set(beginning)}.get(property_.kind, set()) - kept
        came: dict[tuple[bool, S], tuple[bool, S] | None] = {}

        def found(state: S, waits: bool, previous: tuple[bool, S] | None) -> None:
            for node in [(False, state)] * (not waits) + [(True, state)] * (waits or state in given):
                if node not in came:
                    came[node] = previous
                    waiting.append(node)

        waiting: deque[tuple[bool, S]] = deque()
        for state in beginning:
            found(state, False, None)
        while waiting:
            waits, state = node = waiting.popleft()
            for target, _ in self.moves[state]:
                if not (waits and target in kept):
                    found(target, waits, node)
        return came


def rounds(states: set[S], lasting: Moves[S], debts: Mapping[Group, str]) -> Iterator[set[S]]:
    """The rounds among some states."""
    import networkx

    graph: Any = networkx.DiGraph()
    graph.add_nodes_from(states)
    graph.add_edges_from((state, target) for state in states for target, _ in lasting[state] if target in states)
    for component in networkx.strongly_connected_components(graph):
        possible = {state: {group for _, group in lasting[state]} for state in component}
        paid = {group for state in component for target, group in lasting[state] if target in component}
        calm = (possible[state] for state in lasting_states(component, lasting))
        everywhere, somewhere = set.intersection(*calm), set.union(*possible.values())
        if any(debts[group] == WEAK for group in everywhere - paid):
            continue
        unpaid = {group for group in somewhere - paid if debts[group] == STRONG}
        if unpaid:
            yield from rounds({state for state in component if not possible[state] & unpaid}, lasting, debts)
        else:
            yield component


def lasting_states(states: set[S], lasting: Moves[S]) -> set[S]:
    """The states of a round that take time; all, where none does."""
    return {state for state in states if not any(at_once(group) for _, group in lasting[state])} or states


def _way(came: Came[S], node: tuple[bool, S]) -> list[S]:
    way = []
    at: tuple[bool, S] | None = node
    while at is not None:
        way.append(at[1])
        at = came[at]
    return way[::-1]
