"""What a search found, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from fsm.search.space import Property, Space
from fsm.search.trace import Trace

HOLDS, VIOLATED, NOT_REACHED, VACUOUS, OPEN = "holds", "violated", "not reached", "vacuous", "open"


@frozen
class Verdict:
    """What is known of a property: `holds`, `violated`, `not reached`, `vacuous` (what it needs is not reached, so that
    it says nothing), or `open` where a search was cut short.

    `trace` is the shortest counterexample, or the shortest way to what is reachable."""

    property: Property
    verdict: str
    trace: Trace | None = None


@frozen
class Refusal:
    """A turn that a node refused: what it said, and the shortest way there."""

    message: str
    trace: Trace


@frozen
class Progress:
    """How far a search has come.

    Arguments:
        states: found so far.
        generated: moves taken so far.
        depth: the level that is looked into.
        frontier: states found and not yet looked into.
        seconds: since it began.
        memory: MiB that the process occupies.
    """

    states: int
    generated: int
    depth: int
    frontier: int
    seconds: float
    memory: float


@frozen
class Limits:
    """What ends a search before its time: more states than this, seconds, MiB of the process; None is no limit."""

    states: int | None = None
    seconds: float | None = None
    memory: float | None = None


@frozen
class Result:
    """The outcome of a search; counts as `fsm.search.space` defines them.

    Arguments:
        engine: reference or fast.
        symmetry: whether states that are permutations of one another were counted once.
        subsume: whether states were left out that have less left of what is counted than another.
        fired: the ids of rows that fired (of a model: actions that were taken).
        groups: the names of the groups of moves that happened, for fairness.
    """

    space: Space[Any] = field(repr=False)
    engine: str
    symmetry: bool
    subsume: bool
    distinct: int
    generated: int
    edges: int
    depth: int
    seconds: float
    finished: bool
    verdicts: tuple[Verdict, ...]
    refusals: tuple[Refusal, ...]
    fired: frozenset[str] = field(repr=False)
    groups: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def unfired(self) -> Sequence[str]:
        """The rows that never fired, in the order of the files."""
        return [row for row in self.space.rows if row not in self.fired]

    @property
    def violated(self) -> bool:
        """Whether the answer is no: a counterexample, a refused turn, or something that cannot be reached."""
        return bool(self.refusals) or any(v.verdict in (VIOLATED, NOT_REACHED, VACUOUS) for v in self.verdicts)

    @property
    def exit_code(self) -> int:
        """0: all hold; 1: the answer is no; 2: not finished, nothing violated so far."""
        return 1 if self.violated else 0 if self.finished else 2

    def verdict(self, name: str) -> Verdict:
        """The verdict on a property by its name. Errors: `KeyError`."""
        return {verdict.property.name: verdict for verdict in self.verdicts}[name]
