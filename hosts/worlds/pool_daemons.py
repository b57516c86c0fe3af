"""What the liveset daemons do by themselves, in the world of a pool.

Each function gives what may happen next, of a world in which only the parts that it reads are filled in. Arguments that
come first: `off`, the clauses that do not hold; `host`, the one that it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fsm.explore.parted import Parts, Then, Update
from fsm.explore.world import Action, Pending
from hosts.worlds import pool_moves as moves
from hosts.worlds.daemon import LIVE, NOBODY, STARTING, Daemons
from hosts.worlds.pool_answers import loses_power
from hosts.worlds.pool_moves import waits_for
from hosts.worlds.pool_state import UNPOWERED, PoolState, places_of


def leaves(host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """A daemon that reads "invalid" goes."""
    places = places_of(w)
    (daemon, reaches), state = w[places.daemon(host)], w[places.shared].state
    leaving = state == "invalid" or (state == "init" and daemon.phase == LIVE)
    waits = daemon.phase == STARTING and waits_for(pending, host, "daemon.start")
    if reaches and daemon.phase in (LIVE, STARTING) and leaving and not waits:
        label = f"the daemon of host {host} reads {state} and leaves"
        yield Then(Action(label, w), (Update(places.daemons, moves.daemons_changed, ("stopped", host)),))


def drops(off: frozenset[str], lag: bool, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """Survivors drop a host, together or, with a lag, one by one."""
    up = frozenset({host}) if w[places_of(w).power(host)] not in UNPOWERED else NOBODY
    return _then(w, PoolState(w).daemons.drops(host, up, off, lag))


def marks(w: Parts, pending: Pending) -> Iterator[Then]:
    """The mark follows the lock."""
    return _then(w, PoolState(w).daemons.marks())


def fades(off: frozenset[str], fickle: bool, host: int, w: Parts, pending: Pending) -> Iterator[Then]:
    """A mark fades; with a fickle statefile also that of a host that asks for the lock, and does not reach it."""
    asks = waits_for(pending, host, "daemon.propose") and w[places_of(w).shared].mark == host
    return _then(w, PoolState(w).daemons.fades(host, asks and not fickle, off, unseen=asks and fickle))


def arrives(w: Parts, pending: Pending) -> Iterator[Then]:
    """Livesets form and grow."""
    return _then(w, PoolState(w).daemons.arrivals())


def fences(off: frozenset[str], fickle: bool, w: Parts, pending: Pending) -> Iterator[Then]:
    """Hosts that fence themselves: without the statefile (K5), or ruled out (K8)."""
    d = PoolState(w).daemons
    for host in range(len(d.daemons)):
        if any(host in seen.fenced(off) for seen in d.seen_by(host, fickle)):
            yield loses_power(w, host, f"host {host} is fenced", None)


def _then(w: Parts, ways: Iterable[tuple[str, Daemons]]) -> Iterator[Then]:
    for label, daemons in ways:
        yield Then(Action(label, PoolState(w).with_daemons(daemons)))
