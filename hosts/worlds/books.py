"""The books of the shipped daemon (`hosts.daemon.evidence`), asked in ticks by the worlds that explore its machines.

A world keeps ages, which are few; the books keep times and numbers, which are not. So whenever a world needs a deadline
or what a read shows, a short history with the ages in question is entered in new books, and the answer is theirs.
What is explored is then the arithmetic and the sets that run, not a second copy of them.

Left out: whatever depends on a history that no age tells, such as several heartbeats under way at once; links judged
lost, and links that have settled (both take for ever here); the end of the lease that an unconfirmed statefile brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from attrs import evolve, frozen

from fsm.engine.turn import Event
from fsm.language.domains import Value
from hosts.daemon.evidence import Evidence
from hosts.daemon.heartbeat import Heartbeat, Kind
from hosts.daemon.layout import MarkWord, Phase, PoolState, Record
from hosts.daemon.statefile import Snapshot
from hosts.daemon.timing import Timing
from hosts.daemon.view import NOBODY, Hosts, payload

NEVER = 1e6
PHASES = {"write_joining": Phase.JOINING, "write_live": Phase.LIVE, "write_bye": Phase.BYE}
"""What a record says that an operation writes."""
BOTH = frozenset({0, 1})
CHANGING, STIRRED, SILENT, UNKNOWN = "changing", "stirred", "silent", "unknown"
"""How the other host looks in a read: its record has changed between two reads of this incarnation; it has changed
since a read before that; it has been silent for D; none of these is known so far."""


@frozen(cache_hash=True)
class Word:
    """What a record says that the lock and the liveset depend on; phase None of a record that was never written.

    Arguments:
        listed: the incarnation of the other host that is meant where it is in `live`, else 0.
        request, grant: as in `hosts.daemon.layout.Record`.
    """

    phase: Phase | None = None
    live: frozenset[int] = frozenset()
    incarnation: int = 0
    listed: int = 0
    request: int = 0
    grant: tuple[int, int] | None = None


@cache
def ticks(life: int, drop: int, cap: float = NEVER, stranger: float = NEVER) -> Timing:
    """The durations of a pool in ticks.

    Arguments:
        life: longest life after the start of the newest evidence, W + K: the kill is part of the lease.
        drop: D, silence after which a host may be dropped.
        cap: Ws + K, longest life after the start of the newest confirmed write while evidence comes by network.
        stranger: silence after which a joiner takes a host for gone.
    Raises:
        PoolError: `drop` is below `life`, or `stranger` below `cap`.
    """
    return Timing(
        target=drop, cycle=1, heartbeat=1, link=NEVER, settle=NEVER, drop=drop, stranger=stranger, kill=0, skew=0,
        lease=life, statefile_lease=cap, join=NEVER,
    )  # fmt: skip


@cache
def by_write(timing: Timing, age: int) -> int:
    """Ticks left by a write that is confirmed now and began `age` ticks ago; negative where it began too long ago."""
    return int(Evidence(0, 2, timing, 0.0).wrote(-age))


@cache
def by_acknowledgement(timing: Timing, age: int) -> int:
    """Ticks left by the other host's acknowledgement, received now, of the heartbeat sent `age` ticks ago."""
    books = Evidence(0, 2, timing, -NEVER)
    books.begin(1)
    books.wrote(-age)
    books.sent(1, -age)
    books.received(0, _beat(1, {0: (1, 1)}))
    books.track(BOTH)
    deadline = books.by_network()
    assert deadline is not None
    return int(deadline)


@cache
def shown(timing: Timing, me: int, silence: int, changed: bool, end: Kind | None, lost: bool) -> Mapping[str, Value]:
    """The payload of a read, for a member of a liveset of two.

    Arguments:
        me: who reads.
        silence: ticks since the other's last sign of life when the read started.
        changed: the read finds the other's record changed.
        end: the other's goodbye or obituary was known when the read started.
        lost: the other publishes that it does not hear this host.
    """
    peer = 1 - me
    books = Evidence(me, 2, timing, 0.0)
    books.begin(1)
    for sequence in (1, 2):
        _read(books, me, 0, sequence, lost)
        books.track(BOTH)
    books.received(0, _beat(peer, {me: (1, 1)}))
    if end is not None:
        books.received(0, Heartbeat(host=peer, incarnation=1, kind=end))
    return _read(books, me, silence, 2 + changed, lost)


