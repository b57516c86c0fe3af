"""The port `alerts`: what an operator should hear, as lines of JSON beside the journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define

from fsm import Operation, Signal
from fsm.drivers.adapters import Outcome
from hosts.daemon.notices import ALONE

PROMISE = "I made sure that the VMs of this host run nowhere else, and that no other host is master"
"""What an operator promises who takes a host out of HA by force."""
SWITCHED_OFF = "I made sure that the hosts that I name are switched off until this is over"
"""What an operator promises who names a master by force."""

_TEXTS = {
    "log_broken": "the redo log is broken: no VM is started until a full database could be written; it is tried again",
    "log_healed": "the redo log works again",
    "host_lost": "{vm} runs no more: its host has left the liveset",
    "nowhere": "{vm} cannot be restarted: {reason}",
    "restart_failed": "{vm} did not start, twice; it is tried again from time to time",
    "ended": "{vm} runs no more, though its host is in the liveset: it ended by itself, or its host was away",
    "hosts_failed": "{who} left the liveset: failed, fenced, or shut down",
    "hosts_joined": "{who} joined the liveset",
    "overcommitted": "not all protected VMs would find a place after another failure: {reason}",
    "plan_found": "all protected VMs would find a place after another failure",
    "statefile_lost": "this host has lost the statefile; if others have it, this host will be fenced",
    "statefile_lost_by_all": "all hosts of the liveset have lost the statefile; they live only while all see all",
    "statefile_back": "this host reaches the statefile again",
    "enable_undone": "HA could not be enabled; what was done is being undone",
    "disarmed": "this host was still armed, but HA is off in the pool; it is disarmed now",
    "rearmed": "this host was not armed, but HA is on in the pool; it is armed now",
    "forced": f"this host is taken out of HA, or serves without asking, by force; the operator has promised: {PROMISE}",
    "cleared": f"this host is not excluded any more, and may go on alone; the operator has promised: {ALONE}",
    "named": f"this host was named master by force; the operator has promised: {SWITCHED_OFF}",
    "not_forced": "this host was to be master by force and is not: it did not get the database, or a host that was not"
    " said to be switched off did not follow",
}


@define(eq=False)
class AlertsPort:
    """Alerts into the file `path`.

    Arguments:
        now: seconds of CLOCK_BOOTTIME.
        reason: why a VM could not be placed; of "", why the pool would not survive another failure.
        names: of the hosts, by index.
    """

    path: Path
    now: Callable[[], float]
    reason: Callable[[str], str]
    names: Sequence[str] = ()

    def signal(self, signal: Signal) -> None:
        """Write an alert."""
        said: dict[str, Any] = dict(signal.arguments)
        if "who" in said:
            said["who"] = [self.names[host] for host in sorted(said["who"])]
        vm, who = str(said.get("vm", "")), ", ".join(said.get("who", ()))
        text = _TEXTS[signal.name].format(vm=vm, who=who, reason=self.reason(vm))
        line = {"time": round(self.now(), 6), "alert": signal.name, **said, "text": text}
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
