"""Chance nodes of everything that a turn can be, and chance events for them: variables in all stores, payloads, timers,
operations of every kind, entry and exit effects, groups, deferred events, a sibling that is told."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from fsm.engine.node import Node
from fsm.engine.turn import Event
from fsm.language.document import Item
from fsm.language.domains import Value
from fsm.language.load import Library
from tests.chance_definitions import Drawing, item

HOSTS = 3
MACHINES = ("m", "other")
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
    {"on": ["log.no", "log.done", "log.ok"], "to": "same"},
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
    """The machine `m` of chance documents, beside the one that it tells."""
    library = Library.of(chance_documents(random))
    return Node([library.machine(name) for name in MACHINES], random.randrange(HOSTS), HOSTS, {}, {})


def chance_documents(random: Random) -> Mapping[str, Item | str]:
    """The documents of a chance machine `m`, its port, and the machine that it tells, by their paths."""
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
    return {"machines/m.yaml": item(data), "ports/log.yaml": item(port), "machines/other.yaml": OTHER}


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