def is_silent(timing: Timing, me: int, silence: int) -> bool:
    """Whether a read that starts after so many ticks of silence may drop the other host."""
    gone = shown(timing, me, silence, False, None, False)["gone"]
    assert isinstance(gone, frozenset)
    return bool(gone)


def _beat(host: int, acks: Mapping[int, tuple[int, int]]) -> Heartbeat:
    return Heartbeat(host=host, incarnation=1, number=1, live=BOTH, hears=frozenset(acks), acks=acks)


def _read(books: Evidence, me: int, now: float, sequence: int, lost: bool) -> Mapping[str, Value]:
    records = tuple(_record(host, sequence, BOTH - {me} if lost and host != me else BOTH) for host in (0, 1))
    snapshot = Snapshot(
        records=records, incarnations=(1, 1), obituaries=(0, 0), excluded=frozenset(), pool=PoolState.ACTIVE,
        mark=MarkWord(), damaged={},
    )  # fmt: skip
    books.read_started(now)
    return payload(books.read_finished(now, snapshot, BOTH, BOTH, 0), me, 2, BOTH)


def _record(host: int, sequence: int, heard: frozenset[int]) -> Record:
    return Record(
        incarnation=1, sequence=sequence, phase=Phase.LIVE, live=BOTH, heard=heard - {host}, stay=BOTH,
        listed={0: 1, 1: 1}, pool=PoolState.ACTIVE,
    )  # fmt: skip


@cache
def seen(me: int, disk: Word, other: Word, mine: Word, look: str) -> Mapping[str, Value]:
    """The payload of a read, for one of two hosts that join, leave and ask for the master lock.

    Arguments:
        me: who reads.
        disk, other: the records on disk, this host's and the other's.
        mine: what this host holds: its incarnation, liveset, whom it lists, its request.
        look: how the other looks.
    """
    peer, timing = 1 - me, ticks(1, 2)
    books = Evidence(me, 2, timing, 0.0)
    if mine.listed:
        books.listed[peer] = mine.listed
    last: Mapping[str, Value] = {}
    for turn, now in enumerate((0, 0, timing.stranger if look == SILENT else 0)):
        if turn == 1 and mine.incarnation:
            books.begin(mine.incarnation)
        sequence = 1 + (look == STIRRED and turn > 0) + (look == CHANGING and turn > 1)
        found = {me: _said(me, disk, 1), peer: _said(peer, other, sequence)}
        if other.phase is not None:
            books.sent(turn + 1, 0)
            books.received(0, Heartbeat(
                host=peer, incarnation=other.incarnation, number=turn + 1, hears=frozenset({me}),
                acks={me: (mine.incarnation, turn + 1)},
            ))  # fmt: skip
        snapshot = Snapshot(
            records=(found[0], found[1]), incarnations=tuple(r.incarnation if r else 0 for r in (found[0], found[1])),
            obituaries=(0, 0), excluded=frozenset(), pool=PoolState.ACTIVE, mark=MarkWord(), damaged={},
        )  # fmt: skip
        books.read_started(now)
        last = payload(books.read_finished(now, snapshot, mine.live, BOTH, mine.request), me, 2, mine.live)
    return last


def _said(host: int, word: Word, sequence: int) -> Record | None:
    if word.phase is None:
        return None
    listed = {host: word.incarnation} if host in word.live else {}
    return Record(
        incarnation=word.incarnation, sequence=sequence, phase=word.phase, live=word.live, heard=BOTH - {host},
        stay=BOTH,
        listed=listed | ({1 - host: word.listed} if word.listed else {}), request=word.request, grant=word.grant,
        pool=PoolState.ACTIVE,
    )  # fmt: skip


