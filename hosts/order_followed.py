"""An order that takes its time, followed until it is over: a line for each row that fires, the last is its end.

Nothing is known here but what the agent says: its steps, which of its machines are at rest, and its status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from attrs import frozen

from hosts.errors import PoolError

if TYPE_CHECKING:
    from hosts.rpc import Door

LIMIT = 300.0
"""Seconds in which an order is over; what takes longer goes on by itself."""

_LOOK = 0.2  # s, between two questions
_ANSWER = 5.0  # s, for an agent to answer
_ASIDE = ("idle", "aborting")
"""States to which an operation goes that has failed, or is done."""


@frozen
class Goal:
    """What an order is to come to.

    Arguments:
        machine: which carries it out.
        done: how it is said that it has come about.
        reached: whether it has, from the status of the host.
    """

    machine: str
    done: str
    reached: Callable[[Mapping[str, Any]], bool]


async def follow(door: Door, name: str, goal: Goal, since: int) -> bool:
    """Print what happens at a host after step `since` until all is at rest there; whether the goal is reached.

    Errors: `PoolError` when it is not over in `LIMIT` seconds.
    """
    from hosts.rpc import Failure, Unanswered

    limit, ended = monotonic() + LIMIT, ""
    while monotonic() < limit:
        try:
            said = await door.request("Host.progress", since, timeout=_ANSWER)
            if said["now"] < since:
                print(f"{name}: its agent has started anew")
                said = await door.request("Host.progress", 0, timeout=_ANSWER)
            since = said["now"]
            _show(name, said["steps"])
            ended = ended or _left(goal, said["steps"])
            if not said["busy"]:
                return _over(name, goal, await door.request("pool.status", timeout=_ANSWER), ended)
        except (Failure, Unanswered):
            pass  # an agent that restarts is back soon
        await asyncio.sleep(_LOOK)
    raise PoolError(f"{name}: not over in {LIMIT:g} s; it goes on, and `liveset status` shows what comes of it")


def _show(name: str, steps: Sequence[Mapping[str, Any]]) -> None:
    for step in steps:
        where = f"step {step['step'][0]} of {step['step'][1]}, {step['state']}: " if step["step"] else ""
        print(f"{name}: {where}{step['why']}", flush=True)


def _left(goal: Goal, steps: Sequence[Mapping[str, Any]]) -> str:
    """Why the operation left its way, the first time that it did."""
    return next((step["why"] for step in steps if step["machine"] == goal.machine and step["state"] in _ASIDE), "")


def _over(name: str, goal: Goal, status: Mapping[str, Any], ended: str) -> bool:
    """Say what came of it."""
    reached = goal.reached(status)
    print(f"{name}: done: {goal.done}" if reached else f"{name}: not done: {ended or 'it was interrupted'}")
    return reached
