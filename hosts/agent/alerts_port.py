"""The port `alerts`: what an operator should hear, as lines of JSON beside the journal. The same is said once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from fsm import Operation, Signal
from fsm.drivers.adapters import Outcome

_TEXTS = {
    "host_lost": "{vm} runs no more: its host has left the liveset",
    "nowhere": "{vm} cannot be restarted: {reason}",
    "enable_undone": "HA could not be enabled; what was done is being undone",
    "disarmed": "this host was still armed, but HA is off in the pool; it is disarmed now",
    "rearmed": "this host was not armed, but HA is on in the pool; it is armed now",
    "forced": "this host was taken out of HA by force; the operator has promised: I made sure that the VMs of this host"
    " run nowhere else, and that no other host is master",
    "named": "this host was named master by force; the operator has promised: I made sure that the hosts that I named are"
    " switched off",
    "not_forced": "this host was to be master by force and is not: a host did not follow; switch it off and say so",
}


@define(eq=False)
class AlertsPort:
    """Alerts into the file `path`.

    Arguments:
        now: seconds of CLOCK_BOOTTIME.
        reason: why a VM could not be placed.
    """

    path: Path
    now: Callable[[], float]
    reason: Callable[[str], str]
    _said: dict[str, str] = field(factory=dict, init=False)

    def signal(self, signal: Signal) -> None:
        """Write an alert, unless it is what was said last of the same VM."""
        vm = str(signal.arguments.get("vm", ""))
        text = _TEXTS[signal.name].format(vm=vm, reason=self.reason(vm))
        if vm and self._said.get(vm) == text:
            return
        self._said[vm] = text
        line = {"time": round(self.now(), 6), "alert": signal.name, **signal.arguments, "text": text}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    async def perform(self, operation: Operation) -> Outcome:
        """The port has no operations."""
        raise AssertionError(f"{operation.name} is no operation of alerts")

    def read(self, operation: Operation) -> Outcome:
        """The port has no operations."""
        raise AssertionError(f"{operation.name} is no operation of alerts")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """The port has no operations."""
        raise AssertionError(f"{operation.name} is no operation of alerts")
