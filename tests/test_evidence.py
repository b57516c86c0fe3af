"""The books of a daemon: evidence counts from the start, silence from receipt, and nothing from nobody."""

from __future__ import annotations

from itertools import combinations

from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from hosts.daemon.evidence import Evidence
from hosts.daemon.heartbeat import Heartbeat, Kind
from hosts.daemon.layout import MarkWord, Phase, PoolState, Record
from hosts.daemon.partition import Links, largest_clique
from hosts.daemon.statefile import Snapshot
from hosts.daemon.timing import Timing
from hosts.daemon.view import NOBODY, View

T = Timing.derive(2.0)
D, W, WS, H, S = T.drop, T.lease, T.statefile_lease, T.link, T.settle
ALL = frozenset({0, 1, 2})


def snapshot(
    *records: Record | None, obituaries: tuple[int, ...] = (0, 0, 0), excluded: frozenset[int] = frozenset()
) -> Snapshot:
    """A read of three hosts."""
    padded = (*records, None, None, None)[:3]
    return Snapshot(
        records=padded,
        incarnations=tuple(record.incarnation if record else 0 for record in padded),
        obituaries=obituaries,
        excluded=excluded,
        pool=PoolState.ACTIVE,
        mark=MarkWord(),
        damaged={},
    )


def live(sequence: int, incarnation: int = 1, live: frozenset[int] = ALL, **sets: frozenset[int]) -> Record:
    """A live record that lists everybody's first incarnation."""
    plain = Record(
        incarnation=incarnation, sequence=sequence, phase=Phase.LIVE, live=live,
        heard=sets.get("heard", ALL), stay=sets.get("stay", ALL), listed=dict.fromkeys(live, 1),
    )  # fmt: skip
    return plain


@define
class Books:
    """Host 0 of three with its books, in a liveset of all three at time 0."""

    books: Evidence = field(factory=lambda: Evidence(0, 3, T, 0.0))
    sequence: int = 1

    def __attrs_post_init__(self) -> None:
        self.books.begin(1)
        self.read(0.0, 0.0, snapshot(live(1), live(1), live(1)))
        self.books.track(ALL)

    def read(self, started: float, finished: float, seen: Snapshot, request: int = 0) -> View:
        self.books.read_started(started)
        return self.books.read_finished(finished, seen, ALL, ALL, request)

    def turn(self, at: float, *changed: int) -> View:
        """A read at `at` in which the records of `changed` have changed."""
        self.sequence += 1
        seen = [live(self.sequence if host in changed else 1) for host in (0, 1, 2)]
        return self.read(at, at, snapshot(*seen))


def beat(host: int, number: int, ack: int | None = None, incarnation: int = 1, no_statefile: bool = False) -> Heartbeat:
    """A heartbeat to host 0 that acknowledges its heartbeat `ack`."""
    acks = {} if ack is None else {0: (1, ack)}
    return Heartbeat(host=host, incarnation=incarnation, number=number, acks=acks, hears=ALL, no_statefile=no_statefile)


# -- silence


def test_silent_needs_both_channels() -> None:
    """A peer is silent when D has passed since its last heartbeat and its last change, not on either alone."""
    a = Books()
    a.turn(0.1, 1, 2)
    a.books.received(1.0, beat(1, 1))
    assert a.turn(0.1 + D, 0).silent == {2}
    assert a.turn(1.0 + D - 0.001, 0).silent == {2}
    assert a.turn(1.0 + D, 0).silent == {1, 2}


def test_read_that_started_before_silence_drops_nobody() -> None:
    """However late a read ends, the ages of its start decide: a write may have been confirmed after it began."""
    a = Books()
    a.turn(0.1, 1, 2)
    unchanged = snapshot(live(3), live(2), live(2))
    assert a.read(0.1 + D - 0.001, 0.1 + 5 * D, unchanged).silent == NOBODY
    assert a.read(0.1 + D, 0.1 + 5 * D, unchanged).silent == {1, 2}


def test_statefile_silence_at_the_start_is_not_enough() -> None:
    """The network falls silent while a long read is under way: the read began too early for that silence."""
    a = Books()
    a.turn(0.1, 1, 2)
    a.books.received(0.1 + D, beat(1, 1))
    a.books.read_started(0.1 + D + 0.01)
    view = a.books.read_finished(0.1 + 3 * D, snapshot(live(3), live(2), live(2)), ALL, ALL, 0)
    assert view.silent == {2}


