"""The rows of the daemon's machines, one turn at a time: what comes first, what is dropped, what a daemon ends with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, field

from fsm import Event, Node, Turn, specs
from hosts.daemon.layout import MarkWord, PoolState
from hosts.daemon.view import NOBODY, View, first_joiner, payload

ALL = frozenset({0, 1, 2})
NODE = Node.load(specs(), ["membership", "lock"], 1, 3)


def view(**shown: Any) -> View:
    """A read in which everybody is live and nothing is wrong, but for what is given."""
    quiet: dict[str, Any] = {
        "silent": NOBODY, "reborn": NOBODY, "bye": NOBODY, "obits": NOBODY, "fresh": ALL - {1}, "joining": NOBODY,
        "joiners": NOBODY, "online": ALL - {1}, "closure": ALL - {1}, "lists_me": ALL - {1}, "mutual": ALL - {1},
        "excluded": NOBODY, "ruled_out": False, "decided": ALL, "split": False, "settled": False, "verdict": ALL,
        "askers": NOBODY, "granted": NOBODY, "grant_void": False, "holder": None, "pool": PoolState.ACTIVE,
        "mark": MarkWord(),
    }  # fmt: skip
    return View(**{**quiet, **shown})


@define
class Told:
    """Host 1 of three, told one event after another."""

    local: tuple[Any, ...] = field(factory=NODE.boot)
    turns: list[Turn] = field(factory=list)

    def tell(self, name: str, machine: str = "membership", **fields: Any) -> Told:
        turn = NODE.step(self.local, NODE.pool(), Event(machine, name, fields))
        assert turn.refused is None, turn.refused
        self.local = turn.local
        self.turns.append(turn)
        return self

    def read(self, **shown: Any) -> Told:
        return self.tell("statefile.seen", **payload(view(**shown), 1, 3, self.value("live")))

    def wrote(self) -> Told:
        return self.tell("statefile.wrote", deadline=9.0)

    def value(self, name: str, machine: str = "membership") -> Any:
        return NODE.value(self.local, NODE.pool(), f"{machine}.{name}")

    def state(self, machine: str = "membership") -> str:
        return NODE.state(self.local, machine)

    def did(self) -> Iterator[str]:
        """Signals and operations of the last turn, in order."""
        effects = self.turns[-1].effects
        yield from (f"{signal.port}.{signal.name}" for signal in effects.signals)
        yield from (f"{operation.port}.{operation.name}" for operation in effects.operations)


def joining(**shown: Any) -> Told:
    """Host 1 before its first read as a joiner."""
    return Told().tell("start").read(**shown).wrote()


def live() -> Told:
    """Host 1 live, before a read."""
    told = joining().read().wrote()
    assert (told.state(), told.value("live")) == ("live_reading", ALL)
    return told


def holder() -> Told:
    """Host 1 with the master lock, before a read."""
    told = live().read().tell("propose", machine="lock").tell("after").wrote().read(granted=ALL).tell("after").wrote()
    assert told.state("lock") == "holding"
    return told


def test_invalid_comes_before_everything_a_read_shows() -> None:
    """K2: a read that shows "invalid" drops nobody and fences nobody, whatever else it shows."""
    told = live().read(pool=PoolState.INVALID, bye=frozenset({0}), silent=frozenset({2}), ruled_out=True)
    assert told.state() == "leaving"
    assert told.value("live") == ALL
    assert list(told.did())[:1] == ["supervisor.drop"]
    assert told.tell("statefile.said").state() == "stopped"
    assert told.value("code") == 11


def test_armed_before_the_first_byte() -> None:
    """The turn that starts the first write arms the lease before it."""
    told = Told().tell("start").read()
    assert list(told.did()) == ["supervisor.arm", "statefile.write_joining"]


def test_a_goodbye_or_obituary_drops_nobody_by_itself() -> None:
    """What ends a member makes the next read come at once; only that read drops."""
    told = live().read().tell("network.left")
    assert (told.state(), told.value("live")) == ("live_writing", ALL)
    told.wrote().read(obits=frozenset({0}))
    assert told.value("live") == {1, 2}


def test_nobody_is_admitted_while_links_are_lost() -> None:
    """In a split the gone are dropped, and joiners wait."""
    told = live().read(split=True, joiners=frozenset({2}), silent=frozenset({0, 2}))
    assert told.value("live") == {1}
    told.tell("after").wrote().read(joiners=frozenset({2}))
    assert told.value("live") == {1, 2}
    assert told.value("stay") == ALL


def test_only_the_lowest_decides_and_the_ruled_out_fences_itself() -> None:
    """A settled split makes host 1 decide only where it is the lowest; a verdict without it is its end."""
    told = live().read(split=True, settled=True, verdict=frozenset({0, 2}))
    assert told.state() == "live_pause"
    assert told.value("stay") == ALL
    told.tell("after").wrote().read(silent=frozenset({0})).tell("after").wrote()
    told.read(split=True, settled=True, verdict=frozenset({2}))
    assert (told.state(), told.value("stay")) == ("live_writing", {2})
    told.wrote().read(ruled_out=True)
    assert told.state() == "fencing"
    assert list(told.did()) == ["supervisor.fence"]


def test_acknowledgements_renew_only_a_member() -> None:
    """A joiner lives by its own writes; by acknowledgements a live host lives, by all hosts' only without statefile."""
    told = joining().tell("network.acked", deadline=8.0)
    assert not list(told.did())
    told = live().tell("network.acked", deadline=8.0)
    assert list(told.did()) == ["supervisor.renew"]
    assert not list(told.tell("network.unanimous", deadline=8.0).did())
    told.tell("statefile.failed")
    assert list(told.tell("network.unanimous", deadline=8.0).did()) == ["supervisor.renew"]


