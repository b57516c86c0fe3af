"""The world of a lock that two hosts want: one holds it, and a dead holder's lease runs out by itself, some time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from attrs import evolve, frozen

from fsm.engine.turn import Effects, Operation
from fsm.engine.turn import Event as Told
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value

STATE = "language: 1\nessay: nothing is shared\n"
LOCK = """
language: 1
port: lock
essay: a lock that one host can hold
operations:
  holder: {instant: true, outcomes: {held: {by: host?}}}
  take: {outcomes: {granted: {}, refused: {}}}
  give: {outcomes: {given: {}}}
"""
OWNER = """
language: 1
machine: owner
essay: takes the lock and gives it back
ports: [lock]
events: {want: {}, enough: {}}
initial: idle
states: [idle, looking, taking, holding, giving]
rows:
- {from: idle, on: want, to: looking, do: lock.holder, why: "is it free at all"}
- {from: looking, on: lock.held, if: "by == none", to: taking, do: lock.take, why: "it is free"}
- {from: looking, on: lock.held, if: else, to: idle, why: "it is not free"}
- {from: taking, on: lock.granted, to: holding, why: "it is ours"}
- {from: taking, on: lock.refused, to: idle, why: "somebody was faster"}
- {from: holding, on: enough, to: giving, do: lock.give, why: "we are done"}
- {from: giving, on: lock.given, to: idle, why: "somebody else may have it"}
ignore:
- {in: [taking, holding, giving], on: [want], why: "we have it, or nearly"}
- {in: [idle, taking, giving], on: [enough], why: "we do not have it"}
"""
SYSTEM = """
language: 1
system: locks
essay: two hosts and a lock
world: tests.lock_world:LockWorld
hosts: 2
machines: [owner]
faults: {crash: any}
operator: {owner.want: any, owner.enough: any}
properties:
  one: {always: "true", why: "the test is the adapter, not the promise"}
"""
FILES = {"state.yaml": STATE, "ports/lock.yaml": LOCK, "machines/owner.yaml": OWNER, "systems/locks.yaml": SYSTEM}


@frozen
class Lock:
    """Who holds the lock, and whether that host has died since."""

    holder: int | None = None
    dead: bool = False


class LockWorld:
    """The world."""

    facts: Mapping[str, Domain] = {}
    faults = ("crash", "denial")
    clauses: tuple[str, ...] = ()

    def __init__(self, n: int, off: frozenset[str], faults: frozenset[str], routes: Routes) -> None:
        self.n = n

    def initial(self) -> Iterable[Lock]:
        return [Lock()]

    def alive(self, w: Lock, host: int) -> bool:
        return True

    def view(self, w: Lock, host: int) -> Hashable:
        return w.holder

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        return "held", {"by": view}

    def perform(self, w: Lock, host: int, effects: Effects) -> Lock:
        return w

    def actions(self, w: Lock, pending: Pending) -> Iterator[Action[Lock]]:
        for host, waiting in enumerate(pending):
            for machine, operation in waiting:
                if operation == "lock.take":
                    outcome, after = ("granted", Lock(host)) if w.holder is None else ("refused", w)
                else:
                    outcome, after = "given", Lock()
                yield Action(f"{operation} of host {host}", after, None, host, Told(machine, f"lock.{outcome}"))
                if outcome == "granted":
                    yield Action(f"host {host} is denied", w, "denial", host, Told(machine, "lock.refused"))
            dead = evolve(w, dead=w.dead or w.holder == host)
            yield Action(f"host {host} dies and starts again", dead, "crash", host, restart=(host,))
        if w.dead:
            yield Action("the lease of the dead holder runs out", Lock())

    def state_facts(self, w: Lock) -> Mapping[str, Value]:
        return {}
