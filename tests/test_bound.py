"""One machine as users of transitions know it: trigger, may_, is_, state; under both drivers."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

from fsm.drivers.bound import AsyncBound, Bound
from fsm.drivers.clock import VirtualClock
from fsm.drivers.steps import Steps
from fsm.drivers.sync import NestedSend, SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Event
from fsm.errors import SpecError
from fsm.language.load import Library
from tests.toy_node import toy_node
from tests.toy_sync import SyncRig

DOOR = """
language: 1
machine: door
essay: a door that is pushed open
ports: []
events: {push: {force: "0..9"}, close: {}, knock: {}, state: {}}
variables: {knocks: {type: "0..3", store: memory, initial: 0, why: "how often somebody knocked"}}
initial: closed
states: [{shut: [closed, locked]}, open, ajar]
rows:
- {from: closed, on: push, if: "force > 2", to: open, why: "it gives way"}
- {from: closed, on: push, if: else, to: same, why: "too weak a push"}
- {from: open, on: close, to: ajar, why: "it sticks a little"}
- {from: ajar, on: close, to: locked, why: "now it is shut"}
- {from: closed, on: knock, to: same, set: {knocks: "knocks + 1"}, why: "somebody is there"}
- {from: closed, on: state, to: locked, why: "an event with a name of the view"}
- {from: ajar, after: "T", to: open, why: "the wind opens it"}
ignore:
- {in: [open], on: [push], why: "it is open already"}
defer:
- {in: [ajar], on: [knock], why: "nobody hears it now"}
- {in: [ajar], on: [push], why: "it moves by itself"}
"""


@pytest.fixture(name="path")
def written(tmp_path: Path) -> Path:
    """The door in a file, alone in its folder but for a parameter."""
    (tmp_path / "state.yaml").write_text("language: 1\nessay: none\nparameters: {T: 3}\nvariables: {}\n")
    path = tmp_path / "door.yaml"
    path.write_text(DOOR)
    return path


def start(path: Path) -> Bound:
    """A machine whose time stands still."""
    return Bound.start(path, clock=VirtualClock())


def test_a_machine_is_used_by_its_names(path: Path) -> None:
    """Events with their payload, states and groups; True where a row fired."""
    door = start(path)
    assert (door.state, door.is_shut(), door.is_closed(), door.is_open()) == ("closed", True, True, False)
    assert door.push(force=1) is True
    assert door.state == "closed"
    assert door.push(force=3) is True
    assert (door.state, door.is_shut(), door.is_in("shut"), door.is_in("open")) == ("open", False, False, True)
    assert door.close() is True
    assert door.trigger("close") is True
    assert door.is_locked()


def test_what_does_not_fire_says_why(path: Path) -> None:
    """Refused, ignored, deferred, or outside of a domain: False, nothing changed, and a sentence."""
    door = start(path)
    assert (door.close(), door.state) == (False, "closed")
    assert door.why_not("close") == "door in closed has no row for close"
    assert door.push(force=10) is False
    assert "force = 10 is no 0..9" in str(door.why_not("push", force=10))
    door.push(force=9)
    assert door.push(force=9) is False
    assert door.why_not("push", force=9) == "door in open ignores push: it is open already"
    door.close()
    assert door.knock() is False
    assert door.why_not("knock") == "door in ajar defers knock: nobody hears it now"
    assert door.why_not("close") == "door in locked has no row for knock"  # which would be delivered there


def test_may_asks_and_does_nothing(path: Path) -> None:
    """Not even where the row that would fire changes a variable; transitions runs callbacks there."""
    door = start(path)
    before = door.driver.local
    assert (door.may_push(force=3), door.may_knock(), door.may_close()) == (True, True, False)
    assert door.may("knock") is True
    assert door.driver.local is before
    for times in (1, 2, 3):
        door.knock()
        assert door.value("knocks") == times
    assert door.may_knock() is False
    assert "knocks cannot be 4" in str(door.why_not("knock"))


def test_names_that_are_not_there(path: Path) -> None:
    """An AttributeError that knows a better one, a TypeError for other fields; Python's own questions are none."""
    door = start(path)
    cases: list[tuple[Any, str]] = [
        (lambda: door.pussh(force=1), "door has no event, may_… or is_… 'pussh'; did you mean 'push'?"),
        (lambda: door.may_closs(), "door has no event, may_… or is_… 'may_closs'; did you mean 'may_close'?"),
        (lambda: door.is_opn(), "door has no event, may_… or is_… 'is_opn'; did you mean 'is_open'?"),
        (lambda: door.trigger("pussh"), "door has no event 'pussh'; did you mean 'push'?"),
        (lambda: door.may("pussh"), "door has no event 'pussh'; did you mean 'push'?"),
        (lambda: door.is_in("opn"), "door has no state 'opn'; did you mean 'open'?"),
        (lambda: door.value("knoks"), "door has no variable 'knoks'; did you mean 'knocks'?"),
    ]
    for act, message in cases:
        with pytest.raises(AttributeError) as missing:
            act()
        assert str(missing.value) == message
    for act in (lambda: door.push(), lambda: door.may_push(fource=1), lambda: door.close(force=1)):
        with pytest.raises(TypeError, match=r"^door: (push|close) takes (force=0\.\.9|nothing), not "):
            act()
    assert not hasattr(door, "__array__")
    assert {"push", "may_push", "is_open", "is_shut", "trigger"} <= set(dir(door))
    with pytest.raises(ValueError, match="'dor' is no machine of this node; did you mean 'door'"):
        Bound(door.driver, "dor")


