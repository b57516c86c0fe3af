"""The planner's port: answers to several machines fit together, groups follow one another, reasons are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from attrs import define, field

from fsm import Event, Operation, Turn
from fsm.engine.turn import Fired
from hosts.agent.planner_port import PlannerPort
from hosts.database import Database, Host, Pool, Vm
from hosts.errors import PoolError


def database(memory: Mapping[int, int], *vms: Vm) -> Database:
    """A pool whose hosts have this memory, in MiB."""
    hosts = {index: Host(index, f"u{index}", f"host{index + 1}", "", mib) for index, mib in memory.items()}
    return Database(Pool("u", "p"), hosts, {vm.name: vm for vm in vms})


def vm(name: str, memory: int = 2, priority: Any = "restart", order: int = 0, delay: float = 0.0) -> Vm:
    """A VM."""
    return Vm(f"u-{name}", name, memory, priority, order, delay)


class Told(NamedTuple):
    """A compiled row that has fired, for a turn."""

    record: Fired

    def fired(self, payload: object, values: object) -> Fired:
        return self.record


@define
class Pooled:
    """A port with the variables of the machines; `clock` is its time."""

    database: Database | None
    variables: dict[str, Any] = field(factory=dict)
    clock: float = 100.0
    port: PlannerPort = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.port = PlannerPort(lambda: self.database, self._variable, lambda: self.clock)
        for name in self.database.vms if self.database else ():
            self.variables[f"restart[{name}].wanted"] = True

    def _variable(self, name: str) -> Any:
        return self.variables.get(name)

    def place(self, name: str, *live: int) -> Any:
        outcome, payload = self.port.read(
            Operation(f"restart[{name}]", "planner", "place", {"vm": name, "live": frozenset(live)})
        )
        return payload.get("best", outcome)

    def survey(self, *live: int) -> Any:
        operation = Operation("outlook", "planner", "survey", {"live": frozenset(live)})
        return asyncio.run(self.port.perform(operation))[0]

    def claim(self, name: str, host: int | None) -> None:
        self.variables[f"restart[{name}].target"] = host

    def settle(self, name: str, host: int | None, event: str = "host.ok") -> None:
        """The VM runs, or runs no more; the port sees the turn."""
        self.variables[f"restart[{name}].resident"], self.variables[f"restart[{name}].target"] = host, None
        self.tell(name, event, {"resident": host})

    def tell(self, name: str, event: str, values: Mapping[str, Any]) -> None:
        """The port sees a turn in which a machine sets these."""
        machine = f"restart[{name}]"
        kept = {f"{machine}.{variable}": value for variable, value in values.items()}
        fired = Fired(machine, "row", "starting", event, {}, "settled", kept, "why")
        self.port.observe(0.0, Event(machine, event), Turn((), (), ((Told(fired), {}, ()),)))  # type: ignore[arg-type]


def test_answers_in_one_turn_fit_together() -> None:
    """Machines that ask before any claim is made share one plan: nobody is sent where another's place is."""
    pool = Pooled(database({0: 4, 1: 2}, vm("a"), vm("b"), vm("c")))
    assert sorted(pool.place(name, 0, 1) for name in "abc") == [0, 0, 1]


def test_a_plan_is_kept_while_it_holds() -> None:
    """The last VM fits only because of where the others go; a claim as planned changes nothing."""
    pool = Pooled(database({0: 5, 1: 4}, vm("a", 3), vm("b", 4), vm("c", 2)))
    plan = {name: pool.place(name, 0, 1) for name in "abc"}
    assert plan == {"a": 0, "b": 1, "c": 0}
    for name in "cab":
        assert pool.place(name, 0, 1) == plan[name]
        pool.claim(name, plan[name])


def test_what_runs_and_what_is_claimed_takes_memory() -> None:
    """Also a VM that HA leaves alone; on hosts that are gone nothing counts."""
    pool = Pooled(database({0: 4, 1: 4}, vm("a", 3), vm("b", 3), vm("c", 2, "")))
    pool.settle("c", 0)
    pool.claim("a", 1)
    assert pool.place("b", 0, 1) == "nowhere"
    assert pool.port.reasons["b"].startswith("it needs 3 MiB; beside the other VMs host1 has 2")
    assert pool.place("b", 0) == "nowhere"
    pool.claim("a", 0)
    assert pool.place("b", 1) == 1


