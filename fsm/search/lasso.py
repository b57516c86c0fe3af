"""The closed walk that shows how a run goes round for ever.

Both engines decide by themselves where that is possible; the walk that is shown is laid by the same few lines, for it
proves itself: each step is a move, and every debt is paid in it (the tests check both).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Generic

from attrs import field, frozen

from fsm.search.fairness import WEAK, Group
from fsm.search.space import S


@frozen
class Round(Generic[S]):
    """A set of states in which a fair run may stay for ever, as `lay` needs it.

    Arguments:
        states: all of them; each can be reached from each by moves inside.
        moves: (target, group) of all moves out of a state that may happen for ever, those that lead out included.
        owed: the groups that owe something and are possible in some of the states: WEAK or STRONG
            (`fsm.search.fairness.debt`).
        lasts: whether a state takes time, so that what is not possible there need not be paid (`fsm.search.fairness`).
    """

    states: Container[S]
    moves: Callable[[S], Iterable[tuple[S, Group]]] = field(repr=False)
    owed: Mapping[Group, str]
    lasts: Callable[[S], bool] = field(repr=False)


def lay(round_: Round[S], entry: S) -> tuple[list[S], list[Group]]:
    """A closed walk from a state through its round that pays every debt.

    Returns: the states after `entry`, the last of them `entry` again, and the group of each step; nothing where it may
    stay at `entry` for ever.
    """
    walk: list[S] = [entry]
    taken: list[Group] = []
    open_ = set(round_.owed)
    while open_:
        open_ -= _excused(round_, walk[-1], open_)
        if not open_:
            break
        states, groups = _nearest(round_, walk[-1], open_)
        for state in states[:-1]:  # whatever is passed on the way counts as well
            open_ -= _excused(round_, state, open_)
        open_ -= set(groups)
        walk += states
        taken += groups
    if walk[-1] != entry:
        states, groups = _nearest(round_, walk[-1], set(), entry)
        walk += states
        taken += groups
    return walk[1:], taken


def _excused(round_: Round[S], state: S, open_: set[Group]) -> set[Group]:
    """The weak debts that nobody has to pay who comes by a state again and again: they are not possible there."""
    if not round_.lasts(state):
        return set()
    possible = {group for _, group in round_.moves(state)}
    return {group for group in open_ if round_.owed[group] == WEAK and group not in possible}


def _nearest(round_: Round[S], start: S, open_: set[Group], goal: S | None = None) -> tuple[list[S], list[Group]]:
    """The shortest walk inside that pays one of the open debts, or comes to a goal."""
    came: dict[S, tuple[S, Group]] = {}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for target, group in round_.moves(state):
            if target not in round_.states:
                continue
            if group in open_ or target == goal or (target not in came and _excused(round_, target, open_)):
                return _back(came, start, state, target, group)
            if target not in came and target != start:
                came[target] = state, group
                waiting.append(target)
    raise AssertionError("a round has a state that does not lead to another")


def _back(
    came: Mapping[S, tuple[S, Group]], start: S, state: S, target: S, group: Group
) -> tuple[list[S], list[Group]]:
    """The walk from `start` over `state` to `target`."""
    states, groups = [target], [group]
    while state != start:
        states.append(state)
        state, group = came[state]
        groups.append(group)
    return states[::-1], groups[::-1]