def test_changed_record_saves_at_the_last_moment() -> None:
    """A record that the read finds changed is life, whatever the age."""
    a = Books()
    assert a.turn(10 * D, 1).silent == {2}


def test_ages_alone_drop_nobody() -> None:
    """Silence is told only by a finished read: heartbeats and time change no set by themselves."""
    a = Books()
    a.books.received(9 * D, beat(2, 1))
    assert a.turn(9 * D + 0.1, 0).gone == {1}


def test_first_sight_of_a_record_is_no_life() -> None:
    """A record read for the first time may be years old: its host is not fresh until it changes."""
    books = Evidence(0, 3, T, 0.0)
    books.begin(1)
    for at, sequence, fresh in ((0.0, 7, frozenset()), (0.1, 7, frozenset()), (0.2, 8, {1})):
        books.read_started(at)
        view = books.read_finished(at, snapshot(None, live(sequence)), frozenset(), ALL, 0)
        assert view.fresh == view.online == fresh


def test_damaged_record_is_no_sign_of_life() -> None:
    """A record that cannot be read any more keeps no host alive."""
    a = Books()
    a.turn(0.1, 1, 2)
    assert a.read(0.1 + D, 0.1 + D, snapshot(live(3), None, None)).silent == {1, 2}


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.sampled_from(["beat", "change", "read", "long"])), max_size=40))
def test_silence_is_never_told_early(events: list[tuple[float, str]]) -> None:
    """Whatever happens in whatever order: a silent peer showed no life for D before the read that tells it began."""
    a = Books()
    now, last, number = 0.0, 0.0, 1
    for step, event in events:
        now += step
        if event == "beat":
            number += 1
            a.books.received(now, beat(1, number))
            last = now
        elif event == "change":
            assert 1 not in a.turn(now, 1).silent
            last = now
        else:
            started, now = now, now + (2 * D if event == "long" else 0.0)
            unchanged = [live(r) for r in (1, a.books._peers[1].seen[1], 1)]  # type: ignore[index]
            silent = a.read(started, now, snapshot(*unchanged)).silent
            assert (1 in silent) == (started - last >= D)


# -- evidence


def test_write_counts_from_its_start() -> None:
    """A write that took long gives a lease from when it began, whenever it was confirmed."""
    a = Books()
    assert a.books.wrote(1.0) == 1.0 + W


def confirmed(a: Books, at: float) -> None:
    """Host 0 has a confirmed write that started at `at`."""
    a.books.wrote(at)


def test_oldest_acknowledgement_counts_from_sending() -> None:
    """The lease by network starts at the send time of the oldest heartbeat acknowledged, not at any receipt."""
    a = Books()
    confirmed(a, 0.0)
    for number, at in ((1, 0.1), (2, 0.2), (3, 0.3)):
        a.books.sent(number, at)
    a.books.received(1.0, beat(1, 1, ack=3))
    a.books.received(1.1, beat(2, 1, ack=2))
    assert a.books.by_network() == 0.2 + W


def test_everybody_must_acknowledge() -> None:
    """A majority is no evidence: the member that was not asked drops this host."""
    a = Books()
    confirmed(a, 0.0)
    a.books.sent(1, 0.1)
    a.books.received(0.2, beat(1, 1, ack=1))
    assert a.books.by_network() is None


def test_nobody_is_not_everybody() -> None:
    """An empty liveset acknowledges nothing: a lone host lives by the statefile only."""
    a = Books()
    confirmed(a, 0.0)
    a.books.track({0})
    assert a.books.by_network() is None
    lone = Evidence(0, 1, T, 0.0)
    lone.begin(1)
    assert lone.by_survival() is None


def test_network_cannot_outlive_the_statefile() -> None:
    """Evidence by network is capped by Ws after the start of the last confirmed write, and needs one at all."""
    a = Books()
    a.books.sent(1, 50.0)
    for host in (1, 2):
        a.books.received(50.1, beat(host, 1, ack=1))
    assert a.books.by_network() is None
    confirmed(a, 1.0)
    assert a.books.by_network() == 1.0 + WS


def test_acknowledgement_names_both_incarnations() -> None:
    """An acknowledgement of my old incarnation, or by a peer's new one that I do not list, is none."""
    a = Books()
    confirmed(a, 0.0)
    a.books.sent(1, 0.1)
    a.books.received(0.2, beat(1, 1, ack=1))
    a.books.received(0.2, beat(2, 1, ack=1, incarnation=2))
    assert a.books.by_network() is None
    b = Books()
    confirmed(b, 0.0)
    b.books.sent(1, 0.1)
    for host in (1, 2):
        b.books.received(0.2, evolve(beat(host, 1), acks={0: (9, 1)}))
    assert b.books.by_network() is None


