"""The door of the examples: a machine with one of everything that `fsm.testing` deals in, as documents in memory."""

from __future__ import annotations

from fsm.drivers.adapters import Outcome
from fsm.engine.node import Node
from fsm.engine.turn import Operation, Signal
from fsm.language.load import Library

DOOR = """
language: 1
machine: door
essay: a door with an electric lock
ports: [lock]
variables: {pushed: {type: "0..3", store: memory, initial: 0, why: "how hard it was pushed"}}
events: {push: {force: "0..3"}, close: {}}
initial: closed
states: [closed, releasing, open]
rows:
- {from: closed, on: push, if: "force > 0", to: releasing, set: {pushed: force}, do: lock.release,
   why: "somebody wants in"}
- {from: closed, on: push, if: else, to: same, why: "a touch is no push"}
- {from: releasing, on: lock.released, to: open, why: "the lock is out of the way"}
- {from: releasing, on: lock.jammed, to: closed, tell: "lock.complain(of=of)", why: "the lock does not move"}
- {from: open, on: close, to: closed, why: "somebody shut it"}
- {from: open, after: "30s", to: closed, why: "the spring shuts it"}
ignore:
- {in: [releasing, open], on: [push], why: "it is opening already"}
- {in: [closed, releasing], on: [close], why: "it is closed already"}
"""
LOCK = """
language: 1
port: lock
essay: an electric lock
operations:
  release: {idempotent: true, outcomes: {released: {}, jammed: {of: opaque}}}
signals: {complain: {of: opaque}}
"""


def door() -> Node:
    """The door as the one machine of the one host."""
    return Node([Library.of({"machines/door.yaml": DOOR, "ports/lock.yaml": LOCK}).machine("door")], 0, 1, {}, {})


class Lock:
    """An adapter of the lock that keeps everything that adapters must keep."""

    async def perform(self, operation: Operation) -> Outcome:
        """The lock is released."""
        return "released", {}

    def read(self, operation: Operation) -> Outcome:
        """No operation of the lock is instant."""
        raise NotImplementedError

    def signal(self, signal: Signal) -> None:
        """Nobody listens."""

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """A lock that cannot be reached does not move."""
        return "jammed", {"of": str(error)}
