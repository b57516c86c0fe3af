"""Turns at the edge of what a spec foresees: they fail closed, at once, and the state never says what is not so."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from fsm.engine.node import Node
from fsm.engine.turn import Event, Turn
from fsm.errors import BadValues, SpecError
from fsm.language.load import Library

HEAD = "language: 1\nessay: e\nmachine: "
PORT = """
language: 1
port: host
essay: calls
operations:
  work: {to: host, idempotent: true, outcomes: {ok: {}, failed: {}}}
"""


def node(one: str, other: str = "", instances: dict[str, tuple[str, ...]] | None = None) -> Node:
    """Machine `one` on a host of three, perhaps beside `other`."""
    names = [text.split()[0] for text in (one, other) if text]
    documents = {"ports/host.yaml": PORT}
    documents |= {f"machines/{text.split()[0]}.yaml": HEAD + text for text in (one, other) if text}
    library = Library.of(documents)
    return Node([library.machine(name) for name in names], 0, 3, instances or {}, {})


def walk(node: Node, *events: Event) -> list[Turn]:
    """A turn for each event."""
    local, pool, turns = node.boot(), node.pool(), list[Turn]()
    for event in events:
        turns.append(node.step(local, pool, event))
        local, pool = turns[-1].local, turns[-1].pool
    return turns


TWICE = """m
ports: []
events: {go: {}}
variables: {v: {type: "0..3", store: host, initial: 0, why: "a number"}}
initial: a
states: [a, b]
rows:
- {from: a, on: go, to: b, set: {v: "v + 1"}, why: "it counts"}
enter:
  b: {set: {v: "%s"}, why: "it is put right"}
