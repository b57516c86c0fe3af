"""The sectors of some hosts as `generations.py` has them, and what the shipped daemon makes of a read of them.

Whatever a read shows is computed by the books of the shipped daemon (`hosts.daemon.evidence`) from records that say
what the sectors here say, after a short history in which the others looked as they look here; and what is in force
by its reader (`hosts.daemon.in_force`). What is explored is then what runs, not a second copy of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from attrs import evolve, frozen

from fsm.language.domains import Value
from hosts.daemon.evidence import Evidence
from hosts.daemon.heartbeat import Heartbeat, Kind
from hosts.daemon.in_force import Element, Words
from hosts.daemon.in_force import in_force as shipped
from hosts.daemon.layout import Generation, MarkWord, Notice, Phase, PoolState, Record
from hosts.daemon.statefile import Snapshot
from hosts.daemon.view import View, payload
from hosts.worlds.books import ticks

NOBODY: frozenset[int] = frozenset()
UNMARKED = MarkWord()
CHANGING, SILENT, UNKNOWN = "changing", "silent", "unknown"
"""How another host looks in a read: two reads of this incarnation have found different records of it; it has been
silent for as long as it takes; neither."""

Name = tuple[int, int]
"""A generation: its number, and the host that made it."""


@frozen(cache_hash=True)
class Said:
    """A record; `listed` is for each host the incarnation that is meant where it is in `live`, else 0."""

    of: Name
    incarnation: int
    phase: Phase
    live: frozenset[int] = NOBODY
    listed: tuple[int, ...] = ()
    request: int = 0
    grant: tuple[int, int] | None = None
    excluded: bool = False
    pool: PoolState = PoolState.NONE
    mark: MarkWord = UNMARKED


@frozen(cache_hash=True)
class Note:
    """A notice."""

    of: Name
    pool: PoolState
    excluded: bool = False
    incarnation: int = 0


@frozen(cache_hash=True)
class Shared:
    """The global section, where clause `words` does not hold."""

    of: Name
    pool: PoolState


@frozen(cache_hash=True)
class Disk:
    """The sectors of one host, and what is on the way to them.

    Arguments:
        newest, former: the records of its two newest incarnations on the disk.
        note: its notice.
        making: the generation that its operator's command is about to write.
        late: the write of a life that has ended, under way still.
        mirror: its write of the global section under way, where clause `words` does not hold.
        incarnation, landed, bye: the last that it took, that has written anything, that said goodbye.
        request: its greatest so far.
    """

    newest: Said | None = None
    former: Said | None = None
    note: Note | None = None
    making: Name | None = None
    late: Said | None = None
    mirror: Shared | None = None
    incarnation: int = 0
    landed: int = 0
    bye: int = 0
    request: int = 0

    def written(self, said: Said, one_sector: bool) -> Disk:
        """Once a record has landed; with one sector for all incarnations whatever is last is all there is."""
        if self.newest is None or one_sector or said.incarnation == self.newest.incarnation:
            return evolve(self, newest=said)
        if said.incarnation < self.newest.incarnation:
            return evolve(self, former=_former(said))
        return evolve(self, newest=said, former=_former(self.newest))


def _former(said: Said) -> Said:
    """What still counts of a record when there is a newer one: its words."""
    return Said(said.of, said.incarnation, Phase.BYE, pool=said.pool, mark=said.mark)


@frozen(cache_hash=True)
class Look:
    """What a read found: the sectors of all hosts, the global section where it counts, who could be silent, for each
    host the last incarnation whose goodbye was known, else 0, and who then asked for the lock."""

    disks: tuple[Disk, ...]
    shared: Shared | None
    silent: frozenset[int]
    ended: tuple[int, ...]
    asks: frozenset[int]


@frozen(cache_hash=True)
class Host:
    """One host with its daemon.

    Arguments:
        running, armed, paused: its daemon runs; its lease runs; it is between two turns.
        of: the generation that the daemon was started for.
        mine: what it published last, with what the machines have changed since.
        pool, mark: the greatest words of this generation that it has read.
        known, request: of each host, as its last read showed it: its incarnation, its request.
        writing, reading, look: its write under way; whether a read is; what that has found.
        based, moved, news: a read has shown this incarnation something; later ones something else of these; of these
            the disk has something newer than the last.
        misled: another is shown as master that had not asked in its present life.
        quit: it left when the statefile said invalid.
        promised: the generation in which its exclusion was confirmed, until it is live or the operator clears it.
    """

    running: bool = False
    armed: bool = False
    paused: bool = False
    of: Name = (0, 0)
    mine: Said | None = None
    pool: PoolState = PoolState.NONE
    mark: MarkWord = UNMARKED
    known: tuple[int, ...] = ()
    request: tuple[int, ...] = ()
    writing: Said | None = None
    reading: bool = False
    look: Look | None = None
    based: bool = False
    moved: frozenset[int] = NOBODY
    news: frozenset[int] = NOBODY
    misled: bool = False
    quit: bool = False
    promised: Name | None = None


@cache
def _generation(of: Name) -> Generation:
    return Generation(of[0], UUID(int=of[1]), bytes(8))


@cache
def _record(host: int, n: int, said: Said, sequence: int) -> Record:
    everybody = frozenset(range(n))
    listed = {host: said.incarnation} if host in said.live else {}
    return Record(
        incarnation=said.incarnation, sequence=sequence, phase=said.phase, live=said.live, heard=everybody - {host},
        stay=everybody, listed=listed | {peer: meant for peer, meant in enumerate(said.listed) if meant},
        request=said.request, grant=said.grant, excluded=said.excluded, pool=said.pool, mark=said.mark,
    )  # fmt: skip


@cache
def _element(
    host: int, n: int, newest: Said | None, former: Said | None, note: Note | None, sequence: int = 1
) -> Element:
    records = [(_generation(s.of), _record(host, n, s, sequence)) for s in (newest, former) if s is not None]
    notices = [note] if note else []
    return Element(
        records=tuple(records),
        notices=tuple(
            (_generation(n.of), Notice(number=1, incarnation=n.incarnation, excluded=n.excluded, pool=n.pool))
            for n in notices
        ),
    )


def words(disks: tuple[Disk, ...], shared: Shared | None) -> tuple[Name, Words]:
    """What is in force on these disks: the generation by name, and the words."""
    sectors = tuple((disk.newest, disk.former, disk.note) for disk in disks)
    return _words(sectors, shared)


@cache
def _words(
    sectors: tuple[tuple[Said | None, Said | None, Note | None], ...], shared: Shared | None
) -> tuple[Name, Words]:
    elements = [_element(host, len(sectors), *of_host) for host, of_host in enumerate(sectors)]
    if shared is not None:  # as before the words had versions: the generation is what the global section says
        elements = [
            Element(
                records=tuple(r for r in element.records if r[0] == _generation(shared.of)),
                notices=tuple(n for n in element.notices if n[0] == _generation(shared.of)),
            )
            for element in elements
        ]
        told = shipped(elements)
        return shared.of, evolve(told, generation=_generation(shared.of), pool=max(shared.pool, told.pool))
    told = shipped(elements)
    assert told.generation is not None
    return (told.generation.number, told.generation.uuid.int), told


@cache
def view(me: int, of: Name, mine: Said | None, look: Look, how: tuple[str, ...]) -> View:
    """What a read shows.

    Arguments:
        me: who reads.
        of: the generation that it was started for.
        mine: what it holds, None before it is armed.
        look: what the read found.
        how: how each host looks; of the reader itself it does not matter.
    """
    n = len(how)
    timing, everybody = ticks(1, 2, 2, 3), frozenset(range(n))
    peers = sorted(everybody - {me})
    books = Evidence(me, n, timing, 0.0)
    if mine:
        books.listed.update({peer: meant for peer, meant in enumerate(mine.listed) if meant})
    live, request = (mine.live, mine.request) if mine else (NOBODY, 0)
    late = timing.stranger if any(how[peer] == SILENT for peer in peers) else 0
    found: View | None = None
    for turn, now in enumerate((0, 0, late)):
        if turn == 1 and mine:
            books.begin(mine.incarnation)
        changing = frozenset(peer for peer in peers if how[peer] == CHANGING and turn > 1)
        snapshot = _snapshot(of, look, changing)
        books.sent(turn + 1, now)
        for peer in peers:
            if how[peer] != SILENT or turn < 2:
                acks = {me: (mine.incarnation if mine else 0, turn + 1)} if snapshot.incarnations[peer] else {}
                books.received(now, Heartbeat(
                    host=peer, incarnation=snapshot.incarnations[peer], number=turn + 1, hears=frozenset(acks),
                    acks=acks,
                ))  # fmt: skip
            if look.ended[peer]:
                books.received(now, Heartbeat(host=peer, incarnation=look.ended[peer], kind=Kind.BYE))
        books.read_started(now)
        found = books.read_finished(now, snapshot, live, everybody, request)
    assert found is not None
    return found


def _snapshot(of: Name, look: Look, changing: frozenset[int]) -> Snapshot:
    n = len(look.disks)
    name, told = words(look.disks, look.shared)
    elements = [
        _element(host, n, disk.newest, disk.former, disk.note, 1 + (host in changing))
        for host, disk in enumerate(look.disks)
    ]
    return Snapshot(
        records=tuple(element.record(_generation(of)) for element in elements),
        incarnations=tuple(max((r.incarnation for _, r in e.records), default=0) for e in elements),
        obituaries=(0,) * n,
        excluded=told.excluded,
        pool=told.pool,
        mark=told.mark,
        damaged={},
        foreign=name != of,
    )


@cache
def seen(me: int, of: Name, mine: Said | None, look: Look, how: tuple[str, ...]) -> Mapping[str, Value]:
    """The payload of `statefile.seen`; arguments as of `view`."""
    return payload(view(me, of, mine, look, how), me, len(how), mine.live if mine else NOBODY)


@frozen(cache_hash=True)
class Scene:
    """One world.

    Arguments:
        hosts, disks: of each host, itself and its sectors.
        shared: the global section where clause `words` does not hold.
        high: the greatest generation and pool state that a read has shown so far, as (number, state, who made it).
        back: a read has shown less than an earlier one.
        master: who was told last that it is master, and in which generation.
        turn: the host in the middle of a turn that goes without a break, else None.
        forming: the liveset of all is still to form.
    """

    hosts: tuple[Host, ...]
    disks: tuple[Disk, ...]
    shared: Shared | None = None
    high: tuple[int, int, int] = (0, 0, 0)
    back: bool = False
    master: tuple[Name, int] | None = None
    turn: int | None = None
    forming: bool = False

    def with_host(self, me: int, host: Host) -> Scene:
        """The world with another host."""
        return evolve(self, hosts=(*self.hosts[:me], host, *self.hosts[me + 1 :]))

    def with_disk(self, me: int, **changed: Any) -> Scene:
        """The world with other sectors of a host."""
        disk = evolve(self.disks[me], **changed)
        return evolve(self, disks=(*self.disks[:me], disk, *self.disks[me + 1 :]))

    def in_force(self) -> tuple[Name, Words]:
        """The generation in force by name, and its words."""
        return words(self.disks, self.shared)

    def asks(self, me: int) -> bool:
        """Whether a host asks for the lock in its present life, or in the last of which anything is written."""
        host, disk = self.hosts[me], self.disks[me]
        if host.armed and host.mine and host.mine.request:
            return True
        newest = disk.newest
        return newest is not None and newest.incarnation == disk.landed and newest.request > 0

    def look(self, me: int, silent: frozenset[int], ended: frozenset[int]) -> Look:
        """What a read of a host finds now, to which some may be silent, and that knows of the goodbyes of some."""
        bare = tuple(Disk(disk.newest, disk.former, disk.note) for disk in self.disks)
        byes = tuple(disk.bye if host in ended else 0 for host, disk in enumerate(self.disks))
        others = (host for host in range(len(self.hosts)) if host != me)
        return Look(bare, self.shared, silent, byes, frozenset(filter(self.asks, others)))

    def looked(self) -> Scene:
        """The world once a read has found what is in force."""
        (number, creator), told = self.in_force()
        now = (number, int(told.pool), creator)
        return evolve(self, high=max(now, self.high), back=self.back or now < self.high)

    def landed(self, me: int, said: Said, one_sector: bool) -> Scene:
        """The world once a record of a host is on the disk."""
        disk = self.disks[me].written(said, one_sector)
        mirror = None if self.shared is None else Shared(said.of, said.pool)
        newest = max(said.incarnation, disk.landed)
        landed = self.with_disk(me, newest=disk.newest, former=disk.former, mirror=mirror, landed=newest)
        for other, host in enumerate(self.hosts):
            if other != me and host.running:
                landed = landed.with_host(other, evolve(host, news=host.news | {me}))
        return landed
