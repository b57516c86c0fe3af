"""Two daemons that start, join and go on, in ticks of one clock: a joiner holds a lease like anybody else.

What `lease.py` leaves out: nobody is live at the beginning. Host 0 is the survivor: it lives for ever, everything it
does may be late, and it goes live first. Host 1 is the owner of a lease: from its start on it may be slow, frozen, cut
off or dead at any moment, so that it is admitted, and dropped again, before it knows that it was admitted. Only one
thing is urgent: when its newest evidence is `life` = W + K ticks old it is dead, so time does not go on before. `drop`
is D.

Everything that takes time is apart from what it does: a write starts, lands, is confirmed or fails; a read starts (the
ages are taken then), sees the file, ends; a heartbeat is sent, and received or lost, one under way in each direction.
Deadlines are ages here: that of the write or of the heartbeat sent which they count from.

`CLAUSES` are the rules of the evidence.

Left out: clocks that drift, a second life of the owner, statefile loss (rule 2), verdicts, the survivor's own lease,
and an owner that forms a liveset.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import Routes
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value

SURVIVOR, OWNER = 0, 1
HOSTS = Domain("hosts")
NOBODY: frozenset[int] = frozenset()
BOTH = frozenset({SURVIVOR, OWNER})
CLAUSES = {
    "start_of_write": "evidence by a write counts from its start, not from its confirmation",
    "start_of_read": "silence is judged by the ages of the start of the read, not of its end",
    "send_time": "evidence by an acknowledgement counts from the sending of what is acknowledged, not from its receipt",
}
Record = tuple[str, frozenset[int]]
"""Phase and liveset."""


@frozen
class Write:
    """The owner's write under way: ticks since it started, whether it is on the disk, and what it says."""

    age: int
    landed: bool
    record: Record


@frozen
class Read:
    """The survivor's read under way: whether the owner was silent for D when it started; what it saw, once it has, and
    whether that is news."""

    quiet: bool
    saw: tuple[Record | None, bool] | None = None


@frozen(cache_hash=True)
class Pair:
    """One world.

    fresh: daemons not started yet. disk: the records. left: the owner has given its lease up. lease: ticks since the
    owner's newest evidence, None without lease. silence: of the owner, for the survivor, D at most. news: the owner's
    record has changed since the survivor's last read. up: age of the owner's heartbeat under way; got: of the newest
    that the survivor received; down: of the one that the survivor's heartbeat under way acknowledges; all of the
    sending."""

    fresh: frozenset[int] = BOTH
    disk: tuple[Record | None, Record | None] = (None, None)
    alive: bool = True
    left: bool = False
    lease: int | None = None
    owner_write: Write | None = None
    survivor_write: Record | None = None
    read: Read | None = None
    silence: int = 0
    news: bool = False
    up: int | None = None
    got: int | None = None
    down: int | None = None


