"""Live hosts that no longer hear each other, and who of them stays: membership whole, time left out.

Links are lost once for all, each pair both ways, at the beginning; hosts notice it one by one, in any order, and that
whoever is dead is silent as well. Each goes on with its turns: what it holds is written, then the file is read in one,
by the books of the shipped daemon. Whoever is dead is found gone at some read, and nobody else is (K1 is assumed; lease
and gathering explore it).

Where hosts are `brisk`, four things that make no difference are left out, and four hosts come to an end:

- What a host has noticed changes nothing but its next write. So it notices all that it does in a turn just before its
  read ends.
- A host that has nothing new to write begins its next turn at once, for until it reads nobody can tell, and it notices
  nothing in between that it could not notice just before.
- While somebody has yet to publish whom it misses, there is no verdict (`settle`), and reads find nothing but who has
  died. So whoever moves first then, the others find the same later: the lowest of those goes first. Any may die.
- Of the dead there is but their record, and not even that once nobody lists them.

Clauses:
    K1      whoever is dropped is dead
    settle  a split is judged only once all that are not dead have published what they miss

Faults: crash (a host dies). Left out: joiners, the statefile's loss, links that come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import chain, combinations
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.partition import Links, largest_clique
from hosts.daemon.view import NOBODY, Hosts
from hosts.worlds import books
from hosts.worlds.gathering_parts import subsets
from hosts.worlds.instantless import Instantless

HOSTS = Domain("hosts")
Pair = tuple[int, int]
CLAUSES = {
    "K1": "a host leaves a survivor's liveset only once it is down",
    "settle": "a split is judged only once all that are not dead have published what they miss",
}


@frozen(cache_hash=True)
class Host:
    """A live host: its liveset, its verdict, the hosts that it has noticed to miss, and its record on the disk."""

    live: Hosts
    stay: Hosts
    missed: Hosts = NOBODY
    disk: tuple[Hosts, Hosts, Hosts] = (NOBODY, NOBODY, NOBODY)


@frozen(cache_hash=True)
class Pool:
    """One world.

    Arguments:
        step: of the script that leads to a liveset of all. hosts: those. cut: the links that are lost.
        dead: whoever has fenced itself or died. crashed: died. busy: the host that goes on before any other.
    """

    step: int
    hosts: tuple[Host, ...]
    cut: frozenset[Pair]
    dead: Hosts = NOBODY
    crashed: Hosts = NOBODY
    busy: int | None = None

    def lost(self, p: int) -> Hosts:
        """The hosts to which the links of a host are lost."""
        return frozenset(chain.from_iterable(pair for pair in self.cut if p in pair)) - {p}


@define(eq=False)
class Arbitration(Instantless):
    """The world of `n` hosts that are live when links are lost.

    Arguments:
        n, off, faults, routes: as of every world; nobody calls.
        brisk: a write lands before anything else happens, and the four things above.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    brisk: bool = True
    clauses = CLAUSES
    faults = ("crash",)

    @cached_property
    def script(self) -> tuple[tuple[int, Event], ...]:
        """The way to a liveset of all."""
        return tuple(books.way_to_a_liveset(books.ticks(1, 2, 2, 3), self.n, tuple(range(self.n))))

    @property
    def facts(self) -> Mapping[str, Domain]:
        """Hosts that are not dead; dead by a crash; that take themselves for the lowest of their liveset; the largest
        set of hosts that all hear each other; whether livesets agree and nobody misses a member, as the whole pool."""
        return dict.fromkeys(("alive", "crashed", "deciders", "largest", "agreed"), HOSTS)

    def state_facts(self, w: Pool) -> Mapping[str, Value]:
        """The values of `facts`."""
        everybody = frozenset(range(self.n))
        alive = everybody - w.dead
        links = Links(tuple((p, everybody - w.lost(p) - {p}) for p in everybody))
        rest = all(w.hosts[p].live == alive and not w.lost(p) & alive for p in alive)
        return {
            "alive": alive,
            "crashed": w.crashed,
            "deciders": frozenset(p for p in alive if p == min(w.hosts[p].live)),
            "largest": largest_clique(links),
            "agreed": everybody if rest else NOBODY,
        }

    def initial(self) -> Iterable[Pool]:
        """Any links are lost, and nobody knows it."""
        everybody = frozenset(range(self.n))
        pairs = list(combinations(range(self.n), 2))
        hosts = tuple(Host(everybody, everybody, disk=(everybody, everybody - {p}, everybody)) for p in range(self.n))
        for size in range(1, len(pairs) + 1):
            for cut in combinations(pairs, size):
                yield Pool(0, hosts, frozenset(cut))

    def perform(self, w: Pool, host: int, effects: Effects) -> Pool:
        """A write holds what the host holds; a fence is death."""
        if w.step < len(self.script):
            return w
        if any(signal.name == "fence" for signal in effects.signals):
            return self.dies(w, host)
        for operation in effects.operations:
            if operation.name == "write_live":
                live = operation.arguments["live"]
                assert isinstance(live, frozenset)
                missed = w.hosts[host].missed & live if self.brisk else w.hosts[host].missed
                w = self.with_host(evolve(w, busy=host if self.brisk else None), host, live=live, missed=missed)
        return self.forgotten(w)

    def dies(self, w: Pool, p: int) -> Pool:
        """The world once a host has died: what it was is over, but for its record."""
        w = evolve(w, dead=w.dead | {p})
        if not self.brisk:
            return w
        return self.forgotten(self.with_host(evolve(w, busy=p), p, live=NOBODY, stay=NOBODY, missed=NOBODY))

    def forgotten(self, w: Pool) -> Pool:
        """The world without the records of the dead whom nobody lists any more."""
        listed = frozenset(chain.from_iterable(host.live for host in w.hosts))
        for p in w.dead - listed if self.brisk else NOBODY:
            w = self.with_host(w, p, disk=(NOBODY, NOBODY, NOBODY))
        return w

    def with_host(self, w: Pool, p: int, **changes: Any) -> Pool:
        """The same with one host different."""
        hosts = list(w.hosts)
        hosts[p] = evolve(hosts[p], **changes)
        return evolve(w, hosts=tuple(hosts))

    def actions(self, w: Pool, pending: Pending) -> Iterator[Action[Pool]]:
        """Everything that may happen next."""
        if w.step < len(self.script):
            host, event = self.script[w.step]
            label = f"on the way to a liveset, host {host}: {event.name}"
            yield Action(label, evolve(w, step=w.step + 1), host=host, event=event)
            return
        if w.busy is None:
            yield from map(partial(self.crash, w), self.alive_in(w))
        for p in self.movers(w):
            if p in w.dead:
                yield Action(f"host {p} ends", evolve(w, busy=None), restart=(p,))
            else:
                yield from self.of_host(w, p, [name for _, name in pending[p]])

    def alive_in(self, w: Pool) -> list[int]:
        """The hosts that are not dead."""
        return [p for p in range(self.n) if p not in w.dead]

    def movers(self, w: Pool) -> list[int]:
        """The hosts that go on now: one in the middle of its turn, the first that has yet to publish, or all."""
        if w.busy is not None:
            return [w.busy]
        alive = self.alive_in(w)
        first = [p for p in alive if self.unpublished(w, p)][:1] if self.brisk and "settle" not in self.off else []
        return first or alive

    def of_host(self, w: Pool, p: int, operations: list[str]) -> Iterator[Action[Pool]]:
        """What a live host does next."""
        if "statefile.write_live" in operations:
            yield self.written(w, p)
        if "statefile.read" in operations:
            yield from self.reads(w, p)
        if not operations:
            for name in ("after", "network.hurry", "network.left"):
                yield Action(f"host {p} begins its next turn: {name}", w, host=p, event=Event("membership", name))
        if not self.brisk or "statefile.read" in operations:
            yield from self.misses(w, p)

    def crash(self, w: Pool, p: int) -> Action[Pool]:
        """A host dies."""
        dies = self.dies(evolve(w, crashed=w.crashed | {p}), p)
        return Action(f"host {p} dies", evolve(dies, busy=None), "crash", restart=(p,))

    def unpublished(self, w: Pool, p: int) -> Hosts:
        """Hosts that are not dead and that a host has lost, by its record unnoticed."""
        return w.lost(p) & w.hosts[p].disk[1] - w.dead

    def misses(self, w: Pool, p: int) -> Iterator[Action[Pool]]:
        """A host notices that it does not hear another."""
        for who in sorted((w.lost(p) | w.dead) & w.hosts[p].live - w.hosts[p].missed):
            noticed = self.with_host(w, p, missed=w.hosts[p].missed | {who})
            busy, event = p if self.brisk else None, Event("membership", "network.missed", {"who": who})
            yield Action(f"host {p} misses host {who}", evolve(noticed, busy=busy), host=p, event=event)

    def written(self, w: Pool, p: int) -> Action[Pool]:
        """The record lands with what the host holds now."""
        host = w.hosts[p]
        disk = (host.live, self.heard(host, p), host.stay)
        landed = self.with_host(evolve(w, busy=None), p, disk=disk)
        event = Event("membership", "statefile.wrote", {"deadline": 1})
        return Action(f"statefile of host {p}: wrote", landed, host=p, event=event)

    def heard(self, host: Host, p: int) -> Hosts:
        """The hosts that host p exchanges heartbeats with, as far as it has noticed."""
        return (host.live if self.brisk else frozenset(range(self.n))) - {p} - host.missed

    def reads(self, w: Pool, p: int) -> Iterator[Action[Pool]]:
        """A read sees the file and ends; of the dead, any have been silent for long enough."""
        host = w.hosts[p]
        words = tuple(other.disk for other in w.hosts)
        ended = frozenset(range(self.n)) - {p} if "K1" in self.off else w.dead
        for gone in subsets(ended & host.live):
            mutual = self.heard(host, p)
            seen = dict(books.arbitrated(books.ticks(1, 2, 2, 3), p, words, host.live, host.stay, mutual, gone))
            seen["settled"] = seen["settled"] and (self.all_published(w) or "settle" in self.off)
            stay = seen["verdict"] if seen["deciding"] and seen["settled"] else seen["decided"]
            told = w if seen["ruled_out"] else self.with_host(w, p, stay=stay)
            nothing_new = host.disk == (host.live - gone, mutual, stay)
            told = evolve(told, busy=p if self.brisk and nothing_new else None)
            event = Event("membership", "statefile.seen", seen)
            yield Action(f"statefile of host {p}: seen", told, host=p, event=event)

    def all_published(self, w: Pool) -> bool:
        """Whether every host that is not dead has published whom it misses."""
        return not any(self.unpublished(w, p) for p in self.alive_in(w))
