"""Requests that nobody waits for any more: when they may arrive yet, and that agents take none besides."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from copy import deepcopy

import pytest
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.engine.turn import Event, Operation, Reply
from fsm.errors import Place
from fsm.explore.calls import SENT, Calls, Leg, Routes, Stray
from fsm.explore.parted import Update
from fsm.explore.system import System
from fsm.language.load import Library
from fsm.locate import specs
from fsm.search.result import VIOLATED
from hosts.agent import calls as agent
from hosts.rpc import Call, Failure
from hosts.worlds import pool_answers
from hosts.worlds.pool_state import Places
from tests.exploring import explore

LANES = {"enable": ("preconfigure", "join"), "disable": ("disarm", "release"), "life": ("ask_ha",)}
LATE = frozenset(f"host.{op}" for ops in LANES.values() for op in ops)
ROUTES = Routes(dict.fromkeys(LATE, ("leave", None)), Place("test"))
NONE = Calls(late=LATE)


def call(lane: str, op: str, target: int = 1) -> Operation:
    """A machine of host 0 calls."""
    return Operation(lane, "host", op, {}, (target,))


def leg(lane: str, op: str) -> Leg:
    """Its one leg."""
    return Leg(0, lane, f"host.{op}", 1)


def on_way(calls: Calls) -> list[tuple[str, str]]:
    """The strays: machine and operation."""
    return [(stray.machine, stray.call.removeprefix("host.")) for stray in calls.strays]


def test_an_abandoned_request_arrives_and_its_reply_is_dropped() -> None:
    """It runs there as an orphan from the beginning, under a number of its own."""
    calls = NONE.start(0, call("disable", "disarm")).abandon(0, "disable")
    assert (calls.live, on_way(calls)) == ((), [("disable", "disarm")])
    after, event = calls.arrive(calls.strays[0], ROUTES)
    assert event == Event("leave", "host.disarm", {}, "0.disable.0")
    assert (after.strays, after.orphans) == ((), ((0, "disable", 1, 0),))
    assert after.reply(1, Reply("0.disable.0", "ok")) == NONE


def test_a_lost_request_may_arrive_unless_its_target_was_down() -> None:
    """Nobody knows of a lost one whether it is late; a connection to a host that is down was never made."""
    calls = NONE.start(0, call("disable", "disarm"))
    assert on_way(calls.lose_request(leg("disable", "disarm"))) == [("disable", "disarm")]
    assert on_way(calls.lose_request(leg("disable", "disarm"), down=True)) == []


def test_what_is_not_late_and_what_goes_to_itself_is_dropped() -> None:
    """Only calls that are said to be late are kept, and none that a host makes to itself."""
    assert Calls().start(0, call("disable", "disarm")).abandon(0, "disable") == Calls()
    assert NONE.start(0, call("disable", "disarm", target=0)).abandon(0, "disable") == NONE


def test_a_later_request_overtakes_those_of_its_lane() -> None:
    """In the order of sending, and none of another machine."""
    calls = NONE.start(0, call("disable", "disarm")).start(0, call("enable", "join")).abandon(0, "enable")
    calls = calls.start(0, call("disable", "release"))
    assert on_way(calls) == [("disable", "disarm"), ("enable", "join")]
    calls, _ = calls.deliver(leg("disable", "release"), ROUTES)
    assert on_way(calls) == [("enable", "join")]
    both = NONE.start(0, call("disable", "disarm")).start(0, call("disable", "release")).abandon(0, "disable")
    first, second = both.strays
    assert on_way(both.arrive(first, ROUTES)[0]) == [("disable", "release")]
    assert on_way(both.arrive(second, ROUTES)[0]) == []


def test_a_later_life_overtakes_all_of_the_former() -> None:
    """Whatever arrives of it, a live call or a stray."""
    former = NONE.start(0, call("disable", "disarm")).caller_restarted(0)
    assert [stray.former for stray in former.strays] == [True]
    again = former.start(0, call("life", "ask_ha"))
    assert on_way(again.deliver(leg("life", "ask_ha"), ROUTES)[0]) == []
    late = again.abandon(0, "life")
    newest = next(stray for stray in late.strays if not stray.former)
    assert on_way(late.arrive(newest, ROUTES)[0]) == []


def test_a_target_that_restarts_or_refuses_takes_none() -> None:
    """A request has a way to one life of its target only."""
    calls = NONE.start(0, call("disable", "disarm")).abandon(0, "disable")
    assert calls.target_restarted(1) == calls.refused({1}) == NONE
    assert calls.refused({0, 2}) == calls


def test_of_equal_strays_there_is_always_one_more() -> None:
    """They are not counted, so that there are finitely many."""
    calls = NONE.start(0, call("disable", "disarm")).start(0, call("disable", "disarm")).abandon(0, "disable")
    (several,) = calls.strays
    assert (several.several, calls.arrive(several, ROUTES)[0].strays) == (True, (several,))
    assert on_way(calls.start(0, call("disable", "release")).deliver(leg("disable", "release"), ROUTES)[0]) == []


def test_questions_whose_answers_are_dropped_are_no_strays() -> None:
    """Nobody can tell whether they came. All others are: they change something, or end what an earlier one began."""
    library = Library(specs())
    names = ("enable", "disable", "join", "leave", "reconcile", "guest", "life")
    routes = Routes.of([library.machine(name) for name in names], Place("test"), {"vm": ("v",)})
    assert routes.table.keys() - routes.changing == {"host.ask_ha", "host.runs"}


def _all_taken(places: Places, hosts: Collection[int]) -> Update:
    """Hosts refuse nothing, whatever was sent before."""
    return Update(places.all_of(places.calls), lambda w: w)


def test_hosts_have_to_refuse_what_was_sent_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host was out of the liveset, and is in again, when a start of a VM arrives that was sent before: its master has
    started the VM elsewhere meanwhile."""
    system = System.load(specs() / "systems" / "disable.yaml")
    for kind, often in {"crash": 0, "restart": 0, "loss": 0, "late": 0, "statefile": 1, "stray": 1}.items():
        system = system.with_setting(f"faults.{kind}", str(often))
    monkeypatch.setattr(pool_answers, "refuses", _all_taken)
    verdict = explore(system).verdict("S2")
    assert (verdict.verdict, len(verdict.trace or ())) == (VIOLATED, 21)


