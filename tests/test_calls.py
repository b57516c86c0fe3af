"""The five fates of a call, its numbers, and who is told what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Reply
from fsm.errors import Place, SpecError
from fsm.explore.calls import BAD, OK, RUNNING, SENT, Calls, Leg, Routes
from fsm.language.load import Library

AT = Place("systems/toy.yaml", 3, 5)
ROUTES = Routes({"host.work": ("worker", None), "host.stop": ("worker", None), "host.run": ("guest", "vm")}, AT)
TOYS = Path(__file__).parent / "data" / "toys"


def fan_out(name: str = "work", targets: tuple[int, ...] = (0, 1, 2)) -> Operation:
    """A joined operation of the machine asker."""
    return Operation("asker", "host", name, {}, targets, joined=True)


def single(name: str = "work", target: int = 1) -> Operation:
    """An operation of asker to one host."""
    return Operation("asker", "host", name, {}, (target,))


def leg(target: int, caller: int = 0, call: str = "host.work") -> Leg:
    """A leg of a call of asker."""
    return Leg(caller, "asker", call, target)


def delivered(calls: Calls, to: Leg) -> tuple[Calls, str]:
    """The calls once a request has arrived, and the number it runs under."""
    after, event = calls.deliver(to, ROUTES)
    assert event.call is not None
    return after, event.call


def told(calls: Calls) -> list[Event]:
    """What callers are told."""
    return [event for _, event, _ in calls.finished()]


def test_a_fan_out_ends_with_all_ok_once_every_host_has_replied() -> None:
    """Nobody is told anything before the last reply, and the call is gone afterwards."""
    calls = Calls().start(0, fan_out())
    for target in (2, 0, 1):
        assert told(calls) == []
        calls, number = delivered(calls, leg(target))
        calls = calls.reply(target, Reply(number, "ok"))
    [(caller, event, after)] = calls.finished()
    assert (caller, event, after) == (0, Event("asker", "all_ok"), Calls())


def test_a_fan_out_names_the_hosts_that_failed() -> None:
    """Another outcome than ok, a lost request, a lost reply, a restart and giving up all count as failed."""
    calls = Calls().start(0, fan_out(targets=(0, 1, 2, 3, 4, 5)))
    numbers = {}
    for target in (0, 1, 3, 4, 5):
        calls, numbers[target] = delivered(calls, leg(target))
    calls = calls.reply(0, Reply(numbers[0], "ok")).reply(1, Reply(numbers[1], "failed"))
    calls = calls.lose_request(leg(2))
    calls = calls.reply(3, Reply(numbers[3], "ok")).lose_reply(leg(3))
    calls = calls.target_restarted(4).give_up(leg(5))
    assert told(calls) == [Event("asker", "some_failed", {"bad": frozenset({1, 2, 3, 4, 5})})]


def test_a_fan_out_to_nobody_is_done_at_once() -> None:
    """`each(hosts)` of the empty set succeeds."""
    assert told(Calls().start(0, fan_out(targets=()))) == [Event("asker", "all_ok")]


def test_a_single_call_brings_its_outcome_with_the_payload() -> None:
    """The event is the port's, as with a local operation."""
    calls, number = delivered(Calls().start(0, single()), leg(1))
    calls = calls.reply(1, Reply(number, "busy", {"until": 3}))
    assert told(calls) == [Event("asker", "host.busy", {"until": 3})]


@pytest.mark.parametrize("fate", ["request", "reply", "given up", "restart"])
def test_a_single_call_that_failed_is_lost_and_says_no_more(fate: str) -> None:
    """The four ways to fail look the same to the caller."""
    calls = Calls().start(0, single())
    if fate == "request":
        calls = calls.lose_request(leg(1))
    else:
        calls, number = delivered(calls, leg(1))
        if fate == "reply":
            calls = calls.reply(1, Reply(number, "ok", {"secret": 1})).lose_reply(leg(1))
        calls = calls.give_up(leg(1)) if fate == "given up" else calls
        calls = calls.target_restarted(1) if fate == "restart" else calls
    assert told(calls) == [Event("asker", "host.lost")]


def test_the_argument_picks_the_instance() -> None:
    """A call of an instanced machine goes to the instance named by its argument; its payload is the arguments."""
    calls = Calls().start(0, Operation("restart[v2]", "host", "run", {"vm": "v2"}, (1,)))
    _, event = calls.deliver(Leg(0, "restart[v2]", "host.run", 1), ROUTES)
    assert (event.machine, event.name, event.payload) == ("guest[v2]", "host.run", {"vm": "v2"})


def test_the_reply_of_an_orphan_is_dropped() -> None:
    """Given up, the old call still runs there; its reply neither reaches the next call nor stays."""
    calls, old = delivered(Calls().start(0, single()), leg(1))
    calls = calls.give_up(leg(1)).start(0, single("stop"))
    calls, new = delivered(calls, leg(1, call="host.stop"))
    assert new != old
    calls = calls.reply(1, Reply(old, "failed"))
    assert (told(calls), calls.orphans) == ([], ())
    assert told(calls.reply(1, Reply(new, "ok"))) == [Event("asker", "host.ok")]


def test_a_number_is_free_again_once_its_orphan_has_ended() -> None:
    """So numbers stay few: equal situations are equal values, however they came about."""
    calls, old = delivered(Calls().start(0, single()), leg(1))
    calls = calls.give_up(leg(1)).start(0, single()).reply(1, Reply(old, "ok"))
    again, number = delivered(calls, leg(1))
    assert number == old
    assert again == delivered(Calls().start(0, single()), leg(1))[0]


