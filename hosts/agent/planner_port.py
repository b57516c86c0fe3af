"""The port `planner`: where a VM may start, and why it may not.

Each restart machine asks for its own VM, but a plan is made for all that wait together, and is kept for as long as it
holds: while the same hosts live, no VM runs where the plan did not want it, none waits that the plan did not know of,
and none is planned for a host on which it has just failed to start. So the answers to several machines fit together,
in one turn and from turn to turn.

Order groups follow what has been started in this reign: a VM that was lost waits again, one that has run all along
holds back nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from attrs import define, field, frozen

from fsm import Event, Operation, Signal, Turn
from fsm.drivers.adapters import Outcome
from fsm.language.domains import Value
from hosts.database import Database, Vm
from hosts.errors import PoolError
from hosts.planner import Placement, Want, elsewhere, exposure, place, turn

EARLIER = "VMs of an earlier order group come first"
"""The reason of a VM that will be placed when its turn comes; every other reason says that it has none now."""
UNLOGGED = "the redo log is broken, so no place can be claimed durably"


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
        broken: whether the redo log takes no changes, so that no place could be claimed durably (S7).
    Fields:
        reasons: VM -> why it could not be placed when that was asked last.
        shortage: why the pool would not survive another failure; "" where it would, or nobody knows.
    """

    database: Callable[[], Database | None]
    variable: Callable[[str], Value]
    now: Callable[[], float] = time.monotonic
    broken: Callable[[], bool] = lambda: False
    reasons: dict[str, str] = field(factory=dict, init=False)
    shortage: str = field(default="", init=False)
    _claimed: dict[str, int] = field(factory=dict, init=False)
    _failed: dict[str, frozenset[int]] = field(factory=dict, init=False)
    _started: dict[str, float] = field(factory=dict, init=False)
    _plan: _Plan | None = field(default=None, init=False)

    def read(self, operation: Operation) -> Outcome:
        """Whether and where a VM may start, of these hosts. Errors: `PoolError` when this host is no master."""
        vm, live = str(operation.arguments["vm"]), operation.arguments["live"]
        database = self.database()
        if database is None:
            raise PoolError(f"{vm} cannot be placed by a host that is no master")
        if self.broken():
            self.reasons[vm] = UNLOGGED
            return "unlogged", {}
        wants, known, waiting = self._wants(database)
        placement = self._placement(database, live, wants, known, waiting)
        names = [host.name for _, host in sorted(database.hosts.items())]
        if vm not in placement.targets:
            self.reasons[vm] = placement.unplaced[vm].sentence(names)
            return "nowhere" if wants[vm].protected else "later", {}
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
        return "best" if wants[vm].protected else "spare", {"best": placement.targets[vm]}

    async def perform(self, operation: Operation) -> Outcome:
        """Survey the pool. Errors: `PoolError` when this host is no master."""
        database = self.database()
        if database is None:
            raise PoolError("a host that is no master surveys nothing")
        live: frozenset[int] = operation.arguments["live"]
        wants, known, waiting = self._wants(database)
        free = self._free(database, live, known)
        running = [(wants[name], at.host) for name, at in known.items() if name in wants and at.host in live]
        lost = [wants[name] for name in waiting if known[name].host not in live]
        self.shortage = await asyncio.to_thread(_shortage, database, free, running, lost)
        return ("short" if self.shortage else "covered"), {}

    def reason(self, vm: str) -> str:
        """Why a VM could not be placed; of "", why the pool would not survive another failure."""
        return self.reasons.get(vm, "") if vm else self.shortage

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of planner")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """No place was found, so ask again; or no plan."""
        if operation.name == "place":
            return "later", {}
        self.shortage = f"no plan could be made: {error}"
        return "short", {}

    def observe(self, _: float, __: Event, turned: Turn) -> None:
        """After each turn of the machines: which VMs have started, which were lost."""
        for fired in turned.fired:
            host = fired.set.get(f"{fired.machine}.resident", _UNCHANGED)
            vm = fired.machine.partition("[")[2].rstrip("]")
            self._observe_start(vm, fired.event, fired.set.get(f"{fired.machine}.target"))
            if host is None or fired.event == "stop":
                self._started.pop(vm, None)
            elif host is not _UNCHANGED:
                self._started[vm] = self.now()
                self.reasons.pop(vm, None)
                self._failed.pop(vm, None)

    def _observe_start(self, vm: str, event: str, target: Value) -> None:
        """Where a VM was claimed, and whether it failed to start there."""
        if isinstance(target, int):
            self._claimed[vm] = target
        elif event == "host.failed" and vm in self._claimed:
            self._failed[vm] = self._failed.get(vm, frozenset()) | {self._claimed.pop(vm)}

    def _wants(self, database: Database) -> tuple[dict[str, Want], dict[str, Whereabouts], set[str]]:
        """The VMs that HA looks after; where each VM is; those that wait for a start to end well."""
        wants = {name: _want(row) for name, row in database.vms.items() if row.restart_priority}
        known = {name: self._whereabouts(name) for name in database.vms}
        return wants, known, {name for name in wants if known[name].wanted and not known[name].runs}

    def _free(self, database: Database, live: frozenset[int], known: Mapping[str, Whereabouts]) -> dict[int, int]:
        """MiB left on each live host beside what runs or is claimed there."""
        free = {index: host.memory for index, host in database.hosts.items() if index in live}
        for name, at in known.items():
            if at.host in free:
                free[at.host] -= database.vms[name].memory
        return free

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
        holds = plan is not None and plan.live == live and _holds(plan.placement, known, waiting)
        if plan is None or not holds or self._hopeless(plan.placement, known):
            free = self._free(database, live, known)
            placement = place(free, [wants[name] for name in waiting if known[name].host is None])
            placement = elsewhere(placement, free, wants, self._failed)
            for name in [name for name, failed in self._failed.items() if placement.targets.get(name) in failed]:
                del self._failed[name]  # no other host has room: begin anew
            claimed = {name: host for name in waiting if (host := known[name].host) is not None}
            plan = self._plan = _Plan(live, Placement({**placement.targets, **claimed}, placement.unplaced))
        return plan.placement

    def _hopeless(self, placement: Placement, known: Mapping[str, Whereabouts]) -> bool:
        """Whether a VM that waits is planned for the host that failed to start it since the plan was made."""
        failed = self._failed.items()
        return any(known[name].host is None and placement.targets.get(name) in hosts for name, hosts in failed)


_UNCHANGED = object()


def _shortage(
    database: Database, free: Mapping[int, int], running: Sequence[tuple[Want, int]], waiting: Sequence[Want]
) -> str:
    """Why the pool would not survive another failure, in a sentence; "" if it would."""
    exposed = exposure(free, running, waiting)
    if exposed is None:
        return ""
    names = [host.name for _, host in sorted(database.hosts.items())]
    when = "now" if exposed.host is None else f"without {names[exposed.host]}"
    vm, shortfall = next(iter(exposed.unplaced.items()))
    return f"{when}, {vm} has no place: {shortfall.sentence(names)}"


def _want(vm: Vm) -> Want:
    return Want(vm.name, vm.memory, vm.order, vm.restart_priority == "restart", vm.start_delay)


def _holds(placement: Placement, known: Mapping[str, Whereabouts], waiting: set[str]) -> bool:
    """Whether a plan still fits: it knows all who wait, could place them, and nobody is where it did not want him."""
    planned = placement.targets
    return waiting <= planned.keys() and all(
        known[name].host in (None, host) if name in waiting else known[name].host == host
        for name, host in planned.items()
    )
