"""The compiled functions: a state of many slots is copied, one of few is written out, and nobody can tell."""

from __future__ import annotations

import pytest

from fsm.engine.compile import FEW
from fsm.engine.node import Node
from fsm.engine.turn import Event, Signal
from fsm.language.load import Library

PORT = """
language: 1
port: bell
essay: it is heard
signals: {ring: {word: opaque, number: "0..9"}}
"""
GUEST = """
language: 1
machine: guest
essay: one of many
instance: vm
ports: [bell]
variables:
  kept: {type: opaque, store: pool, initial: none, why: "what everybody knows"}
  own: {type: "0..9", store: memory, initial: 0, why: "what it knows itself"}
  more: {type: "0..9", store: host, initial: 0, why: "what survives"}
events: {told: {word: opaque, number: "0..9"}}
initial: quiet
states: [quiet, loud]
rows:
- {from: quiet, on: told, if: "number > 2 and own < 5", to: loud, set: {kept: word, own: number, more: "number - 1"},
   tell: "bell.ring(word=word, number=own)", why: "it repeats what it is told"}
- {from: [quiet, loud], on: told, if: else, to: quiet, set: {own: "own - 1"}, why: "it forgets one"}
"""


def told(instances: int) -> Node:
    """So many guests on one host."""
    library = Library.of({"machines/guest.yaml": GUEST, "ports/bell.yaml": PORT})
    return Node([library.machine("guest")], 0, 1, {"vm": tuple(f"g{number}" for number in range(instances))}, {})


@pytest.mark.parametrize("instances", [1, FEW, FEW + 1, 3 * FEW])
def test_the_number_of_slots_changes_nothing(instances: int) -> None:
    """The last guest is told something: payload, values, signals and all three stores are what they are for one."""
    node, last = told(instances), f"guest[g{instances - 1}]"
    local, pool, word = node.boot(), node.pool(), object()
    turn = node.step(local, pool, Event(last, "told", {"word": word, "number": 7}))
    assert turn.refused is None
    assert turn.fired[0].payload == {"word": word, "number": 7}
    assert turn.fired[0].set == {f"{last}.kept": word, f"{last}.own": 7, f"{last}.more": 6}
    assert turn.effects.signals == (Signal("bell", "ring", {"word": word, "number": 7}),)
    assert (turn.effects.host, turn.effects.pool) == ({f"{last}.more": 6}, {f"{last}.kept": word})
    assert node.state(turn.local, last) == "loud"
    assert sum(old is not new for old, new in zip(local, turn.local, strict=True)) == 3
    assert sum(old is not new for old, new in zip(pool, turn.pool, strict=True)) == 1
    assert node.step(turn.local, turn.pool, Event(last, "told", {"word": 0, "number": 1})).fired[0].set == {
        f"{last}.own": 6
    }


def test_a_value_outside_its_domain_refuses_whatever_the_size() -> None:
    """None less than nothing: the second row of the same event would go below zero."""
    for instances in (1, 3 * FEW):
        node = told(instances)
        turn = node.step(node.boot(), node.pool(), Event("guest[g0]", "told", {"word": None, "number": 1}))
        assert turn.refused == "guest.quiet/told/else: guest[g0].own cannot be -1"
