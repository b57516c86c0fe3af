"""Calls between agents: what is not said is unknown, what was overtaken is refused, and a host may call itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from fsm import Event, Node, Operation, specs
from fsm.engine.turn import Reply
from fsm.errors import Place
from fsm.explore.calls import Routes
from hosts.agent.calls import OVERTAKEN, SPECS_DIFFER, HostPort, Lanes, Serving, specs_digest
from hosts.agent.process import MACHINES
from hosts.rpc import Address, Answer, Call, Failure, HostCalls, Lost, Refused, TermKeeper
from hosts.rpc.wire import FIELD_TYPE_ERROR, METHOD_UNKNOWN, STALE_TERM

ME, N = 0, 3
Fate = Answer | Refused | Lost


@cache
def machines() -> Node:
    """The machines of host 0 of three, with one VM."""
    return Node.load(specs(), MACHINES, ME, N, {"vm": ("vm1",)}, {"T": 2.0})


class Peers(HostCalls):
    """Other hosts that answer what a test wants, one answer after the other."""

    def __init__(self, term: int, fates: list[Fate]) -> None:
        super().__init__(ME, {1: Address(), 2: Address()}, "", lambda: term, set(), "1")
        self.fates, self.sent = fates, list[tuple[int, str, Mapping[str, Any], str]]()

    async def call(
        self, target: int, op: str, args: Mapping[str, Any], timeout: float, lane: str = "any"
    ) -> Answer | Refused | Lost:
        self.sent.append((target, op, args, lane))
        return self.fates.pop(0)


@define
class Bench:
    """A port with peers; `served` are the calls that this host made to itself."""

    terms: TermKeeper
    fates: list[Fate]
    term: int = 5
    served: list[Call] = field(factory=list)
    over: list[str] = field(factory=list)

    def perform(self, machine: str, op: str, targets: tuple[int, ...], joined: bool, **arguments: Any) -> Any:
        self.peers = Peers(self.term, self.fates)

        async def handle(call: Call) -> Answer:
            self.served.append(call)
            return Answer("ok")

        port = HostPort(
            machines(), self.peers, self.peers, handle, self.terms, lambda: 77, lambda: self.over.append("over")
        )
        return asyncio.run(port.perform(Operation(machine, "host", op, arguments, targets, joined)))

    peers: Peers = field(init=False)


@pytest.fixture
def terms(tmp_path: Path) -> TermKeeper:
    """The term of this host: 5."""
    terms = TermKeeper(tmp_path / "term.json")
    terms.raise_to(5)
    return terms


@pytest.mark.parametrize(
    ("fate", "outcome"),
    [
        (Answer("ok"), "ok"),
        (Answer("failed"), "failed"),
        (Lost(True, "late"), "lost"),
        (Lost(False, "no connection"), "lost"),
        (Refused(OVERTAKEN), "lost"),
        (Refused("INTERNAL_ERROR"), "lost"),
        (Answer("yes"), "lost"),
        (Answer("ok", {"more": 1}), "lost"),
    ],
)
def test_only_a_declared_outcome_is_believed(terms: TermKeeper, fate: Fate, outcome: str) -> None:
    """Silence, refusals and garbage are `lost`, which is unknown: never `failed`, which is a no."""
    bench = Bench(terms, [fate])
    assert bench.perform("restart[vm1]", "start_vm", (1,), False, vm="vm1") == (outcome, {})
    assert bench.peers.sent == [(1, "start_vm", {"vm": "vm1", "incarnation": 77}, "restart[vm1]")]


def test_a_payload_outside_its_domain_is_garbage(terms: TermKeeper) -> None:
    """A host that names a master that cannot be has said nothing."""
    for master, said in ((2, ("off", {"master": 2})), (3, ("lost", {})), (True, ("lost", {})), ("x", ("lost", {}))):
        bench = Bench(terms, [Answer("off", {"master": master})])
        assert bench.perform("life", "ask_ha", (1,), False) == said


def test_hosts_with_other_specs_do_not_enable_together(terms: TermKeeper) -> None:
    """The first call of an enable carries the digest of the specs; a host with others says so, and does nothing."""
    bench = Bench(terms, [Answer("ok")])
    assert bench.perform("enable", "preconfigure", (1,), True) == ("all_ok", {})
    ours, events = specs_digest(machines()), list[Event]()
    assert [sent[2] for sent in bench.peers.sent] == [{"specs": ours}]
    host = serving([], events)
    with pytest.raises(Failure, match=SPECS_DIFFER):
        asyncio.run(host.handle(call("1.1.enable", "preconfigure", specs="other")))
    assert not events
    asyncio.run(host.handle(call("1.2.enable", "preconfigure", specs=ours)))
    assert [event.name for event in events] == ["host.preconfigure"]


def test_a_fan_out_tells_who_did_not_agree(terms: TermKeeper) -> None:
    """All at once, this host among them; whoever did not answer ok is bad, for whatever reason."""
    bench = Bench(terms, [Answer("ok"), Lost(True, "late")])
    assert bench.perform("enable", "join", (0, 1, 2), True) == ("some_failed", {"bad": frozenset({2})})
    assert [(call.caller, call.op, call.term) for call in bench.served] == [(ME, "join", 5)]
    assert Bench(terms, [Answer("ok"), Answer("ok")]).perform("enable", "join", (0, 1, 2), True) == ("all_ok", {})
    assert Bench(terms, []).perform("disable", "disarm", (), True) == ("all_ok", {})


def test_a_master_that_was_superseded_obeys_itself_no_more(terms: TermKeeper) -> None:
    """A command in a term that is over is refused by others and by this host itself, and ends the reign."""
    bench = Bench(terms, [Refused(STALE_TERM, ("5", "9"))])
    assert bench.perform("restart[vm1]", "runs", (1,), False, vm="vm1") == ("lost", {})
    assert (bench.over, terms.term) == (["over"], 9)
    bench = Bench(terms, [])
    assert bench.perform("restart[vm1]", "runs", (0,), False, vm="vm1") == ("lost", {})
    assert (bench.over, bench.served) == (["over"], [])


def test_a_question_is_asked_again_in_the_term_of_the_one_asked(terms: TermKeeper) -> None:
    """A host that was away learns the term from the refusal, once; it is no master, so nothing is over."""
    bench = Bench(terms, [Refused(STALE_TERM, ("5", "8")), Answer("on", {"master": 0})])
    assert bench.perform("life", "ask_ha", (2,), False) == ("on", {"master": 0})
    assert (len(bench.peers.sent), terms.term, bench.over) == (2, 8, [])


# --- the side that is called ----------------------------------------------------------------------


def call(number: str, op: str = "runs", caller: int = 1, **args: Any) -> Call:
    """A call of host 1."""
    return Call(caller, number, 5, op, args)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6), st.sampled_from("ab"), st.integers(0, 1)), max_size=30))
def test_a_lane_only_goes_forward(calls: list[tuple[int, int, str, int]]) -> None:
    """Of one machine of one host no call is taken after a later one, nor any of an earlier life; lanes do not mix."""
    lanes, taken = Lanes(), list[tuple[int, int, str, int]]()
    for life, count, lane, caller in calls:
        mine = [seen for seen in taken if seen[3] == caller]
        late = any((seen[0], seen[1]) >= (life, count) for seen in mine if seen[2] == lane)
        dead = any(seen[0] > life for seen in mine)
        with pytest.raises(Failure, match=OVERTAKEN) if late or dead else nullcontext():
            lanes.admit(call(f"{life}.{count}.{lane}", caller=caller))
            taken.append((life, count, lane, caller))


def test_a_join_overtakes_the_commands_of_all_lanes() -> None:
    """A clean-up of HA's former time, held up on its way, does not take the daemon of a host that has joined again."""
    lanes = Lanes()
    lanes.admit(call("1.5.disable", "disarm"))
    lanes.admit(call("1.9.enable", "join"))
    for late in ("1.7.disable", "1.8.restart[vm1]"):
        with pytest.raises(Failure, match=OVERTAKEN):
            lanes.admit(call(late, "release"))
    lanes.admit(call("1.7.disable", "release", caller=2))
    lanes.admit(call("1.2.election", "ask_ha"))
    lanes.admit(call("1.10.disable", "release"))
    lanes.admit(call("2.1.disable", "release"))


