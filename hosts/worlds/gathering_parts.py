"""The parts that a gathering of hosts is made of: the time of the owner, daemons, records, and what is done to them.

Ages are forgotten where nothing depends on them any more (`kept`), and so is what a snapshot shows and no row reads.

Where hosts are brisk, three of them come to an end because of this. Each lets more happen than does, so what holds so
holds:

- Whose record has changed between two reads is not remembered: any host that has one may be found fresh, or not. Only
  that the owner's record is news to a watcher counts, for that ends its silence.
- Whoever has been silent for long enough may be found silent, or not. So it is never of use that a heartbeat arrives
  but for the evidence that comes of it: where that lasts a tick (`life` is 1), no heartbeat is told of that none can
  come of, while the owner joins or does not ask who hears it. It might have come later.
- What a joiner asks of joiners is not remembered; it has no evidence by network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations, product

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
    "capped": "evidence by network counts for `cap` ticks after the start of the newest confirmed write at most",
    "armed": "a lease runs before the first byte is written",
}


@frozen(cache_hash=True)
class Clock:
    """The time of the owner.

    Arguments:
        bound: it has a lease. left: ticks that this lasts.
        confirmed: ticks since the start of its newest confirmed write.
        write: age of its write under way. landed: whether that is on the disk.
        got: for each host the ticks since a heartbeat of the owner reached it. noted: since it began, or since a read
            that showed a change of the owner's record. misjudged: somebody found it silent while it was live.
    """

    bound: bool = False
    left: int = 0
    confirmed: int | None = None
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

    def older(self, life: int, cap: int, old: int) -> Clock:
        """The same a tick later; old: the age at which all ages are alike."""
        left = max(self.left - 1, 0)
        confirmed = up_to(self.confirmed, cap)
        return evolve(
            self,
            left=left,
            # evidence by network would bring no longer lease than there is
            confirmed=None if confirmed is not None and cap - confirmed <= left else confirmed,
            write=up_to(self.write, life + 1),
            got=tuple(min(age + 1, old) for age in self.got),
            noted=tuple(min(age + 1, old) for age in self.noted),
        )


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


def kept(clock: Clock, p: int, watches: bool, enough: int, drop: int, life: int, old: int) -> Clock:
    """The clock without the ages of host p on which nothing depends any more.

    Arguments:
        watches: p finds the owner silent. enough: silence that is enough for that, as long as p is what it is.
        drop: D. life: W + K. old: the age at which all ages are alike. All in ticks.
    """
    got, noted = (clock.got[p], clock.noted[p]) if watches else (old, old)
    if noted >= enough or (noted >= drop and got <= noted):
        noted = old
    if got > life and (noted <= got or got >= enough):
        got = old
    return clock.with_("got", p, got).with_("noted", p, noted)


def needed(me: Host, words: tuple[books.Word, ...], news: Hosts, unsure: Hosts) -> tuple[tuple[books.Word, ...], Hosts]:
    """What a snapshot shows the owner: the records and whose are news; to a live one, of the others only who joins.

    Arguments:
        unsure: hosts whose record may have changed, as far as the owner remembers.
    """
    news = news - me.moved if me.looked else NOBODY
    if me.phase is not Phase.LIVE:
        return words, news
    joining = frozenset(r for r in (me.moved | news | unsure) - me.live if words[r].phase is Phase.JOINING)
    joiner, member = books.Word(Phase.JOINING, NOBODY, 1), books.Word(Phase.LIVE, me.live, 1)
    return tuple(joiner if r in joining else member for r in range(len(words))), news


def looks(
    p: int, me: Host, words: tuple[books.Word, ...], owner: Hosts, freshes: Sequence[Hosts] | None, mute: Hosts
) -> Iterator[tuple[Hosts, Hosts, Hosts]]:
    """Every way in which a read of host p may have found the others: who was silent, `mute` and of those that it has
    never heard any; who was fresh, one of `freshes`; which joiners exchange heartbeats with it. If `freshes` is None,
    any that have a record may be fresh, and whoever is mute may be found so or not."""
    mutes = [mute]
    if freshes is None:
        freshes = list(subsets(frozenset(r for r, word in enumerate(words) if word.phase is not None) - {p}))
        mutes = list(subsets(mute))
    unheard = frozenset(r for r in range(len(words)) if words[r].phase is None) - {p} - owner
    for silent in subsets(unheard if me.begun and me.phase is Phase.JOINING else NOBODY):
        for mute, fresh in product(mutes, freshes):
            for near in subsets(frozenset(r for r in fresh if words[r].phase is Phase.JOINING)):
                yield silent | mute, fresh, near


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