def test_new_incarnation_starts_without_evidence() -> None:
    """Nothing that was confirmed or acknowledged before counts for a new incarnation."""
    a = Books()
    confirmed(a, 0.0)
    a.books.sent(1, 0.1)
    for host in (1, 2):
        a.books.received(0.2, beat(host, 1, ack=1))
    assert a.books.by_network() is not None
    a.books.begin(2)
    a.books.wrote(0.0)
    assert a.books.by_network() is None


def test_survival_needs_every_host_not_excluded_to_say_so() -> None:
    """Rule 2 counts configured hosts, not members, and each must say that it has no statefile."""
    a = Books()
    confirmed(a, 0.0)
    a.books.track({0, 1})
    a.books.sent(1, 10.0)
    a.books.received(10.1, beat(1, 1, ack=1, no_statefile=True))
    assert a.books.by_survival() is None
    a.books.received(10.1, beat(2, 1, ack=1))
    assert a.books.by_survival() is None
    a.books.received(10.2, beat(2, 2, ack=1, no_statefile=True))
    assert a.books.by_survival() == 10.0 + W
    a.books.received(10.3, beat(2, 3, ack=1))
    assert a.books.by_survival() is None


def test_survival_does_not_wait_for_the_excluded() -> None:
    """An excluded host need not be visible; one that is a member all the same must."""
    a = Books()
    a.read(0.1, 0.1, snapshot(live(2), live(2), live(2), excluded=frozenset({2})))
    a.books.track({0, 1})
    a.books.sent(1, 10.0)
    a.books.received(10.1, beat(1, 1, ack=1, no_statefile=True))
    assert a.books.by_survival() == 10.0 + W
    a.books.track(ALL)
    assert a.books.by_survival() is None


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(1, 20)), max_size=30))
def test_acknowledged_evidence_is_never_younger_than_any_members(acks: list[tuple[int, int]]) -> None:
    """The deadline is that of the member that acknowledged least, in every order of arrival."""
    a = Books()
    confirmed(a, 0.0)
    for number in range(1, 21):
        a.books.sent(number, number / 100)
    newest: dict[int, int] = {}
    for at, (host, ack) in enumerate(acks, start=1):
        a.books.received(1.0 + at / 100, beat(host, at, ack=ack))
        newest[host] = ack
    expected = None if len(newest) < 2 else min(newest.values()) / 100 + W
    assert a.books.by_network() == expected


# -- news


def test_stale_datagrams_are_no_news() -> None:
    """A replayed number, an older incarnation or my own datagram is no sign of life."""
    a = Books()
    assert a.books.received(1.0, beat(1, 5, incarnation=2))
    assert not a.books.received(1.1, beat(1, 5, incarnation=2))
    assert not a.books.received(1.1, beat(1, 4, incarnation=2))
    assert not a.books.received(1.1, beat(1, 99, incarnation=1))
    assert not a.books.received(1.1, beat(0, 1))
    assert a.turn(1.0 + D, 0).silent == {1, 2}
    assert a.turn(1.0 + D, 0).reborn == {1}


def test_reborn_by_heartbeat_or_record() -> None:
    """A higher incarnation than the listed one, on either channel, means that the listed one is dead."""
    a = Books()
    a.books.received(0.1, beat(1, 1, incarnation=2))
    assert a.turn(0.2, 1, 2).reborn == {1}
    joining = Record(incarnation=2, sequence=1, phase=Phase.JOINING)
    view = a.read(0.3, 0.3, snapshot(live(4), live(4), joining))
    assert view.reborn == {1, 2}
    assert view.joiners == NOBODY


def test_bye_and_obituary_count_for_their_incarnation_only() -> None:
    """A goodbye or an obituary of an older incarnation says nothing of the listed one."""
    a = Books()
    a.books.listed.update({1: 5, 2: 5})
    for peer in (1, 2):
        a.books.received(0.1, beat(peer, 1, incarnation=5))
    a.books.received(0.1, Heartbeat(host=1, incarnation=4, kind=Kind.BYE))
    a.books.received(0.1, Heartbeat(host=2, incarnation=4, kind=Kind.OBITUARY))
    now = snapshot(live(2), live(2, incarnation=5), live(2, incarnation=5), obituaries=(0, 4, 0))
    assert a.read(0.2, 0.2, now).gone == NOBODY
    a.books.received(0.3, Heartbeat(host=1, incarnation=5, kind=Kind.BYE))
    a.books.received(0.3, Heartbeat(host=2, incarnation=5, kind=Kind.OBITUARY))
    view = a.read(0.4, 0.4, now)
    assert view.bye == {1}
    assert view.obits == {2}


