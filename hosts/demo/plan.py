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
    def of(cls, file: PoolFile, timeout: float, kill: Kill, how: How | None, keep: bool, fencing: bool) -> Plan:
        """A plan that can be carried out. how: None where nothing was asked for, which is a loss of power.

        Errors: `PoolError` for one that cannot.
        """
        if not timeout <= LONGEST_TIMEOUT:  # not a number is not below it either
            raise PoolError(f"--timeout {timeout:g}: seconds, at most {LONGEST_TIMEOUT:g}")
        Timing.derive(timeout)
        if kill != "none" and len(file.hosts) < 2:
            raise PoolError(f"--kill {kill}: a pool of one host has nobody to take over; use two hosts, or --kill none")
        if kill == "none" and how:
            raise PoolError(f"--how {how}: with --kill none no host is hit; leave out one of the two")
        return cls(file, timeout, kill, how or "power", keep, fencing)

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

    @property
    def misfits(self) -> Mapping[str, str]:
        """The VMs that are to be started and fit on no host -> why."""
        return misfits(evolve(self.file, vms=tuple(vm for vm in self.file.vms if vm.restart_priority)))

    @property
    def caution(self) -> tuple[str, ...]:
        """What nobody may miss who reads the report alone, a sentence each."""
        off = f"FENCING IS SWITCHED OFF ({NO_FENCING}=1): no host is ever stopped, and this run must fail"
        return () if self.fencing else (off,)

    def warnings(self) -> tuple[str, ...]:
        """What is to be said before anything is started, a sentence each."""
        said = [f"{vm} fits on no host: {reason}" for vm, reason in self.misfits.items()]
        down = [vm.name for vm in self.file.vms if not vm.restart_priority]
        if down:
            said.append(f"without restart priority, so HA starts it nowhere: {', '.join(down)}")
        return (*said, *self.caution)


def choose(file: str | None, hosts: int | None, vms: int | None) -> PoolFile:
    """The pool to be demonstrated: the file named, or one of so many hosts (3) and VMs (6).

    Errors: `SpecError` for the file, `PoolError` for the numbers, or where both are named.
    """
    if file is None:
        return PoolFile.default(3 if hosts is None else hosts, 6 if vms is None else vms)
    if hosts is not None or vms is not None:
        raise PoolError(f"--pool {file}: the file says which hosts and VMs there are; leave out --hosts and --vms")
    return PoolFile.load(Path(file))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
