"""The port `planner`: where a VM may start, and why it may not.

Each restart machine asks for its own VM, but a plan is made for all that wait together, and is kept for as long as it
holds: while the same hosts live, no VM runs where the plan did not want it and none waits that the plan did not know
of. So the answers to several machines fit together, in one turn and from turn to turn.

Order groups follow what has been started in this reign: a VM that was lost waits again, one that has run all along
holds back nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from attrs import define, field, frozen

from fsm import Event, Operation, Signal, Turn
from fsm.drivers.adapters import Outcome
from fsm.language.domains import Value
from hosts.database import Database, Vm
from hosts.errors import PoolError
from hosts.planner import Placement, Want, place, turn

EARLIER = "VMs of an earlier order group come first"
"""The reason of a VM that will be placed when its turn comes; every other reason says that no host has room."""


@frozen
class Whereabouts:
    """What the machines know of a VM: whether it is to run, and the host that it runs on or was claimed at."""

    wanted: bool
    host: int | None
    runs: bool


@frozen
class _Plan:
    live: frozenset[int]
    placement: Placement


@define(eq=False)
class PlannerPort:
    """The planner of the master.

    Arguments:
        database: the pool database, None while this host is no master.
        variable: a pool variable by its name, as the machines have it.
        now: seconds.
    Fields:
        reasons: VM -> why it could not be placed when that was asked last.
    """

    database: Callable[[], Database | None]
    variable: Callable[[str], Value]
    now: Callable[[], float] = time.monotonic
    reasons: dict[str, str] = field(factory=dict, init=False)
    _started: dict[str, float] = field(factory=dict, init=False)
    _plan: _Plan | None = field(default=None, init=False)

    def read(self, operation: Operation) -> Outcome:
        """best, later or nowhere for a VM among hosts that live. Errors: `PoolError` when this host is no master."""
        vm, live = str(operation.arguments["vm"]), operation.arguments["live"]
        database = self.database()
        if database is None:
            raise PoolError(f"{vm} cannot be placed by a host that is no master")
        wants = {name: _want(row) for name, row in database.vms.items() if row.restart_priority}
        known = {name: self._whereabouts(name) for name in database.vms}
        waiting = {name for name in wants if known[name].wanted and not known[name].runs}
        placement = self._placement(database, live, wants, known, waiting)
        names = [host.name for _, host in sorted(database.hosts.items())]
        if vm not in placement.targets:
            self.reasons[vm] = placement.unplaced[vm].sentence(names)
            return "nowhere", {}
        due = turn(
            self.now(),
            [wants[name] for name in waiting | (self._started.keys() & wants.keys())],
            self._started,
            placement.unplaced.keys(),
        )
        if vm not in due.names:
            self.reasons[vm] = EARLIER
            return "later", {}
        self.reasons.pop(vm, None)
        return "best", {"best": placement.targets[vm]}

    async def perform(self, operation: Operation) -> Outcome:
        """Placing is instant."""
        raise AssertionError(f"{operation.name} is instant")

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of planner")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """Ask again."""
        return "later", {}

    def observe(self, _: float, __: Event, turned: Turn) -> None:
        """After each turn of the machines: which VMs have started, which were lost."""
        for fired in turned.fired:
            host = fired.set.get(f"{fired.machine}.resident", _UNCHANGED)
            vm = fired.machine.partition("[")[2].rstrip("]")
            if host is None or fired.event == "stop":
                self._started.pop(vm, None)
            elif host is not _UNCHANGED:
                self._started[vm] = self.now()
                self.reasons.pop(vm, None)

    def _whereabouts(self, vm: str) -> Whereabouts:
        wanted, resident, target = (self.variable(f"restart[{vm}].{name}") for name in ("wanted", "resident", "target"))
        return Whereabouts(bool(wanted), target if resident is None else resident, resident is not None)

    def _placement(
        self,
        database: Database,
        live: frozenset[int],
        wants: Mapping[str, Want],
        known: Mapping[str, Whereabouts],
        waiting: set[str],
    ) -> Placement:
        """The plan that holds, or a new one."""
        plan = self._plan
        if plan is None or plan.live != live or not _holds(plan.placement, known, waiting):
            free = {index: host.memory for index, host in database.hosts.items() if index in live}
            for name, at in known.items():
                if at.host in free:
                    free[at.host] -= database.vms[name].memory
            placement = place(free, [wants[name] for name in waiting if known[name].host is None])
            claimed = {name: host for name in waiting if (host := known[name].host) is not None}
            plan = self._plan = _Plan(live, Placement({**placement.targets, **claimed}, placement.unplaced))
        return plan.placement


_UNCHANGED = object()


def _want(vm: Vm) -> Want:
    return Want(vm.name, vm.memory, vm.order, vm.restart_priority == "restart", vm.start_delay)


def _holds(placement: Placement, known: Mapping[str, Whereabouts], waiting: set[str]) -> bool:
    """Whether a plan still fits: it knows all who wait, could place them, and nobody is where it did not want him."""
    planned = placement.targets
    return waiting <= planned.keys() and all(
        known[name].host in (None, host) if name in waiting else known[name].host == host
        for name, host in planned.items()
    )
