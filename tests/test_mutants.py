"""Every bug of tests/data/mutants.yaml, made again in a copy of the specs, is found by the search, with a story of the
length that was found when it was written down. The story is kept as a golden trace: it happens with the bug, and not
without it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from attrs import frozen

from fsm.errors import SpecError
from fsm.explore.system import System
from fsm.explore.traces import play
from fsm.language.document import read
from fsm.locate import specs
from fsm.search.load import load_system
from fsm.search.renderings import GOLDEN, Found, render
from fsm.search.result import VIOLATED
from fsm.search.walk_traces import Origin
from tests.exploring import explore
from tests.pool_stories import settings


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

    @property
    def file(self) -> str:
        """The name of its files."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")

    def changes(self) -> tuple[tuple[str, str], ...]:
        """What is set in the system, (name, value)."""
        return settings(System.load(specs() / "systems" / f"{self.system}.yaml"), tuple(self.faults), self.settings)

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
        return load_system(folder / "systems" / f"{self.system}.yaml", self.changes())


MUTANTS = [Mutant(**entry) for entry in read(Path(__file__).parent / "data" / "mutants.yaml").plain()["mutants"]]
ASKED_FOR = {f"B{number}" for number in range(1, 15)} - {"B8"}


def test_every_known_bug_is_there() -> None:
    """B1 to B14 but for B8, which is about shutting a host down cleanly."""
    assert {mutant.name.split()[0] for mutant in MUTANTS} >= ASKED_FOR
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


STORIES = Path(__file__).parent / "traces" / "defects"
"""A golden trace of each bug, by its number or name: the shortest story, played on the specs that have it."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_bug_is_found(mutant: Mutant, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """By the property that speaks of it, with a shortest story, which is kept and played again."""
    folder = tmp_path / "specs"
    result = explore(mutant.load(folder), stop_at_first=True)
    verdict = result.verdict(mutant.killer)
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    assert len(verdict.trace) == mutant.steps
    story = STORIES / f"{mutant.file}.txt"
    if request.config.getoption("--rewrite-traces"):
        found = Found(result.space, Origin(mutant.system, mutant.changes()), verdict.trace, verdict.property)
        story.write_text(f"# {mutant.name}: {mutant.story}.\n{render(found, GOLDEN)}", "utf-8")
    assert play(story, folder).text == story.read_text("utf-8"), f"run pytest --rewrite-traces, and read {story.name}"


def test_every_story_is_that_of_a_bug() -> None:
    """No file is left of a bug that has another name now."""
    assert {path.stem for path in STORIES.iterdir()} == {mutant.file for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_the_specs_do_not_have_the_bug(mutant: Mutant) -> None:
    """The story of a bug does not happen on the specs as they are: some move of it is not possible, or it ends well."""
    story = STORIES / f"{mutant.file}.txt"
    try:
        text = play(story, specs()).text
    except SpecError as error:
        assert error.rule == "impossible"
    else:
        assert text != story.read_text("utf-8")
