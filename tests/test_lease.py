"""K1 and K4 of the embedded daemon: the shipped rows and books, explored for two hosts, with exact counts.

Counts and lengths are pinned: whoever changes a row of membership or lock, or what the books compute, sees here what
that does to the space of states, and says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm import specs
from fsm.explore.system import System
from fsm.search.result import Result
from hosts.daemon.evidence import Evidence
from hosts.daemon.layout import Phase
from hosts.worlds import books
from tests.exploring import explore

LEASE = System.load(specs() / "systems" / "lease.yaml")
LOCK = System.load(specs() / "systems" / "lock.yaml")
ON_THE_WAY = 12
"""Moves of the script until two hosts are live."""


def lease(life: int, drop: int, *off: str, delay: bool = False) -> Result:
    """The lease of W + K = life and D = drop, without some clauses."""
    system = LEASE.with_setting("settings.life", str(life)).with_setting("settings.drop", str(drop))
    system = system.with_setting("settings.delay", "true") if delay else system
    for clause in off:
        system = system.without(clause)
    return explore(system, stop_at_first=bool(off) or drop <= life)


def counts(result: Result) -> tuple[int, int, int]:
    """(states, edges, depth) of a search that came to its end, in which all turns had an answer."""
    assert result.finished
    assert result.refusals == ()
    return result.distinct, result.edges, result.depth


def story(result: Result, name: str = "K1") -> list[str]:
    """What happens in the shortest counterexample, once both hosts are live."""
    trace = result.verdict(name).trace
    assert result.verdict(name).verdict == "violated"
    assert trace is not None
    labels = [step.label for step in trace.steps]
    return [label for label in labels if not label.startswith("on the way")]


@pytest.mark.parametrize(("life", "exact"), [(1, (4188, 33410, 35)), (2, (10350, 89856, 36)), (3, (21932, 198516, 38))])
def test_a_host_that_is_dropped_has_no_lease(life: int, exact: tuple[int, int, int]) -> None:
    """D = W + K + 1: K1 holds whatever is slow, lost, frozen, stopped or dead; the dead and the parted are dropped."""
    result = lease(life, life + 1)
    assert counts(result) == exact
    assert {v.property.name: v.verdict for v in result.verdicts} == dict.fromkeys(["K1", "buried", "parted"], "holds")


@pytest.mark.parametrize("life", [1, 2, 3])
def test_one_tick_less_is_not_enough(life: int) -> None:
    """D = W + K: the owner may still live at the tick at which the watcher, who has heard nothing, drops it."""
    told = story(lease(life, life))
    assert [label for label in told if label != "tick"] == [
        "timer of membership at host 1",
        "statefile of host 1: wrote",
        "the read of host 1 takes its snapshot",
        "statefile of host 1: seen",
    ]
    assert told.count("tick") == life


@pytest.mark.parametrize(("life", "wander", "drop"), [(1, 1, 5)])
def test_clocks_that_wander_want_more(life: int, wander: int, drop: int) -> None:
    """Clocks that are wrong by `wander` either way: D = W + K + 1 + 4 * wander, and this is a tick less. That the exact
    minimum is enough takes longer to see: fsm verify lease --set settings.drop=6 --set settings.wander=1."""
    assert drop == life + 4 * wander
    system = LEASE.with_setting("settings.life", str(life)).with_setting("settings.drop", str(drop))
    system = system.with_setting("settings.wander", str(wander))
    for fault in ("stop", "crash"):
        system = system.with_setting(f"faults.{fault}", "0")
    told = story(explore(system, stop_at_first=True))
    assert len([label for label in told if label.startswith("tick")]) == life + 2 * wander


def test_messages_under_way_change_nothing() -> None:
    """A heartbeat and an acknowledgement that take time: more states, the same answers."""
    result = lease(1, 2, delay=True)
    assert counts(result) == (18556, 189768, 40)
    assert result.exit_code == 0
    assert len(story(lease(1, 1, delay=True))) == 5


@pytest.mark.parametrize(
    ("clause", "moves", "telling"),
    [
        ("start", 13, "statefile of host 0: wrote"),
        ("sent", 8, "the acknowledgement reaches host 0: acked"),
        ("read", 9, "statefile of host 0: wrote"),
        ("beats", 8, "a heartbeat of host 0 reaches host 1"),
        ("records", 9, "the write of host 0 lands"),
        ("ended", 19, "the write of host 0 that failed lands"),
    ],
)
def test_every_rule_of_the_evidence_is_needed(clause: str, moves: int, telling: str) -> None:
    """A lease from the confirmation or the receipt, a drop on a read that started too early or when one channel alone
    was silent, a write that lands over a later one: each drops a host that lives."""
    found = story(lease(1, 2, clause))
    assert len(found) == moves
    assert telling in found


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Nothing that the books once answered is remembered, before and after."""
    cached = (books.by_write, books.by_acknowledgement, books.shown, books.seen)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.usefixtures("forgetful")
