"""The books of one daemon: who showed life when, who acknowledged what, and until when this host may act.

It is fed with everything that happens, each with its time, and answers with the sets and times that the rows of
`membership.yaml` and `lock.yaml` look at. It decides nothing.

Rules, each of which has a counterexample when it is left out:
- *Evidence counts from the start.* A confirmed write counts from the start of the write, an acknowledgement from the
  sending of the heartbeat acknowledged. Counted from the confirmation or the receipt, old evidence would give new life.
- *Silence counts from receipt.* A peer's life is the receipt of its heartbeat, or a read that finds its record changed.
- *Silent* is a peer for which D had passed on both channels when a read *started*, and whose record that read found
  unchanged. Silent on the statefile alone is not enough: its lease may have come by network, and the write that
  shows it may land after the read. A read begun earlier is not enough: a write may have been confirmed since.
- *A joiner waits longer.* A live host asks everybody live for its evidence by network, so whoever is live may count D.
  It does not ask a joiner, and may live without it for Ws after a write that the joiner's first read has shown.
- *Everybody, or nothing.* Evidence by network needs an acknowledgement of every member of the liveset, each naming my
  incarnation and coming from the incarnation that I list; the oldest counts. Of nobody there is none: a lone host
  lives by the statefile. A joiner is asked before it is a member. What was acknowledged without it before does not
  matter: it goes live on records that list it, so it counts the silence of this host from later than that.
- *Fresh is who wrote after it could see me.* A peer counts as joining or online once two reads of this incarnation have
  found different records of it. A record that changed since the read before my first write may be the last word of a
  host that does not know of me and is about to form a liveset without me, as I would without it.
- *Both ends by incarnation.* A reborn peer is not the peer that was listed.
- *An end counts for reads that start after it is known.* Whoever switched HA off wrote so before it left, so a read
  that drops it shows that too. A goodbye on disk may count at once: it has the pool state in the same sector.

What it leaves out: the ages of clocks (`timing.py`), partitions and the lock (`partition.py`), and every decision.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from hosts.daemon.heartbeat import Heartbeat, Kind
from hosts.daemon.layout import Phase, PoolState, Record
from hosts.daemon.partition import (
    Links,
    Records,
    closure,
    grants_of,
    holder_of,
    largest_clique,
    links_of,
)
from hosts.daemon.statefile import Snapshot
from hosts.daemon.timing import Timing
from hosts.daemon.view import NOBODY, Hosts, View


@define
class _Peer:
    """What is known of one other host; times are seconds, and `heard` None before its first heartbeat."""

    changed: float
    heard: float | None = None
    incarnation: int = 0
    seen: tuple[int, int] | None = None
    moved: bool = False
    beat: Heartbeat | None = None
    ack: tuple[int, int] | None = None
    bye: int = 0
    obituary: int = 0

    def age(self, now: float) -> float:
        """Seconds since its last sign of life."""
        return now - (self.changed if self.heard is None else max(self.changed, self.heard))


@define
class Evidence:
    """The books of the daemon of host `me`.

    Arguments:
        me: index of this host.
        hosts: number of configured hosts.
        timing: the durations of the pool.
        now: when the daemon started; silence of a peer never heard is counted from here.
    """

    me: int
    hosts: int
    timing: Timing
    now: float
    incarnation: int = 0
    listed: dict[int, int] = field(factory=dict, init=False)
    _peers: dict[int, _Peer] = field(init=False)
    _sent: dict[int, float] = field(factory=dict, init=False)
    _confirmed: float | None = field(default=None, init=False)
    _ages: dict[int, float] = field(factory=dict, init=False)
    _ends: dict[int, tuple[int, int]] = field(factory=dict, init=False)
    _excluded: Hosts = field(default=NOBODY, init=False)
    _candidates: dict[int, int] = field(factory=dict, init=False)
    _links: Links = field(factory=lambda: Links(()), init=False)
    _links_since: float = field(init=False)
    _based: bool = field(default=False, init=False)
    _looked: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._peers = {host: _Peer(changed=self.now) for host in range(self.hosts) if host != self.me}
        self._links_since = self.now

    # -- my own incarnation and liveset

    def begin(self, incarnation: int) -> None:
        """This host's daemon takes a new incarnation: nothing acknowledged or confirmed before counts for it."""
        self.incarnation = incarnation
        self._sent.clear()
        self._confirmed, self._looked = None, False
        for peer in self._peers.values():
            peer.ack, peer.moved = None, False

    def track(self, live: Iterable[int]) -> None:
        """The liveset is now `live`: new members are listed by the incarnation that is known of them."""
        others = frozenset(live) - {self.me}
        for host in self.listed.keys() - others:
            del self.listed[host]
        for host in others - self.listed.keys():
            self.listed[host] = self._peers[host].incarnation

    # -- writes of my own record

    def wrote(self, started: float) -> float:
        """A write of my own record that began at `started` is confirmed; the deadline that it gives.

        A write that failed, or of which nothing is heard, is no evidence: nobody knows whether it has landed or will.
        """
        self._confirmed = started
        return started + self.timing.lease

    # -- heartbeats

    def sent(self, number: int, now: float) -> None:
        """The heartbeat of this number goes out."""
        self._sent[number] = now
        oldest = now - max(self.timing.drop, self.timing.statefile_lease)
        while (first := next(iter(self._sent))) != number and self._sent[first] < oldest:
            del self._sent[first]

    def received(self, now: float, beat: Heartbeat) -> bool:
        """A datagram has arrived; False when it is no news (my own, an older number, an older incarnation)."""
        peer = self._peers.get(beat.host)
        if peer is None:
            return False
        if beat.kind is Kind.BYE:
            news, peer.bye = beat.incarnation > peer.bye, max(peer.bye, beat.incarnation)
            return news
        if beat.kind is Kind.OBITUARY:
            news, peer.obituary = beat.incarnation > peer.obituary, max(peer.obituary, beat.incarnation)
            return news
        last = (peer.beat.incarnation, peer.beat.number) if peer.beat else (0, 0)
        if beat.incarnation < peer.incarnation or (beat.incarnation, beat.number) <= last:
            return False
        peer.incarnation, peer.heard, peer.beat = beat.incarnation, now, beat
        mine, number = beat.acks.get(self.me, (0, 0))
        if mine == self.incarnation and number in self._sent:
            peer.ack = (beat.incarnation, number)
        return True

    def hears(self, now: float) -> Hosts:
        """The peers whose heartbeats reach this host."""
        return frozenset(host for host in self._peers if self._hears(host, now))

    def mutual(self, now: float) -> Hosts:
        """The peers that hear this incarnation of this host as it hears them."""
        return frozenset(host for host in self._peers if self._mutual(host, now))

    def acks(self, now: float) -> dict[int, tuple[int, int]]:
        """For each peer heard: its incarnation and the number of its last heartbeat received."""
        beats = ((host, self._peers[host].beat) for host in self.hears(now))
        return {host: (beat.incarnation, beat.number) for host, beat in beats if beat}

    def _hears(self, host: int, now: float) -> bool:
        heard = self._peers[host].heard
        return heard is not None and now - heard < self.timing.link

    def _mutual(self, host: int, now: float) -> bool:
        beat = self._peers[host].beat
        if beat is None or not self._hears(host, now):
            return False
        return self.me in beat.hears and beat.acks.get(self.me, (0, 0))[0] == self.incarnation

    # -- until when this host may act

    def by_network(self) -> float | None:
        """Deadline by the acknowledgements of every listed member, capped by the last confirmed write."""
        oldest = self._oldest((self._candidates | self.listed).items()) if self.listed else None
        if oldest is None or self._confirmed is None:
            return None
        return min(oldest + self.timing.lease, self._confirmed + self.timing.statefile_lease)

    def by_survival(self) -> float | None:
        """Deadline when nobody has the statefile: every configured host not excluded acknowledged, and says so.

        Members count too, should one be excluded meanwhile. Confirmed dead hosts that are not excluded count: one of
        them may be starting alone, with the statefile.
        """
        beats: list[tuple[int, int]] = []
        for host in frozenset(self._peers) - self._excluded | self.listed.keys():
            beat = self._peers[host].beat
            if beat is None or not beat.no_statefile or beat.incarnation != self._peers[host].incarnation:
                return None
            beats.append((host, beat.incarnation))
        oldest = self._oldest(beats)
        return None if oldest is None else oldest + self.timing.lease

    def _oldest(self, wanted: Iterable[tuple[int, int]]) -> float | None:
        """Send time of the oldest heartbeat acknowledged by all of these (host, incarnation); None unless all did."""
        times: list[float] = []
        for host, incarnation in wanted:
            ack = self._peers[host].ack
            if ack is None or ack[0] != incarnation or ack[1] not in self._sent:
                return None
            times.append(self._sent[ack[1]])
        return min(times, default=None)

    # -- reads of the statefile

    def read_started(self, now: float) -> None:
        """A read begins: silence is judged by the ages of this moment, and ends by what is known now."""
        self._ages = {host: peer.age(now) for host, peer in self._peers.items()}
        self._ends = {host: (peer.bye, peer.obituary) for host, peer in self._peers.items()}

    def read_finished(self, now: float, snapshot: Snapshot, live: Hosts, stay: Hosts, request: int) -> View:
        """The read has ended with `snapshot`; `live`, `stay` and `request` are what this host holds now."""
        changed = self._take_in(now, snapshot)
        records = self._current(snapshot)
        fresh = frozenset(host for host, peer in self._peers.items() if self._fresh(peer, now))
        phases = {host: records[host].phase for host in fresh & records.keys()}
        joining = frozenset(host for host, phase in phases.items() if phase is Phase.JOINING)
        online = frozenset(host for host, phase in phases.items() if phase is Phase.LIVE)
        members = self._members(records, snapshot)
        decided = self._decided(members, live, stay)
        links = self._links_now(now, links_of(members, live & decided))
        split = links.split
        mutual = self.mutual(now)
        grant = members[self.me].grant if self.me in members else None
        return View(
            silent=self._silent(snapshot) - changed,
            reborn=frozenset(host for host, n in self.listed.items() if self._peers[host].incarnation > n),
            bye=self._left(records),
            obits=self._buried(),
            fresh=fresh,
            joining=joining,
            joiners=self._joiners(joining & mutual),
            online=online,
            closure=closure(records, online) - {self.me},
            lists_me=self._listing_me(records),
            mutual=mutual,
            excluded=snapshot.excluded,
            ruled_out=self.me not in decided or snapshot.incarnations[self.me] > self.incarnation,
            decided=decided,
            split=split,
            settled=split and links.symmetric and now - self._links_since >= self.timing.settle,
            verdict=largest_clique(links) if split else links.hosts,
            askers=frozenset(host for host in members if host in live and host != self.me and members[host].request),
            granted=grants_of(members, live, self.me) if request else NOBODY,
            grant_void=grant is not None and grant[0] != self.me and not self._asked(members, live, grant),
            holder=self.holder(snapshot, live),
            pool=PoolState.INVALID if snapshot.foreign else snapshot.pool,
            mark=snapshot.mark,
        )

    def _take_in(self, now: float, snapshot: Snapshot) -> Hosts:
        """Notes what a read shows; the hosts whose record has changed since the one before."""
        changed = frozenset(host for host in self._peers if self._changed(host, now, snapshot))
        self._based = self._looked = True
        self._excluded = snapshot.excluded
        for host, peer in self._peers.items():
            peer.obituary = max(peer.obituary, snapshot.obituaries[host])
        return changed

    def _silent(self, snapshot: Snapshot) -> Hosts:
        """The hosts that were silent for long enough when the read started, for what this host is: live or a joiner."""
        mine = snapshot.records[self.me]
        live = mine is not None and mine.incarnation == self.incarnation and mine.phase is Phase.LIVE
        enough = self.timing.drop if live else self.timing.stranger
        return frozenset(host for host, age in self._ages.items() if age >= enough)

    def _links_now(self, now: float, links: Links) -> Links:
        """The links, and since when they have been the same."""
        if links != self._links:
            self._links, self._links_since = links, now
        return links

    def holder(self, snapshot: Snapshot, live: Hosts) -> int | None:
        """The other host in the liveset `live` that holds the lock, or is marked and asks for it, as a read shows it.

        One that was reborn since it was listed does not: the lock was its former incarnation's."""
        return holder_of(self._members(self._current(snapshot), snapshot), live, snapshot.mark.host)

    def _changed(self, host: int, now: float, snapshot: Snapshot) -> bool:
        """Whether this read shows that the record of `host` has changed. The very first sight of a record is no change;
        but it may have been written a moment ago, so silence is counted from there."""
        peer, record = self._peers[host], snapshot.records[host]
        if record is None or (peer.seen and (record.incarnation, record.sequence) <= peer.seen):
            return False
        peer.seen = (record.incarnation, record.sequence)
        peer.incarnation = max(peer.incarnation, record.incarnation)
        peer.changed = now
        peer.moved |= self._based and self._looked
        return self._based

    def _joiners(self, near: Hosts) -> Hosts:
        """Of the joiners that hear this host and are heard, those not listed yet: they are asked from now on."""
        self._candidates = {host: self._peers[host].incarnation for host in near - frozenset(self.listed)}
        return frozenset(self._candidates)

    def _fresh(self, peer: _Peer, now: float) -> bool:
        return peer.moved and now - peer.changed < self.timing.drop

    def _current(self, snapshot: Snapshot) -> dict[int, Record]:
        """The other hosts' records that are of the newest incarnation known; older ones say nothing."""
        return {
            host: record
            for host, record in enumerate(snapshot.records)
            if host != self.me and record and record.incarnation == self._peers[host].incarnation
        }

    def _members(self, records: Records, snapshot: Snapshot) -> dict[int, Record]:
        """The records of the incarnations that are listed, and my own as it was published."""
        members = {host: r for host, r in records.items() if self.listed.get(host) == r.incarnation}
        mine = snapshot.records[self.me]
        if mine and mine.incarnation == self.incarnation:
            members[self.me] = mine
        return members

    def _decided(self, members: Records, live: Hosts, stay: Hosts) -> Hosts:
        """The verdict of the lowest member of the liveset, or the one held while it has published none."""
        decider = min(live, default=self.me)
        if decider == self.me or decider not in members or members[decider].phase is not Phase.LIVE:
            return stay
        return members[decider].stay

    def _meant(self, host: int) -> int:
        return self.listed.get(host, self._peers[host].incarnation)

    def _left(self, records: Records) -> Hosts:
        said = {host for host, r in records.items() if r.phase is Phase.BYE and r.incarnation >= self._meant(host)}
        told = {host for host, (bye, _) in self._ends.items() if 0 < self._meant(host) <= bye}
        return frozenset(said | told)

    def _buried(self) -> Hosts:
        return frozenset(host for host, (_, obituary) in self._ends.items() if 0 < self._meant(host) <= obituary)

    def ended(self) -> Hosts:
        """Members whose goodbye or obituary is known, so that the next read drops them."""
        ends = ((host, max(self._peers[host].bye, self._peers[host].obituary)) for host in self.listed)
        return frozenset(host for host, end in ends if 0 < self.listed[host] <= end)

    def _listing_me(self, records: Records) -> Hosts:
        return frozenset(
            host
            for host, record in records.items()
            if record.phase is not Phase.BYE and record.listed.get(self.me) == self.incarnation
        )

    def _asked(self, members: Records, live: Hosts, grant: tuple[int, int]) -> bool:
        """Whether the grantee is still a member and asks with the number that was granted."""
        host, number = grant
        return host in live and host in members and members[host].request == number