def test_an_orphan_ends_with_its_target() -> None:
    """A host that restarts has forgotten what it served for others."""
    calls, _ = delivered(Calls().start(0, single()), leg(1))
    assert calls.give_up(leg(1)).caller_restarted(0).target_restarted(1) == Calls()


def test_a_caller_that_restarts_leaves_orphans_and_drops_requests() -> None:
    """What was under way to a host never arrives; what runs there goes on."""
    calls, _ = delivered(Calls().start(0, fan_out()), leg(1))
    after = calls.caller_restarted(0)
    assert after == Calls(orphans=((0, "asker", 1, 0),))
    assert calls.caller_restarted(2) == calls


def test_a_machine_that_waits_no_longer_leaves_the_calls_of_others_alone() -> None:
    """Abandoning is one machine's business; a new call of it abandons the old one."""
    other = Operation("other", "host", "work", {}, (1,))
    calls = Calls().start(0, other).start(0, single())
    assert calls.abandon(0, "asker") == Calls().start(0, other)
    calls, _ = delivered(Calls().start(0, single()), leg(1))
    assert calls.start(0, single("stop")) == Calls(orphans=((0, "asker", 1, 0),)).start(0, single("stop"))


def test_requests_to_a_host_that_restarts_arrive_later() -> None:
    """Only what it had begun is lost with it."""
    calls = Calls().start(0, fan_out()).target_restarted(1)
    assert [found.target for found in calls.deliverable()] == [0, 1, 2]


def test_a_leg_that_is_not_in_that_state_is_refused() -> None:
    """A world that delivers twice is wrong, and hears of it."""
    calls, _ = delivered(Calls().start(0, single()), leg(1))
    with pytest.raises(KeyError):
        calls.deliver(leg(1), ROUTES)
    with pytest.raises(KeyError):
        calls.lose_reply(leg(1))


def test_a_call_that_nobody_serves_names_the_list_of_machines() -> None:
    """The remedy is a machine more in the system."""
    calls = Calls().start(0, single("sleep"))
    with pytest.raises(SpecError, match=r"systems/toy.yaml:3:5: host.sleep is called, but no machine .* \[no-server\]"):
        calls.deliver(leg(1, call="host.sleep"), ROUTES)


def test_routes_come_from_what_machines_serve() -> None:
    """Each served call leads to its machine; two servers of one call are an error."""
    worker = Library(TOYS).machine("worker")
    assert Routes.of([worker], AT).table == {"host.work": ("worker", None), "host.stop": ("worker", None)}
    with pytest.raises(SpecError, match="two-servers"):
        Routes.of([worker, worker], AT)


@settings(max_examples=200)
@given(st.data())
def test_no_reply_is_ever_taken_for_that_of_another_call(data: st.DataObject) -> None:
    """Against a target that knows the truth: whatever the fates, a leg is ok only if that very request was served
    there to its end, and numbers and values stay few."""
    calls, serial, current = Calls(), 0, 0
    truth: dict[int, list[tuple[str, int]]] = {1: [], 2: []}  # (number, serial) of what runs on a host
    ended: set[tuple[int, int]] = set()
    for _ in range(data.draw(st.integers(1, 40))):
        choices = ["start"] + [f"deliver {x.target}" for x in calls.legs(SENT)]
        choices += [f"give {x.target}" for x in calls.legs(RUNNING)]
        choices += [f"end {h} {i}" for h, running in truth.items() for i in range(len(running))] + ["restart 1"]
        word, *rest = data.draw(st.sampled_from(choices)).split()
        if word == "start":
            serial, current = serial + 1, serial + 1
            calls = calls.start(0, fan_out(targets=(1, 2)))
        elif word == "deliver" and len(truth[int(rest[0])]) < 3:  # three machines there serve one call each
            calls, number = delivered(calls, leg(int(rest[0])))
            assert number not in [known for known, _ in truth[int(rest[0])]]
            truth[int(rest[0])].append((number, current))
        elif word == "give":
            calls = calls.give_up(leg(int(rest[0])))
        elif word == "end":
            number, whose = truth[int(rest[0])].pop(int(rest[1]))
            calls = calls.reply(int(rest[0]), Reply(number, "ok"))
            ended.add((int(rest[0]), whose))
        elif word == "restart":
            calls, truth[1] = calls.target_restarted(1), []
        assert all((x.target, current) in ended for x in calls.legs(OK))
        assert all(number < 3 for *_, number in calls.orphans)
    assert all(x.target in (1, 2) for x in calls.legs(OK, BAD))


def test_a_turn_names_the_machines_that_wait_no_longer() -> None:
    """Worlds and drivers drop what such a machine still had under way; staying in a state drops nothing."""
    library = Library(TOYS)
    node = Node([library.machine("asker")], 0, 2, {}, library.parameters())
    begun = node.step(node.boot(), node.pool(), Event("asker", "go"))
    assert (begun.effects.abandoned, [o.name for o in begun.effects.operations]) == ((), ["work"])
    again = node.step(begun.local, begun.pool, Event("asker", "go"))
    assert (again.effects.abandoned, again.effects.operations) == ((), ())
    over = node.step(begun.local, begun.pool, Event("asker", "all_ok"))
    assert (over.effects.abandoned, over.effects.operations) == (("asker",), ())
