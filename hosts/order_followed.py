"""An order that takes its time, followed until it is over: a line for each row that fires, the last is its end.

Nothing is known here but what the agent says: its steps, which of its machines are at rest, and its status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

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
        done: how it is said that it has come about, from the status of the host.
        reached: whether it has, from that status.
        well: states and rows of the machine by which it ends without having failed.
    """

    machine: str
    done: Callable[[Mapping[str, Any]], str]
    reached: Callable[[Mapping[str, Any]], bool]
    well: tuple[str, ...]

    def failed(self, step: Mapping[str, Any]) -> bool:
        """Whether the operation left its way by this step."""
        source, _, _ = step["row"].partition("/")
        well = (f"{self.machine}.idle", *self.well)
        return step["machine"] == self.machine and step["state"] in _ASIDE and not {source, step["row"]} & {*well}


async def follow(door: Door, name: str, goal: Goal, answer: Mapping[str, Any]) -> bool:
    """Print what happens at a host after its `answer` to an order until all is at rest there; whether the goal is
    reached.

    Errors: `PoolError` when it is not over in `LIMIT` seconds, `Failure` when the host refuses to be asked.
    """
    from hosts.rpc import Failure, Unanswered
    from hosts.rpc.wire import INTERNAL_ERROR

    limit, silent = monotonic() + LIMIT, False
    order = _Order(door, name, goal, answer["since"], answer["lives"])
    while monotonic() < limit:
        try:
            reached = await order.look()
            if reached is not None:
                return reached
            silent = False
        except (Failure, Unanswered) as error:
            if isinstance(error, Failure) and error.code != INTERNAL_ERROR:
                raise
            if not silent:  # one that restarts is back soon
                order.say("its agent does not answer; waiting for it")
            silent = True
        await asyncio.sleep(_LOOK)
    what = "it does not answer, so nobody knows whether it goes on" if silent else f"not over in {LIMIT:g} s"
    raise PoolError(f"{name}: {what}; `liveset status` shows what comes of it")


@define
class _Order:
    """An order that is followed: up to which step of which life of the agent, and why it failed, if it did."""

    door: Door
    name: str
    goal: Goal
    since: int
    lives: str
    why: str = ""

    async def look(self) -> bool | None:
        """Say what has happened since the last look; whether the goal is reached, None where that is open."""
        said = await self.door.request("Host.progress", self.since, timeout=_ANSWER)
        if said["lives"] != self.lives:
            self.say("its agent has started anew")
            self.lives = said["lives"]
            said = await self.door.request("Host.progress", 0, timeout=_ANSWER)
        self.since = said["now"]
        for step in said["steps"]:
            where = f"step {step['step'][0]} of {step['step'][1]}, {step['state']}: " if step["step"] else ""
            self.say(f"{where}{step['why']}")
            self.why = self.why or (step["why"] if self.goal.failed(step) else "")
        if set(said["busy"]) - {"life"}:
            return None
        status = await self.door.request("pool.status", timeout=_ANSWER)
        if self.goal.reached(status):
            self.say(f"done: {self.goal.done(status)}")
            return True
        if said["busy"]:
            return None
        self.say(f"not done: {self.why or 'it was interrupted; `liveset status` shows what came of it'}")
        return False

    def say(self, what: str) -> None:
        """A line."""
        print(f"{self.name}: {what}", flush=True)
