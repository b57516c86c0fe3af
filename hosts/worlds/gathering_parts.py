"""The parts that a gathering of hosts is made of: the time of the owner, daemons, records, and what is done to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, combinations

from attrs import evolve, frozen

from fsm.engine.turn import Event
from fsm.explore.parted import Parts
from fsm.explore.world import Action
from fsm.language.domains import Value
from hosts.daemon.layout import Phase
from hosts.daemon.view import NOBODY, Hosts
from hosts.worlds import books

UNWRITTEN = books.Word()
CLAUSES = {
    "start": "evidence by a write counts from its start",
    "read": "whoever is dropped was silent for D when the read started",
    "beats": "a heartbeat that is received ends the silence",
    "records": "a record that is found changed ends the silence",
    "everybody": "evidence by network is the acknowledgement of every member, and of every joiner that may become one",
    "asked": "only a joiner that has acknowledged as late as the evidence of this host says is admitted",
    "capped": "evidence by network counts for `cap` ticks after the start of the newest confirmed write at most",
    "armed": "a lease runs before the first byte is written",
}


@frozen(cache_hash=True)
class Clock:
    """The time of the owner.

    Arguments:
        bound: it has a lease. left: ticks that this lasts.
        confirmed: ticks since the start of its newest confirmed write. counted: of its newest evidence by network.
        write: age of its write under way. landed: whether that is on the disk.
        got: for each host the ticks since a heartbeat of the owner reached it. noted: since it began, or since a read
            that showed a change of the owner's record. misjudged: somebody found it silent while it was live.
    """

    bound: bool = False
    left: int = 0
    confirmed: int | None = None
    counted: int | None = None
    write: int | None = None
    landed: bool = False
    got: tuple[int, ...] = ()
    noted: tuple[int, ...] = ()
    misjudged: bool = False
    over: bool = False

    def with_(self, name: str, host: int, age: int) -> Clock:
        """The same with one of the ages of one host."""
        ages = self.got if name == "got" else self.noted
        changed = (*ages[:host], age, *ages[host + 1 :])
        return evolve(self, got=changed) if name == "got" else evolve(self, noted=changed)


@frozen(cache_hash=True)
class Host:
    """A daemon, but for its time.

    Arguments:
        phase: what its newest write says; None before that. live: the liveset in it.
        begun: it has a new incarnation. looked: a read has ended since. moved: hosts whose record changed between two.
        asked: joiners that its evidence by network asks, besides `live`.
        reading: a read is under way. quiet: the owner was silent for D when that started.
        shown: what its snapshot shows, once taken: the records, and whose are news.
    """

    started: bool = False
    phase: Phase | None = None
    live: Hosts = NOBODY
    begun: bool = False
    looked: bool = False
    moved: Hosts = NOBODY
    asked: Hosts = NOBODY
    reading: bool = False
    quiet: bool = False
    shown: tuple[tuple[books.Word, ...], Hosts] | None = None


@frozen(cache_hash=True)
class Disk:
    """A record on the disk, and which hosts have not read it since it changed."""

    word: books.Word = UNWRITTEN
    unread: Hosts = NOBODY


def put(w: Parts, parts: Mapping[int, object]) -> Parts:
    """The world with some parts different."""
    return tuple(parts.get(at, part) for at, part in enumerate(w))


def up_to(age: int | None, most: int) -> int | None:
    """An age a tick later."""
    return None if age is None else min(age + 1, most)


def subsets(hosts: Hosts) -> Iterator[Hosts]:
    """All subsets."""
    ways = chain.from_iterable(combinations(sorted(hosts), size) for size in range(len(hosts) + 1))
    return map(frozenset, ways)


def ends(w: Parts, host: int, outcome: str, **payload: Value) -> Action[Parts]:
    """The end of an operation of the statefile."""
    label = f"statefile of host {host}: {outcome}"
    return Action(label, w, host=host, event=Event("membership", f"statefile.{outcome}", payload))
