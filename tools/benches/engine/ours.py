"""Our contenders: the same machine as a spec, stepped by hand."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from fsm.load import Library
from fsm.node import Event, Node
from tools.benches.engine.ring import CYCLE, EDGES, MOVES, STATES

EVENTS = tuple(Event("ring", name) for name in CYCLE)
PORT = """
language: 1
port: bell
essay: what an entry action calls
signals: {act: {}}
"""


def spec() -> str:
    """The ring as a spec: the guard is an expression over a variable, the entry action a signal."""
    events = ", ".join(f"{event}: {{}}" for event in MOVES)
    rows = [f'- {{from: {s}, on: {e}, if: "level < 4", to: {t}, why: "it goes on"}}' for s, e, t in EDGES]
    hooks = [f'  {state}: {{tell: bell.act, why: "it is heard"}}' for state in STATES]
    return "\n".join(
        [
            "language: 1\nmachine: ring\nessay: ten states in a ring\nports: [bell]",
            'variables: {level: {type: "0..3", store: memory, initial: 2, why: "what guards test"}}',
            f"events: {{{events}}}\ninitial: s0\nstates: [{', '.join(STATES)}]\nenter:",
            *hooks,
            "rows:",
            *rows,
        ]
    )


def node() -> Node:
    """The ring, loaded and compiled."""
    library = Library.of({"machines/ring.yaml": spec(), "ports/bell.yaml": PORT})
    return Node([library.machine("ring")], 0, 1, {}, {})


@define(eq=False)
class PureStep:
    """`Node.step`: the caller keeps the state, and counts the signals that it would send."""

    node: Node = field(factory=node)
    local: tuple[Any, ...] = field(init=False)
    actions: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.local = self.node.boot()

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        step, local, pool, actions = self.node.step, self.local, self.node.pool(), self.actions
        for _ in range(cycles):
            for event in EVENTS:
                turn = step(local, pool, event)
                local, pool = turn.local, turn.pool
                actions += len(turn.effects.signals)
        self.local, self.actions = local, actions

    def end(self) -> tuple[str, int]:
        """As `Contender`."""
        return self.node.state(self.local, "ring"), self.actions
