"""What worlds have in common in which no operation is instant, and every timer that matters is one of their actions."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from fsm.engine.turn import Effects, Operation
from fsm.explore.parted import Parts, Source, Update, actions_of, performed
from fsm.explore.world import Action, Pending
from fsm.language.domains import Value


class Instantless:
    """A world that shows its hosts nothing but outcomes."""

    def alive(self, w: Any, host: int) -> bool:
        """Never: the pause between two turns, the one timer that matters, is an action of the world."""
        return False

    def view(self, w: Any, host: int) -> Hashable:
        """No operation is instant."""
        return None

    def read(self, view: Hashable, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """No operation is instant."""
        raise AssertionError(f"{operation.port}.{operation.name} is not instant")


class InParts(Instantless):
    """One whose values are tuples of parts, and whose facts are those of part 0."""

    sources: Sequence[Source]

    def updates(self, host: int, effects: Effects) -> Sequence[Update]:
        """What a turn wants done."""
        raise NotImplementedError

    def lives_by(self, host: int) -> tuple[int, ...]:
        """Nothing."""
        return ()

    def seen_by(self, host: int) -> tuple[int, ...]:
        """Nothing."""
        return ()

    def told_by(self) -> tuple[int, ...]:
        """Part 0."""
        return (0,)

    def perform(self, w: Parts, host: int, effects: Effects) -> Parts:
        """What a turn wants done."""
        return performed(self.updates(host, effects), w)

    def actions(self, w: Parts, pending: Pending) -> Iterator[Action[Parts]]:
        """Everything that may happen next."""
        return iter(actions_of(self.sources, w, pending))
