"""Mutants of a machine whose graph is that of the original, said without exploring them.

A turn of a node is decided by the rows for the states and events that its machines meet. Where a mutant differs in rows
alone, every turn in which none of the original's rows for a changed state and event fires is the same turn: a machine
whose turns are never refused takes one of these rows whenever state and event meet. So it is enough to run the turns
in which one did fire again, in the mutant. If all of them come out the same, then so does everything from the beginning
on. If one does not, nothing is said: the graphs may still be the same, where the world makes no difference of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from fsm.engine.turn import Event, Turn
from fsm.explore.joint import Joint, JointState, Move
from fsm.language.spec import Machine, Row


@frozen
class Taken:
    """A turn that a host takes somewhere in the reachable graph, and what it sees of the world then."""

    host: int
    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    event: Event
    view: Any
    turn: Turn


def turns(joint: Joint) -> Mapping[str, Sequence[Taken]]:
    """Every different turn in the reachable graph, by the ids of the rows that fire in it."""
    found: dict[str, list[Taken]] = {}
    known: set[Any] = set()
    seen = set(joint.initial())
    waiting = list(seen)
    while waiting:
        state = waiting.pop()
        for move in joint.moves(state):
            if move.target is not None and move.target not in seen:
                seen.add(move.target)
                waiting.append(move.target)
            taken = _taken(joint, state, move)
            if taken is None:
                continue
            payload = tuple(sorted(taken.event.payload.items()))
            key = (taken.host, taken.local, taken.pool, taken.event.machine, taken.event.name, payload, taken.view)
            if key not in known:
                known.add(key)
                for row in {fired.row for fired in taken.turn.fired}:
                    found.setdefault(row, []).append(taken)
    return found


def untouched(original: Machine, mutant: Machine, joint: Joint, taken: Mapping[str, Sequence[Taken]]) -> bool:
    """Whether a mutant behaves as the original; False says nothing.

    Arguments:
        original: a machine.
        mutant: the same with one change.
        joint: the nodes and the world with the mutant.
        taken: the turns of the original, of which none is refused.
    """
    if _besides(original) != _besides(mutant):
        return False
    for state, event in {*_pairs(original), *_pairs(mutant)}:
        before, after = original.candidates(state, event), mutant.candidates(state, event)
        if list(map(_does, before)) == list(map(_does, after)):
            continue
        if not before or not all(_same(joint, one) for row in before for one in taken.get(row.id, ())):
            return False
    return True


def _taken(joint: Joint, state: JointState, move: Move) -> Taken | None:
    action, turn = move.choice.action, move.turn
    if turn is None or action.host is None or action.event is None:
        return None
    local = state.locals[action.host]
    local = joint.reboot(action.host, local) if action.host in action.restart else local
    return Taken(action.host, local, state.pool, action.event, joint.world.view(action.world, action.host), turn)


def _same(joint: Joint, taken: Taken) -> bool:
    turn = joint.turn(taken.host, taken.local, taken.pool, taken.event, taken.view)
    return _outcome(turn) == _outcome(taken.turn)


def _outcome(turn: Turn) -> tuple[Any, ...]:
    """What a turn leads to. Timers run in every state that has them, so that they were set says nothing new."""
    return turn.local, turn.pool, evolve(turn.effects, timers=()), turn.refused


def _pairs(machine: Machine) -> Iterator[tuple[str, str]]:
    return ((state, row.event) for row in machine.rows for state in row.sources)


def _does(row: Row) -> tuple[Any, ...]:
    """What a row does, whatever it is called and wherever else it stands."""
    return row.guard, row.target, row.do, row.set, row.tell, row.reply, row.scope


def _besides(machine: Machine) -> tuple[Any, ...]:
    """Whatever else of a machine decides what it does: all but its rows, and what follows from these for a state."""
    waits = [(machine.pending(state), [row.scope for row in machine.timers(state)]) for state in machine.states]
    return (
        machine.variables, machine.events, machine.serves, machine.states, machine.groups, machine.initial,
        machine.final, machine.enter, machine.exit, machine.ignores, machine.defers, waits,
    )  # fmt: skip