"""


@pytest.mark.parametrize(("last", "durable"), [("0", {}), ("v + 1", {"m.v": 2})])
def test_the_last_value_of_a_turn_is_made_durable(last: str, durable: dict[str, int]) -> None:
    """A row assigns and an entry effect assigns again: the store is told what the state says, or nothing."""
    [turn] = walk(node(TWICE % last), Event("m", "go"))
    assert turn.effects.host == durable
    assert turn.local == ("b", durable.get("m.v", 0))


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))])
def test_a_node_can_be_copied_and_sent_to_another_process(way: Any) -> None:
    """It is compiled anew there, and gives the same turns."""
    made = node(TWICE % "v + 1")
    assert walk(way(made), Event("m", "go")) == walk(made, Event("m", "go"))


SERVER = """m
ports: [host]
serves: {host.work: {busy: refuse}}
events: {go: {}}
initial: a
states: [a, b]
rows:
- {from: a, on: host.work, to: b, reply: ok, why: "it is done"}
- {from: b, on: go, to: a, why: "once more"}
ignore: [{in: b, on: host.work, why: "which no caller can bear"}]
"""


def test_a_call_that_is_ignored_is_refused() -> None:
    """`fsm check` says so before. At run time nobody waits for ever, and the machine is not occupied by the call."""
    first, second = walk(node(SERVER), Event("m", "host.work", {}, "1"), Event("m", "host.work", {}, "2"))
    assert first.refused is None
    assert second.refused == "m in b has no row for host.work"
    assert second.local == first.local


TELLER = """m
ports: []
events: {go: {x: "0..3"}}
initial: a
states: [a]
rows:
- {from: a, on: go, to: same, tell: "o.hear(x=x + 1)", why: "it tells"}
"""
LISTENER = """o
ports: []
events: {hear: {x: "0..3"}, open: {}}
initial: shut
states: [shut, free]
rows:
- {from: shut, on: open, to: free, why: "now it listens"}
- {from: free, on: hear, to: same, why: "it is told"}
defer: [{in: shut, on: hear, why: "not yet"}]
ignore: [{in: free, on: open, why: "it is"}]
"""


def test_what_is_told_and_deferred_is_looked_at_when_it_is_told() -> None:
    """A value outside its domain refuses the turn that told it, not every later one that would deliver it."""
    told, opened = walk(node(TELLER, LISTENER), Event("m", "go", {"x": 3}), Event("o", "open"))
    assert told.refused == "o: the event hear: x = 4 is no 0..3 of 3 hosts"
    assert (opened.refused, opened.local) == (None, ("a", "free", ()))


ASKER = """m
ports: []
events: {go: {}, back: {}}
initial: a
states: [a]
rows:
- {from: a, on: go, to: same, tell: o.ask, why: "it asks all"}
- {from: a, on: back, to: same, why: "one says"}
"""
MANY = """o
ports: []
instance: vm
events: {ask: {}}
initial: a
states: [a]
rows:
- {from: a, on: ask, to: same, tell: m.back, why: "it answers"}
"""


def test_a_thousand_instances_are_no_circle() -> None:
    """All are told in one turn, and all answer in it."""
    [turn] = walk(node(ASKER, MANY, {"vm": tuple(f"vm{i}" for i in range(1000))}), Event("m", "go"))
    assert turn.refused is None
    assert len(turn.rows) == 2001


def test_a_pool_is_no_larger_than_its_sets_can_be() -> None:
    """`n` of a damaged journal would take all memory there is."""
    machines = node(MANY, ASKER).machines
    with pytest.raises(BadValues, match="there are at most 1000"):
        Node(machines, 0, 10**30, {}, {})


@pytest.mark.parametrize("keys", [("a", "a"), ("",)])
def test_instances_have_names_of_their_own(keys: tuple[str, ...]) -> None:
    """Else two would share a state, or one would be called as the machine."""
    with pytest.raises(BadValues, match="each has a name of its own"):
        node(MANY, ASKER, {"vm": keys})


def test_a_payload_field_is_the_instance_only_if_it_can_be() -> None:
    """It is read as the key of the instance, which no host is."""
    text = LISTENER.replace("ports: []", "ports: []\ninstance: vm").replace("x:", "vm:")
    assert node(text.replace('"0..3"', "opaque"), "", {"vm": ("a",)}).layout.instances.keys() == {"o[a]"}
    with pytest.raises(SpecError, match="the payload field 'vm' hides"):
        node(text)


@pytest.mark.parametrize(
    ("machine", "name", "payload"), [(None, "go", {}), ([], "go", {}), ("m", None, {}), ("m", "go", [("x", 1)])]
)
def test_what_cannot_be_an_event_is_none(machine: Any, name: Any, payload: Any) -> None:
    """It is told to whoever makes it: one clear line, and no driver ever sees it."""
    with pytest.raises(TypeError, match="an event has the name of a machine, its own name, and a payload by name"):
        Event(machine, name, payload)


class Hostile:
    """Equal to nothing, and not even that."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("domain", ["bool", "[a, b]", '"0..3"', "host", "'host?'", "hosts"])
@pytest.mark.parametrize(
    "value", [Hostile(), [[]], {"a": 1}, 10**5000, 1.0, b"a"], ids=lambda value: type(value).__name__
)
def test_no_value_that_comes_as_a_payload_breaks_a_turn(domain: str, value: object) -> None:
    """It is refused, whatever it says of itself."""
    made = node(TELLER.replace('"0..3"', domain).replace(', tell: "o.hear(x=x + 1)"', ""))
    [turn] = walk(made, Event("m", "go", {"x": value}))
    assert turn.refused is not None
    assert "m: the event go: x = " in turn.refused


@pytest.mark.parametrize("payload", [{1: 2, "x": 3}, {("x",): 1}, {"x": "y" * 10**7}, {"x": [[]] * 10**5}])
def test_a_refusal_is_one_short_line(payload: Any) -> None:
    """Whatever the payload is, however large."""
    [turn] = walk(node(TELLER, LISTENER), Event("m", "go", payload))
    assert turn.refused is not None
    assert len(turn.refused) < 200