def test_a_name_of_the_view_hides_an_event_but_not_from_trigger(path: Path) -> None:
    """`state` is the state; the event is triggered by its name."""
    door = start(path)
    assert door.state == "closed"
    assert door.trigger("state") is True
    assert door.state == "locked"


def test_one_of_several_machines_of_a_driver(tmp_path: Path) -> None:
    """It is bound by its name; what it tells its siblings is part of `may_`, an instant question is not asked."""
    rig = SyncRig(toy_node(tmp_path))

    def asked() -> Any:
        raise AssertionError("may_ asks nobody")

    rig.script.answer = asked
    driver = rig.driver()
    worker, boss = Bound(driver, "worker"), Bound(driver, "boss")
    assert worker.may_look()
    assert worker.why_not("look") is None
    assert worker.go(what=1)
    assert (worker.is_idle(), boss.is_pleased(), worker.is_busy()) == (True, True, False)
    with pytest.raises(ValueError, match="'' is no machine of this node; it may be one of boss, worker"):
        Bound(driver)
    rig.script.heard = lambda signal: worker.drop() and None
    rig.script.said.append(("broken", {"why": "x"}))
    nested: list[BaseException] = []

    def heard(_: object) -> None:
        with pytest.raises(NestedSend) as error:
            worker.drop()
        nested.append(error.value)

    rig.script.heard = heard
    worker.go(what=2)
    assert len(nested) == 1


def test_it_may_be_started_from_a_machine_in_memory(path: Path) -> None:
    """With parameters, a clock and a journal of the caller's."""
    library = Library(path.parent)
    steps, clock = Steps(), VirtualClock()
    door = Bound.start(library.machine("door"), parameters={"T": 1.0}, clock=clock, journal=steps)
    door.push(force=5)
    door.close()
    clock.advance(1.0)
    assert door.state == "open"
    assert [step.row for step in steps] == ["door.closed/push", "door.open/close", "door.ajar/after"]
    usual = Bound.start(library.machine("door"), clock=clock)
    usual.push(force=5)
    usual.close()
    clock.advance(2.9)
    assert usual.state == "ajar"
    clock.advance(0.2)
    assert usual.state == "open"


def test_what_is_no_machine_alone_is_refused(path: Path, tmp_path: Path) -> None:
    """One line that says what to do."""
    with pytest.raises(SpecError, match="no such file"):
        Bound.start(path.parent / "gate.yaml")
    many = DOOR.replace("essay:", "instance: vm\nessay:")
    machine = Library.of({"machines/door.yaml": many, "state.yaml": (tmp_path / "state.yaml").read_text()}).machine(
        "door"
    )
    with pytest.raises(SpecError, match="it has an instance for each vm; make a Node with instances"):
        Bound.start(machine)
    toy_node(tmp_path / "toy")
    with pytest.raises(SpecError, match="this is one of 2 machines; name one file"):
        Bound.start(tmp_path / "toy")
    with pytest.raises(ValueError, match="no adapter for host, job"):
        Bound.start(tmp_path / "toy" / "machines" / "worker.yaml")


def test_instances_are_their_own(path: Path) -> None:
    """Another instance begins anew and shares nothing that changes; a view may be copied."""
    door = Bound.start(path)
    other = Bound(door.driver.another())
    door.push(force=5)
    assert (door.state, other.state) == ("open", "closed")
    assert copy.copy(door).state == "open"


def test_the_asyncio_view_is_awaited(path: Path) -> None:
    """`trigger` and events are awaited; questions are not."""

    async def main() -> None:
        door = AsyncBound.start(path)
        assert door.may_push(force=3)
        assert await door.push(force=3) is True
        assert (door.state, door.is_open()) == ("open", True)
        assert await door.push(force=3) is False
        assert await door.trigger("close") is True
        assert door.why_not("push", force=1) == "door in ajar defers push: it moves by itself"
        with pytest.raises(AttributeError, match="did you mean 'close'"):
            await door.closs()
        await door.driver.stop()

    asyncio.run(main())


def test_a_view_sees_what_the_driver_does(path: Path) -> None:
    """Whoever sends the event; and shows where the machine is."""
    driver = SyncDriver(Node([Library(path.parent).machine("door")], 0, 1, {}, {"T": 1.0}))
    door = Bound(driver)
    driver.send(Event("door", "push", {"force": 5}))
    assert repr(door) == "Bound(door in open)"
