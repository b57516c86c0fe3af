"""Live hosts, three or more, that may all want the master lock: membership and lock whole, time left out.

All are live in the beginning. A turn of the statefile is brisk: what a host holds is written at once, then the file is
read, whenever that ends, by the books of the shipped daemon. Hosts are proposed as master any number of times; they
die, and are found gone at some later read. What makes no difference is left out, so that four hosts come to an end:

- That a host is proposed changes nothing but what its next read or write says: so it is proposed just before its read
  ends, or after that.
- A host that has nothing new to write begins its next turn at once: until it reads nobody can tell.
- Numbers of requests are equal or not, and that is all. Two of a host may still be held or shown, the others are one.
  Of the numbers that a read shows, one is needed later: of whom this host grants the lock to.
- Of the dead there is but their record, and not even that once nobody lists them. Whether a host that is never proposed
  has seen a holder, nobody asks.

Clauses:
    K1       whoever is dropped is dead
    numbers  each request for the lock has a new number

Faults: ask (a host is proposed as master), crash, lost (a read fails). Left out: joins and second lives (the system
lock has both, of two hosts), writes that fail, verdicts; the liveset in a record, which only joiners read.
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
    """What a record says of the lock: the number of the host's request, whose request it grants."""

    request: int = 0
    grant: tuple[int, int] | None = None


@frozen(cache_hash=True)
class Host:
    """A host: its liveset, what it holds, what it has written, the requests that its last read showed."""

    live: Hosts
    known: tuple[int, ...]
    mine: Word = Word()
    disk: Word = Word()


@frozen(cache_hash=True)
class Pool:
    """One world: steps of the script, hosts, the dead, who goes on before any other and whether its read has ended."""

    step: int
    hosts: tuple[Host, ...]
    dead: Hosts = NOBODY
    busy: int | None = None
    read: bool = False

    def with_host(self, p: int, host: Host) -> Pool:
        """The same with one host different."""
        return evolve(self, hosts=(*self.hosts[:p], host, *self.hosts[p + 1 :]))

    def numbered(self) -> Pool:
        """The same with other numbers of requests: those that stand are 2 and 3, all that nobody will ever hold or show
        again are 1."""
        standing = tuple(tuple(sorted({h.mine.request, h.disk.request} - {0})) for h in self.hosts)
        return evolve(self, hosts=tuple(_numbered(p, host, standing) for p, host in enumerate(self.hosts)))


@cache
def _numbered(p: int, host: Host, standing: tuple[tuple[int, ...], ...]) -> Host:
    def place(q: int, number: int) -> int:
        return 2 + standing[q].index(number) if number in standing[q] else min(number, 1)

    def moved(word: Word) -> Word:
        grant = None if word.grant is None else (word.grant[0], place(*word.grant))
        return Word(place(p, word.request), grant)

    granted = host.mine.grant and host.mine.grant[0]
    known = tuple(place(q, number) if q == granted else 0 for q, number in enumerate(host.known))
    return Host(host.live, known, moved(host.mine), moved(host.disk))


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
        yield Pool(0, (Host(frozenset(range(self.n)), (0,) * self.n),) * self.n)

    def perform(self, w: Pool, host: int, effects: Effects) -> Pool:
        """Signals change what the next write says; a write begins; whoever has nothing to write goes on at once."""
        if w.step < len(self.script):
            return w
        me = w.hosts[host]
        for signal in effects.signals:
            me = evolve(me, mine=self.signalled(host, me, signal.name, signal.arguments.get("to")))
        w = w.with_host(host, me)
        for operation in effects.operations:
            if operation.name == "write_live":
                w = evolve(w, busy=host, read=False)
        if w.read and w.hosts[host].mine != w.hosts[host].disk:
            w = evolve(w, busy=None, read=False)
        return self.forgotten(w)

    def signalled(self, p: int, host: Host, name: str, to: Any) -> Word:
        """What the host holds after a signal."""
        word = host.mine
        if name == "ask":
            return evolve(word, request=4 if "numbers" not in self.off else 1)
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
        alive = [p for p in range(self.n) if p not in w.dead]
        for p in alive if w.busy is None else [w.busy]:
            yield from self.of_host(w, p, [name for _, name in pending[p]])

    def of_host(self, w: Pool, p: int, operations: list[str]) -> Iterator[Action[Pool]]:
        """What a host does next, and its death."""
        if "statefile.write_live" in operations:
            landed = evolve(w.with_host(p, evolve(w.hosts[p], disk=w.hosts[p].mine)), busy=None)
            event = Event("membership", "statefile.wrote", {"deadline": 1})
            yield Action(f"statefile of host {p}: wrote", landed, host=p, event=event)
            return
        reading = "statefile.read" in operations
        if reading:
            yield from self.reads(w, p)
        else:
            yield Action(f"host {p} begins its next turn", w, host=p, event=Event("membership", "after"))
        if p < self.rivals:
            asked = evolve(w, busy=p) if reading else w
            yield Action(f"host {p} is proposed as master", asked, "ask", p, Event("lock", "propose"))
        if w.busy is None:
            yield Action(f"host {p} dies", self.dies(w, p), "crash", restart=(p,))

    def dies(self, w: Pool, p: int) -> Pool:
        """The world once a host has died: what it was is over, but for its record, until nobody lists it any more."""
        over = Host(NOBODY, (0,) * self.n, Word(), w.hosts[p].disk)
        return self.forgotten(evolve(w.with_host(p, over), dead=w.dead | {p}))

    def forgotten(self, w: Pool) -> Pool:
        """The world without the records of the dead whom nobody lists any more."""
        for p in w.dead.difference(*(host.live for host in w.hosts)):
            w = w.with_host(p, evolve(w.hosts[p], disk=Word()))
        return w if "numbers" in self.off else w.numbered()

    def reads(self, w: Pool, p: int) -> Iterator[Action[Pool]]:
        """A read sees the file and ends, or fails; of the dead, any have been silent for long enough."""
        host = w.hosts[p]
        words = tuple(other.disk for other in w.hosts)
        over = evolve(w, busy=p, read=True)
        ended = frozenset(range(self.n)) - {p} if "K1" in self.off else w.dead
        for gone in subsets(ended & host.live):
            after = over.with_host(p, evolve(host, live=host.live - gone, known=tuple(word.request for word in words)))
            shown = conceded(p, words, host.live, host.mine.request, gone)
            event = Event("membership", "statefile.seen", shown if p < self.rivals else {**shown, "taken": False})
            yield Action(f"statefile of host {p}: seen", after, host=p, event=event)
        yield Action(f"statefile of host {p}: failed", over, "lost", p, Event("membership", "statefile.failed"))


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
                incarnation=1, sequence=sequence, phase=Phase.LIVE, live=live, heard=everybody - {p},
                stay=everybody, listed=dict.fromkeys(live, 1), request=word.request, grant=word.grant,
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
