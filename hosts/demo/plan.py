"""What one demonstration is to do, settled before anything is started.

Rules. Whatever cannot work is said here, in one line, and nothing runs. A VM with restart priority "" is not HA's to
start, so it stays down. A VM that fits on no host goes on as one that cannot be placed, and is named beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from attrs import evolve, frozen

from hosts.daemon.timing import Timing
from hosts.errors import PoolError
from hosts.planner import misfits
from hosts.pool_file import PoolFile

Kill = Literal["master", "slave", "none"]
How = Literal["power", "daemon", "agent", "freeze", "partition"]

LONGEST_TIMEOUT = 60.0
"""Seconds: a run takes many times that."""

NO_FENCING = "LIVESET_TEST_NO_FENCING"
"""Set to 1 in the environment: the control experiment that must fail."""

_INJURIES: Mapping[How, str] = {
    "power": "loses its power",
    "daemon": "loses its liveset daemon",
    "agent": "loses its agent",
    "freeze": "freezes",
    "partition": "is cut off from the network",
}


@frozen
class Plan:
    """One demonstration.

    Arguments:
        file: the pool.
        timeout: T in seconds.
        kill, how: which host is hit, and in what way.
        keep: the directory of the pool stays.
        fencing: False in the control experiment.
    """

    file: PoolFile
    timeout: float
    kill: Kill
    how: How
    keep: bool = False
    fencing: bool = True

    @classmethod
    def of(cls, file: PoolFile, timeout: float, kill: Kill, how: How, keep: bool, fencing: bool) -> Plan:
        """A plan that can be carried out. Errors: `PoolError` for one that cannot."""
        if not timeout <= LONGEST_TIMEOUT:  # not a number is not below it either
            raise PoolError(f"--timeout {timeout:g}: seconds, at most {LONGEST_TIMEOUT:g}")
        Timing.derive(timeout)
        if kill != "none" and len(file.hosts) < 2:
            raise PoolError(f"--kill {kill}: a pool of one host has nobody to take over; use two hosts, or --kill none")
        return cls(file, timeout, kill, how, keep, fencing)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The VMs that are started."""
        return tuple(vm.name for vm in self.file.vms if vm.restart_priority)

    @property
    def protected(self) -> tuple[str, ...]:
        """The VMs that HA promises to run again."""
        return tuple(vm.name for vm in self.file.vms if vm.protected)

    @property
    def fatal(self) -> bool:
        """Whether a host must be dead at the end of it."""
        return self.kill != "none" and self.how != "agent" and self.fencing

    @property
    def limit(self) -> float:
        """Seconds after which a step of the run is given up."""
        return 10 * self.timeout + 10

    @property
    def injury(self) -> str:
        """What happens to the host that is hit."""
        return _INJURIES[self.how]

    @property
    def title(self) -> str:
        """The run in one line."""
        hit = f"the {self.kill} {self.injury}" if self.kill != "none" else "nothing is broken"
        counted = f"{_count(len(self.file.hosts), 'host')} · {_count(len(self.file.vms), 'VM')}"
        return f"{counted} · T = {self.timeout:g} s · {hit}"

    def warnings(self) -> tuple[str, ...]:
        """What is to be said before anything is started, a sentence each."""
        wanted = evolve(self.file, vms=tuple(vm for vm in self.file.vms if vm.restart_priority))
        said = [f"{vm} fits on no host: {reason}" for vm, reason in misfits(wanted).items()]
        down = [vm.name for vm in self.file.vms if not vm.restart_priority]
        if down:
            said.append(f"without restart priority, so HA starts it nowhere: {', '.join(down)}")
        if not self.fencing:
            said.append(f"FENCING IS SWITCHED OFF ({NO_FENCING}=1): no host is ever stopped, and this run must fail")
        return tuple(said)


def choose(file: str | None, hosts: int, vms: int) -> PoolFile:
    """The pool to be demonstrated: the file named, or one of so many hosts and VMs.

    Errors: `SpecError` for the file, `PoolError` for the numbers.
    """
    return PoolFile.load(Path(file)) if file is not None else PoolFile.default(hosts, vms)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
