"""Chance systems of machines, small enough to be explored by the plainest of searches: in `world: any`, with one or two
hosts, variables in all stores, timers, operations of every kind, calls, orders, faults with and without a budget."""

from __future__ import annotations

from random import Random
from typing import Any

from fsm.explore.system import System
from fsm.language.load import Library
from tests.chance_definitions import item

STATES = ("a", "b", "c")
PORT: dict[str, Any] = {
    "language": 1,
    "port": "far",
    "essay": "e",
    "operations": {
        "asked": {"instant": True, "arguments": {}, "outcomes": {"yes": {}, "no": {}}},
        "done": {"idempotent": True, "arguments": {}, "outcomes": {"good": {"x": "0..1"}, "bad": {}}},
    },
    "events": {"noise": {}},
}
OPERATIONS = {"far.asked": ("far.yes", "far.no"), "far.done": ("far.good", "far.bad")}
GUARDS = ("flag", "role == me", "count == 0", "me in those")
SETS = {"flag": ("not flag", "true"), "role": ("me", "none"), "count": ("0", "1", "1 - count"),
        "those": ("those | {me}", "those - {me}", "nobody")}  # fmt: skip
STORES = ("host", "pool")
FORMULAS = ("size(in_a) <= 1", "one(in_b) or empty(in_c)", "empty(in_c)", "in_a <= flagged", "size(in_b | in_c) >= 1")


def chance_system(random: Random) -> System:
    """A system of one machine on one or two hosts."""
    documents = {"machines/m.yaml": item(_machine(random)), "ports/far.yaml": item(PORT),
                 "systems/chance.yaml": item(_system(random)), "state.yaml": item(_shared(random))}  # fmt: skip
    return System.of(Library.of(documents), "systems/chance.yaml")


def _machine(random: Random) -> dict[str, Any]:
    waits = {state: random.choice([None, None, *OPERATIONS]) for state in STATES[1:]}
    rows = []
    for state in STATES:
        for event in ("go", "far.noise"):
            rows += _rows(random, state, event, waits)
        waited = waits.get(state)
        if waited is not None:
            for outcome in OPERATIONS[waited]:
                rows += _rows(random, state, outcome, waits)
        elif random.random() < 0.5:
            rows.append(_row(random, {"from": state, "after": "1s"}, waits))
    return {"language": 1, "machine": "m", "essay": "e", "ports": ["far"], "events": {"go": {}},
            "shared": list(SETS), "initial": "a", "states": list(STATES), "rows": rows}  # fmt: skip


def _shared(random: Random) -> dict[str, Any]:
    kinds = {"flag": ("bool", False), "role": ("host?", "none"), "count": ("0..1", 0), "those": ("hosts", "nobody")}
    variables = {
        name: {"type": kind, "initial": value, "store": random.choice(STORES), "why": "w w"}
        for name, (kind, value) in kinds.items()
    }
    return {"language": 1, "essay": "e", "variables": variables}


def _rows(random: Random, state: str, event: str, waits: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for a (state, event), or two that exclude each other."""
    if random.random() < 0.6:
        return [_row(random, {"from": state, "on": event}, waits)]
    guard = random.choice(GUARDS)
    first = _row(random, {"from": state, "on": event, "if": guard, "label": "then"}, waits)
    return [first, _row(random, {"from": state, "on": event, "if": "else", "label": "else"}, waits)]


def _row(random: Random, row: dict[str, Any], waits: dict[str, Any]) -> dict[str, Any]:
    target = random.choice([*STATES, "same"])
    if target == "same" and waits.get(row["from"]) == "far.asked":
        target = "a"  # where nothing can come any more nobody may stay: such a system is refused
    row |= {"to": target, "why": "w w"}
    if waits.get(target) is not None:
        row["do"] = waits[target]
    if random.random() < 0.5:
        names = random.sample(list(SETS), random.choice((1, 2)))
        row["set"] = {name: random.choice(SETS[name]) for name in names}
    return row


def _system(random: Random) -> dict[str, Any]:
    sets = {f"in_{state}": f"m == {state}" for state in STATES} | {"flagged": "flag"}
    properties: dict[str, Any] = {
        "p": {random.choice(["always", "reachable"]): random.choice(FORMULAS), "why": "w w"},
        "q": {"step": "next_in_a == in_a or size(next_in_b) <= 1", "why": "w w"},
        "d": {"deadlock": random.choice(FORMULAS), "why": "w w"},
        "r": {"recoverable": random.choice(FORMULAS), "why": "w w"},
        "l": {"leads_to": {"from": random.choice(("true", *FORMULAS)), "to": random.choice(FORMULAS)}, "why": "w w"},
    }
    fair = random.choice(({}, {"weak": ["*"]}, {"strong": ["*"]}, {"weak": ["*"], "strong": ["far.done*"]}))
    return {
        "language": 1, "system": "chance", "essay": "e", "world": "any", "hosts": random.choice((1, 2)),
        "machines": ["m"], "faults": {"restart": random.choice([0, 1, 2, "any"])},
        "operator": {"m.go": random.choice([1, 2, "any"])}, "sets": sets, "properties": properties,
        **({"fair": fair} if fair else {}),
    }  # fmt: skip
