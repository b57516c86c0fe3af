"""Mutants whose graph is that of the original because nothing ever comes to the place that was changed.

A turn of a machine is decided by the rows for its state and event. Where a mutant differs in rows alone, and of those
that the original has for such a state and event none ever fires, this state and event never meet: a machine without
refused turns takes one of the rows whenever they do. So every turn of the original is the same in the mutant, from the
beginning on, and no search is needed to say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fsm.language.spec import Machine, Row


def untouched(original: Machine, mutant: Machine, fired: frozenset[str]) -> bool:
    """Whether a mutant behaves as the original for a reason that is seen without a search; False says nothing.

    Arguments:
        original: a machine.
        mutant: the same with one change.
        fired: the ids of all rows that ever fire in the original, where no turn is refused.
    """
    if _besides(original) != _besides(mutant):
        return False
    for state, event in {*_pairs(original), *_pairs(mutant)}:
        before, after = original.candidates(state, event), mutant.candidates(state, event)
        same = list(map(_does, before)) == list(map(_does, after))
        if not same and (not before or any(row.id in fired for row in before)):
            return False
    return True


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
