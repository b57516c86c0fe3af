"""The machine that all contenders run: 10 states in a ring, 30 transitions, 13 events that end where they began.

Every transition has a guard over a variable and every state an entry action. Contenders that call Python for both call
the same two functions of `Book`; ours has them as an expression and a signal. Each contender loops over the cycle by
itself, as a program that uses it would, so that no indirection of the benchmark is measured.
"""

from __future__ import annotations

from typing import Protocol

STATES = tuple(f"s{i}" for i in range(10))
MOVES = {"go": 1, "jump": 4, "back": 9}
EDGES = tuple((state, event, STATES[(i + n) % 10]) for i, state in enumerate(STATES) for event, n in MOVES.items())
CYCLE = ("go", "jump", "back", "go", "back", "jump", "go", "back", "back", "jump", "back", "go", "back")


class Book:
    """What guard and action work on."""

    __slots__ = ("actions", "level")

    def __init__(self) -> None:
        self.level, self.actions = 2, 0

    def open(self) -> bool:
        """The guard of every transition."""
        return self.level < 4

    def act(self) -> None:
        """The entry action of every state."""
        self.actions += 1


class Contender(Protocol):
    """A running machine."""

    def drive(self, cycles: int) -> None:
        """Run the cycle so many times."""

    def end(self) -> tuple[str, int]:
        """The state, and how many entry actions have run since the start, that of the initial state left out."""
