"""Two hosts in discrete time: host 0 owns a lease, host 1 watches it, and both run the shipped rows of membership.

K1 says something of two hosts only, the one that is dropped and the one that drops, so one direction of one pair is
enough: whatever the watcher does for its own life is left to happen at once, and the owner never drops the watcher.

Time goes in ticks, and everything else is optional: a host that does nothing is frozen, a message that is not sent is
lost, an operation that does not end hangs. One thing alone is urgent: a host whose newest evidence is older than
`life` at a tick is dead. `life` is W + K, for the host may live through all of the time that its end takes.

The owner has one write under way; it lands at some moment between its start and its confirmation, or has failed and
lands later or never. Its heartbeats reach the watcher, which acknowledges the last one it has received at any later
time. The watcher's read takes its snapshot at some moment between start and end. Ages are counted up to the point
where nothing depends on them any more, so there are finitely many. A message that is late brings older evidence and a
younger sign of life than one sent at once, so without `delay` none is under way; with it one each way is.

The rules of the evidence are clauses that can be switched off one at a time; each is needed.

Faults: stop (the owner is told to leave), crash (the owner dies at any moment). The watcher may hear of either end.

With `wander` each host has a clock of its own, which may be so many ticks ahead of the true time or behind it, and goes
on by none, one or two a tick. An interval of one host is then wrong by twice that at most, so that the skew is
2 * wander and D = W + K + 1 + 4 * wander.

Left out: how both came to be live (a script leads the rows there), links judged lost and verdicts,
pool state invalid, survival rule 2 and the cap Ws, and a second incarnation of the owner.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import product

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.heartbeat import Kind
from hosts.daemon.timing import Timing
from hosts.worlds import books

OWNER, WATCHER = 0, 1
LEASED, LEFT, DEAD = "leased", "left", "dead"
NOBODY: frozenset[int] = frozenset()
HOSTS = Domain("hosts")
CLAUSES = {
    "start": "evidence by a write counts from its start, not from its confirmation",
    "sent": "evidence by an acknowledgement counts from the sending of what is acknowledged, not from its receipt",
    "read": "a host is dropped on a read that started when it had been silent for D",
    "beats": "a heartbeat that is received ends the silence",
    "records": "a record that is found changed ends the silence",
    "ended": "a write that has failed does not land over a later one",
}


@frozen
class Write:
    """A write of the owner's record that is under way. age: ticks since its start. number: its record, until it has
    landed."""

    number: int | None
    age: int = 0


@frozen
class Read:
    """A read of the watcher that is under way. silent, end: what was known when it started. number: the record that its
    snapshot shows, None before the snapshot."""

    silent: bool
    end: Kind | None
    number: int | None = None


@frozen(cache_hash=True)
class Pair:
    """One world. Records are numbered so that the one that the watcher's last finished read showed is 0, and those that
    may still matter follow each other without gaps.

    Arguments:
        script: how many steps of the way to a liveset of two are done.
        phase: the owner has a lease, has left, or is dead.
        left: ticks that its lease still lasts.
        write: its write under way. late: the record of one that failed and has not landed yet. disk: that on disk.
        beat: age of its heartbeat under way. received: age of the last one that the watcher has received, since its
            sending. ack: the same of the acknowledgement under way.
        silence: ticks since the watcher's last sign of life.
        read: the watcher's read.
        end: the owner's goodbye or obituary, if it is known to the watcher.
        over: the watcher has dropped the owner.
        ahead: ticks by which each host's clock is ahead of the true time.
    """

    script: int = 0
    phase: str = LEASED
    left: int = 0
    write: Write | None = None
    late: int | None = None
    disk: int = 0
    beat: int | None = None
    received: int | None = None
    ack: int | None = None
    silence: int = 0
    read: Read | None = None
    end: Kind | None = None
    over: bool = False
    ahead: tuple[int, int] = (0, 0)

    @property
    def newest(self) -> int:
        """The newest record."""
        written = self.write.number if self.write else None
        return max(0, self.disk, *(number for number in (self.late, written) if number is not None))

    def numbered(self, seen: int = 0) -> Pair:
        """The same with its records numbered anew; the watcher has seen the one that was number `seen`."""
        write, read = self.write, self.read
        used = {seen, self.disk, self.late, write and write.number, read and read.number} - {None}
        order = sorted(number for number in used if number is not None)
        place = {number: i - order.index(seen) for i, number in enumerate(order)}
        return evolve(
            self,
            disk=place[self.disk],
            late=None if self.late is None else place[self.late],
            write=write if write is None or write.number is None else evolve(write, number=place[write.number]),
            read=read if read is None or read.number is None else evolve(read, number=place[read.number]),
        )

    def ended(self, phase: str) -> Pair:
        """The owner has no lease any more: what it left under way could only put off the watcher's drop."""
        ended = evolve(self, phase=phase, left=0, write=None, late=None, beat=None, received=None, ack=None)
        return ended.numbered()


