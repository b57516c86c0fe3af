"""What a daemon shows its agent: a mark counts only while its host holds the lock."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from attrs import evolve

from fsm.language.domains import Value
from hosts.daemon.client import DaemonClient, Snapshot
from hosts.daemon.layout import MarkWord
from hosts.daemon.settings import Settings
from hosts.supervisor import SupervisorClient
from tests.evidence_books import ALL, Books, beat, live, snapshot


def client(newest: Snapshot | None) -> DaemonClient:
    """The client of host 0 of three, after this snapshot."""
    settings = Settings(
        me=0, pool=uuid4(), generation=uuid4(), hosts=[uuid4() for _ in range(3)], addresses=[("127.0.0.1", 1)] * 3,
        statefile=Path("statefile"), secret=Path("secret"), directory=Path("h0"), target=2.0,
    )  # fmt: skip
    found = DaemonClient(settings, SupervisorClient(settings.directory))
    found.newest = newest
    return found


def shown(marked: int | None, holder: int | None, phase: str = "live", statefile: bool = True) -> Snapshot:
    """A snapshot of a daemon that is live with everybody."""
    return Snapshot(phase, ALL, {}, marked, holder, statefile, "active")


@pytest.mark.parametrize(
    ("marked", "holder", "answer"), [(1, 1, {1}), (1, None, set()), (1, 2, set()), (None, 1, set()), (0, 0, {0})]
)
def test_a_mark_without_lock_is_not_shown(marked: int | None, holder: int | None, answer: set[Value]) -> None:
    """Nor is a lock without mark."""
    assert client(shown(marked, holder)).query() == ("liveset", {"live": ALL, "marked": answer, "statefile": True})


def test_without_the_statefile_the_last_read_counts() -> None:
    """Nobody is dropped then, so the master that was shown is still shown."""
    assert client(shown(1, 1, statefile=False)).query()[1]["marked"] == {1}


def test_a_daemon_that_is_not_live_shows_nobody() -> None:
    """It starts, it leaves, or there is none."""
    assert client(shown(1, 1, "starting")).query() == ("starting", {})
    assert client(shown(1, 1, "ending")).query() == client(None).query() == ("gone", {})


NUMBER = 1 << 32
HELD = evolve(live(1), request=NUMBER + 1, grant=(1, NUMBER + 1))
"""The record of host 1, which holds the lock."""
GRANTS = evolve(live(1), grant=(1, NUMBER + 1))
"""The record of a host that has granted it."""
MARKED = evolve(snapshot(GRANTS, HELD, GRANTS), mark=MarkWord(1, 1))


def test_a_joiner_sees_the_master_at_once() -> None:
    """It has granted nothing yet, and knew nobody's liveset when it read that it was let in."""
    a = Books()
    seen = evolve(snapshot(live(1), HELD, GRANTS), mark=MarkWord(1, 1))
    assert a.books.holder(seen, frozenset()) is None
    assert a.books.holder(seen, ALL) == 1


def test_a_master_that_was_reborn_holds_nothing() -> None:
    """By its record, or by a heartbeat that came after it; the mark names its former life."""
    a = Books()
    assert a.books.holder(MARKED, ALL) == 1
    a.books.received(1.0, beat(1, 1, incarnation=2))
    assert a.books.holder(MARKED, ALL) is None
    back = evolve(snapshot(live(2), live(1, incarnation=2), live(2)), mark=MarkWord(1, 1))
    a.books.track(frozenset({0, 2}))
    a.read(2.0, 2.0, back)
    a.books.track(ALL)
    assert a.books.holder(back, ALL) is None


def test_a_master_that_was_dropped_or_has_left_holds_nothing() -> None:
    """Its record says otherwise until somebody writes over it; who leaves withdraws its request first."""
    a = Books()
    assert a.books.holder(MARKED, frozenset({0, 2})) is None
    left = evolve(snapshot(GRANTS, evolve(HELD, request=0), GRANTS), mark=MarkWord(1, 1))
    assert a.books.holder(left, ALL) is None
