"""Live hosts, three or more, that may all want the master lock: membership and lock whole, time left out.

All are live in the beginning. A turn of the statefile is brisk: what a host holds is written at once, then the file is
read, whenever that ends, by the books of the shipped daemon. Hosts are proposed as master any number of times; they
die, and are found gone at some later read. Requests are numbered without end; numbers that nobody remembers are given
up and the others move together, so that no number needs a bound.

Clauses:
    K1       whoever is dropped is dead
    numbers  each request for the lock has a new number

Faults: ask (a host is proposed as master), crash, lost (a read fails). Left out: joins and second lives (the system
lock has both, of two hosts), writes that fail, verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.evidence import Evidence
from hosts.daemon.layout import MarkWord, Phase, PoolState, Record
from hosts.daemon.statefile import Snapshot
from hosts.daemon.view import NOBODY, Hosts, payload
from hosts.worlds import books
from hosts.worlds.gathering_parts import subsets
from hosts.worlds.instantless import Instantless

HOSTS = Domain("hosts")
CLAUSES = {
    "K1": "a host leaves a survivor's liveset only once it is down",
    "numbers": "each request for the lock has a new number",
}


@frozen(cache_hash=True)
class Word:
    """What a record says: the liveset, the number of the request for the lock, whose request is granted."""

    live: Hosts
    request: int = 0
    grant: tuple[int, int] | None = None

    def moved(self, me: int, places: tuple[Mapping[int, int], ...]) -> Word:
        """The same with other numbers."""
        grant = None if self.grant is None else (self.grant[0], places[self.grant[0]][self.grant[1]])
        return Word(self.live, places[me][self.request], grant)


@frozen(cache_hash=True)
class Host:
    """A host: what it holds, what it has written, the requests that its last read showed."""

    mine: Word
    disk: Word
    known: tuple[int, ...]


@frozen(cache_hash=True)
class Pool:
    """One world: steps of the script, hosts, the dead, whose write is about to land."""

    step: int
    hosts: tuple[Host, ...]
    dead: Hosts = NOBODY
    busy: int | None = None

    def with_host(self, p: int, host: Host) -> Pool:
        """The same with one host different."""
        return evolve(self, hosts=(*self.hosts[:p], host, *self.hosts[p + 1 :]))

    def numbers(self, p: int) -> set[int]:
        """The numbers of requests of a host that anybody remembers."""
        words = [(q, word) for q, host in enumerate(self.hosts) for word in (host.mine, host.disk)]
        own = {word.request for q, word in words if q == p}
        granted = {word.grant[1] for _, word in words if word.grant is not None and word.grant[0] == p}
        return {0} | own | granted | {host.known[p] for host in self.hosts}

    def numbered(self) -> Pool:
        """The same with requests of each host numbered without gaps; 0 stays 0."""
        hosts = range(len(self.hosts))
        used = [self.numbers(p) for p in hosts]
        if all(max(numbers) < len(numbers) for numbers in used):
            return self
        places = tuple({number: i for i, number in enumerate(sorted(numbers))} for numbers in used)
        moved = tuple(
            Host(h.mine.moved(p, places), h.disk.moved(p, places), tuple(places[q][h.known[q]] for q in hosts))
            for p, h in enumerate(self.hosts)
        )
        return evolve(self, hosts=moved)


@define(eq=False)
class Concession(Instantless):
    """The world of `n` live hosts.

    Arguments:
        n, off, faults, routes: as of every world; nobody calls.
        rivals: only so many, from the lowest on, are ever proposed as master.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    rivals: int = 3
    clauses = CLAUSES
    faults = ("ask", "crash", "lost")

    @cached_property
    def script(self) -> tuple[tuple[int, Event], ...]:
        """The way to a liveset of all."""
        return tuple(books.way_to_a_liveset(books.ticks(1, 2, 2, 3), self.n, tuple(range(self.n))))

    @property
    def facts(self) -> Mapping[str, Domain]:
        """armed: hosts that are not dead."""
        return {"armed": HOSTS}

    def state_facts(self, w: Pool) -> Mapping[str, Value]:
        """The values of `facts`."""
        return {"armed": frozenset(range(self.n)) - w.dead}

    def initial(self) -> Iterable[Pool]:
        """Nobody wants the lock."""
        word = Word(frozenset(range(self.n)))
        yield Pool(0, (Host(word, word, (0,) * self.n),) * self.n)

    def perform(self, w: Pool, host: int, effects: Effects) -> Pool:
        """Signals change what the next write says; a write begins."""
        if w.step < len(self.script):
            return w
        me = w.hosts[host]
        for signal in effects.signals:
            me = evolve(me, mine=self.signalled(w, host, me, signal.name, signal.arguments.get("to")))
        for operation in effects.operations:
            if operation.name == "write_live":
                live: Any = operation.arguments["live"]
                me, w = evolve(me, mine=evolve(me.mine, live=live)), evolve(w, busy=host)
        return w.with_host(host, me).numbered()

    def signalled(self, w: Pool, p: int, host: Host, name: str, to: Any) -> Word:
        """What the host holds after a signal."""
        word = host.mine
        if name == "ask":
            return evolve(word, request=1 + max(w.numbers(p)) if "numbers" not in self.off else 1)
        if name == "withdraw":
            return evolve(word, request=0)
        if name == "grant":
            number = word.request if to == p else None if to is None else host.known[to]
            return evolve(word, grant=None if number is None else (to, number))
        return word

    def actions(self, w: Pool, pending: Pending) -> Iterator[Action[Pool]]:
        """Everything that may happen next."""
        if w.step < len(self.script):
            host, event = self.script[w.step]
            label = f"on the way to a liveset, host {host}: {event.name}"
            yield Action(label, evolve(w, step=w.step + 1), host=host, event=event)
            return
        for p in sorted(frozenset(range(self.n)) - w.dead):
            operations = [name for _, name in pending[p]]
            if w.busy == p:
                landed = evolve(w.with_host(p, evolve(w.hosts[p], disk=w.hosts[p].mine)), busy=None)
                event = Event("membership", "statefile.wrote", {"deadline": 1})
                yield Action(f"statefile of host {p}: wrote", landed.numbered(), host=p, event=event)
            if w.busy is not None:
                continue
            if "statefile.read" in operations:
                yield from self.reads(w, p)
            else:
                yield Action(f"host {p} begins its next turn", w, host=p, event=Event("membership", "after"))
            if p < self.rivals:
                yield Action(f"host {p} is proposed as master", w, "ask", p, Event("lock", "propose"))
            yield Action(f"host {p} dies", evolve(w, dead=w.dead | {p}), "crash", restart=(p,))

    def reads(self, w: Pool, p: int) -> Iterator[Action[Pool]]:
        """A read sees the file and ends, or fails; of the dead, any have been silent for long enough."""
        host = w.hosts[p]
        words = tuple(other.disk for other in w.hosts)
        known = w.with_host(p, evolve(host, known=tuple(word.request for word in words))).numbered()
        ended = frozenset(range(self.n)) - {p} if "K1" in self.off else w.dead
        for gone in subsets(ended & host.mine.live):
            event = Event("membership", "statefile.seen", conceded(p, words, host.mine.live, host.mine.request, gone))
            yield Action(f"statefile of host {p}: seen", known, host=p, event=event)
        yield Action(f"statefile of host {p}: failed", w, "lost", p, Event("membership", "statefile.failed"))


