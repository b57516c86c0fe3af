"""Which clause of its world each promise needs, as tests/data/ablation.yaml lists it.

An entry is an exploration (`tools.stories`) that is made once as it is and once without each clause of its world. It
says what breaks then, after how many moves. What holds without a clause holds with these faults; a promise that nothing
breaks stands by itself there, or is not tried hard enough. `kept` says why a clause is there that nothing needs, and
`left_out` why a system is not asked.

Left out: two clauses at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from fsm.language.document import read
from fsm.search import explore as search
from fsm.search.ablation import Ablation, ablate
from fsm.search.result import OPEN, VIOLATED, Limits
from hosts.worlds.pool import CLAUSES
from tools.stories import Story, entry_line, rewrite, story

FILE = Path(__file__).resolve().parent.parent / "tests" / "data" / "ablation.yaml"
STATES = 150_000
"""After which an exploration is cut, where an entry says no other number: without a clause it may have no end."""
Broken = Mapping[str, int]
"""Promise -> moves of the shortest story in which it breaks."""


@frozen
class Ablated:
    """One entry.

    Arguments:
        story: what is explored; its counts are not used, its seconds are those of all explorations.
        asked: the promises.
        without: clause -> what breaks.
        cut: clauses without which it was too large to be explored whole.
        most: states after which it is cut.
    """

    story: Story
    asked: tuple[str, ...] = ()
    without: Mapping[str, Broken] = field(factory=dict, hash=False)
    cut: tuple[str, ...] = ()
    most: int = STATES

    @property
    def name(self) -> str:
        """That of what is explored."""
        return self.story.name

    @property
    def seconds(self) -> float:
        """Of CPU, of all explorations."""
        return self.story.seconds

    @property
    def world(self) -> str:
        """The world of its system in a word, `pool`; a larger one with the same clauses is the same one here."""
        module = self.story.world().partition(":")[0].rpartition(".")[2]
        return "pool" if self.without.keys() == CLAUSES.keys() else module

    def explore(self, clauses: Iterable[str]) -> Ablation:
        """Once as it is, and once without each of these. Errors: `SpecError`."""
        limits = Limits(states=self.most)
        named = dict.fromkeys(clauses, "")
        return ablate(self.story.space, lambda space: search.explore(space, limits=limits), named, ())

    def found(self) -> Ablated:
        """The entry with what is found now.

        Errors: `SpecError`; `ValueError` where a promise is broken with all clauses."""
        began = time.process_time()
        ablation = self.explore(self.story.clauses())
        if bad := [name for name, cell in ablation.before.items() if cell.verdict in (VIOLATED, OPEN)]:
            raise ValueError(f"{self.story.name}: {', '.join(bad)}: broken, or not decided, with all clauses")
        spent = round(time.process_time() - began, 1)
        cut = tuple(column.name for column in ablation.columns if not column.finished)
        return evolve(
            self,
            story=evolve(self.story, seconds=spent),
            asked=self.story.promises(),
            without=broken(ablation),
            cut=cut,
        )

    def different(self, now: Ablated) -> Iterator[str]:
        """What is not as it is written down, a line each. Arguments: now: what was found."""
        for clause in dict.fromkeys([*self.without, *now.without]):
            if self.without.get(clause) != now.without.get(clause):
                yield f"without {clause} breaks {now.without.get(clause)}, not {self.without.get(clause)}"
        if (self.asked, self.cut) != (now.asked, now.cut):
            yield f"asked {', '.join(now.asked)}; cut {', '.join(now.cut) or 'nowhere'}"

    def said(self) -> str:
        """How many clauses were found to be needed."""
        return f"{sum(map(bool, self.without.values()))} of {len(self.without)} clauses are needed"

    def line(self) -> str:
        """The entry as it stands in the file."""
        one = self.story
        said: dict[str, object] = {"system": one.system, "hosts": one.hosts, "faults": dict(one.faults)}
        said |= {"operator": one.operator, "set": dict(one.set), "most": self.most if self.most != STATES else 0}
        said |= {"cut": list(self.cut), "seconds": one.seconds}
        return entry_line({**said, "without": {c: dict(b) for c, b in self.without.items()}, "asked": list(self.asked)})


def broken(ablation: Ablation) -> Mapping[str, Broken]:
    """What breaks without each clause."""
    return {
        column.name: {name: cell.steps or 0 for name, cell in column.moved.items() if cell.verdict == VIOLATED}
        for column in ablation.columns
    }


@cache
def load(path: Path = FILE) -> tuple[Ablated, ...]:
    """All entries. Errors: `SpecError` for a file that cannot be read, `ValueError` for one that makes no sense."""
    return tuple(_ablated(entry) for entry in read(path, str(path)).plain()["ablation"])


@cache
def kept(path: Path = FILE) -> Mapping[str, str]:
    """Why clauses are kept that no promise here needs, by world and name: `pool.K7`. Errors: as of `load`."""
    return {entry["clause"]: entry["why"] for entry in read(path, str(path)).plain()["kept"]}


@cache
def left_out(path: Path = FILE) -> Mapping[str, str]:
    """Systems whose worlds have clauses, and that are not asked, with the reason. Errors: as of `load`."""
    return {entry["system"]: entry["why"] for entry in read(path, str(path)).plain()["left_out"]}


def save(entries: Sequence[Ablated], path: Path = FILE) -> None:
    """Write the entries anew."""
    rewrite(path, "ablation", [entry.line() for entry in entries])


def _ablated(entry: Mapping[str, Any]) -> Ablated:
    own = {"without", "asked", "cut", "most"}
    told = story({"in": "verify", **{key: value for key, value in entry.items() if key not in own}})
    without, cut = entry.get("without", {}), tuple(entry.get("cut", ()))
    return Ablated(told, tuple(entry.get("asked", ())), without, cut, entry.get("most", STATES))
