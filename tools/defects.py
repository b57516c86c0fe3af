"""Known bugs of HA, as the lists of bugs in tests/data have them: each is a few edits of the shipped specs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from fsm.explore.system import System
from fsm.language.document import read
from fsm.locate import specs

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
FILES = [DATA / f"mutants{of}.yaml" for of in ("", "_enabling", "_meeting", "_peers")]
FAULTS = ("crash", "restart", "loss", "late", "stray", "statefile", "cut")


@frozen
class Defect:
    """One bug.

    Arguments:
        name, story: what it is called, and what goes wrong.
        edits: in each file (`file`, without .yaml) the text that stands there once (`old`) and what stands there
            instead (`new`).
        system: the story that shows it.
        faults: kinds that happen once each, in failover any number of times; no others do.
        killer, steps: the property that is violated first, and the length of the shortest story.
        settings: more of the system, NAME=VALUE.
        without: clauses of the world that do not hold.
    """

    name: str
    story: str
    edits: Sequence[Mapping[str, str]]
    system: str
    faults: Sequence[str]
    killer: str
    steps: int
    settings: Sequence[str] = ()
    without: Sequence[str] = ()

    @property
    def file(self) -> str:
        """The name of its golden trace."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")

    def changes(self) -> tuple[tuple[str, str], ...]:
        """What is set in the system, (name, value)."""
        return settings(System.load(specs() / "systems" / f"{self.system}.yaml"), self.faults, self.settings)

    def edit(self, folder: Path) -> None:
        """Bring the bug into a copy of the specs. Errors: `ValueError` where a text does not stand there once."""
        for edit in self.edits:
            path = folder / f"{edit['file']}.yaml"
            text = path.read_text("utf-8")
            # how far apart columns stand is layout: one long name elsewhere moves them
            old = re.sub(r"(\\ )+", " +", re.escape(edit["old"]))
            places = list(re.finditer(old, text))
            if len(places) != 1:
                raise ValueError(f"{self.name}: {edit['old']!r} stands {len(places)} times in {edit['file']}")
            path.write_text(text[: places[0].start()] + edit["new"] + text[places[0].end() :], "utf-8")


def defects() -> Sequence[Defect]:
    """All of them."""
    return [Defect(**entry) for file in FILES for entry in read(file, str(file)).plain()["mutants"]]


def settings(system: System, faults: Sequence[str], more: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What makes a system have these faults alone, with more settings NAME=VALUE: (name, value) of each."""
    budget = "any" if system.name == "failover" else "1"
    found = [(f"faults.{fault}", budget if fault in faults else "0") for fault in FAULTS if fault in system.faults]
    found += [(name, value) for name, _, value in (setting.partition("=") for setting in more)]
    return tuple(found)
