"""`Node.step` takes a turn of one row by a quick path; the long way, which takes any turn, gives the same."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from fsm.engine.node import Node
from fsm.engine.run import Run
from fsm.engine.turn import Event, Operation, Refused, Turn
from fsm.language.expressions import NotOne
from tests.chance_nodes import chance_event, chance_node


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
    for seed in range(part * 25, part * 25 + 25):
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
    assert min(taken.values()) > 200, taken


def committed(node: Node, local: tuple[Any, ...], pool: tuple[Any, ...], turn: Turn) -> None:
    """What is made durable is what the state says, no more and no less."""
    layout = node.layout
    host = {name: turn.local[slot] for name, slot in layout.host_slots.items() if turn.local[slot] != local[slot]}
    shared = {name: turn.pool[slot] for name, slot in layout.pool_slots.items() if turn.pool[slot] != pool[slot]}
    assert (turn.effects.host, turn.effects.pool) == (host, shared)