def test_what_is_explored_is_the_shipped_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Books that give one tick more than they should are found out."""
    honest = Evidence.wrote
    monkeypatch.setattr(Evidence, "wrote", lambda self, started: honest(self, started) + 1)
    assert lease(1, 2).verdict("K1").verdict == "violated"


def test_a_host_that_wrote_before_it_could_see_me_is_no_fresh_joiner() -> None:
    """Only a change between two reads of this incarnation shows that the other may know of it: the change before that
    may be the last word of a host that takes this one for dead, and is about to form a liveset alone."""
    before, now = books.STIRRED, books.CHANGING
    other = mine = books.Word(Phase.JOINING, incarnation=1)
    absent = [books.seen(0, mine, other, mine, look)["absent"] for look in (before, now)]
    assert absent == [frozenset({1}), frozenset()]


def lock(*off: str, **faults: int) -> Result:
    """Two hosts and the master lock, with these budgets of faults, without some clauses."""
    system = LOCK
    for fault, budget in ({"lost": 0} | faults).items():
        system = system.with_setting(f"faults.{fault}", str(budget))
    for clause in off:
        system = system.without(clause)
    return explore(system, stop_at_first=bool(off))


def test_one_host_holds_the_lock() -> None:
    """K4, of hosts that form and join and are proposed any number of times; every story that is asked for is there."""
    result = lock()
    assert counts(result) == (9908, 22974, 61)
    assert {v.verdict for v in result.verdicts} == {"holds"}


def test_the_lock_outlives_leaving() -> None:
    """One of the two is told to leave: the lock is given up with it, and the other may have it."""
    result = lock(stop=1)
    assert result.finished
    assert result.verdict("K4").verdict == "holds"


def test_numbers_of_requests_are_a_second_lock_on_the_door() -> None:
    """Two hosts keep K4 without them: each has its grant to itself on the disk before the read that counts."""
    assert lock("numbers").verdict("K4").verdict == "holds"


def test_the_lock_rests_on_livesets() -> None:
    """Without K1 a host that dropped a living one takes the lock beside it."""
    assert len(story(lock("K1"), "K4")) == 28


def test_every_grant_counts(tmp_path: Path) -> None:
    """A lock taken on the own grant alone is found."""
    root = Path(shutil.copytree(specs(), tmp_path / "specs"))
    path = root / "machines" / "lock.yaml"
    text = path.read_text("utf-8")
    assert text.count("live <= granted") > 1
    path.write_text(text.replace("live <= granted", "live & {me} <= granted"), "utf-8")
    system = System.load(root / "systems" / "lock.yaml").with_setting("faults.lost", "0")
    assert explore(system, stop_at_first=True).verdict("K4").verdict == "violated"


@pytest.mark.usefixtures("forgetful")
def test_two_hosts_cannot_form_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Books that take the last word of a host from before this one's first write for a sign that it knows of this one:
    it forms alone because this one has been silent, this one forms because it is the lowest, and both get the lock."""
    honest = Evidence.begin

    def hasty(self: Evidence, incarnation: int) -> None:
        honest(self, incarnation)
        self._looked = True

    monkeypatch.setattr(Evidence, "begin", hasty)
    assert len(story(lock(), "K4")) > 20
