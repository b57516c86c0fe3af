"""Every bug of tests/data/mutants.yaml, made again in a copy of the specs, is found by the search, with a story of the
length that was found when it was written down. The story is kept as a golden trace: it happens with the bug, and not
without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fsm.errors import SpecError
from fsm.explore.system import System
from fsm.explore.traces import play
from fsm.locate import specs
from fsm.search.load import load_system
from fsm.search.renderings import GOLDEN, Found, render
from fsm.search.result import VIOLATED
from fsm.search.walk_traces import Origin
from tests.exploring import explore
from tools.defects import Defect, defects

MUTANTS = defects()
ASKED_FOR = {f"B{number}" for number in range(1, 15)}


def test_every_known_bug_is_there() -> None:
    """B1 to B14."""
    assert {mutant.name.split()[0] for mutant in MUTANTS} >= ASKED_FOR
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def load(defect: Defect, folder: Path) -> System:
    """The system in a copy of the specs that has the bug."""
    shutil.copytree(specs(), folder, ignore=shutil.ignore_patterns("*.md", "*.svg"))
    defect.edit(folder)
    return load_system(folder / "systems" / f"{defect.system}.yaml", defect.changes(), defect.without)


STORIES = Path(__file__).parent / "traces" / "defects"
"""A golden trace of each bug, by its number or name: the shortest story, played on the specs that have it."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_bug_is_found(mutant: Defect, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """By the property that speaks of it, with a shortest story, which is kept and played again."""
    folder = tmp_path / "specs"
    result = explore(load(mutant, folder), stop_at_first=True)
    verdict = result.verdict(mutant.killer)
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    assert len(verdict.trace) == mutant.steps
    story = STORIES / f"{mutant.file}.txt"
    if request.config.getoption("--rewrite-traces"):
        origin = Origin(mutant.system, mutant.changes(), tuple(mutant.without))
        found = Found(result.space, origin, verdict.trace, verdict.property)
        story.write_text(f"# {mutant.name}: {mutant.story}.\n{render(found, GOLDEN)}", "utf-8")
    assert play(story, folder).text == story.read_text("utf-8"), f"run pytest --rewrite-traces, and read {story.name}"


def test_every_story_is_that_of_a_bug() -> None:
    """No file is left of a bug that has another name now."""
    assert {path.stem for path in STORIES.iterdir()} == {mutant.file for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_the_specs_do_not_have_the_bug(mutant: Defect) -> None:
    """The story of a bug does not happen on the specs as they are: some move of it is not possible, or it ends well."""
    story = STORIES / f"{mutant.file}.txt"
    rule = ""
    try:
        happens = play(story, specs()).text == story.read_text("utf-8")
    except SpecError as error:
        happens, rule = False, error.rule
    assert not happens
    assert rule in ("", "impossible")
