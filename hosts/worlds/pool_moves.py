"""What changes parts of the world of a pool: small functions, each of which reads no more than it names.

Each takes a world in which the parts that it does not read may be None, and gives the world after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from fsm.engine.turn import Event, Operation, Reply
from fsm.explore.calls import RUNNING, SENT, Calls, Items, Routes
from fsm.explore.parted import Parts, Then
from fsm.explore.world import Action, Pending
from fsm.language.domains import Value
from hosts.worlds.daemon import NOBODY, Daemons
from hosts.worlds.pool_state import AWAKE, BOUND, DOWN, RUNNING_AGENT, Guests, PoolState, Shared, places_of


def put(w: Parts, place: int, part: Any) -> Parts:
    """The world with another part."""
    return (*w[:place], part, *w[place + 1 :])


def marked(shared: Shared, off: frozenset[str]) -> frozenset[int]:
    """Who is marked as master, as the daemons show it."""
    hidden = shared.mark is None or not (shared.shown or "K7" in off)
    return NOBODY if hidden or shared.mark is None else frozenset({shared.mark})


def waits_for(pending: Pending, host: int, operation: str) -> bool:
    """Whether some machine of a host waits for it."""
    return any(waits == operation for _, waits in pending[host])


def ended(
    host: int, machine: str, port: str, name: str, outcome: str, w: Parts, payload: Mapping[str, Value] | None = None
) -> Then:
    """An operation of a host ends."""
    event = Event(machine, f"{port}.{outcome}", dict(payload or {}))
    return Then(Action(f"{port}.{name} of host {host}: {outcome}", w, host=host, event=event))


# -- updates


def daemons_changed(w: Parts, how: str, host: int) -> Parts:
    """A method of `Daemons`, by name: started, asked, stopped, dead."""
    daemons = PoolState(w).daemons
    after: Daemons = getattr(daemons, how)(host)
    return w if after is daemons else PoolState(w).with_daemons(after)


def emptied(w: Parts, power: int, guests: int, left: str = DOWN) -> Parts:
    """A host has no power, and runs nothing; `left`: DOWN, or RETURNING."""
    return put(put(w, power, left), guests, Guests(plugged=not w[guests].plugs, plugs=w[guests].plugs))


def told_to_boot(w: Parts, power: int, reboot: bool) -> Parts:
    """A host is told to go down, and whether to boot again."""
    return put(w, power, BOUND if reboot else AWAKE)


def agent_restarted(w: Parts, power: int, guests: int) -> Parts:
    """Starts that had not happened are forgotten, and so is an order to boot again."""
    return put(put(w, power, AWAKE), guests, evolve(w[guests], launching=frozenset()))


def called_off(w: Parts, guests: int) -> Parts:
    """Starts that have not happened do not happen any more."""
    return put(w, guests, evolve(w[guests], launching=frozenset()))


def launched(w: Parts, guests: int, vm: str) -> Parts:
    """A VM is asked for."""
    return put(w, guests, evolve(w[guests], launching=w[guests].launching | {vm}))


def forgotten(w: Parts, places: tuple[int, ...], host: int) -> Parts:
    """A host has forgotten what it asked and what it served."""
    for caller, place in enumerate(places):
        calls: Calls = w[place]
        if calls.live or calls.orphans or calls.strays:
            calls = calls.caller_restarted(host) if caller == host else calls
            w = put(w, place, calls.target_restarted(host))
    return w


def abandoned(w: Parts, place: int, host: int, machine: str) -> Parts:
    """A machine of a host waits no longer."""
    return put(w, place, w[place].abandon(host, machine))


def replied(w: Parts, place: int, ears: int, host: int, call: str, outcome: str, payload: Items) -> Parts:
    """A host replies to a call; a caller that does not hear it learns nothing of it."""
    calls: Calls = w[place]
    served = calls.served(host, call)
    if served is not None and host in w[ears][served.caller]:
        calls = calls.give_up(served)
    return put(w, place, calls.reply(host, Reply(call, outcome, dict(payload))))


def called(
    w: Parts, place: int, host: int, machine: str, port: str, name: str, arguments: Items, to: tuple[int, ...],
    joined: bool,
) -> Parts:  # fmt: skip
    """A machine of a host begins a call."""
    return put(w, place, w[place].start(host, Operation(machine, port, name, dict(arguments), to, joined)))


def caller_of(call: str) -> int:
    """The host that began a call, by its number."""
    return int(call.partition(".")[0])


def refused(w: Parts, places: tuple[int, ...], targets: frozenset[int]) -> Parts:
    """Hosts have heard of a new term: they take no request of an older one."""
    for place in places:
        calls: Calls = w[place]
        w = put(w, place, calls.refused(targets))
    return w


# -- calls


def talk(may: frozenset[str], routes: Routes, prompt: bool, caller: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """The calls that a host began: their five fates. A host never loses a call to itself; between hosts that do not
    hear each other every request is lost, and a caller may give up. `prompt`: nothing but the death of an agent comes
    between a turn and the request that it sends, or between the last reply and the caller's turn."""
    places = places_of(w)
    at = places.calls(caller)
    calls: Calls = w[at]
    for leg in calls.legs(SENT):
        way = f"{leg.call} from host {leg.caller} to host {leg.target}"
        up = w[places.power(leg.target)] in RUNNING_AGENT
        there = up and caller not in w[places.links][leg.target]
        if there:
            after, event = calls.deliver(leg, routes)
            yield Then(Action(way, put(w, at, after), host=leg.target, event=event, prompt=prompt))
        if not there or ("loss" in may and leg.target != leg.caller):
            lost, fault = put(w, at, calls.lose_request(leg, down=not up)), "loss" if there else None
            yield Then(Action(f"{way} is lost", lost, fault, prompt=prompt))
    for leg in calls.legs(RUNNING):
        apart = leg.target in w[places.links][caller] or caller in w[places.links][leg.target]
        if apart or ("late" in may and leg.target != leg.caller):
            label = f"host {leg.caller} gives up {leg.call} to host {leg.target}, where it still runs"
            yield Then(Action(label, put(w, at, calls.give_up(leg)), None if apart else "late"))
    finished = calls.finished()
    for leg in calls.legs("ok"):
        if "loss" in may and leg.target != leg.caller:
            label = f"the reply to {leg.call} from host {leg.target} to host {leg.caller} is lost"
            yield Then(Action(label, put(w, at, calls.lose_reply(leg)), "loss", prompt=prompt and bool(finished)))
    for host, event, after in finished:
        label = f"host {host} has its answer: {event.name}"
        yield Then(Action(label, put(w, at, after), host=host, event=event, prompt=prompt))


def strays(routes: Routes, caller: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """A request of a host arrives for which nobody waits any more."""
    places = places_of(w)
    at = places.calls(caller)
    calls: Calls = w[at]
    for stray in calls.strays:
        if w[places.power(stray.target)] in RUNNING_AGENT and caller not in w[places.links][stray.target]:
            after, event = calls.arrive(stray, routes)
            label = f"{stray.call} from host {caller} arrives late at host {stray.target}"
            yield Then(Action(label, put(w, at, after), "stray", stray.target, event))
