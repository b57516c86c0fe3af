"""The page of proofs beyond its first table: what is written down of clauses and of numbers of faults is about the
systems as they are, a part of it is found again, and the page says all of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from attrs import evolve

from fsm.language.load import Library
from fsm.locate import specs
from fsm.search.ablation import NO_ANSWER
from fsm.search.result import VIOLATED
from hosts.worlds.pool import CLAUSES
from tests.exploring import explore
from tools import budgets, clauses, proofs, reached, stories
from tools.budgets import Bears
from tools.clauses import Ablated
from tools.stories import Story

POOLS = [entry for entry in clauses.load() if entry.world == "pool"]
SOON = ("always", "step")
"""Kinds of promise whose first counterexample ends a search."""


def _shortest(clause: str) -> tuple[Ablated, str, int] | None:
    """The shortest story of such a promise without a clause of pools: what was explored, the promise, the moves."""
    found = []
    for entry in POOLS:
        said = Library(specs()).document(f"systems/{entry.story.system}.yaml").plain()["properties"]
        soon = {name for name, of in said.items() if of.keys() & set(SOON)}
        found += [(entry, name, moves) for name, moves in entry.without[clause].items() if name in soon]
    return min(found, key=lambda one: one[2], default=None)


@pytest.mark.parametrize("entry", clauses.load(), ids=lambda entry: entry.name)
def test_clauses_are_those_of_the_world_and_promises_those_of_the_system(entry: Ablated) -> None:
    """Else `tools/prove --ablate --write` is to be asked again about this system."""
    assert set(entry.without) == set(entry.story.clauses())
    assert entry.asked == entry.story.promises()
    assert {name for broken in entry.without.values() for name in broken} <= {*entry.asked, NO_ANSWER}
    assert set(entry.cut) <= set(entry.without)


@pytest.mark.parametrize("entry", budgets.load(), ids=lambda entry: entry.name)
def test_kinds_are_those_of_the_world_and_promises_those_of_the_system(entry: Bears) -> None:
    """Else `tools/prove --frontier --write` is to be asked again about this system."""
    assert entry.asked == entry.story.promises()
    assert {*entry.breaks, *entry.unknown} <= {*entry.asked, NO_ANSWER}
    assert {kind for kinds in entry.together for kind in kinds} <= set(entry.kinds)


def test_every_system_with_clauses_is_asked_about_them() -> None:
    """A world without clauses assumes nothing that could be taken away."""
    names = [path.stem for path in (specs() / "systems").glob("*.yaml")]
    having = {name for name in names if Story(name, "test").clauses()}
    asked = {entry.story.system for entry in clauses.load()}
    assert asked | set(clauses.left_out()) == having
    assert not asked & set(clauses.left_out())


def test_a_clause_that_nothing_needs_says_why_it_is_kept() -> None:
    """And no other does."""
    needed: set[str] = set()
    idle: set[str] = set()
    for entry in clauses.load():
        for clause, broken in entry.without.items():
            (needed if broken else idle).add(f"{entry.world}.{clause}")
    assert set(clauses.kept()) == idle - needed


SHORTEST = {clause: found for clause in CLAUSES if (found := _shortest(clause)) is not None}


@pytest.mark.parametrize("clause", SHORTEST)
def test_a_promise_breaks_without_a_clause(clause: str) -> None:
    """In as many moves as are written down, where it takes the fewest. What the other clauses are needed for takes a
    whole exploration to be seen: `test_stories`, tools/prove --ablate."""
    entry, promise, moves = SHORTEST[clause]
    system = entry.story.load().without(clause)
    only = tuple(p for p in system.properties if p.name == promise)
    verdict = explore(evolve(system, properties=only), stop_at_first=True).verdict(promise)
    assert verdict.verdict == VIOLATED
    assert verdict.trace is not None
    assert len(verdict.trace) == moves


def test_a_frontier_is_found_again() -> None:
    """That of the entry that takes the least; tools/prove --frontier looks at all."""
    entry = min(budgets.load(), key=lambda entry: entry.seconds)
    assert list(entry.different(entry.found())) == []


def test_every_row_is_reached_by_a_story_or_excused() -> None:
    """By one that there is; specs/unreached.yaml says of the others why."""
    kept = reached.load()
    assert set(kept) == set(reached.rows()) - reached.excused()
    assert set(kept.values()) <= {story.name for story in stories.load()}


def test_the_page_is_what_is_written_down() -> None:
    """specs/proofs.md is made by tools/pages, and says every number of the three files."""
    assert proofs.page() == (specs() / "proofs.md").read_text("utf-8")


STORIES = (Story("small", "test", states=3), Story("large", "verify", states=9))


def test_a_row_stands_with_the_smallest_story_that_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was explored now counts instead of what was written down of it; of other stories that stays."""
    monkeypatch.setattr(reached, "rows", lambda: ("a.a/x", "a.a/y", "a.a/z"))
    small, large = (story.name for story in STORIES)
    kept = {"a.a/x": large, "a.a/y": small, "a.a/z": small}
    fired = {small: frozenset({"a.a/x", "a.a/y"})}
    assert reached.merged(kept, fired, STORIES) == {"a.a/x": small, "a.a/y": small}
    assert reached.merged(kept, {large: frozenset({"a.a/x", "a.a/y"})}, STORIES) == kept


def test_what_is_reached_no_more_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is what nobody reaches, once all was explored, and what is excused in vain."""
    monkeypatch.setattr(reached, "rows", lambda: ("a.a/x", "a.a/y", "a.a/z"))
    monkeypatch.setattr(reached, "excused", lambda: {"a.a/y"})
    small, large = (story.name for story in STORIES)
    kept = {"a.a/x": small, "a.a/z": large}
    assert list(reached.wrong(kept, {small: frozenset()}, whole=False)) == [f"a.a/x does not fire any more in {small}"]
    fired = {small: frozenset({"a.a/x", "a.a/y"}), large: frozenset()}
    assert list(reached.wrong(kept, fired, whole=True)) == [
        f"a.a/z does not fire any more in {large}",
        "a.a/z is reached by no story, and is not in unreached.yaml",
        f"a.a/y is in unreached.yaml, and {small} reaches it",
    ]


@pytest.mark.parametrize("data", [stories, clauses, budgets], ids=lambda data: data.__name__)
def test_what_is_saved_is_read_again(data: ModuleType, tmp_path: Path) -> None:
    """As it was: nothing of an entry is lost on the way."""
    copy = tmp_path / data.FILE.name
    copy.write_text(data.FILE.read_text("utf-8").partition("\nlanguage:")[0] + "\nlanguage: 1\n", "utf-8")
    data.save(data.load(), copy)
    assert list(data.load(copy)) == list(data.load())


def test_an_entry_says_what_is_different_now() -> None:
    """A clause that is needed no more, or in another number of moves; another budget."""
    entry = Ablated(Story("small", "verify"), ("S1",), {"K1": {"S1": 10}, "K2": {}})
    assert list(entry.different(entry)) == []
    assert list(entry.different(evolve(entry, without={"K1": {"S1": 9}, "K2": {}}))) == [
        "without K1 breaks {'S1': 9}, not {'S1': 10}"
    ]
    bears = Bears(Story("small", "verify"), asked=("S1",), together=(("crash",),))
    assert list(bears.different(bears)) == []
    assert list(bears.different(evolve(bears, together=()))) == ["together: (), not (('crash',),)"]
