"""A live host that loses the statefile, in ticks: how long it may go on, and who must say so (K5).

Host 0 is the owner of a lease; its writes and reads end well or fail at any time. The others lose the statefile and
have it again as they like, and acknowledge heartbeats, with what they say of the statefile then, at once or not at all;
of them only this matters, so they rest. The deadlines are those of the books of the shipped daemon. One thing is
urgent: a lease that has run out ends the owner before the next tick.

Clauses:
    capped  without the statefile, the acknowledgements of the liveset count for Ws at most
    said    rule 2 wants everybody to say that it has no statefile
    all     rule 2 wants every host that is not excluded, not only the liveset

Left out: how a liveset comes about (a script leads there), excluded hosts that start (one may not form a liveset, and
joins only whoever has the statefile), drops: without a finished read there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.timing import Timing
from hosts.worlds import books
from hosts.worlds.instantless import Instantless

HOSTS = Domain("hosts")
OWNER = frozenset({0})
CLAUSES = {
    "capped": "without the statefile, the acknowledgements of the liveset count for Ws at most",
    "said": "rule 2 wants everybody to say that it has no statefile",
    "all": "rule 2 wants every host that is configured and not excluded, not only the liveset",
}


@frozen(cache_hash=True)
class Peer:
    """Another host: whether it has no statefile, ticks since it had none, and since a heartbeat that it acknowledged;
    what it said then."""

    without: bool = False
    since: int = 0
    got: int = 0
    said: bool = False


@frozen(cache_hash=True)
class Lease:
    """One world: script steps, whether the owner lives, ticks that it has left, ticks since the start of its newest
    confirmed write, age of the write under way, the others."""

    step: int
    lives: bool
    left: int
    confirmed: int
    write: int | None
    peers: tuple[Peer, ...]


@define(eq=False)
class Survival(Instantless):
    """The world of `n` hosts, the first of which may lose the statefile.

    Arguments:
        n, off, faults, routes: as of every world; nobody calls.
        life: A = W + K, ticks. cap: Ws + K, ticks.
        dead: so many of the highest hosts are not excluded, and never answer.
        less: K5 is asked of a life that is so many ticks shorter than `cap`.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    life: int = 1
    cap: int = 2
    dead: int = 0
    less: int = 0
    clauses = CLAUSES
    faults = ()

    @cached_property
    def timing(self) -> Timing:
        """The durations in ticks."""
        return books.ticks(self.life, self.cap + 1, self.cap, self.cap + 1)

    @property
    def members(self) -> range:
        """The liveset."""
        return range(self.n - self.dead)

    @cached_property
    def script(self) -> tuple[tuple[int, Event], ...]:
        """The way to the liveset."""
        return tuple(books.way_to_a_liveset(self.timing, self.n, tuple(self.members)))

    @property
    def facts(self) -> Mapping[str, Domain]:
        """The owner while it lives; once its last confirmed write is older than Ws; and then, if not everybody else has
        been without the statefile, and has acknowledged it, within the life of evidence."""
        return dict.fromkeys(("alive", "beyond", "astray"), HOSTS)

    def state_facts(self, w: Lease) -> Mapping[str, Value]:
        """The values of `facts`."""
        beyond = w.lives and w.confirmed > self.cap - self.less
        astray = beyond and any(max(peer.since, peer.got) > self.life for peer in w.peers)
        return {name: OWNER if holds else frozenset()
                for name, holds in (("alive", w.lives), ("beyond", beyond), ("astray", astray))}  # fmt: skip

    def initial(self) -> Iterable[Lease]:
        """A new lease, once the script has led to a liveset; nobody has been without the statefile for long."""
        never = self.life + 1
        peers = tuple(Peer(since=never, got=0 if p in self.members else never) for p in range(1, self.n))
        yield Lease(0, True, self.life, 0, None, peers)

    def perform(self, w: Lease, host: int, effects: Effects) -> Lease:
        """The owner's writes begin, and its lease is renewed."""
        if w.step < len(self.script) or host != 0:
            return w
        for signal in effects.signals:
            if signal.name == "renew":
                w = evolve(w, left=max(w.left, int(signal.arguments["deadline"])))
        begun = any(operation.name == "write_live" for operation in effects.operations)
        return evolve(w, write=0) if begun else w

    def actions(self, w: Lease, pending: Pending) -> Iterator[Action[Lease]]:
        """Everything that may happen next."""
        if w.step < len(self.script):
            host, event = self.script[w.step]
            label = f"on the way to a liveset, host {host}: {event.name}"
            yield Action(label, evolve(w, step=w.step + 1), host=host, event=event)
        elif w.lives:
            yield self.tick(w)
            yield from self.operations(w, [name for _, name in pending[0]])
            yield from self.evidence(w)
            for p in self.members[1:]:
                peer = w.peers[p - 1]
                label = f"host {p} has the statefile again" if peer.without else f"host {p} loses the statefile"
                since = 0 if not peer.without else peer.since
                yield Action(label, self.with_peer(w, p, evolve(peer, without=not peer.without, since=since)))
                heard = evolve(peer, got=0, said=peer.without)
                yield Action(f"host {p} acknowledges a heartbeat", self.with_peer(w, p, heard))

    def with_peer(self, w: Lease, p: int, peer: Peer) -> Lease:
        """The same with another host different."""
        return evolve(w, peers=(*w.peers[: p - 1], peer, *w.peers[p:]))

    def tick(self, w: Lease) -> Action[Lease]:
        """Everything is a tick older, or the owner's lease has run out."""
        if w.left == 0:
            return Action("the lease of host 0 ends", evolve(w, lives=False), restart=(0,))
        never = self.life + 1
        peers = tuple(
            evolve(p, since=0 if p.without else min(p.since + 1, never), got=min(p.got + 1, never)) for p in w.peers
        )
        write = None if w.write is None else min(w.write + 1, never)
        confirmed = min(w.confirmed + 1, self.cap + 1)
        return Action("a tick", evolve(w, left=w.left - 1, confirmed=confirmed, write=write, peers=peers))

    def operations(self, w: Lease, pending: list[str]) -> Iterator[Action[Lease]]:
        """The owner's turns."""

        def told(name: str, after: Lease, **payload: Value) -> Action[Lease]:
            event = Event("membership", name, payload)
            return Action(f"host 0: {name}", after, host=0, event=event)

        if not pending:
            yield told("after", w)
        if "statefile.write_live" in pending and w.write is not None:
            over = evolve(w, write=None)
            left = books.by_write(self.timing, w.write)
            yield told("statefile.wrote", evolve(over, confirmed=min(w.write, self.cap)), deadline=left)
            yield told("statefile.failed", over)
        if "statefile.read" in pending:
            yield told("statefile.seen", w, **self.script[-1][1].payload)
            yield told("statefile.failed", w)

    def evidence(self, w: Lease) -> Iterator[Action[Lease]]:
        """Acknowledgements of the liveset, and of everybody without the statefile."""
        peers = w.peers[: len(self.members) - 1]
        confirmed = w.confirmed if "capped" not in self.off else 0
        asked = w.peers if "all" not in self.off else peers
        says = tuple(peer.said or "said" in self.off for peer in asked)
        ways = {
            "acked": books.by_acknowledgements(self.timing, tuple(peer.got for peer in peers), confirmed),
            "unanimous": books.by_survival(self.timing, tuple(peer.got for peer in asked), says),
        }
        for name, left in ways.items():
            if left > w.left:
                event = Event("membership", f"network.{name}", {"deadline": left})
                yield Action(f"host 0 is told: {name}", w, host=0, event=event)
