"""Live hosts that no longer hear each other, and who of them stays: membership whole, time left out.

Links are lost once for all, each pair both ways, at the beginning; hosts notice it one by one, in any order. Each goes
on with its turns: what it holds is written, then the file is read in one, by the books of the shipped daemon. Whoever
is dead is found gone at some read, and nobody else is (K1 is assumed; lease and gathering explore it).

Clauses:
    K1      whoever is dropped is dead
    settle  a split is judged only once all that are not dead have published what they miss

Faults: crash (a host dies). Left out: joiners, the statefile's loss, links that come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
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
        dead: whoever has fenced itself or died. crashed: died. busy: the host whose write is about to land.
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
        brisk: a write lands before anything else happens.
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
            return evolve(w, dead=w.dead | {host})
        for operation in effects.operations:
            if operation.name == "write_live":
                live = operation.arguments["live"]
                assert isinstance(live, frozenset)
                w = self.with_host(evolve(w, busy=host if self.brisk else None), host, live=live)
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
        for p in range(self.n):
            if p in w.dead or w.busy not in (None, p):
                continue
            operations = [name for _, name in pending[p]]
            if "statefile.write_live" in operations:
                yield self.written(w, p)
            if w.busy is not None:
                continue
            if "statefile.read" in operations:
                yield from self.reads(w, p)
            if not operations:
                for name in ("after", "network.hurry", "network.left"):
                    yield Action(f"host {p} begins its next turn: {name}", w, host=p, event=Event("membership", name))
            for who in sorted(w.lost(p) & w.hosts[p].live - w.hosts[p].missed):
                noticed = self.with_host(w, p, missed=w.hosts[p].missed | {who})
                event = Event("membership", "network.missed", {"who": who})
                yield Action(f"host {p} misses host {who}", noticed, host=p, event=event)
            dies = evolve(w, dead=w.dead | {p}, crashed=w.crashed | {p})
            yield Action(f"host {p} dies", dies, "crash", restart=(p,))

    def written(self, w: Pool, p: int) -> Action[Pool]:
        """The record lands with what the host holds now."""
        host = w.hosts[p]
        disk = (host.live, self.heard(host, p), host.stay)
        landed = self.with_host(evolve(w, busy=None), p, disk=disk)
        event = Event("membership", "statefile.wrote", {"deadline": 1})
        return Action(f"statefile of host {p}: wrote", landed, host=p, event=event)

    def heard(self, host: Host, p: int) -> Hosts:
        """The hosts that host p exchanges heartbeats with, as far as it has noticed."""
        return frozenset(range(self.n)) - {p} - host.missed

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
            event = Event("membership", "statefile.seen", seen)
            yield Action(f"statefile of host {p}: seen", told, host=p, event=event)

    def all_published(self, w: Pool) -> bool:
        """Whether every host that is not dead has published whom it misses."""
        alive = frozenset(range(self.n)) - w.dead
        return all(not (w.lost(p) & alive & w.hosts[p].disk[1]) for p in alive)
