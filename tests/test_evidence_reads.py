"""What a read shows: who is gone, who may join, whose verdict counts, who grants."""

from __future__ import annotations

from itertools import combinations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hosts.daemon.evidence import Evidence
from hosts.daemon.heartbeat import Heartbeat, Kind
from hosts.daemon.layout import Phase, Record
from hosts.daemon.partition import Links, largest_clique
from hosts.daemon.view import NOBODY, View
from tests.evidence_books import ALL, Books, D, H, S, T, W, beat, live, snapshot

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


def test_a_joiner_is_asked_before_it_is_listed() -> None:
    """From the read on that shows it, evidence is what the joiner has acknowledged, too."""
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
    assert read(0.32, 2).joiners == {2}
    books.received(0.33, beat(1, 2, ack=3))
    assert books.by_network() == 0.1 + W
    books.received(0.34, beat(2, 2, ack=2, incarnation=4))
    assert books.by_network() == 0.2 + W


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