def test_groups_start_in_order_with_their_delays() -> None:
    """The next group waits until the one before runs, and for its start delay; then its reason is gone."""
    pool = Pooled(database({0: 9}, vm("a", delay=5.0), vm("b", order=1), vm("c", 2, "best-effort")))
    assert (pool.place("a", 0), pool.place("b", 0)) == (0, "later")
    assert pool.port.reasons == {"b": "VMs of an earlier order group come first"}
    pool.settle("a", 0)
    assert pool.place("b", 0) == "later"
    pool.clock += 5.0
    assert (pool.place("b", 0), pool.place("c", 0)) == (0, "later")
    pool.settle("b", 0)
    assert pool.place("c", 0) == 0
    assert not pool.port.reasons


def test_only_what_was_started_in_this_reign_holds_back_others() -> None:
    """A VM that has run all along delays nobody; one that was lost waits again."""
    pool = Pooled(database({0: 9}, vm("a", delay=60.0), vm("b", order=1)))
    pool.variables["restart[a].resident"] = 0
    assert pool.place("b", 0) == 0
    pool.settle("a", None, "look")
    assert (pool.place("a", 0), pool.place("b", 0)) == (0, "later")


def test_a_vm_without_a_place_holds_back_nobody() -> None:
    """The group after it starts."""
    pool = Pooled(database({0: 4}, vm("huge", 9), vm("b", order=1)))
    assert (pool.place("huge", 0), pool.place("b", 0)) == ("nowhere", 0)


def test_a_host_that_is_no_master_places_nothing() -> None:
    """It has no database; the machine is told to ask again."""
    pool = Pooled(None)
    with pytest.raises(PoolError, match="no master") as refusal:
        pool.place("a", 0)
    assert pool.port.failure(Operation("restart[a]", "planner", "place"), refusal.value) == ("later", {})


def test_the_answer_says_which_vm_is_best_effort() -> None:
    """It gets what is left, waits without an alert where nothing is, and is no reason for one."""
    pool = Pooled(database({0: 4}, vm("a"), vm("b", priority="best-effort"), vm("c", 3, "best-effort")))
    pool.settle("a", 0)
    ask = {
        name: Operation(f"restart[{name}]", "planner", "place", {"vm": name, "live": frozenset({0})}) for name in "bc"
    }
    assert pool.port.read(ask["b"]) == ("spare", {"best": 0})
    assert pool.port.read(ask["c"]) == ("later", {})
    assert pool.port.reasons["c"].startswith("it needs 3 MiB")


def test_no_place_is_given_while_the_log_is_broken() -> None:
    """A claim could not be made durable; when the log has healed there is a place again."""
    pool, broken = Pooled(database({0: 4}, vm("a"))), [True]
    pool.port.broken = lambda: broken[0]
    assert pool.place("a", 0) == "unlogged"
    broken[0] = False
    assert pool.place("a", 0) == 0


def test_a_vm_that_did_not_start_is_tried_elsewhere() -> None:
    """Where there is room, and costs nobody a place; when all have failed it begins anew."""
    pool = Pooled(database({0: 4, 1: 4, 2: 2}, vm("a", 3)))
    tried = []
    for _ in range(3):
        tried.append(pool.place("a", 0, 1, 2))
        pool.tell("a", "look", {"target": tried[-1]})
        pool.tell("a", "host.failed", {"target": None})
    assert sorted(tried[:2]) == [0, 1]
    assert tried[2] in (0, 1)


def test_a_survey_says_whether_another_failure_is_survived() -> None:
    """Best-effort VMs do not count as lost, but take memory; the reason names the host and the VM."""
    pool = Pooled(database({0: 4, 1: 4, 2: 4}, vm("a", 3), vm("b", 3), vm("c", 2, "best-effort")))
    pool.settle("a", 0)
    pool.settle("b", 1)
    assert (pool.survey(0, 1, 2), pool.port.shortage) == ("covered", "")
    pool.settle("c", 2)
    assert pool.survey(0, 1, 2) == "short"
    assert pool.port.reason("").startswith("without host1, a has no place: it needs 3 MiB")
    pool.settle("a", None, "look")
    assert pool.survey(1, 2) == "short"
    assert pool.port.reason("").startswith("now, a has no place")