def test_without_a_finished_read_nobody_is_dropped() -> None:
    """Failed and hanging storage changes no liveset, and heartbeats say that it is lost."""
    told = live().tell("after")
    assert (told.state(), told.value("no_sf"), told.value("live")) == ("live_reading", True, ALL)
    told.tell("statefile.failed")
    assert (told.state(), told.value("live")) == ("live_pause", ALL)
    told.tell("after").wrote()
    assert told.value("no_sf") is False


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ({"pool": PoolState.INIT, "online": NOBODY}, 12),
        ({"lists_me": NOBODY}, 13),
        ({"online": NOBODY, "excluded": frozenset({1})}, 18),
    ],
)
def test_a_joiner_that_gives_up_says_why(shown: dict[str, Any], code: int) -> None:
    """12: not all came to the enable; 13: the liveset did not let it in; 18: excluded, and no liveset to join."""
    told = joining(**shown).read(**shown).tell("after joining")
    assert told.state() == "leaving"
    assert "supervisor.drop" in list(told.did())
    assert told.tell("statefile.failed").value("code") == code


def test_the_first_forms_once_the_others_join_or_are_gone() -> None:
    """Host 1 forms only as the first joiner; while HA is being enabled only once everybody is there."""
    alone: dict[str, Any] = {"online": NOBODY, "closure": NOBODY, "fresh": NOBODY}
    both = frozenset({0, 2})
    assert joining().read(**alone, silent=both).value("live") == {1}
    assert joining().read(**alone, silent=frozenset({0})).state() == "join_pause"
    assert joining().read(**alone, joining=frozenset({0}), silent=frozenset({2})).state() == "join_pause"
    assert joining().read(**alone, joining=frozenset({2}), silent=frozenset({0})).value("live") == {1}
    enable = {**alone, "pool": PoolState.INIT}
    assert joining(**enable).read(**enable, silent=both).state() == "join_pause"


def test_an_excluded_host_forms_nothing_unless_all_are() -> None:
    """What an excluded host knows is old; if all are excluded nobody knows more."""
    assert first_joiner(0, frozenset({1}), frozenset({0}), ALL) == 1
    assert first_joiner(0, NOBODY, frozenset({0}), ALL) is None
    assert first_joiner(1, frozenset({2}), ALL, ALL) == 1


def test_the_pool_is_active_once_everybody_is_live() -> None:
    """While HA is being enabled the pool state stays init until the liveset holds all hosts."""
    told = joining(pool=PoolState.INIT).read(pool=PoolState.INIT, closure=frozenset({0})).wrote()
    assert told.read(pool=PoolState.INIT).value("word") == "init"
    told = joining(pool=PoolState.INIT).read(pool=PoolState.INIT).wrote()
    assert told.read(pool=PoolState.INIT).value("word") == "active"


def test_a_clean_leave_gives_lock_and_lease_up_before_the_goodbye() -> None:
    """Stop: no lease and no lock any more, then the goodbye is written; exclusion is in it."""
    told = holder()
    told.tell("exclude")
    assert told.state("lock") == "idle"
    did = list(told.did())
    assert did.index("supervisor.drop") < did.index("statefile.write_bye")
    assert "statefile.withdraw" in did
    assert told.value("barred") is True


def test_the_holder_keeps_the_lock_without_statefile_and_over_joins() -> None:
    """Nobody else can gather all grants meanwhile: nobody is dropped, and a joiner needs the holder's own grant."""
    told = holder().read().tell("after")
    told.tell("statefile.failed").tell("after").wrote().read(granted=frozenset({1}))
    assert told.state("lock") == "holding"


def test_nobody_is_master_before_its_mark_is_on_the_disk() -> None:
    """K3: every member grants, the mark is written, and only then the proposal is answered; if it fails, by a no."""
    told = live().read().tell("propose", machine="lock").tell("after").wrote().read(granted=ALL)
    assert "statefile.mark" in list(told.did())
    assert "agent.granted" not in list(told.did())
    told.tell("after").wrote()
    assert (told.state("lock"), "agent.granted" in list(told.did())) == ("holding", True)
    told = live().read().tell("propose", machine="lock").tell("after").wrote().read(granted=ALL)
    told.tell("after").tell("statefile.failed")
    assert (told.state("lock"), "agent.refused" in list(told.did())) == ("idle", True)


def test_nobody_is_excluded_unless_ha_is_on_and_the_statefile_can_be_written() -> None:
    """A live host or a joiner goes on, and whoever asked is told so; else it leaves, barred."""
    told = joining(pool=PoolState.INIT).read(pool=PoolState.INIT, closure=frozenset({0})).wrote()
    told.read(pool=PoolState.INIT).tell("exclude")
    assert (told.state(), list(told.did())) == ("live_pause", ["agent.kept"])
    told = live().read().tell("after").tell("statefile.failed").tell("exclude")
    assert (told.state(), list(told.did())) == ("live_pause", ["agent.kept"])
    assert joining(pool=PoolState.INIT).tell("exclude").state() == "join_reading"
    told = joining().tell("exclude")
    assert (told.state(), told.value("barred")) == ("leaving", True)
    assert Told().tell("start").tell("exclude").state() == "stopped"


def test_a_higher_index_withdraws() -> None:
    """Of two that ask the lower goes on; the other withdraws, frees its grant and gives it to the lower."""
    told = live().read().tell("propose", machine="lock").tell("after").wrote()
    told.read(askers=frozenset({0}), granted=frozenset({1, 2}))
    assert told.state("lock") == "idle"
    assert "agent.refused" in list(told.did())
    told.tell("after").wrote().read(askers=frozenset({0}))
    assert told.value("grant", "lock") == 0
