"""What is mutated and judged: a mutant by its place and operator, and a subject, which makes mutants.

A subject is what one file stands for: a system of machines and a world (`fsm.mutation.of_systems`) or a model
(`fsm.mutation.of_models`). It lists its mutants always in the same order, so that a mutant is known by its number in
every process that has loaded the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from attrs import frozen

from fsm.search.space import Space


@frozen
class Mutant:
    """One change at one place.

    Arguments:
        number: its place in the list of all mutants of the subject.
        machine: the machine that is changed; "" for a fault of the world, and in a model.
        rows: the ids of the rows (of a model: the action) that the place stands for; "fault KIND" for a fault.
        operator: what was done.
        what: the change in words.
        fault: the kind of fault that is taken away; None for any other change.
    """

    number: int
    machine: str
    rows: tuple[str, ...]
    operator: str
    what: str
    fault: str | None = None


@frozen
class Refused:
    """A mutant that is told apart before anything is explored.

    by: "loader", where it cannot be read or put together, or "check", where a static rule finds something in it."""

    by: str
    rule: str


class Subject(Protocol):
    """What is mutated."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def mutants(self) -> Sequence[Mutant]:
        """All of them, in a fixed order; the number of each is its index."""

    def judged_by(self, names: Sequence[str]) -> Subject:
        """The same with these of its properties alone."""

    def original(self) -> Space[Any]:
        """It as it is. Errors: `SpecError`."""

    def changed(self, number: int) -> Space[Any] | Refused:
        """One of its mutants, ready to be explored, or what refuses it."""

    def untouched(self, space: Space[Any]) -> bool:
        """Whether the space of a mutant, of `changed`, has the graph of the original, as far as that is seen without
        exploring it; False says nothing. In the original no turn is refused."""