def serving(expected: list[tuple[str, int]], events: list[Event]) -> Serving:
    """This host, answering yes."""

    async def serve(event: Event) -> Reply:
        events.append(event)
        return Reply(str(event.call), "yes")

    routes = Routes.of(machines().machines, Place("test"))
    return Serving(machines(), routes, serve, lambda vm, number: expected.append((vm, number)))


def test_a_call_reaches_the_machine_that_serves_it() -> None:
    """The event carries what the port declares; the incarnation of a VM goes to the toolstack."""
    expected, events = list[tuple[str, int]](), list[Event]()
    door = serving(expected, events)
    number = "1.4.restart[vm1]"
    answer = asyncio.run(door.handle(call(number, "start_vm", vm="vm1", incarnation=12)))
    assert (answer, expected) == (Answer("yes"), [("vm1", 12)])
    assert events == [Event("guest[vm1]", "host.start_vm", {"vm": "vm1"}, f"1:{number}")]
    assert asyncio.run(door.handle(call("1.1.database", "new_term"))) == Answer("ok")
    with pytest.raises(Failure, match=OVERTAKEN):
        asyncio.run(door.handle(call(number, "start_vm", vm="vm1", incarnation=12)))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (call("1.1.x", "reboot"), METHOD_UNKNOWN),
        (call("1.1.x", "runs"), FIELD_TYPE_ERROR),
        (call("1.1.x", "runs", vm="vm1", incarnation=1), FIELD_TYPE_ERROR),
        (call("1.1.x", "start_vm", vm="vm1"), FIELD_TYPE_ERROR),
        (call("1.1.x", "start_vm", vm="vm1", incarnation="1"), FIELD_TYPE_ERROR),
        (call("1.1.x", "join", more=1), FIELD_TYPE_ERROR),
        (call("one.x", "join"), FIELD_TYPE_ERROR),
    ],
)
def test_garbage_in_a_call_is_refused(bad: Call, code: str) -> None:
    """Nothing reaches the machines."""
    events: list[Event] = []
    with pytest.raises(Failure, match=code):
        asyncio.run(serving([], events).handle(bad))
    assert not events