# -- pools of any size, in which every host has one incarnation


@cache
def by_acknowledgements(timing: Timing, ages: tuple[int, ...], confirmed: int) -> int:
    """Ticks left by the acknowledgements of everybody who is asked.

    Arguments:
        ages: of the newest heartbeat that each of them has acknowledged, since its sending.
        confirmed: ticks since the start of the newest confirmed write.
    """
    books = Evidence(0, 1 + len(ages), timing, -NEVER)
    books.begin(1)
    books.wrote(-confirmed)
    number = {age: place for place, age in enumerate(sorted(set(ages), reverse=True), 1)}
    for age, sent in number.items():
        books.sent(sent, -age)
    for peer, age in enumerate(ages, 1):
        books.received(0, _beat(peer, {0: (1, number[age])}))
    books.track(range(1 + len(ages)))
    deadline = books.by_network()
    return -1 if deadline is None else int(deadline)


@cache
def finds_silent(timing: Timing, silence: int, live: bool) -> bool:
    """Whether a read that starts after so many ticks of another's silence may take that for gone, if the reader is live
    or joins."""
    books = Evidence(0, 2, timing, -silence)
    books.begin(1)
    mine = Word(Phase.LIVE if live else Phase.JOINING, BOTH, 1)
    books.read_started(0)
    return 1 in books.read_finished(0, _snapshot((mine, Word()), NOBODY), BOTH, BOTH, 0).silent


@cache
def first_sight_counts(timing: Timing) -> bool:
    """Whether the first read of a daemon ends the silence of a host that has a record."""
    books = Evidence(0, 2, timing, -timing.stranger)
    word = Word(Phase.LIVE, BOTH, 1)
    books.read_started(0)
    books.read_finished(0, _snapshot((word, word), NOBODY), BOTH, BOTH, 0)
    books.read_started(0)
    return 1 not in books.read_finished(0, _snapshot((word, word), NOBODY), BOTH, BOTH, 0).silent


@cache
def gathered(
    timing: Timing, me: int, words: tuple[Word, ...], live: Hosts, fresh: Hosts, silent: Hosts, near: Hosts,
    begun: bool, excluded: Hosts = NOBODY,
) -> Mapping[str, Value]:  # fmt: skip
    """The payload of a read, for one of a pool in which all links that matter are good.

    Arguments:
        me: who reads. words: the record of each host on the disk. live: the liveset that the reader holds.
        fresh: hosts whose record was found changed between two reads, within D. silent: of the others, those that had
            been silent for D.
        near: joiners that exchange heartbeats with the reader.
        begun: the reader has a new incarnation. excluded: who is excluded.
    """
    everybody = frozenset(range(len(words)))
    books = Evidence(me, len(words), timing, -NEVER)
    for turn, now in enumerate((-NEVER, -NEVER, 0)):
        if turn == 1 and begun:
            books.begin(1)
        books.read_started(now)
        books.read_finished(now, _snapshot(words, fresh if turn == 2 else NOBODY), live, everybody, 0)
    books.sent(1, 0)
    for peer in everybody - {me} - silent:
        acks = {me: (1, 1)} if peer in near else {}
        books.received(0, _beat(peer, acks))
    books.track(live)
    books.read_started(0)
    last = evolve(_snapshot(words, fresh), excluded=excluded)
    shown = payload(books.read_finished(0, last, live, everybody, 0), me, len(words), live)
    return {**shown, "mutual": NOBODY}  # which it publishes, and what comes of that is explored elsewhere


def _snapshot(words: tuple[Word, ...], changed: Hosts) -> Snapshot:
    everybody = frozenset(range(len(words)))
    records = tuple(
        None
        if word.phase is None
        else Record(
            incarnation=1, sequence=1 + (host in changed), phase=word.phase, live=word.live, stay=everybody,
            heard=everybody - {host}, listed=dict.fromkeys(word.live, 1), pool=PoolState.ACTIVE,
        )
        for host, word in enumerate(words)
    )  # fmt: skip
    return Snapshot(
        records=records, incarnations=tuple(0 if record is None else 1 for record in records),
        obituaries=(0,) * len(words), excluded=NOBODY, pool=PoolState.ACTIVE, mark=MarkWord(), damaged={},
    )  # fmt: skip