def test_bye_and_obituary_on_disk() -> None:
    """The record's goodbye counts at once, the supervisor's sector from the next read on."""
    a = Books()
    seen = snapshot(live(2), evolve(live(2), phase=Phase.BYE), live(2), obituaries=(0, 0, 1))
    view = a.read(0.2, 0.2, seen)
    assert view.bye == {1}
    assert view.obits == NOBODY
    assert a.books.ended() == {2}
    assert a.read(0.3, 0.3, seen).obits == {2}


def test_end_heard_during_a_read_waits_for_the_next() -> None:
    """A goodbye that arrives while a read is under way drops nobody: what it left behind may not be in that read."""
    a = Books()
    a.books.read_started(0.2)
    a.books.received(0.21, Heartbeat(host=1, incarnation=1, kind=Kind.BYE))
    assert a.books.read_finished(0.22, snapshot(live(2), live(2), live(2)), ALL, ALL, 0).gone == NOBODY
    assert a.books.ended() == {1}
    assert a.turn(0.3, 2).gone == {1}


def test_late_record_of_an_old_incarnation_is_not_current() -> None:
    """A peer known by heartbeat in a newer incarnation is not judged by its older record."""
    a = Books()
    a.books.received(0.1, beat(1, 1, incarnation=2))
    view = a.turn(0.2, 1, 2)
    assert 1 in view.fresh
    assert view.online == {2}
    assert view.lists_me == {2}


# -- joining


def test_joiner_needs_record_and_heartbeats_both_ways() -> None:
    """A fresh joining record is a joiner only when both hear each other, by incarnation."""
    books = Evidence(0, 3, T, 0.0)
    books.begin(1)

    def read(at: float, sequence: int) -> View:
        books.read_started(at)
        joining = Record(incarnation=4, sequence=sequence, phase=Phase.JOINING)
        return books.read_finished(at, snapshot(live(sequence), joining), frozenset({0}), ALL, 0)

    read(0.0, 1)
    view = read(0.1, 2)
    assert view.joining == {1}
    assert view.joiners == NOBODY
    books.sent(1, 0.1)
    books.received(0.15, evolve(beat(1, 1, ack=1, incarnation=4), hears=frozenset()))
    assert read(0.2, 3).joiners == NOBODY
    books.received(0.25, beat(1, 2, ack=1, incarnation=4))
    assert read(0.3, 4).joiners == {1}
    assert read(0.25 + H, 5).joiners == NOBODY


def test_joiner_must_know_what_the_members_know() -> None:
    """A joiner that acknowledged less than the evidence by which this host lives is no member yet, and is asked."""
    books = Evidence(0, 3, T, 0.0)
    books.begin(1)

    def read(at: float, sequence: int) -> View:
        books.read_started(at)
        joining = Record(incarnation=4, sequence=sequence, phase=Phase.JOINING)
        return books.read_finished(at, snapshot(live(sequence), live(sequence), joining), frozenset({0, 1}), ALL, 0)

    read(0.0, 1)
    books.track({0, 1})
    books.wrote(0.0)
    for number in (1, 2, 3):
        books.sent(number, number / 10)
    books.received(0.31, beat(1, 1, ack=2))
    books.received(0.31, beat(2, 1, ack=1, incarnation=4))
    assert books.by_network() == 0.2 + W
    assert read(0.32, 2).joiners == NOBODY
    books.received(0.33, beat(1, 2, ack=3))
    assert books.by_network() == 0.1 + W
    books.received(0.34, beat(2, 2, ack=2, incarnation=4))
    assert books.by_network() == 0.2 + W
    assert read(0.35, 3).joiners == {2}


def test_closure_follows_livesets() -> None:
    """The closure holds whoever an online host lists, directly or through another live host."""
    a = Books()
    two = live(2, live=frozenset({1, 2}))
    view = a.read(0.1, 0.1, snapshot(live(2, live=frozenset({0})), live(2, live=frozenset({1})), two))
    assert view.closure == {1, 2}
    assert view.lists_me == NOBODY


def test_listing_is_by_incarnation() -> None:
    """A host that lists an earlier incarnation of mine does not list me."""
    a = Books()
    a.books.begin(2)
    assert a.turn(0.1, 1, 2).lists_me == NOBODY


