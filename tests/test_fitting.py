"""Adapters are compared with their ports before anything runs, and a bound machine takes only what may come unasked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fsm.drivers.bound import AsyncBound, Bound
from fsm.drivers.fitting import check_adapters
from fsm.drivers.port_methods import AsyncMethods, Methods
from fsm.engine.node import Node
from fsm.engine.turn import Operation, Signal
from fsm.language.load import Library
from fsm.language.spec import Machine

LOCK = """
language: 1
port: lock
essay: a lock
operations:
  open: {idempotent: true, outcomes: {opened: {}, stuck: {}}}
  look: {instant: true, outcomes: {seen: {}}}
  never: {outcomes: {done: {}}}
signals: {click: {}, hum: {}}
events: {lost: {}}
"""
DOOR = """
language: 1
machine: door
essay: a door
ports: [lock]
events: {start: {}, look: {}}
initial: shut
states: [shut, opening, open]
rows:
- {from: shut, on: start, to: opening, do: lock.open, why: "it is to open"}
- {from: shut, on: look, to: same, do: lock.look, why: "somebody looks"}
- {from: shut, on: lock.seen, to: same, why: "somebody has looked"}
- {from: opening, on: lock.opened, to: open, why: "it is open"}
- {from: opening, on: lock.stuck, to: shut, why: "it is not"}
- {from: open, after: "1s", to: shut, why: "it falls shut"}
enter: {open: {tell: lock.click, why: "it is heard"}}
ignore:
- {in: "*", on: lock.lost, why: "nothing is done about a lost key"}
- {in: [opening, open], on: [start, look], why: "it opens already"}
"""


def door() -> Machine:
    """The door."""
    return Library.of({"machines/door.yaml": DOOR, "ports/lock.yaml": LOCK}).machine("door")


class Named:
    """A lock by the names of its port; `never` and `hum` are asked by no row."""

    def open(self) -> tuple[str, Mapping[str, Any]]:
        return "opened", {}

    def look(self) -> tuple[str, Mapping[str, Any]]:
        return "seen", {}

    def click(self) -> None: ...

    def failure(self, operation: Operation, error: BaseException) -> tuple[str, Mapping[str, Any]]:
        return "stuck", {}


class Whole:
    """The same as one adapter."""

    def perform(self, operation: Operation) -> tuple[str, Mapping[str, Any]]:
        return "opened", {}

    def read(self, operation: Operation) -> tuple[str, Mapping[str, Any]]:
        return "seen", {}

    def signal(self, signal: Signal) -> None: ...

    def failure(self, operation: Operation, error: BaseException) -> tuple[str, Mapping[str, Any]]:
        return "stuck", {}


def without(kind: type, *names: str) -> Any:
    """An instance of a class that has lost some methods."""
    return type("Less", (), {k: v for k, v in vars(kind).items() if k not in (*names, "__dict__", "__weakref__")})()


async def later(*_: Any) -> Any:
    """A method that is awaited."""


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (Named(), "the adapter of lock has no perform, read, signal; wrap it in Methods"),
        (Methods(without(Named, "open")), "the adapter of lock has no open"),
        (Methods(without(Named, "look", "click")), "the adapter of lock has no look, click"),
        (Methods(without(Named, "failure")), "the adapter of lock has no failure"),
        (AsyncMethods(without(Named, "open")), "the adapter of lock has no open"),
        (without(Whole, "read"), "the adapter of lock has no read"),
        (without(Whole, "signal"), "the adapter of lock has no signal"),
        (Methods(type("Late", (Named,), {"open": later})()), "open of the adapter of lock is called within"),
        (AsyncMethods(type("Late", (Named,), {"look": later})()), "look of the adapter of lock is called within"),
        (type("Late", (Whole,), {"signal": later})(), "signal of the adapter of lock is called within"),
    ],
)
def test_an_adapter_that_lacks_what_its_port_needs_is_refused(adapter: object, message: str) -> None:
    """Before it runs, in one line that names port and method."""
    with pytest.raises(ValueError, match=message) as caught:
        check_adapters(Node([door()], 0, 1, {}, {}), {"lock": adapter})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "adapter", [Methods(Named()), Whole(), AsyncMethods(type("Late", (Named,), {"open": later})())]
)
def test_what_no_row_asks_is_not_needed(adapter: object) -> None:
    """Neither `never` nor `hum` is missed; an adapter of a port that no machine here has is let be."""
    check_adapters(Node([door()], 0, 1, {}, {}), {"lock": adapter, "other": object()})


def test_an_event_may_be_called_start() -> None:
    """`start` is how a bound machine begins, and none of its own names."""
    bound = Bound.start(door(), {"lock": Whole()})
    assert bound.may_start()
    assert bound.start()
    assert bound.is_open()
    assert not hasattr(AsyncBound, "may_start")


def test_only_the_driver_says_what_came_of_something() -> None:
    """An outcome or a timer through `trigger` would be a lie that `dropped` hides."""
    bound = Bound.start(door(), {"lock": Whole()})
    for event in ("lock.opened", "after"):
        with pytest.raises(AttributeError, match=f"'{event}' of door is for its driver"):
            bound.trigger(event)


def test_an_event_of_a_port_may_be_ignored_and_called_lost() -> None:
    """A declared event is known whatever rows name it, also by the name that a lost call has."""
    bound = Bound.start(door(), {"lock": Whole()})
    assert not bound.trigger("lock.lost")
    assert bound.why_not("lock.lost") == "door in shut ignores lock.lost: nothing is done about a lost key"
