"""How the operations may end that a host's machines wait for at their ports, in the world of a pool.

Each function gives what may happen next to one host, of a world in which only the parts that it reads are filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from attrs import evolve

from fsm.engine.turn import Event
from fsm.explore.calls import Routes
from fsm.explore.parted import Parts, Then, Update
from fsm.explore.world import Action, Pending
from hosts.worlds import pool_moves as moves
from hosts.worlds.daemon import Daemons
from hosts.worlds.pool_moves import ended, put
from hosts.worlds.pool_state import BOUND, DOWN, RETURNING, UNPOWERED, Guests, Places, PoolState, places_of

NO_TERM = {"term": 0}
"""Terms are told apart in another story (`hosts.worlds.handover`)."""


def asked(w: Parts, host: int, pending: Pending, port: str) -> Iterator[tuple[str, str]]:
    """(machine, operation) of what a host with power waits for at a port."""
    if w[places_of(w).power(host)] not in UNPOWERED:
        for machine, operation in pending[host]:
            if operation.startswith(f"{port}."):
                yield machine, operation.partition(".")[2]


def of_daemon(off: frozenset[str], fickle: bool, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """Those of the daemon."""
    daemons = PoolState(w).daemons
    for machine, name in asked(w, host, pending, "daemon"):
        told = list[str]()
        for seen in daemons.seen_by(host, fickle):
            answers: Callable[..., Iterable[tuple[str, Daemons, dict[str, Any]]]] = getattr(seen, f"answer_{name}")
            for outcome, after, payload in answers(host, off):
                changed = w if after is daemons else PoolState(w).with_daemons(after.reached_by(daemons.statefile))
                if outcome not in told:  # an outcome says the same however it came about
                    then = ended(host, machine, "daemon", name, outcome, changed, payload)
                    begins = (name, outcome) == ("start", "started")
                    yield evolve(then, updates=(refuses(places_of(w), {host}),)) if begins else then
                told.append(outcome)


def of_storage(fickle: bool, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """The statefile."""
    for machine, name in asked(w, host, pending, "storage"):
        reaches = w[places_of(w).daemon(host)][1]
        if name == "attach" and reaches:
            yield ended(host, machine, "storage", name, "attached", w)
        if name == "attach" and (fickle or not reaches):
            yield ended(host, machine, "storage", name, "failed", w)


def of_database(host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """The database, which every host of the liveset has to hear of."""
    places = places_of(w)
    for machine, name in asked(w, host, pending, "database"):
        if name == "take_over":
            live, deaf = w[places.daemon(host)][0].live, w[places.links]
            heard = all(
                w[places.power(member)] not in UNPOWERED and member not in deaf[host] and host not in deaf[member]
                for member in live
            )
            then = ended(host, machine, "database", name, "ok" if heard else "failed", w, NO_TERM if heard else {})
            yield evolve(then, updates=(refuses(places, live),)) if heard else then
        elif name == "read":
            yield ended(host, machine, "database", name, "ok", w, NO_TERM)


def of_toolstack(routes: Routes, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """The start of a VM, and the end of all: one after the other, each of which its machine is told."""
    at = places_of(w).guests(host)
    guests: Guests = w[at]
    for machine, name in asked(w, host, pending, "toolstack"):
        if name == "start":
            vm = machine.partition("[")[2].rstrip("]")
            if vm not in guests.launching:
                yield ended(host, machine, "toolstack", name, "started" if vm in guests.here else "failed", w)
        elif name == "stop_all":
            for vm in sorted(guests.here):
                yield vm_ends(routes, host, vm, w, "is stopped")
            yield ended(host, machine, "toolstack", name, "failed", w)
            if guests.none:
                yield ended(host, machine, "toolstack", name, "stopped", w)


def vm_ends(routes: Routes, host: int, vm: str, w: Parts, how: str, fault: str | None = None) -> Then:
    """A VM's process ends, and the machine that serves its start is told."""
    at = places_of(w).guests(host)
    rest = put(w, at, evolve(w[at], here=w[at].here - {vm}))
    server, _ = routes.table["host.start_vm"]
    return Then(Action(f"{vm} {how} on host {host}", rest, fault, host, Event(f"{server}[{vm}]", "toolstack.exited")))


def of_timer(host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """A wait is over at any time."""
    for machine, name in asked(w, host, pending, "timer"):
        yield ended(host, machine, "timer", name, "over", w)


def of_power(host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """The host goes down, or does not."""
    for machine, name in asked(w, host, pending, "power"):
        returns = name == "off" and w[places_of(w).power(host)] == BOUND
        how = {"off": "goes down to boot again" if returns else "goes down", "cut": "is cut off from power"}[name]
        yield loses_power(w, host, f"host {host} {how}", None, RETURNING if returns else DOWN)
        yield ended(host, machine, "power", name, "failed", w)


def loses_power(w: Parts, host: int, label: str, fault: str | None, left: str = DOWN) -> Then:
    """Everything of the host is gone; the others do not know it yet. `left`: DOWN, or RETURNING."""
    places = places_of(w)
    own = places.power(host), places.guests(host)
    gone = (
        Update(own, moves.emptied, (*own, left)),
        Update(places.daemons, moves.daemons_changed, ("dead", host)),
        forgets(places, host),
    )
    return Then(Action(label, w, fault, restart=(host,)), gone)


def forgets(places: Places, host: int) -> Update:
    """The calls that are lost with a host's agent: its own, and those it served."""
    calls = places.all_of(places.calls)
    return Update(calls, moves.forgotten, (calls, host))


def refuses(places: Places, hosts: Collection[int]) -> Update:
    """Hosts take no request any more that was sent before: those of a liveset when they keep the term of a new master,
    and a host that comes into one, for it ends all sessions of its door."""
    calls = places.all_of(places.calls)
    return Update(calls, moves.refused, (calls, frozenset(hosts)))