@frozen
class _Request:
    """A request as an agent numbers it."""

    life: int
    count: int
    lane: str
    op: str

    def to_agent(self) -> Call:
        return Call(0, f"{self.life}.{self.count}.{self.lane}", 0, self.op, {})


@define
class _Pool:
    """A caller, a target that is an agent's own bookkeeping (`Lanes`), and what the world says of both."""

    calls: Calls = NONE
    lanes: agent.Lanes = field(factory=agent.Lanes)
    life: int = 0
    counts: dict[bool, int] = field(factory=lambda: {False: 0, True: 0})
    sent: dict[str, _Request] = field(factory=dict)
    undelivered: list[_Request] = field(factory=list)

    def start(self, lane: str, op: str) -> None:
        """A machine calls, and waits no longer for what it called before."""
        self.calls = self.calls.start(0, call(lane, op))
        self.leave(lane)
        self.counts[op in agent.QUESTIONS] += 1  # questions are counted apart
        self.sent[lane] = _Request(self.life, self.counts[op in agent.QUESTIONS], lane, op)

    def leave(self, lane: str) -> None:
        """Nobody waits for what was sent."""
        if lane in self.sent:
            self.undelivered.append(self.sent.pop(lane))

    def deliver(self, lane: str) -> None:
        """A request that is waited for arrives, or is refused as overtaken: then it is lost."""
        request = self.sent.pop(lane)
        there = leg(lane, request.op)
        try:
            self.lanes.admit(request.to_agent())
        except Failure:
            self.calls = self.calls.lose_request(there)
        else:
            self.calls, _ = self.calls.deliver(there, ROUTES)
        self.calls = self.calls.abandon(0, lane)

    def restart_caller(self) -> None:
        """It numbers its calls from the beginning, in a later life."""
        for lane in list(self.sent):
            self.leave(lane)
        self.life, self.counts = self.life + 1, {False: 0, True: 0}
        self.calls = self.calls.caller_restarted(0)

    def restart_target(self) -> None:
        """It has forgotten what it took; no request that is under way for nobody reaches its next life."""
        self.lanes, self.undelivered = agent.Lanes(), []
        self.calls = self.calls.target_restarted(1)

    def arriving(self) -> list[_Request]:
        """The requests that the agent would take if they came now."""
        taken = []
        for request in self.undelivered:
            with suppress(Failure):
                deepcopy(self.lanes).admit(request.to_agent())
                taken.append(request)
        return taken

    def stray(self, request: _Request) -> Stray | None:
        """What the world has of it."""
        former, call_ = request.life < self.life, f"host.{request.op}"
        found = (s for s in self.calls.strays if (s.machine, s.call, s.former) == (request.lane, call_, former))
        return next(found, None)

    def arrive(self, request: _Request) -> None:
        """It comes."""
        self.lanes.admit(request.to_agent())
        self.undelivered.remove(request)
        stray = self.stray(request)
        assert stray is not None
        self.calls, _ = self.calls.arrive(stray, ROUTES)


@settings(max_examples=300)
@given(st.data())
def test_whatever_an_agent_would_take_the_world_has_as_a_stray(data: st.DataObject) -> None:
    """Against the bookkeeping of real agents: what was explored leaves out no request that could have arrived. They
    refuse more than the world, as after a call to join."""
    pool, lanes = _Pool(), sorted(LANES)
    for _ in range(data.draw(st.integers(1, 25))):
        word = data.draw(st.sampled_from(["start", "leave", "deliver", "restart caller", "restart target", "arrive"]))
        lane = data.draw(st.sampled_from(lanes))
        waiting = any(found.machine == lane for found in pool.calls.legs(SENT))
        if word == "start":
            pool.start(lane, data.draw(st.sampled_from(LANES[lane])))
        elif word == "leave":
            pool.leave(lane)
            pool.calls = pool.calls.abandon(0, lane)
        elif word == "deliver" and waiting:
            pool.deliver(lane)
        elif word == "restart caller":
            pool.restart_caller()
        elif word == "restart target":
            pool.restart_target()
        elif word == "arrive" and pool.arriving():
            pool.arrive(data.draw(st.sampled_from(pool.arriving())))
        for request in pool.arriving():
            assert pool.stray(request) is not None, request