@cache
def conceded(me: int, words: tuple[Word, ...], live: Hosts, request: int, gone: Hosts) -> Mapping[str, Value]:
    """The payload of a read of host `me`, which holds the liveset `live` and asks with the number `request`."""
    n = len(words)
    everybody = frozenset(range(n))
    ledger = Evidence(me, n, books.ticks(1, 2, 2, 3), 0.0)
    shown: Mapping[str, Value] = {}
    for sequence in (1, 2, 3):
        records = tuple(
            Record(
                incarnation=1, sequence=sequence, phase=Phase.LIVE, live=word.live, heard=everybody - {p},
                stay=everybody, listed=dict.fromkeys(word.live, 1), request=word.request, grant=word.grant,
                pool=PoolState.ACTIVE,
            )
            for p, word in enumerate(words)
        )  # fmt: skip
        seen = Snapshot(
            records=records, incarnations=(1,) * n, obituaries=tuple(int(p in gone) for p in range(n)),
            excluded=NOBODY, pool=PoolState.ACTIVE, mark=MarkWord(), damaged={},
        )  # fmt: skip
        if sequence == 2:
            ledger.begin(1)
            ledger.track(live)
        ledger.read_started(0)
        shown = payload(ledger.read_finished(0, seen, live, everybody, request), me, n, live)
    return {**shown, "mutual": NOBODY, "joiners": NOBODY}
