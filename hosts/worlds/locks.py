"""Two hosts, their statefile, and who holds the master lock: membership and lock run whole, time is left out.

Hosts start, join or form, ask for the lock, get it or withdraw, leave, die and start again, in any order. A turn of the
statefile goes in small steps: a write begins, and lands; a read begins, takes its snapshot, is told. That a write is
confirmed later than it lands cannot be told from a read that takes its snapshot later, so both are one. What a read
shows is computed by the books of the shipped daemon from the records in it.

Numbers of incarnations and requests grow without end; only their order and equality matter, so those that no record
and no host remembers any more are given up and the others move together. Thus no number needs a bound.

`CLAUSES` are what the machines do not keep by themselves. K1 is explored of membership in `hosts.worlds.lease`; of
joining hosts it is assumed. For two hosts new numbers turn out not to be needed: a holder's grant to itself was on the
disk before the read that made it holder, so of two one would have seen the other's.

Kinds of fault: ask (somebody proposes a host as master), stop (a host is told to leave), crash, boot (a host starts,
the first time too), lost (a write or read fails).

Left out: heartbeats lost, so verdicts; pool states other than active; exclusion; storage that hangs; a write that lands
after its host has died (it goes to the sector of that incarnation, which no later one uses).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation, Signal
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from hosts.daemon.layout import Phase
from hosts.worlds import books

CLAUSES = {
    "K1": "only a host that is down, disarmed, or has not armed its new incarnation yet is ever silent for D",
    "numbers": "each request for the lock has a new number",
}
UNWRITTEN = books.Word()
HOSTS = Domain("hosts")
"""A host and the number of its request."""


@frozen(cache_hash=True)
class Host:
    """One host with its daemon.

    Arguments:
        running, armed: its daemon runs; its lease runs.
        paused: it is between two turns of the statefile.
        mine: what it published last, with what the lock has changed since.
        known: the newest incarnation of the other that it knows of; 0 for none.
        request: of the other, as its last read showed it.
        writing: its write under way.
        reading, silent, shown: whether a read is under way; whether the other could be silent when it started; the
            other's record in its snapshot, None before that.
        moved: how the other's record was seen to change, as in `books`; UNKNOWN if it was not.
        based: a read has shown this since its incarnation began.
        news: the other's record on the disk is newer than this host's last snapshot.
        disk: its record on the disk.
    """

    running: bool = False
    armed: bool = False
    paused: bool = False
    mine: books.Word = UNWRITTEN
    known: int = 0
    request: int = 0
    writing: books.Word | None = None
    reading: bool = False
    silent: bool = False
    shown: tuple[books.Word] | None = None
    moved: str = books.UNKNOWN
    news: bool = False
    based: bool = False
    disk: books.Word = UNWRITTEN


Pair = tuple[Host, Host]


def with_host(w: Pair, me: int, host: Host) -> Pair:
    """The world with one host changed, and its numbers moved together."""
    return numbered((host, w[1]) if me == 0 else (w[0], host))


def words(w: Pair) -> Iterator[tuple[int, books.Word]]:
    """Every record that is on disk, under way or remembered, with the host whose record it is."""
    for me, host in enumerate(w):
        yield me, host.mine
        yield me, host.disk
        if host.writing is not None:
            yield me, host.writing
        if host.shown is not None:
            yield 1 - me, host.shown[0]


def numbered(w: Pair) -> Pair:
    """The same with incarnations and requests of each host numbered without gaps; 0 stays 0."""
    incarnations: tuple[set[int], set[int]] = ({0}, {0})
    requests: tuple[set[int], set[int]] = ({0}, {0})
    for me, host in enumerate(w):
        incarnations[1 - me].add(host.known)
        requests[1 - me].add(host.request)
    for owner, word in words(w):
        incarnations[owner].add(word.incarnation)
        incarnations[1 - owner].add(word.listed)
        requests[owner].add(word.request)
        if word.grant is not None:
            requests[word.grant[0]].add(word.grant[1])
    if all(max(used) < len(used) for used in (*incarnations, *requests)):
        return w
    first, second = ({n: i for i, n in enumerate(sorted(used))} for used in incarnations)
    third, fourth = ({n: i for i, n in enumerate(sorted(used))} for used in requests)
    return _renumbered(w, (first, second), (third, fourth))


Places = tuple[dict[int, int], dict[int, int]]


def _renumbered(w: Pair, incarnations: Places, requests: Places) -> Pair:
    def word(owner: int, old: books.Word) -> books.Word:
        return evolve(
            old,
            incarnation=incarnations[owner][old.incarnation],
            listed=incarnations[1 - owner][old.listed],
            request=requests[owner][old.request],
            grant=None if old.grant is None else (old.grant[0], requests[old.grant[0]][old.grant[1]]),
        )

    def host(me: int, old: Host) -> Host:
        return evolve(
            old,
            known=incarnations[1 - me][old.known],
            request=requests[1 - me][old.request],
            mine=word(me, old.mine),
            disk=word(me, old.disk),
            writing=None if old.writing is None else word(me, old.writing),
            shown=None if old.shown is None else (word(1 - me, old.shown[0]),),
        )

    return host(0, w[0]), host(1, w[1])


@define(eq=False)
class LockWorld:
    """The world of two hosts that may both want the master lock.

    Arguments:
        n: 2.
        off: clauses that do not hold.
        faults: kinds of fault that may happen.
        routes: not used, nobody calls.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    clauses = CLAUSES
    faults = ("ask", "stop", "crash", "boot", "lost")

    def __attrs_post_init__(self) -> None:
        if self.n != 2:
            raise ValueError("a pair has 2 hosts")

    @property
    def facts(self) -> Mapping[str, Domain]:
        """armed: hosts whose lease runs."""
        return {"armed": HOSTS}

    def state_facts(self, w: Pair) -> Mapping[str, Value]:
        """The values of `facts`."""
        return {"armed": frozenset(me for me, host in enumerate(w) if host.armed)}

    def initial(self) -> Iterable[Pair]:
        """Nobody has started, and nobody has ever written anything."""
        yield Host(), Host()

    def alive(self, w: Pair, host: int) -> bool:
        """Never: the one timer that matters here, the pause between turns, is an action."""
        return False

    def view(self, w: Pair, host: int) -> Hashable:
        """No operation is instant."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """No operation is instant."""
        raise AssertionError(f"{operation.port}.{operation.name} is not instant")

    # -- what the machines want

    def perform(self, w: Pair, host: int, effects: Effects) -> Pair:
        """Signals change what the next write publishes; operations begin; a state without one is the pause."""
        mine = w[host]
        if "membership" in effects.abandoned:
            mine = evolve(mine, paused=mine.armed)
        for signal in effects.signals:
            mine = self.signalled(w, host, mine, signal)
        for operation in effects.operations:
            mine = self.started(w, host, evolve(mine, paused=False), operation)
        return with_host(w, host, mine)

    def signalled(self, w: Pair, me: int, host: Host, signal: Signal) -> Host:
        """The host after a signal to its statefile port or its guard."""
        word = host.mine
        match signal.port, signal.name:
            case "supervisor", "arm":
                return evolve(host, armed=True, mine=books.Word(incarnation=host.disk.incarnation + 1))
            case "supervisor", "drop":
                return evolve(host, armed=False, paused=False)
            case "statefile", "ask":
                fresh = 1 + max(number for number in _requests(w, me)) if "numbers" not in self.off else 1
                return evolve(host, mine=evolve(word, request=fresh))
            case "statefile", "withdraw":
                return evolve(host, mine=evolve(word, request=0))
            case "statefile", "grant":
                to = signal.arguments["to"]
                number = word.request if to == me else host.request
                return evolve(host, mine=evolve(word, grant=None if to is None else (to, number)))
        return host

    def started(self, w: Pair, me: int, host: Host, operation: Operation) -> Host:
        """The host once an operation has begun."""
        if operation.name == "read":
            armed = w[1 - me].armed and "K1" not in self.off
            return evolve(host, reading=True, silent=not armed, shown=None)
        phase = {"write_joining": Phase.JOINING, "write_live": Phase.LIVE, "write_bye": Phase.BYE}[operation.name]
        live = operation.arguments.get("live", host.mine.live)
        assert isinstance(live, frozenset)
        listed = (host.mine.listed or host.known) if 1 - me in live else 0
        word = evolve(host.mine, phase=phase, live=live, listed=listed)
        return evolve(host, reading=False, silent=False, shown=None, mine=word, writing=word)

    # -- what may happen

    def actions(self, w: Pair, pending: Pending) -> Iterator[Action[Pair]]:
        """Everything that may happen next."""
        for me, host in enumerate(w):
            if not host.running:
                booted = Host(running=True, disk=host.disk)
                start = Event("membership", "start")
                yield Action(f"host {me} starts", with_host(w, me, booted), "boot", me, start, (me,))
                continue
            if host.reading:
                yield from self.reads(w, me, host)
            if host.writing is not None:
                yield from self.writes(w, me, host, host.writing)
            if host.armed:
                yield from self.orders(w, me, host)
            yield from self.dies(w, me, host)

    def orders(self, w: Pair, me: int, host: Host) -> Iterator[Action[Pair]]:
        """The next turn begins; the host is proposed as master, or told to leave."""
        if host.paused:
            yield Action(f"host {me} begins its next turn", w, host=me, event=Event("membership", "after"))
        yield Action(f"host {me} is proposed as master", w, "ask", me, Event("lock", "propose"))
        yield Action(f"host {me} is told to stop", w, "stop", me, Event("membership", "stop"))

    def dies(self, w: Pair, me: int, host: Host) -> Iterator[Action[Pair]]:
        """Everything but the disk is lost."""
        dead = with_host(w, me, Host(disk=host.disk))
        yield Action(f"host {me} dies", dead, "crash", restart=(me,))

    def outcome(self, w: Pair, me: int, host: Host, name: str, fault: str | None, **payload: Value) -> Action[Pair]:
        """The end of an operation."""
        event = Event("membership", f"statefile.{name}", payload)
        return Action(f"statefile of host {me}: {name}", with_host(w, me, host), fault, host=me, event=event)

    def writes(self, w: Pair, me: int, host: Host, word: books.Word) -> Iterator[Action[Pair]]:
        """A write lands and is confirmed, or fails, landed or not."""
        bye = word.phase is Phase.BYE
        over = evolve(host, writing=None, running=not bye)
        landed = (evolve(w[0], news=w[0].running), evolve(w[1], news=w[1].running))
        if bye:
            yield self.outcome(landed, me, evolve(over, disk=word), "said", None)
        else:
            yield self.outcome(landed, me, evolve(over, disk=word), "wrote", None, deadline=0)
        yield self.outcome(landed, me, evolve(over, disk=word), "failed", "lost")
        yield self.outcome(w, me, over, "failed", "lost")

    def reads(self, w: Pair, me: int, host: Host) -> Iterator[Action[Pair]]:
        """A read takes its snapshot; it is told, or fails."""
        over = evolve(host, reading=False, silent=False, shown=None)
        if host.shown is None:
            moved = self.moved(host) if host.news else host.moved
            taken = evolve(host, shown=(w[1 - me].disk,), silent=host.silent and not host.news, moved=moved, news=False)
            yield Action(f"the read of host {me} takes its snapshot", with_host(w, me, taken))
        else:
            other = host.shown[0]
            known = max(host.known, other.incarnation)
            based = host.mine.incarnation > 0
            after = evolve(over, known=known, request=other.request, based=based)
            for look in (host.moved, books.SILENT) if host.silent else (host.moved,):
                payload = books.seen(me, host.disk, other, host.mine, look)
                yield self.outcome(w, me, after, "seen", None, **payload)
        if host.armed:
            yield self.outcome(w, me, over, "failed", "lost")

    def moved(self, host: Host) -> str:
        """What it says of the other that its record has changed."""
        if not host.mine.incarnation:
            return books.UNKNOWN
        return books.CHANGING if host.based else books.STIRRED


def _requests(w: Pair, me: int) -> Iterator[int]:
    yield w[1 - me].request
    for owner, word in words(w):
        if owner == me:
            yield word.request
        if word.grant is not None and word.grant[0] == me:
            yield word.grant[1]
