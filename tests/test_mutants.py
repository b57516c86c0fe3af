"""Every bug of tests/data/mutants.yaml, made again in a copy of the specs, is found by the search, with a story of the
length that was found when it was written down; and the specs as they are survive the same search (tests/test_stories.py
runs it)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from attrs import frozen

from fsm.explore.system import System
from fsm.language.document import read
from fsm.locate import specs
from fsm.search.result import VIOLATED
from tests.exploring import explore
from tests.pool_stories import changed
from tests.test_stories import TOLD


@frozen
class Mutant:
    """One bug, as the file says it."""

    name: str
    story: str
    edits: list[dict[str, str]]
    system: str
    faults: list[str]
    killer: str
    steps: int
    settings: tuple[str, ...] = ()

    def load(self, folder: Path) -> System:
        """The system in a copy of the specs that has the bug."""
        shutil.copytree(specs(), folder, ignore=shutil.ignore_patterns("*.md"))
        for edit in self.edits:
            path = folder / f"{edit['file']}.yaml"
            text = path.read_text("utf-8")
            # how far apart columns stand is layout: one long name elsewhere moves them
            old = re.sub(r"(\\ )+", " +", re.escape(edit["old"]))
            places = list(re.finditer(old, text))
            assert len(places) == 1, f"{edit['old']!r} stands {len(places)} times in {path}"
            path.write_text(text[: places[0].start()] + edit["new"] + text[places[0].end() :], "utf-8")
        system = System.load(folder / "systems" / f"{self.system}.yaml")
        return changed(system, tuple(self.faults), tuple(self.settings))


MUTANTS = [Mutant(**entry) for entry in read(Path(__file__).parent / "data" / "mutants.yaml").plain()["mutants"]]
ASKED_FOR = {f"B{number}" for number in range(1, 15)} - {"B8"}


def test_every_known_bug_is_there() -> None:
    """B1 to B14 but for B8, which is about shutting a host down cleanly."""
    assert {mutant.name.split()[0] for mutant in MUTANTS} >= ASKED_FOR
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_bug_is_found(mutant: Mutant, tmp_path: Path) -> None:
    """By the property that speaks of it, with a shortest story, and the specs without it stand the same search."""
    result = explore(mutant.load(tmp_path / "specs"), stop_at_first=True)
    verdict = result.verdict(mutant.killer)
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    assert len(verdict.trace) == mutant.steps
    assert (mutant.system, tuple(mutant.faults), tuple(mutant.settings)) in TOLD
