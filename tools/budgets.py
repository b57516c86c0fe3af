"""How many faults the shipped systems bear, as tests/data/frontier.yaml lists it.

An entry is a system with its settings and the kinds of fault that are varied; those that lead back (`stories.ALWAYS`)
happen as often as the system says. It tells which kinds may happen any number of times, all at once, while everything
that is promised holds, and the smallest numbers of faults with which a promise breaks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from fsm.language.document import read
from fsm.search import explore as search
from fsm.search.frontier import LEVELS, Frontier, frontier
from fsm.search.result import Limits
from tools.stories import Story, entry_line, rewrite, story

FILE = Path(__file__).resolve().parent.parent / "tests" / "data" / "frontier.yaml"
STATES = 3_000_000
"""After which an exploration is cut."""
Budgets = Mapping[str, str]
"""Kind of fault -> how often, of those that happen at all."""


@frozen
class Bears:
    """One entry.

    Arguments:
        story: the system with its settings; its faults are the kinds that are varied, its counts are not used.
        at_once: how many kinds at most have a budget where single numbers are tried.
        asked: the promises.
        together: the largest sets of kinds that may all happen any number of times.
        breaks: promise -> the smallest numbers of faults with which it breaks, and the moves of the shortest story.
        unknown: promises that nothing breaks here, and that may yet break: an exploration was cut.
        runs: explorations.
    """

    story: Story
    at_once: int = 1
    asked: tuple[str, ...] = ()
    together: tuple[tuple[str, ...], ...] = ()
    breaks: Mapping[str, tuple[tuple[Budgets, int], ...]] = field(factory=dict, hash=False)
    unknown: tuple[str, ...] = ()
    runs: int = 0

    @property
    def name(self) -> str:
        """It in a few words, unique."""
        return " · ".join([self.story.system, ", ".join(self.kinds), *(f"{n}={v}" for n, v in self.story.set)])

    @property
    def seconds(self) -> float:
        """Of CPU, of all explorations."""
        return self.story.seconds

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those of fault that are varied."""
        return tuple(self.story.faults)

    def explore(self) -> Frontier:
        """Finds the frontier. Errors: `SpecError`."""
        limits = Limits(states=STATES)
        at_once = self.at_once
        return frontier(self.story.space, lambda space: search.explore(space, limits=limits), self.kinds, at_once)

    def found(self) -> Bears:
        """The entry with what is found now.

        Errors: `SpecError`; `ValueError` where a promise is broken without any fault."""
        began = time.process_time()
        now = self.explore()
        if now.faultless:
            raise ValueError(f"{self.story.name}: {', '.join(now.faultless)}: broken without any fault")
        spent, asked = round(time.process_time() - began, 1), self.story.promises()
        return evolve(
            self, story=evolve(self.story, seconds=spent), asked=asked, together=now.together, breaks=broken(now),
            unknown=tuple(name for name in asked if name not in now.settled and not now.smallest.get(name)),
            runs=len(now.runs),
        )  # fmt: skip

    def different(self, now: Bears) -> Iterator[str]:
        """What is not as it is written down, a line each. Arguments: now: what was found."""
        for what in ("together", "breaks", "unknown", "asked", "runs"):
            if getattr(now, what) != getattr(self, what):
                yield f"{what}: {getattr(now, what)}, not {getattr(self, what)}"

    def said(self) -> str:
        """How much was explored."""
        return f"{self.runs} explorations"

    def line(self) -> str:
        """The entry as it stands in the file."""
        one = self.story
        said: dict[str, object] = {"system": one.system, "hosts": one.hosts, "kinds": list(self.kinds)}
        said |= {"at_once": self.at_once, "operator": one.operator, "set": dict(one.set), "runs": self.runs}
        said |= {"seconds": one.seconds, "together": [list(kinds) for kinds in self.together]}
        said["breaks"] = {name: [{**budgets, "moves": n} for budgets, n in many] for name, many in self.breaks.items()}
        return entry_line({**said, "unknown": list(self.unknown), "asked": list(self.asked)})


def broken(found: Frontier) -> Mapping[str, tuple[tuple[Budgets, int], ...]]:
    """The smallest budgets with which each promise breaks, with the moves of the story."""
    return {
        name: tuple(
            ({kind: LEVELS[level] for kind, level in zip(found.kinds, vector, strict=True) if level}, moves)
            for vector, moves in sorted(vectors.items(), key=lambda one: (sum(one[0]), one[0]))
        )
        for name, vectors in found.smallest.items()
        if vectors
    }


@cache
def load(path: Path = FILE) -> tuple[Bears, ...]:
    """All entries. Errors: `SpecError` for a file that cannot be read, `ValueError` for one that makes no sense."""
    return tuple(_bears(entry) for entry in read(path, str(path)).plain()["frontier"])


def save(entries: Sequence[Bears], path: Path = FILE) -> None:
    """Write the entries anew."""
    rewrite(path, "frontier", [entry.line() for entry in entries])


def _bears(entry: Mapping[str, Any]) -> Bears:
    own = {"kinds", "at_once", "together", "breaks", "unknown", "asked", "runs"}
    faults = {"in": "verify", "faults": dict.fromkeys(entry["kinds"], 0)}
    told = story({**faults, **{key: value for key, value in entry.items() if key not in own}})
    breaks = {name: tuple(map(_budgets, many)) for name, many in entry.get("breaks", {}).items()}
    return Bears(
        told, entry.get("at_once", 1), tuple(entry.get("asked", ())), tuple(map(tuple, entry.get("together", ()))),
        breaks, tuple(entry.get("unknown", ())), entry.get("runs", 0),
    )  # fmt: skip


def _budgets(said: Mapping[str, Any]) -> tuple[Budgets, int]:
    return {kind: str(often) for kind, often in said.items() if kind != "moves"}, said["moves"]