# -- partitions


def split(a: Books, at: float, sequence: int, *heard: set[int]) -> View:
    """A read at `at` with these published links."""
    records = [live(sequence, heard=frozenset(links)) for links in heard]
    return a.read(at, at, snapshot(*records))


def test_settled_split_has_the_largest_clique() -> None:
    """Host 0 alone against 1 and 2: after S of the same symmetric links the verdict is {1, 2}."""
    a = Books()
    view = split(a, 1.0, 2, set(), {2}, {1})
    assert (view.split, view.settled) == (True, False)
    view = split(a, 1.1 + S, 3, set(), {2}, {1})
    assert view.settled
    assert view.verdict == {1, 2}


def test_crash_is_no_settled_split() -> None:
    """A dead host never publishes that it misses the others, so its silence is no partition."""
    a = Books()
    for at in (1.0, 1.0 + S, 1.0 + 3 * S):
        view = split(a, at, 2, {1}, {0}, {0, 1, 2})
        assert (view.split, view.settled) == (True, False)


def test_changing_links_start_the_settle_time_again() -> None:
    """Links that changed less than S ago are not settled."""
    a = Books()
    split(a, 1.0, 2, {2}, {2}, {0, 1})
    assert split(a, 1.0 + 2 * S, 3, set(), {2}, {1}).settled is False
    assert split(a, 1.1 + 3 * S, 4, set(), {2}, {1}).settled is True


def test_verdict_of_the_decider_rules_out() -> None:
    """A host that the lowest member's published verdict lacks is ruled out; other members' verdicts do not count."""
    books = Evidence(2, 3, T, 0.0)
    books.begin(1)
    for at, zero, one in ((0.0, ALL, ALL), (0.1, ALL, frozenset({1})), (0.2, frozenset({0, 1}), ALL)):
        books.read_started(at)
        seen = snapshot(live(int(at * 10) + 1, stay=zero), live(int(at * 10) + 1, stay=one), live(1))
        view = books.read_finished(at, seen, ALL, ALL, 0)
        books.track(ALL)
        assert view.ruled_out == (at == 0.2)


def test_another_daemon_under_my_name_rules_out() -> None:
    """A record of mine with a higher incarnation means that this daemon is the dead one."""
    a = Books()
    assert a.read(0.1, 0.1, snapshot(live(2, incarnation=2), live(2), live(2))).ruled_out


@given(st.integers(1, 6), st.data())
def test_largest_clique_is_the_largest(n: int, data: st.DataObject) -> None:
    """No set of hosts that all hear each other is larger, and of equal ones none has lower indices."""
    pairs = list(combinations(range(n), 2))
    joined = {pair for pair in pairs if data.draw(st.booleans())}
    heard = [(a, frozenset(b for b in range(n) if tuple(sorted((a, b))) in joined)) for a in range(n)]
    found = largest_clique(Links(tuple(heard)))
    cliques = [
        set(hosts)
        for size in range(1, n + 1)
        for hosts in combinations(range(n), size)
        if set(combinations(hosts, 2)) <= joined
    ]
    best = max(len(clique) for clique in cliques)
    assert found == min((c for c in cliques if len(c) == best), key=sorted)


# -- the lock


def lock(a: Books, at: float, *fields: tuple[int, tuple[int, int] | None], request: int = 0) -> View:
    """A read at `at` in which each host shows (request, grant)."""
    records = [evolve(live(int(at * 10)), request=r, grant=g) for r, g in fields]
    return a.read(at, at, snapshot(*records), request)


def test_grants_count_for_the_current_request_only() -> None:
    """A grant that names an earlier request is none."""
    a = Books()
    view = lock(a, 1.0, (7, (0, 7)), (0, (0, 7)), (0, (0, 6)), request=7)
    assert view.granted == {0, 1}
    assert view.holder is None
    view = lock(a, 2.0, (7, (0, 7)), (0, (0, 7)), (0, (0, 7)), request=7)
    assert (view.granted, view.holder) == (ALL, 0)


def test_grant_is_void_once_the_grantee_withdraws_or_leaves() -> None:
    """A grant may be taken back only from a request that is withdrawn, or from a host that is no member."""
    a = Books()
    assert not lock(a, 1.0, (0, (1, 3)), (3, None), (0, None)).grant_void
    assert lock(a, 2.0, (0, (1, 3)), (4, None), (0, None)).grant_void
    a.books.track({0, 2})
    assert lock(a, 3.0, (0, (1, 3)), (3, None), (0, None)).grant_void