@define(eq=False)
class JoiningPair:
    """The world of the pair.

    Arguments:
        n, off, faults, routes: as every world; two hosts, and no faults but what may always happen.
        life: W + K in ticks. drop: D in ticks.
        network: whether heartbeats pass; without, the statefile is the only channel.
    """

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    life: int = 1
    drop: int = 2
    network: bool = True
    faults = ()
    clauses = CLAUSES

    @property
    def facts(self) -> Mapping[str, Domain]:
        """The survivor; the owner; those whose daemon runs and has not given the lease up."""
        return dict.fromkeys(("survivor", "owner", "bound"), HOSTS)

    def state_facts(self, w: Pair) -> Mapping[str, Value]:
        """The values of `facts`."""
        bound = frozenset({OWNER}) if w.alive and not w.left and OWNER not in w.fresh else NOBODY
        return {"survivor": frozenset({SURVIVOR}), "owner": frozenset({OWNER}), "bound": bound}

    def initial(self) -> Iterable[Pair]:
        """Nobody has started; the survivor has heard nothing of the owner for long."""
        return [Pair(silence=self.drop)]

    def alive(self, w: Pair, host: int) -> bool:
        """The survivor always is."""
        return w.alive or host == SURVIVOR

    def view(self, w: Pair, host: int) -> Hashable:
        """Nothing is instant here."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """Nothing is instant here."""
        raise AssertionError(operation)

    def perform(self, w: Pair, host: int, effects: Effects) -> Pair:
        """What a turn wants done."""
        for signal in effects.signals:
            if host == OWNER and signal.port == "supervisor":
                w = self.supervised(w, signal.name, signal.arguments)
        for operation in effects.operations:
            phase = operation.name.removeprefix("write_")
            record = (phase, operation.arguments.get("live", NOBODY))
            if operation.name == "read":
                w = evolve(w, read=Read(w.silence >= self.drop)) if host == SURVIVOR else w
            elif host == SURVIVOR:
                w = evolve(w, survivor_write=record)
            else:
                w = evolve(w, owner_write=Write(0, False, record))
        return w

    def supervised(self, w: Pair, name: str, arguments: Mapping[str, Value]) -> Pair:
        """The owner's lease after a signal to its guard."""
        if name == "arm":
            return evolve(w, lease=0)
        if name == "renew":
            return evolve(w, lease=None if w.lease is None else min(w.lease, arguments["deadline"]))
        return evolve(w, lease=None, left=True) if name == "drop" else evolve(w, alive=False)

    def actions(self, w: Pair, pending: Pending) -> Iterator[Action[Pair]]:
        """Everything that may happen next."""
        for host in sorted(w.fresh):
            started = evolve(w, fresh=w.fresh - {host})
            yield Action(f"the daemon of host {host} starts", started, host=host, event=Event("membership", "start"))
        yield from self.time(w)
        if self.network:
            yield from self.heartbeats(w)
        if w.alive:
            yield from self.owner(w, [operation for _, operation in pending[OWNER]])
        yield from self.survivor(w, [operation for _, operation in pending[SURVIVOR]])
        write = w.owner_write
        if write and not write.landed:  # even when its writer is dead
            landed = evolve(w, owner_write=evolve(write, landed=True), disk=(w.disk[SURVIVOR], write.record), news=True)
            yield Action("the owner's write lands", landed)

    def time(self, w: Pair) -> Iterator[Action[Pair]]:
        """A tick, unless the owner must die first; and its death, at any time."""
        if w.alive and w.lease is not None:
            yield Action("the owner dies", evolve(w, alive=False, up=None, down=None))
        if not (w.alive and w.lease == self.life):
            write = w.owner_write
            older = evolve(
                w,
                lease=w.lease + 1 if w.alive and w.lease is not None else None,
                silence=min(w.silence + 1, self.drop),
                owner_write=write and evolve(write, age=min(write.age + 1, self.life + 1)),
                up=self.older(w.up),
                got=self.older(w.got),
                down=self.older(w.down),
            )
            yield Action("a tick", older)

    def older(self, age: int | None) -> int | None:
        """An age a tick later; all that are too old to be evidence are one."""
        return None if age is None else min(age + 1, self.life + 1)

    def heartbeats(self, w: Pair) -> Iterator[Action[Pair]]:
        """Sent, received, or replaced by a later one, which is how they are lost."""
        if w.alive and w.lease is not None and w.up != 0:
            yield Action("the owner sends a heartbeat", evolve(w, up=0))
        if w.up is not None:
            got = w.up if w.got is None else min(w.up, w.got)
            yield Action("the survivor receives it", evolve(w, up=None, got=got, silence=0))
        if w.alive and w.got is not None and w.got <= self.life and w.down != w.got and SURVIVOR not in w.fresh:
            yield Action("the survivor acknowledges", evolve(w, down=w.got))
        if w.alive and w.down is not None:
            counted = 0 if "send_time" in self.off else w.down
            event = Event("membership", "network.acked", {"deadline": counted})
            yield Action("the owner is acknowledged", evolve(w, down=None), host=OWNER, event=event)

    def owner(self, w: Pair, pending: list[str]) -> Iterator[Action[Pair]]:
        """How the owner's operations end."""
        write = w.owner_write
        for operation in pending:
            name = operation.removeprefix("statefile.")
            if name == "read":
                yield ends(w, OWNER, "seen", **self.seen_by_owner(w))
                yield ends(w, OWNER, "failed")
            elif write is not None:
                over = evolve(w, owner_write=None)
                counted = 0 if "start_of_write" in self.off else write.age
                if write.landed and name == "write_bye":
                    yield ends(over, OWNER, "said")
                elif write.landed:
                    yield ends(over, OWNER, "wrote", deadline=counted)
                yield ends(over, OWNER, "failed")

    def survivor(self, w: Pair, pending: list[str]) -> Iterator[Action[Pair]]:
        """How the survivor's operations end, and what its read sees."""
        read = w.read
        for operation in pending:
            name = operation.removeprefix("statefile.")
            if name != "read":
                over = evolve(w, disk=(w.survivor_write, w.disk[OWNER]), survivor_write=None)
                yield ends(over, SURVIVOR, "said") if name == "write_bye" else ends(over, SURVIVOR, "wrote", deadline=0)
            elif read is not None and read.saw is None:
                saw = evolve(read, saw=(w.disk[OWNER], w.news))
                yield Action("the survivor's read sees the file", evolve(w, read=saw, news=False))
            elif read is not None and read.saw is not None:
                changed = read.saw[1]
                yield ends(evolve(w, read=None, news=w.news or changed), SURVIVOR, "failed")
                over = evolve(w, read=None, silence=0 if changed else w.silence)
                for joiners in self.joiners(over, read.saw[0]):
                    yield ends(over, SURVIVOR, "seen", **self.seen_by_survivor(w, over, read, joiners))

    def joiners(self, w: Pair, record: Record | None) -> list[frozenset[int]]:
        """The owner, if its record says that it joins; whether heartbeats pass both ways is open."""
        joins = record is not None and record[0] == "joining" and w.silence < self.drop
        return [NOBODY, frozenset({OWNER})] if joins else [NOBODY]

    def seen_by_survivor(self, before: Pair, w: Pair, read: Read, joiners: frozenset[int]) -> dict[str, Value]:
        """What the survivor's read shows; `before` is the world with the ages before its news counted."""
        assert read.saw is not None
        record, changed = read.saw
        joining = record is not None and record[0] == "joining" and w.silence < self.drop
        online = record is not None and record[0] == "live" and w.silence < self.drop
        quiet = before.silence >= self.drop if "start_of_read" in self.off else read.quiet
        gone = (quiet and not changed) or (record is not None and record[0] == "bye")
        return seen(
            online=online,
            closure=frozenset({OWNER}) if online else NOBODY,
            listed=not online or (record is not None and SURVIVOR in record[1]),
            absent=NOBODY if joining else frozenset({OWNER}),
            gone=frozenset({OWNER}) if gone else NOBODY,
            first=SURVIVOR,
            joiners=joiners,
            deciding=True,
        )

    def seen_by_owner(self, w: Pair) -> dict[str, Value]:
        """What the owner's read shows; it never takes the survivor for gone."""
        record = w.disk[SURVIVOR]
        online = record is not None and record[0] == "live"
        joining = record is not None and record[0] == "joining"
        return seen(
            online=online,
            closure=frozenset({SURVIVOR}) if online else NOBODY,
            listed=record is not None and OWNER in record[1],
            absent=NOBODY if joining else frozenset({SURVIVOR}),
            gone=NOBODY,
            first=SURVIVOR if joining else OWNER,
            joiners=NOBODY,
            deciding=False,
        )


def ends(w: Pair, host: int, outcome: str, **payload: Value) -> Action[Pair]:
    """An outcome of an operation of the statefile."""
    event = Event("membership", f"statefile.{outcome}", payload)
    return Action(f"host {host}: {outcome}", w, host=host, event=event)


def seen(**shown: Any) -> dict[str, Value]:
    """The payload of a read: what is shown, and quiet values for everything that this story leaves out."""
    return {
        "pool": "active", "excluded": False, "mutual": NOBODY, "ruled_out": False, "decided": BOTH, "split": False,
        "settled": False, "verdict": BOTH, "asker": None, "preempted": False, "granted": NOBODY, "void": False,
        "taken": False, **shown,
    }  # fmt: skip
