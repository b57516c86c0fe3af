"""What both engines are to those who ask them. A *key* names a state: the state itself in the reference engine, its
packed number in the fast one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from fsm.search.result import Limits, Progress


@frozen
class Settled:
    """The key of the state where a property was decided, for a step property also of the one that the move leads to."""

    state: Any
    target: Any = None


@frozen
class Lasso:
    """The keys of a counterexample: a path, and the index in it to which its last key comes back; None where it ends.

    With loop == len(path) - 1 nothing that is fair can happen in the last state, and it stays for ever. `groups` are
    (group, fault) of each step that is repeated, for several moves may lead from one state to the next."""

    path: Sequence[Any]
    loop: int | None = None
    groups: Sequence[tuple[str, str | None]] = ()


class Search(Protocol):
    """One search, by either engine.

    settled: the first violations of always, step and deadlock properties, the first states of reachable ones.
    needs_seen: the properties whose `needs` was reached. refused: what nodes refused, and where.
    """

    @property
    def distinct(self) -> int:
        """States found."""

    @property
    def generated(self) -> int:
        """As `fsm.search.space` counts them."""

    @property
    def edges(self) -> int:
        """As `fsm.search.space` counts them."""

    @property
    def depth(self) -> int:
        """Levels."""

    @property
    def settled(self) -> Mapping[str, Settled]:
        """By the name of the property."""

    @property
    def needs_seen(self) -> set[str]:
        """Names of properties."""

    @property
    def refused(self) -> Mapping[str, Any]:
        """Message -> key."""

    @property
    def looking(self) -> Iterable[Any]:
        """The keys of the states that are asked at present: of these is one that cannot answer."""

    @property
    def fired(self) -> Iterable[str]:
        """The rows that fired."""

    def run(self, limits: Limits, progress: Callable[[Progress], None] | None, stop_at_first: bool) -> bool:
        """Looks into states until none is left (True) or it has to stop (False)."""

    def path(self, key: Any) -> list[Any]:
        """The keys from the beginning to one of them, on a shortest way."""

    def state(self, key: Any) -> Any:
        """The state of a key."""
