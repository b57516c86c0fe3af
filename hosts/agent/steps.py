"""What the operations of an operator have come to at this host, row by row, for whoever ordered one and follows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from fsm import Event
from fsm.engine.turn import Turn
from fsm.language.spec import Machine

OPERATIONS = ("enable", "disable", "handover", "withdraw")
"""The machines of operations that take their time. All of them are idle when nothing is under way."""

STRAIGHT = ("enable",)
"""Those whose states follow each other as they are declared, so that a state is a step of so many."""

_KEPT = 200
_FIRST = 1


@define(eq=False)
class Steps:
    """The rows that fired in the machines of operations since this agent started, numbered, the last of them kept.

    Arguments:
        machines: the specs of this host.
    """

    machines: Mapping[str, Machine]
    now: int = field(default=0, init=False)
    _kept: deque[Mapping[str, Any]] = field(factory=lambda: deque(maxlen=_KEPT), init=False)

    def observe(self, _: float, __: Event, turned: Turn) -> None:
        """After each turn of the machines."""
        for fired in turned.fired:
            if fired.machine in OPERATIONS:
                self.now += 1
                step = self._step(fired.machine, fired.target)
                of = {"machine": fired.machine, "row": fired.row, "state": fired.target}
                self._kept.append({"n": self.now, **of, "step": step, "why": fired.why})

    def since(self, number: int) -> Sequence[Mapping[str, Any]]:
        """Those after a number, the oldest first: {n, machine, row, state, step, why}; step: [k, n], or None where the
        machine has no straight way."""
        return [step for step in self._kept if step["n"] > number]

    def _step(self, machine: str, state: str) -> list[int] | None:
        if machine not in STRAIGHT:
            return None
        steps = [name for name in self.machines[machine].states if name != "idle"]
        return [_FIRST + steps.index(state), len(steps)] if state in steps else None
