"""Daemons that start, give up when the join limit has passed, and are started again: how long the limit must be (K6).

Ticks of one clock, and here nothing is optional: an operation ends within `latency` ticks, a pause lasts `cycle`, the
limit `limit`; a daemon that has given up is started again after `retry`. Host 1 is dead and has left a live record,
whose silence host 0 must outwait before it gives up; or it is `late`: it starts any number of ticks after host 0, out
of step for ever. With pool state init nobody forms a liveset unless both join at once. The books of the shipped daemon
compute what a read shows.

Left out: all failures, and turns that do not all take as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.layout import Phase
from hosts.daemon.timing import Timing
from hosts.daemon.view import NOBODY, Hosts
from hosts.worlds import books
from hosts.worlds.instantless import Instantless

HOSTS = Domain("hosts")
NOTHING = books.Word()


@frozen(cache_hash=True)
class Host:
    """A host.

    Arguments:
        wait: ticks until its daemon starts; None while that runs. age: of its operation or pause.
        joining: ticks since its daemon began to join; None before and after.
        writing: what its write says. disk: its record. begun, looked, moved, news, silence: of the other, as in
            `hosts.worlds.gathering`. over: it will not start again, being dead.
    """

    wait: int | None = None
    age: int = 0
    joining: int | None = None
    writing: books.Word = NOTHING
    disk: books.Word = NOTHING
    begun: bool = False
    looked: bool = False
    moved: bool = False
    news: bool = False
    silence: int = 0
    quiet: bool = False
    over: bool = False


Pair = tuple[Host, Host]


@define(eq=False)
class Starting(Instantless):
    """The world of two hosts.

    Arguments:
        n, off, faults, routes: as of every world; nobody calls. n is 2.
        late: host 1 starts, too. pool: the pool state, active or init.
        limit: the join limit. retry: pause before the next start. stranger: silence after which a joiner takes a host
            for gone. cycle, latency: of the statefile. All in ticks.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    late: bool = False
    pool: str = "active"
    limit: int = 9
    retry: int = 2
    stranger: int = 3
    cycle: int = 1
    latency: int = 1
    clauses = ()
    faults = ()

    def __attrs_post_init__(self) -> None:
        if self.n != 2:
            raise ValueError("a pair has 2 hosts")

    @cached_property
    def timing(self) -> Timing:
        """The durations in ticks."""
        return books.ticks(1, 2, 2, self.stranger)

    @property
    def facts(self) -> Mapping[str, Domain]:
        """waiting: hosts whose daemon has given up or not started yet."""
        return {"waiting": HOSTS}

    def state_facts(self, w: Pair) -> Mapping[str, Value]:
        """The values of `facts`."""
        return {"waiting": frozenset(p for p, host in enumerate(w) if host.wait is not None)}

    def initial(self) -> Iterable[Pair]:
        """Host 0 is about to start; host 1 is dead, or starts at any time in the life of host 0."""
        left = books.Word(Phase.LIVE, books.BOTH, 1) if self.pool == "active" else NOTHING
        if self.late:
            yield from ((Host(wait=0, disk=left), Host(wait=wait, disk=left)) for wait in range(self.period + 1))
        else:
            yield Host(wait=0), Host(over=True, disk=left)

    @property
    def period(self) -> int:
        """The longest time from a start to the next, in ticks: read, join, goodbye, pause."""
        return self.limit + self.retry + 2 * self.latency

    def perform(self, w: Pair, host: int, effects: Effects) -> Pair:
        """What is under way begins anew with every operation; arming begins the time of joining."""
        me = w[host]
        for signal in effects.signals:
            if signal.name == "arm":
                me = evolve(me, joining=0, begun=True, looked=False, moved=False)
        for operation in effects.operations:
            me = evolve(me, age=0)
            if operation.name == "read":
                me = evolve(me, quiet=books.finds_silent(self.timing, me.silence, False))
            else:
                live: Any = operation.arguments.get("live", NOBODY)
                phase = books.PHASES[operation.name]
                joining = me.joining if phase is Phase.JOINING else None
                me = evolve(me, writing=books.Word(phase, live, 1), joining=joining)
        return with_host(w, host, me)

    def actions(self, w: Pair, pending: Pending) -> Iterator[Action[Pair]]:
        """What is due, and a tick if nothing must happen before it."""
        urgent = False
        for p, host in enumerate(w):
            if host.over:
                continue
            operations = [name.removeprefix("statefile.") for _, name in pending[p]]
            if host.wait == 0:
                urgent = True
                start = Event("membership", "start")
                begun = with_host(w, p, Host(disk=host.disk))
                yield Action(f"the daemon of host {p} starts", begun, None, p, start, (p,))
            elif host.wait is None:
                limit = host.joining == self.limit
                late = not operations and host.age >= self.cycle
                urgent |= limit or late or (bool(operations) and host.age >= self.latency)
                if limit:
                    given = with_host(w, p, evolve(host, joining=None))
                    yield Action(f"host {p} gives up", given, host=p, event=Event("membership", "after joining"))
                elif operations:
                    yield self.ended(w, p, operations[0])
                elif late:
                    after = with_host(w, p, evolve(host, age=0))
                    yield Action(f"host {p} begins its next turn", after, host=p, event=Event("membership", "after"))
        if not urgent:
            yield Action("a tick", (self.older(w[0]), self.older(w[1])))

    def older(self, host: Host) -> Host:
        """A host a tick later; what has run long enough is not counted on."""
        if host.over:
            return host
        if host.wait is not None:
            return evolve(host, wait=host.wait - 1)
        most = max(self.cycle, self.latency)
        joining = None if host.joining is None else host.joining + 1
        return evolve(host, age=min(host.age + 1, most), joining=joining, silence=min(host.silence + 1, self.stranger))

    def ended(self, w: Pair, p: int, operation: str) -> Action[Pair]:
        """An operation ends."""
        host, other = w[p], w[1 - p]
        event = Event("membership", f"statefile.{'said' if operation == 'write_bye' else 'wrote'}", {})
        if operation == "read":
            payload, after = self.seen(p, host, other)
            return Action(f"host {p} has read", with_host(w, p, after), host=p,
                          event=Event("membership", "statefile.seen", payload))  # fmt: skip
        landed = evolve(host, disk=host.writing, age=0)
        if operation == "write_bye":
            landed = Host(wait=self.retry, disk=host.writing)
        else:
            event = evolve(event, payload={"deadline": 0})
        w = with_host(with_host(w, 1 - p, evolve(other, news=other.wait is None)), p, landed)
        return Action(f"host {p} has written", w, host=p, event=event)

    def seen(self, p: int, host: Host, other: Host) -> tuple[Mapping[str, Value], Host]:
        """What a read shows, and what it changes."""
        me, peer = frozenset({p}), frozenset({1 - p})
        words = (host.disk, other.disk) if p == 0 else (other.disk, host.disk)
        moved = host.moved or (host.news and host.looked)
        fresh: Hosts = peer if (moved and host.silence < self.timing.drop) or (host.news and host.looked) else NOBODY
        silent = peer if host.quiet and not host.news else NOBODY
        near = peer if fresh and other.disk.phase is Phase.JOINING else NOBODY
        shown = books.gathered(self.timing, p, words, me, fresh, silent, near, host.begun)
        first = not host.begun and books.first_sight_counts(self.timing)
        shown = {**shown, "pool": self.pool}
        silence = 0 if host.news or first else host.silence
        after = evolve(
            host, age=0, looked=host.begun, moved=moved and host.begun, news=False, silence=silence, quiet=False
        )
        return shown, after


def with_host(w: Pair, p: int, host: Host) -> Pair:
    """The pair with one host different."""
    return (host, w[1]) if p == 0 else (w[0], host)
