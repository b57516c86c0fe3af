"""What comes from outside in the world of a pool: power, agents, VMs, the statefile, links, the planner.

Each function gives what may happen next, of a world in which only the parts that it reads are filled in. `may` are the
kinds of fault that may happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

from attrs import evolve

from fsm.engine.turn import Event
from fsm.explore.calls import Routes
from fsm.explore.parted import Parts, Then, Update
from fsm.explore.world import Action, Pending
from hosts.worlds import pool_moves as moves
from hosts.worlds.daemon import NOBODY
from hosts.worlds.pool_answers import forgets, loses_power, vm_ends
from hosts.worlds.pool_moves import put
from hosts.worlds.pool_state import (
    AWAKE,
    DOWN,
    FRESH,
    NO_PLACE,
    OPEN,
    RETURNING,
    RUNNING_AGENT,
    UNPOWERED,
    places_of,
)

Kinds = frozenset[str]
BOOT = Event("life", "boot")


def power(may: Kinds, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """Hosts boot and lose power, agents start and restart."""
    places = places_of(w)
    at = places.power(host)
    if w[at] == RETURNING:
        booted = Action(f"host {host} boots as it was told", put(w, at, AWAKE), None, host, BOOT, (host,))
        yield Then(booted, (forgets(places, host),))
    if w[at] == DOWN:
        if "boot" in may:
            booted = Action(f"host {host} boots", put(w, at, AWAKE), "boot", host, BOOT, (host,))
            yield Then(booted, (forgets(places, host),))
        return
    if "crash" in may:
        yield loses_power(w, host, f"host {host} loses power", "crash")
    if w[at] == FRESH:
        started = Action(f"the agent of host {host} starts", put(w, at, AWAKE), host=host, event=BOOT)
        yield Then(started, (forgets(places, host),))
    elif "restart" in may and w[at] in RUNNING_AGENT:
        own = at, places.guests(host)
        lost = (Update(own, moves.agent_restarted, own), forgets(places, host))
        yield Then(Action(f"the agent of host {host} restarts", w, "restart", host, BOOT, (host,)), lost)


def vms(may: Kinds, routes: Routes, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """VMs that were asked for start, or do not; a host is plugged; VMs end by themselves."""
    places = places_of(w)
    at = places.guests(host)
    guests = w[at]
    for vm in sorted(guests.launching):
        rest = guests.launching - {vm}
        started = put(w, at, evolve(guests, here=guests.here | {vm}, launching=rest))
        yield Then(Action(f"{vm} starts on host {host}", started))
        yield Then(Action(f"{vm} does not start on host {host}", put(w, at, evolve(guests, launching=rest))))
    if not guests.plugged and w[places.power(host)] not in UNPOWERED:
        yield Then(Action(f"host {host} is plugged", put(w, at, evolve(guests, plugged=True))))
    for vm in sorted(guests.here) if "exit" in may else ():
        yield vm_ends(routes, host, vm, w, "ends by itself", "exit")


def plans(may: Kinds, w: Parts, pending: Pending) -> Iterator[Then]:
    """The planner has no place to give any more, or has places again."""
    at = places_of(w).shared
    for says in NO_PLACE if w[at].planner == OPEN else (OPEN,):
        kind = "room" if says == OPEN else "full"
        if kind in may:
            yield Then(Action(f"the planner says {says}", put(w, at, evolve(w[at], planner=says)), kind))


def reaches(may: Kinds, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """A host loses the statefile, and reaches it again."""
    at = places_of(w).daemon(host)
    daemon, there = w[at]
    if not there and "back" in may:
        yield Then(Action(f"host {host} reaches the statefile again", put(w, at, (daemon, True)), "back"))
    elif there and "statefile" in may:
        yield Then(Action(f"host {host} loses the statefile", put(w, at, (daemon, False)), "statefile"))


def links(may: Kinds, w: Parts, pending: Pending) -> Iterator[Then]:
    """A host no longer hears another; the pool falls in two; all hear each other again."""
    places = places_of(w)
    hosts = range(places.n)
    deaf = w[places.links]
    if "cut" in may:
        for host, other in permutations(hosts, 2):
            if other not in deaf[host]:
                label = f"host {host} no longer hears host {other}"
                yield Then(Action(label, put(w, places.links, put(deaf, host, deaf[host] | {other})), "cut"))
    if "partition" in may:
        for side in (frozenset({0, *rest}) for size in hosts[:-1] for rest in combinations(hosts[1:], size)):
            other_side = frozenset(hosts) - side
            label = f"hosts {sorted(side)} and {sorted(other_side)} no longer hear each other"
            split = tuple(deaf[host] | (other_side if host in side else side) for host in hosts)
            yield Then(Action(label, put(w, places.links, split), "partition"))
    if "heal" in may and any(deaf):
        yield Then(Action("all hosts hear each other again", put(w, places.links, (NOBODY,) * places.n), "heal"))
