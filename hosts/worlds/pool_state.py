"""One world of a pool of hosts, in parts, each of which has few values however many hosts there are.

Of each host: whether it has power and an agent · its daemon, and whether it can reach the statefile · its VMs, and
which of them were asked for and have not started yet · the calls that it began · which hosts it does not hear. And once
for all what is on the statefile, with the holder of the lock. The places of the parts are given by `Places`.

What reads or changes some parts may be handed a world in which the others are None (`fsm.explore.parted`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from attrs import evolve, frozen

from fsm.explore.calls import Calls
from fsm.explore.renaming import Renaming
from hosts.worlds.daemon import NOBODY, Daemon, Daemons

DOWN, FRESH, AWAKE = "down", "fresh", "awake"
"""Without power; with power and an agent that is about to start; with an agent that runs."""
BOUND, RETURNING = "bound", "returning"
"""With an agent that runs, and told to boot again; without power for a moment, and about to boot again."""
UNPOWERED, RUNNING_AGENT = (DOWN, RETURNING), (AWAKE, BOUND)
OPEN, NO_PLACE = "open", ("later", "nowhere", "unlogged")
"""What a planner says of every VM: it has one; its turn has not come, there is no memory, the log is broken."""


@frozen(cache_hash=True)
class Guests:
    """The VMs of a host: with a live process here; asked for and not started yet. `plugged`: the host has the storage
    and the network that they need. `plugs`: it has them only some time after it has booted, which never changes."""

    here: frozenset[str] = frozenset()
    launching: frozenset[str] = frozenset()
    plugged: bool = True
    plugs: bool = False

    @property
    def none(self) -> bool:
        """Whether nothing of any VM runs here, or will."""
        return not self.here and not self.launching


@frozen(cache_hash=True)
class Shared:
    """What is the same for all: the statefile's state and mark, whether daemons show the mark, who holds the lock,
    whether daemons are patient, which never changes, which hosts the statefile says are excluded, and what the planner
    says of every VM: OPEN, or why it gives no place. `term`: the newest that a master has opened the database with,
    where a story tells terms apart."""

    state: str
    mark: int | None
    shown: bool
    lock: int | None
    patient: bool = False
    excluded: frozenset[int] = frozenset()
    planner: str = OPEN
    term: int = 0


NOTHING_SHARED = Shared("none", None, False, None)


@frozen
class Places:
    """The places of the parts in a world of `n` hosts."""

    n: int

    def power(self, host: int) -> int:
        """DOWN, FRESH, AWAKE, BOUND or RETURNING."""
        return host

    def daemon(self, host: int) -> int:
        """(daemon, whether it reaches the statefile)."""
        return self.n + host

    def guests(self, host: int) -> int:
        """`Guests`."""
        return 2 * self.n + host

    def calls(self, host: int) -> int:
        """The calls that a host began, orphans among them."""
        return 3 * self.n + host

    @property
    def links(self) -> int:
        """Of each host those that it does not hear: one part, for hardly anything happens to one link alone."""
        return 4 * self.n

    @property
    def shared(self) -> int:
        """`Shared`."""
        return 4 * self.n + 1

    def all_of(self, kind: Any) -> tuple[int, ...]:
        """The places of one kind, of all hosts: `places.all_of(places.power)`."""
        return tuple(kind(host) for host in range(self.n))

    @property
    def daemons(self) -> tuple[int, ...]:
        """What `PoolState.daemons` is made of."""
        return (*self.all_of(self.daemon), self.shared)

    @property
    def linked(self) -> tuple[int, ...]:
        """The same with the links between hosts."""
        return (*self.daemons, self.links)


def places_of(w: tuple[Any, ...]) -> Places:
    """Where the parts of a world are."""
    return Places(len(w) // 4)


class PoolState(tuple[Any, ...]):
    """One world."""

    __slots__ = ()

    @property
    def places(self) -> Places:
        """Where its parts are."""
        return places_of(self)

    @property
    def n(self) -> int:
        """How many hosts there are."""
        return len(self) // 4

    @property
    def up(self) -> frozenset[int]:
        """The hosts with power."""
        return frozenset(host for host in range(self.n) if self[host] not in UNPOWERED)

    @property
    def fresh(self) -> frozenset[int]:
        """The hosts whose agent is about to start."""
        return frozenset(host for host in range(self.n) if self[host] == FRESH)

    @property
    def daemons(self) -> Daemons:
        """The daemons with their statefile."""
        return _daemons(self[self.n : 2 * self.n], self[-2], self[-1])

    @property
    def launching(self) -> frozenset[tuple[int, str]]:
        """(host, VM) of starts that were asked for and have not happened yet."""
        return frozenset((host, vm) for host, guests in enumerate(self.guests) for vm in guests.launching)

    @property
    def guests(self) -> tuple[Guests, ...]:
        """The VMs of each host."""
        return self[2 * self.n : 3 * self.n]

    def running(self, vm: str) -> frozenset[int]:
        """The hosts on which a VM has a live process."""
        return frozenset(host for host, guests in enumerate(self.guests) if vm in guests.here)

    def put(self, place: int, part: Any) -> PoolState:
        """The world with another part."""
        return PoolState((*self[:place], part, *self[place + 1 :]))

    def with_daemons(self, d: Daemons) -> PoolState:
        """The world with other daemons."""
        n = self.n
        daemons = ((daemon, host in d.statefile) for host, daemon in enumerate(d.daemons))
        shared = Shared(d.state, d.mark, d.shown, d.lock, d.patient, d.excluded, self[-1].planner, self[-1].term)
        return PoolState((*self[:n], *daemons, *self[2 * n : -1], shared))


@lru_cache(1 << 12)  # every source of actions asks for them, of the same world one after the other
def _daemons(daemons: tuple[tuple[Daemon, bool], ...], deaf: tuple[frozenset[int], ...], shared: Shared) -> Daemons:
    statefile = frozenset(host for host, (_, reaches) in enumerate(daemons) if reaches)
    return Daemons(
        tuple(daemon for daemon, _ in daemons), statefile, shared.state, shared.mark, shared.shown, shared.lock,
        shared.patient, shared.excluded, deaf,
    )  # fmt: skip


def renamed(w: tuple[Any, ...], to: Renaming) -> PoolState:
    """A world under other names of hosts and VMs."""
    n = len(w) // 4
    power, daemons, guests, calls = (to.by_host(w[kind * n : (kind + 1) * n]) for kind in range(4))
    deaf = tuple(map(to.hosts_of, to.by_host(w[-2])))
    daemons = tuple((Daemon(daemon.phase, to.hosts_of(daemon.live)), reaches) for daemon, reaches in daemons)
    guests = tuple(
        evolve(g, here=frozenset(map(to.name, g.here)), launching=frozenset(map(to.name, g.launching))) for g in guests
    )
    calls = tuple(of_host.renamed(to) for of_host in calls)
    was = w[-1]
    shared = evolve(was, mark=to.host(was.mark), lock=to.host(was.lock), excluded=to.hosts_of(was.excluded))
    return PoolState((*power, *daemons, *guests, *calls, deaf, shared))


def beginning(daemons: Daemons, guests: tuple[Guests, ...], calls: Calls) -> PoolState:
    """A world in which all hosts have power, and no agent runs yet; `calls`: none, as each host has begun."""
    n = len(guests)
    parts = (*[FRESH] * n, *[(Daemon(), False)] * n, *guests, *[calls] * n, (NOBODY,) * n, NOTHING_SHARED)
    return PoolState(parts).with_daemons(daemons)
