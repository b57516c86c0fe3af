"""The books of a daemon: evidence counts from the start, silence from receipt, and nothing from nobody."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hosts.daemon.evidence import Evidence
from hosts.daemon.view import NOBODY
from tests.evidence_books import ALL, WS, Books, D, T, W, beat, live, snapshot

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