@define(eq=False)
class LeaseWorld:
    """The world of two hosts, the second of which watches the lease of the first.

    Arguments:
        n: 2.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: not used, nobody calls.
        life: A = W + K, ticks.
        drop: D, ticks.
        delay: messages take time, one each way.
        wander: ticks that a clock may be ahead of the true time or behind it; 0 for clocks that agree.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    life: int = 1
    drop: int = 2
    delay: bool = False
    wander: int = 0
    timing: Timing = field(init=False)
    script: tuple[tuple[int, Event], ...] = field(init=False)
    clauses = CLAUSES
    faults = ("stop", "crash")

    def __attrs_post_init__(self) -> None:
        if self.n != 2:
            raise ValueError("a pair has 2 hosts")
        if not 1 <= self.life <= self.drop:
            raise ValueError("life is at least 1 tick, and drop no less than life")
        self.timing = books.ticks(self.life, self.drop)
        self.script = tuple(_script(self.timing))

    @property
    def facts(self) -> Mapping[str, Domain]:
        """leased: hosts that may act, the watcher always. left: hosts that are disarmed. watching: the watcher."""
        return {"leased": HOSTS, "left": HOSTS, "watching": HOSTS}

    def state_facts(self, w: Pair) -> Mapping[str, Value]:
        """The values of `facts`."""
        owner, watcher = frozenset({OWNER}), frozenset({WATCHER})
        return {
            "leased": watcher | (owner if w.phase == LEASED else NOBODY),
            "left": owner if w.phase == LEFT else NOBODY,
            "watching": watcher,
        }

    def initial(self) -> Iterable[Pair]:
        """Nobody has started; a script leads to a liveset of two, where time begins with a new lease."""
        ways = range(-self.wander, self.wander + 1)
        for owner, watcher in product(ways, ways):
            yield Pair(left=self.life, ahead=(owner, watcher))

    def alive(self, w: Pair, host: int) -> bool:
        """Timers run once time has begun and until the owner is dropped."""
        return self.begun(w) and not w.over and (host == WATCHER or w.phase != DEAD)

    def begun(self, w: Pair) -> bool:
        """Whether the script is over."""
        return w.script == len(self.script)

    def view(self, w: Pair, host: int) -> Hashable:
        """No operation is instant."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """No operation is instant."""
        raise AssertionError(f"{operation.port}.{operation.name} is not instant")

    def perform(self, w: Pair, host: int, effects: Effects) -> Pair:
        """Operations start, the lease is renewed or given up. The watcher's own lease and writes are its own affair."""
        if not self.begun(w):
            return w
        started = [operation.name for operation in effects.operations]
        if host == WATCHER:
            return (
                evolve(w, read=Read(books.is_silent(self.timing, WATCHER, w.silence), w.end))
                if "read" in started
                else w
            )
        for signal in effects.signals:
            if signal.name == "renew":
                w = evolve(w, left=max(w.left, int(signal.arguments["deadline"])))
            elif signal.name == "drop":
                w = w.ended(LEFT)
        if "write_live" in started:
            late = w.late if "ended" in self.off else None
            w = evolve(w, write=Write(w.newest + 1), late=late).numbered()
        return w

    def actions(self, w: Pair, pending: Pending) -> Iterator[Action[Pair]]:
        """Everything that may happen next."""
        if not self.begun(w):
            host, event = self.script[w.script]
            label = f"on the way to a liveset of two, host {host}: {event.name}"
            yield Action(label, evolve(w, script=w.script + 1), host=host, event=event)
        elif not w.over:
            yield from self.ticks(w)
            yield from self.watches(w, [operation for _, operation in pending[WATCHER]])
            if w.phase == LEASED:
                yield from self.writes(w, [operation for _, operation in pending[OWNER]])
                yield from self.beats(w)
                yield from self.ends(w)
            else:
                yield from self.tells(w, [operation for _, operation in pending[OWNER]])

    def ticks(self, w: Pair) -> Iterator[Action[Pair]]:
        """One tick of the true time, in which a clock that wanders goes on by none, one or two; the timer that kills
        is one of the owner's."""
        steps = (0, 1, 2) if self.wander else (1,)
        for owner, watcher in product(steps, steps):
            ahead = (w.ahead[OWNER] + owner - 1, w.ahead[WATCHER] + watcher - 1)
            if max(map(abs, ahead)) > self.wander:
                continue
            label = "tick" if owner == watcher == 1 else f"tick: the clocks go on by {owner} and {watcher}"
            older = evolve(self.older(w, owner, watcher), ahead=ahead)
            if w.phase == LEASED and w.left < owner:
                yield Action(f"{label}: the lease of host 0 ends", older.ended(DEAD), restart=(OWNER,))
            else:
                yield Action(label, older)

    def older(self, w: Pair, owner: int, watcher: int) -> Pair:
        """Everything older by so many ticks of the clock that it is measured by; evidence older than `life` is worth
        nothing, silence longer than D is as good as D."""
        too_old = self.life + 1
        received, ack = (
            age + owner if age is not None and age + owner <= self.life else None for age in (w.received, w.ack)
        )
        write = w.write and evolve(w.write, age=min(w.write.age + owner, too_old))
        beat = None if w.beat is None else min(w.beat + owner, too_old)
        silence = min(w.silence + watcher, self.drop)
        left = max(w.left - owner, 0)
        return evolve(w, left=left, write=write, beat=beat, silence=silence, received=received, ack=ack)

    def writes(self, w: Pair, pending: list[str]) -> Iterator[Action[Pair]]:
        """The owner's operations: a write lands, is confirmed or fails; one that has failed may land still."""
        if w.late is not None:
            landed = evolve(w, late=None, disk=w.late)
            yield Action("the write of host 0 that failed lands", landed.numbered())
        if "statefile.write_live" in pending and w.write is not None:
            write, after = w.write, evolve(w, write=None)
            if write.number is not None:
                landed = evolve(w, write=evolve(write, number=None), disk=write.number)
                yield Action("the write of host 0 lands", landed.numbered())
                after = evolve(after, late=write.number)
            else:
                deadline = books.by_write(self.timing, write.age if "start" not in self.off else 0)
                yield self.outcome(after.numbered(), OWNER, "wrote", deadline=deadline)
            yield self.outcome(after.numbered(), OWNER, "failed")
        if "statefile.read" in pending:
            for lost in (False, True):
                payload = books.shown(self.timing, OWNER, 0, True, None, lost)
                yield self.outcome(w, OWNER, "seen", **payload)
            yield self.outcome(w, OWNER, "failed")

    def outcome(self, w: Pair, host: int, name: str, **payload: Value) -> Action[Pair]:
        """The end of a statefile operation."""
        event = Event("membership", f"statefile.{name}", payload)
        return Action(f"statefile of host {host}: {name}", w, host=host, event=event)

    def beats(self, w: Pair) -> Iterator[Action[Pair]]:
        """Heartbeats and acknowledgements."""
        if self.delay:
            yield Action("host 0 sends a heartbeat", evolve(w, beat=0))
            if w.beat is not None:
                received = min((age for age in (w.beat, w.received) if age is not None), default=0)
                fresh = received if received <= self.life else None
                yield Action("the heartbeat reaches host 1", evolve(self.heard(w), beat=None, received=fresh))
            if w.received is not None:
                yield Action("host 1 acknowledges it", evolve(w, ack=w.received))
            age, rest = w.ack, evolve(w, ack=None)
        else:
            yield Action("a heartbeat of host 0 reaches host 1", evolve(self.heard(w), received=0))
            age, rest = w.received, w
        if age is not None:
            deadline = books.by_acknowledgement(self.timing, age if "sent" not in self.off else 0)
            for name in ("acked", "unanimous"):
                event = Event("membership", f"network.{name}", {"deadline": deadline})
                yield Action(f"the acknowledgement reaches host 0: {name}", rest, host=OWNER, event=event)

    def heard(self, w: Pair) -> Pair:
        """The watcher has received a heartbeat."""
        return w if "beats" in self.off else evolve(w, silence=0)

    def ends(self, w: Pair) -> Iterator[Action[Pair]]:
        """The owner is told to leave, or dies before its time."""
        if "stop" in self.may:
            stop = Event("membership", "stop")
            yield Action("host 0 is told to stop", w, "stop", host=OWNER, event=stop)
        if "crash" in self.may:
            yield Action("host 0 dies", w.ended(DEAD), "crash", restart=(OWNER,))

    def tells(self, w: Pair, pending: list[str]) -> Iterator[Action[Pair]]:
        """The owner's end becomes known: its goodbye while it leaves, its obituary once it is dead."""
        if w.end is None:
            end = Kind.BYE if w.phase == LEFT else Kind.OBITUARY
            label = f"host 1 hears the {end.name.lower()} of host 0"
            yield Action(label, evolve(w, end=end), host=WATCHER, event=Event("membership", "network.left"))
        if "statefile.write_bye" in pending:
            yield self.outcome(w, OWNER, "said")
            yield self.outcome(w, OWNER, "failed")

    def watches(self, w: Pair, pending: list[str]) -> Iterator[Action[Pair]]:
        """The watcher's operations. Its lease is not looked at, so that its deadline is as good as any."""
        if "statefile.write_live" in pending:
            yield self.outcome(w, WATCHER, "wrote", deadline=self.life)
            yield self.outcome(w, WATCHER, "failed")
        read = w.read
        if "statefile.read" in pending and read is not None:
            if read.number is None:
                taken = evolve(w, read=evolve(read, number=w.disk))
                yield Action("the read of host 1 takes its snapshot", taken)
            else:
                yield from self.finished(w, read, read.number)
            yield self.outcome(evolve(w, read=None).numbered(), WATCHER, "failed")

    def finished(self, w: Pair, read: Read, number: int) -> Iterator[Action[Pair]]:
        """The read ends: silence since before its start, and no change, drop the owner."""
        silent = read.silent
        if "read" in self.off:
            silent = books.is_silent(self.timing, WATCHER, w.silence)
        changed = number > 0 and "records" not in self.off
        for lost in (False, True):
            silence = self.drop if silent else 0
            payload = books.shown(self.timing, WATCHER, silence, changed, read.end, lost)
            after = evolve(w, read=None, silence=0 if changed else w.silence, over=OWNER in _hosts(payload["gone"]))
            yield self.outcome(after.numbered(max(number, 0)), WATCHER, "seen", **payload)


def _hosts(value: Value) -> frozenset[int]:
    assert isinstance(value, frozenset)
    return value


def _script(timing: Timing) -> Iterator[tuple[int, Event]]:
    """The way to a liveset of two: host 0 forms it alone, lists host 1 when that joins, and host 1 finds itself
    listed."""

    def seen(host: int, **different: Value) -> tuple[int, Event]:
        payload = {**books.shown(timing, host, 0, True, None, False), **different}
        return host, Event("membership", "statefile.seen", payload)

    def said(host: int, name: str) -> tuple[int, Event]:
        wrote = name == "statefile.wrote"
        return host, Event("membership", name, {"deadline": timing.lease} if wrote else {})

    other = frozenset({WATCHER})
    for host in (OWNER, WATCHER):
        yield said(host, "start")
        yield seen(host)
        yield said(host, "statefile.wrote")
    yield seen(OWNER, online=False, absent=other, gone=other, first=OWNER)
    yield said(OWNER, "statefile.wrote")
    yield seen(OWNER, joiners=other)
    yield seen(WATCHER, closure=frozenset({OWNER}))
    yield said(WATCHER, "statefile.wrote")
    yield seen(WATCHER)
