"""`Node.step` takes a turn of one row by a quick path; the long way, which takes any turn, gives the same."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from fsm.engine.node import Node
from fsm.engine.run import Run
from fsm.engine.turn import Event, Operation, Refused, Turn
from fsm.language.document import Item
from fsm.language.domains import Value
from fsm.language.expressions import NotOne
from fsm.language.load import Library
from tests.chance_definitions import Drawing, item

HOSTS = 3
STORES = ("memory", "host", "pool")
PORT = {
    "asked": {"instant": True, "arguments": {}, "outcomes": {"yes": {"x": "0..4"}, "no": {}}},
    "called": {"to": "host", "idempotent": True, "arguments": {"o": "opaque"}, "outcomes": {"ok": {}}},
}
EVENTS = {"p": {"x": "0..4", "o": "opaque"}, "s": {"of": "hosts"}, "t": {"x": "0..4"}, "i": {}, "d": {"who": "host?"}}
ROWS: tuple[dict[str, Any], ...] = (
    {"on": "p", "if": "x >= 2", "to": "same", "set": {"c": "x", "w": "o"}, "label": "high"},
    {"on": "p", "if": "x <= 2", "to": "same", "set": {"c": "x + 1"}, "tell": "log.heard(o=o)", "label": "low"},
    {"on": "s", "to": "same", "set": {"h": "the(of)", "a": "of | {me}"}},
    {"on": "t", "to": "same", "set": {"c": "2 - x"}, "tell": ["other.hear(x=x)", "log.heard(o=w)"]},
    {"on": "i", "to": "s0", "do": "log.asked"},
    {"on": "d", "if": "who != me", "to": "s1", "set": {"h": "who"}, "do": "at(who) log.called(o=w)"},
    {"on": "log.yes", "to": "same", "set": {"c": "x"}},
    {"on": "log.no", "to": "same"},
)
OTHER = """
language: 1
machine: other
essay: e
ports: []
events: {hear: {x: "0..2"}}
variables: {heard: {type: "0..4", store: pool, initial: 0, why: "what it was told"}}
initial: calm
states: [calm, keen]
rows:
- {from: "*", on: hear, to: keen, set: {heard: "x"}, why: "it is told"}
"""


def chance_node(random: Random) -> Node:
    """A chance machine with variables in all stores, payloads, timers and operations, beside one that it tells."""
    chart = Drawing(random, nests=random.random() < 0.5).chart()
    data, port = chart.spec(), chart.port()
    kinds = {"h": ("host", 0), "a": ("hosts", "nobody"), "w": ("opaque", "none")}
    kinds |= {f"more{index}": ("bool", False) for index in range(random.choice((0, 12)))}
    data["variables"] |= {name: {"type": kind, "initial": value, "why": "w w"} for name, (kind, value) in kinds.items()}
    for variable in data["variables"].values():
        variable["store"] = random.choice(STORES)
    data["events"] |= EVENTS
    data["rows"] += [{"from": list(chart.leaves), "why": "w w"} | row for row in ROWS]
    for state in chart.leaves[1:]:
        data["rows"].append({"from": state, "after": f"{random.randint(1, 9)}s", "to": "s0", "why": "w w"})
    if random.random() < 0.2:
        data["defer"] = [{"in": "s0", "on": ["p"], "why": "w w"}]
        data["rows"] = [row for row in data["rows"] if row.get("on") != "p" or row["from"].remove("s0") is None]
    port["operations"] |= PORT
    port["signals"]["heard"] = {"o": "opaque"}
    documents: dict[str, Item | str] = {
        "machines/m.yaml": item(data),
        "ports/log.yaml": item(port),
        "machines/other.yaml": OTHER,
    }
    library = Library.of(documents)
    return Node([library.machine(name) for name in ("m", "other")], random.randrange(HOSTS), HOSTS, {}, {})


def chance_event(random: Random, node: Node) -> Event:
    """An event that the machine knows, mostly with a payload that it may carry."""
    machine, _ = node.layout.instances["m"]
    name = random.choice([*machine.events, *machine.events, "after", "log.done", "log.ok", "all_ok", "nonsense"])
    fields = node.layout.payload(machine, name) or {}
    payload: dict[str, Value] = {
        field: [name] if domain.kind == "opaque" else random.choice(domain.values(HOSTS))
        for field, domain in fields.items()
    }
    if random.random() < 0.05:
        payload[random.choice(["x", "o", "more"])] = random.choice([-1, "x", None, [1]])
    return Event("m", name, payload, "c1" if random.random() < 0.05 else None)


def quick(node: Node, local: tuple[Any, ...], pool: tuple[Any, ...], event: Event) -> bool:
    """Whether the quick path alone gives the turn."""
    slot, turns = node.turns["m"]
    try:
        turn = turns[local[slot]][event.name](local, pool, event.payload)
    except (KeyError, Refused, NotOne):
        return False
    return turn is not None and event.call is None


@pytest.mark.parametrize("part", range(4))
def test_the_quick_path_and_the_long_way_give_the_same_turn(part: int) -> None:
    """State, rows with their payload and values, effects of every kind, and the words of a refusal."""
    taken = {True: 0, False: 0}
    for seed in range(part * 40, part * 40 + 40):
        random = Random(seed)
        node = chance_node(random)
        local, pool = node.boot(), node.pool()
        for _ in range(60):
            event, answer = chance_event(random, node), random.choice([("no", {}), ("yes", {"x": random.randrange(5)})])
            if random.random() < 0.05:
                event = Event("other", "hear", {"x": random.randrange(3)})

            def read(operation: Operation, answer: Any = answer) -> Any:
                return answer

            turn = node.step(local, pool, event, read)
            assert turn == Run(node, local, pool, read).turn(event), f"seed {seed}, {event}"
            taken[event.machine == "m" and quick(node, local, pool, event)] += 1
            committed(node, local, pool, turn)
            local, pool = turn.local, turn.pool
    assert min(taken.values()) > 300, taken


def committed(node: Node, local: tuple[Any, ...], pool: tuple[Any, ...], turn: Turn) -> None:
    """What is made durable is what the state says, no more and no less."""
    layout = node.layout
    host = {name: turn.local[slot] for name, slot in layout.host_slots.items() if turn.local[slot] != local[slot]}
    shared = {name: turn.pool[slot] for name, slot in layout.pool_slots.items() if turn.pool[slot] != pool[slot]}
    assert (turn.effects.host, turn.effects.pool) == (host, shared)