def way_to_a_liveset(timing: Timing, n: int, members: tuple[int, ...]) -> Iterator[tuple[int, Event]]:
    """What is told to whom until the liveset of some hosts of a pool of n has formed and all are between two turns: the
    first forms it alone and lists the others as they join, and these find themselves listed."""
    everybody = frozenset(range(n))

    def seen(host: int, **different: Value) -> tuple[int, Event]:
        unwritten = (Word(),) * n
        payload = {**gathered(timing, host, unwritten, NOBODY, NOBODY, NOBODY, NOBODY, False), **different}
        return host, Event("membership", "statefile.seen", {**payload, "decided": everybody})

    def wrote(host: int) -> tuple[int, Event]:
        return host, Event("membership", "statefile.wrote", {"deadline": timing.lease})

    for host in members:
        yield host, Event("membership", "start")
        yield seen(host)
        yield wrote(host)
    for host in members[:1]:
        others = everybody - {host}
        yield seen(host, absent=others, gone=others, first=host)
        yield wrote(host)
        yield seen(host, joiners=frozenset(members) - {host})
    for host in members[1:]:
        yield seen(host, online=True, closure=frozenset(members) - {host}, listed=True)
        yield wrote(host)
        yield seen(host)


@cache
def arbitrated(
    timing: Timing, me: int, words: tuple[tuple[Hosts, Hosts, Hosts], ...], live: Hosts, stay: Hosts, mutual: Hosts,
    gone: Hosts,
) -> Mapping[str, Value]:  # fmt: skip
    """The payload of a read, for one of a pool of live hosts whose links may be lost; whatever split is symmetric has
    settled.

    Arguments:
        me: who reads. words: liveset, links and verdict in the record of each host on the disk.
        live, stay, mutual: what the reader holds. gone: hosts that are known to be dead.
    """
    everybody = frozenset(range(len(words)))
    books = Evidence(me, len(words), evolve(timing, settle=0), 0.0)
    view: Mapping[str, Value] = {}
    for sequence in (1, 2, 3):
        records = tuple(
            Record(
                incarnation=1, sequence=sequence, phase=Phase.LIVE, live=lives, heard=heard, stay=stays,
                listed=dict.fromkeys(lives, 1), pool=PoolState.ACTIVE,
            )
            for lives, heard, stays in words
        )  # fmt: skip
        shown = Snapshot(
            records=records, incarnations=(1,) * len(words), obituaries=tuple(int(p in gone) for p in everybody),
            excluded=NOBODY, pool=PoolState.ACTIVE, mark=MarkWord(), damaged={},
        )  # fmt: skip
        if sequence == 2:
            books.begin(1)
            books.track(live)
        books.read_started(0)
        view = payload(books.read_finished(0, shown, live, stay, 0), me, len(words), live)
    return {**view, "mutual": mutual, "joiners": NOBODY}


@cache
def by_survival(timing: Timing, ages: tuple[int, ...], says: tuple[bool, ...]) -> int:
    """Ticks left by survival rule 2; negative where there is no such evidence.

    Arguments:
        ages: for each host that is configured and not excluded, of the newest heartbeat that it has acknowledged, since
            its sending; above `life` for none.
        says: whether it said then that it has no statefile.
    """
    books = Evidence(0, 1 + len(ages), timing, -NEVER)
    books.begin(1)
    number = {age: place for place, age in enumerate(sorted(set(ages), reverse=True), 1)}
    for age, sent in number.items():
        books.sent(sent, -age)
    for peer, (age, said) in enumerate(zip(ages, says, strict=True), 1):
        if age <= timing.lease:
            beat = evolve(_beat(peer, {0: (1, number[age])}), no_statefile=said)
            books.received(0, beat)
    deadline = books.by_survival()
    return -1 if deadline is None else int(deadline)
