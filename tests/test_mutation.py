"""Mutants of a small vault and a leaking jar: what kills them, what survives, and what is no mutant at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.errors import SpecError
from fsm.mutation.graph import Graph
from fsm.mutation.judge import IDENTICAL, KILLED, SURVIVED, UNFINISHED, Judged
from fsm.mutation.mutants import Refused
from fsm.mutation.of_models import conjuncts
from fsm.mutation.report import lines
from fsm.mutation.score import Asked, Choice, Score, judge_all
from fsm.search.load import load_space
from fsm.search.result import Limits
from tests.vault import written

Fate = tuple[str, str, str, int | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The specs."""
    return written(tmp_path_factory.mktemp("vault"))


def _score(path: Path) -> Score:
    asked = Asked(path)
    judge = asked.judge()
    return judge_all(asked, judge, range(len(judge.subject.mutants)), 1)


@pytest.fixture(scope="module")
def vault(folder: Path) -> Score:
    """All mutants of the system."""
    return _score(folder / "systems" / "vaults.yaml")


@pytest.fixture(scope="module")
def jar(folder: Path) -> Score:
    """All mutants of the model."""
    return _score(folder / "jar.yaml")


def fates(score: Score, row: str, operator: str) -> Iterator[tuple[str, Fate]]:
    """What becomes of the mutants of one place by one operator."""
    for one in score.judged:
        if row in one.mutant.rows and one.mutant.operator == operator:
            yield one.mutant.what, (one.fate, one.by, one.name, one.steps)


KILLS = {
    ("vault.wide/pull", "drop a row"): ("no such row", "check", "missing-pair", None),
    ("vault.shut/push", "negate a guard"): ("if not (not meant) instead of not meant", "property", "opens", None),
    ("vault.shut/push", "drop a guard"): ("without if not meant", "check", "guards-incomplete", None),
    ("vault.opening/bolt.stuck", "retarget a row"): ("to wide instead of shut", "property", "noted", 2),
    ("vault.shut/push", "drop a do"): ("without do bolt.turn", "check", "dead-row", None),
    ("vault.shut/push", "drop a set"): ("without set meant", "property", "noted", 1),
    ("vault.wide/host.ask", "drop a reply"): ("without reply yes", "check", "no-reply", None),
    ("vault.opening/bolt.turned", "change an outcome"): (
        "on [bolt.stuck] instead of bolt.turned", "loader", "duplicate-row", None,
    ),
    ("vault.closed/host.ask", "change a scope"): ("from [shut] instead of closed", "check", "missing-pair", None),
    ("vault.shut/push", "swap with else"): ("swaps its guard with the else", "property", "opens", None),
    ("vault.wide, ignore", "drop an ignore"): ("ignore without push", "check", "missing-pair", None),
    ("vault, variables", "change a store"): ("meant lies in memory", "property", "left", None),
    ("vault.shut/push", "move a durable write"): (
        "sets meant once bolt.turn has ended, not before", "property", "noted", 1,
    ),
    ("fault restart", "drop a fault"): ("restart never happens", "property", "left", None),
}  # fmt: skip
JAR_KILLS = {
    ("fill", "drop an action"): ("no such action", "property", "full", None),
    ("leak", "drop a guard"): ("without if level > 0", "error", "out-of-domain", None),
    ("fill", "negate a guard"): ("if not (level < 2 and not wet)", "property", "full", None),
    ("fill", "drop a conjunct"): ("without not wet", "property", "dry", 4),
    ("fill", "negate a conjunct"): ("not (level < 2)", "property", "full", None),
    ("pour", "drop an update"): ("without set level", "property", "dry", 3),
    ("leak", "drop an action"): ("no such action", "loader", "unknown-name", None),
}


@pytest.mark.parametrize(("row", "operator"), KILLS)
def test_each_operator_has_a_mutant_that_is_killed(vault: Score, row: str, operator: str) -> None:
    """By whom, by which rule or property, and after how many steps where there is a story."""
    what, by, name, steps = KILLS[row, operator]
    assert dict(fates(vault, row, operator))[what] == (KILLED, by, name, steps)


@pytest.mark.parametrize(("row", "operator"), JAR_KILLS)
def test_each_operator_of_models_has_one_too(jar: Score, row: str, operator: str) -> None:
    """The same for actions; a value outside of its type ends the search, which is an answer."""
    what, by, name, steps = JAR_KILLS[row, operator]
    assert dict(fates(jar, row, operator))[what] == (KILLED, by, name, steps)


def test_what_no_property_speaks_of_survives(vault: Score, jar: Score) -> None:
    """Nobody asks whether `tried` is ever set, nor whether the jar is ever emptied by hand."""
    assert dict(fates(vault, "vault.opening/bolt.stuck", "drop a set"))["without set tried"][0] == SURVIVED
    assert dict(fates(jar, "pour", "drop an action"))["no such action"][0] == SURVIVED


def test_a_mutant_with_the_same_graph_is_left_out(vault: Score, jar: Score) -> None:
    """A signal that the world does not hear, a row that leads where it stays; what never happens in the model. The
    score counts all others."""
    same = {(one.mutant.rows[0], one.mutant.what) for one in vault.of(IDENTICAL)}
    assert same == {
        ("vault.shut/push/else", "to same instead of shut"),
        ("vault.wide/host.ask", "to wide instead of same"),
        ("vault.opening/bolt.turned", "without tell bolt.chime"),
        ("vault.opening/bolt.stuck", "without tell bolt.chime"),
    }
    assert {(one.mutant.rows[0], one.mutant.operator) for one in jar.of(IDENTICAL)} == {
        ("wipe", "drop a conjunct"), ("quake", "drop an update"), ("fault quake", "drop a fault"),
    }  # fmt: skip
    assert vault.counted == len(vault.judged) - 4 == len(vault.of(KILLED)) + len(vault.survivors)
    assert vault.percent == 100 * len(vault.of(KILLED)) / vault.counted
    found, explored = vault.explored
    assert explored == found + len(vault.survivors) < vault.counted


def test_what_is_told_identical_without_a_search_is(folder: Path) -> None:
    """Where nobody ever pulls: the row for it may do what it likes. Whatever is told has the original's graph, compared
    state by state."""
    subject = Asked(folder / "systems" / "vaults.yaml", (("operator.vault.pull", "0"),)).subject()
    graph = Graph.of(subject.original())
    told, same = set(), set()
    for mutant in subject.mutants:
        space = subject.changed(mutant.number)
        if not isinstance(space, Refused):
            told |= {(mutant.rows[0], mutant.what)} if subject.untouched(space) else set()
            same |= {(mutant.rows[0], mutant.what)} if graph.same(space) else set()
    assert told == {("vault.wide/pull", "without set meant")}
    assert told < same


def test_a_property_that_does_not_hold_judges_nothing(vault: Score) -> None:
    """It is named, and kills nobody."""
    assert vault.unheard == {"again": "violated"}
    assert not any(one.name == "again" for one in vault.judged)
    assert "again judges nothing, for it is violated as it is" in list(lines(vault))


def test_two_processes_say_the_same(folder: Path, jar: Score) -> None:
    """A mutant is known by its number in each of them."""
    asked = Asked(folder / "jar.yaml")
    judge = asked.judge()
    counts: list[int] = []
    score = judge_all(asked, judge, range(len(judge.subject.mutants)), 2, lambda done, _: counts.append(done))
    assert score == jar
    assert counts == list(range(1, len(jar.judged) + 1))


def test_an_unfinished_mutant_is_a_survivor_and_shown_as_such(folder: Path, tmp_path: Path) -> None:
    """A limit that the original keeps and a mutant does not: an `if` without which a tally never ends."""
    path = tmp_path / "tally.yaml"
    path.write_text(
        'language: 1\nmodel: tally\nessay: It counts.\nvariables: {x: {type: "0..90000"}}\nactions:\n'
        '- {action: count, if: "x < 3", set: {x: "(x + 1) % 90000"}, why: "one more"}\n'
        'properties: {three: {reachable: "x == 3", why: "it counts to three"}}\n',
        encoding="utf-8",
    )
    asked = Asked(path, limits=Limits(100))
    judge = asked.judge()
    numbers = Choice(row="count", operator="drop a guard").of(judge.subject.mutants)
    score = judge_all(asked, judge, numbers, 1)
    assert [one.fate for one in score.survivors] == [UNFINISHED]
    assert "  drop a guard: without if x < 3, not finished" in list(lines(score))


def test_what_cannot_judge_is_refused(folder: Path, tmp_path: Path) -> None:
    """No property holds; or the original itself is not explored to the end."""
    text = (folder / "jar.yaml").read_text("utf-8").replace('"level == 2", why', '"level == 1 and wet", why')
    (tmp_path / "jar.yaml").write_text(text.replace('"not wet or level == 0"', '"level < 1"'), encoding="utf-8")
    with pytest.raises(SpecError, match="no property of jar holds as it is") as error:
        Asked(tmp_path / "jar.yaml").judge()
    assert error.value.rule == "original-fails"
    with pytest.raises(SpecError, match="allow more than") as error:
        Asked(folder / "jar.yaml", limits=Limits(1)).judge()
    assert error.value.rule == "too-large"


def test_mutants_are_chosen_by_machine_row_and_operator(vault: Score) -> None:
    """Patterns are of names of rows; a line of two rows goes by both."""
    mutants = [one.mutant for one in vault.judged]
    assert Choice().of(mutants) == [mutant.number for mutant in mutants]
    assert len(Choice("vault").of(mutants)) == len(mutants) - 1
    rows = {
        row for number in Choice(row="vault.shut/*", operator="drop a row").of(mutants) for row in mutants[number].rows
    }
    assert rows == {"vault.shut/push", "vault.shut/push/else"}
    assert not Choice("door").of(mutants)


def test_conjuncts_of_a_guard() -> None:
    """Those of an `and`, in brackets where they need them; nothing of any other guard."""
    assert conjuncts("a and (b or c) and not d") == ["a", "(b or c)", "not d"]
    assert conjuncts("a or b and c") == []


def test_the_command_gives_the_score_as_json_and_keeps_a_floor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 below the floor, 0 above; `--json` has every mutant."""
    words = ["mutate", str(folder / "jar.yaml"), "--row", "quake", "--jobs", "1", "--json"]
    assert main([*words, "--floor", "90"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["mutants"], found["identical"], found["killed"], found["survived"]) == (4, 1, 1, 2)
    assert found["score"] == 33.33
    assert [one["fate"] for one in found["judged"]] == [KILLED, SURVIVED, SURVIVED, IDENTICAL]
    assert main([*words, "--floor", "10"]) == 0


def test_how_far_it_is_is_said_and_nothing_promised(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done, since when; how long the others take, nobody knows."""
    monkeypatch.setattr("fsm.commands.mutate_command.QUIET", -1.0)
    assert main(["mutate", str(folder / "jar.yaml"), "--row", "quake", "--jobs", "1"]) == 0
    assert capsys.readouterr().err == "1 of 4 mutants in 0 s, 0 survive\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--machine", "door"], "--machine:1:1: there is no machine 'door' to mutate"),
        (["--operator", "drop a bow"], "--operator:1:1: there is no operator 'drop a bow' to mutate"),
        (["--row", "nothing"], "--row:1:1: no mutant is asked for; --row takes a pattern of names of rows"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Exit 2, and what would be right."""
    assert main(["mutate", str(folder / "systems" / "vaults.yaml"), "--jobs", "1", *words]) == 2
    assert capsys.readouterr().err.startswith(said)


def test_a_judged_mutant_is_small(vault: Score) -> None:
    """Only these go between processes: no space, no trace."""
    assert {type(one) for one in vault.judged} == {Judged}
    assert all(len(repr(one)) < 500 for one in vault.judged)


JUMPS = """\
language: 1
model: jumps
essay: One jump down or two.
variables: {{x: {{type: "-2..0", initial: "0"}}}}
faults: {{slip: any}}
actions:
- {{action: one, if: "x == 0", set: {{x: "{one}"}}, why: "a jump"}}
- {{action: two, if: "x == 0", set: {{x: "{two}"}}, {fault}why: "a longer jump"}}
- {{action: slip, if: "x < 0", set: {{x: "0"}}, fault: slip, why: "and back"}}
properties:
  down: {{reachable: "x == -2", why: "one can get down"}}
"""


@pytest.mark.parametrize(("one", "two", "fault"), [("-2", "-1", ""), ("-1", "-2", "fault: slip, ")])
def test_graphs_that_differ_in_little_are_not_the_same(tmp_path: Path, one: str, two: str, fault: str) -> None:
    """The hash of -1 is that of -2, and whether a move is a fault decides what lasts for ever."""
    path = tmp_path / "jumps.yaml"
    path.write_text(JUMPS.format(one="-1", two="-2", fault=""), encoding="utf-8")
    original = Graph.of(load_space(path))
    assert original.same(load_space(path))
    path.write_text(JUMPS.format(one=one, two=two, fault=fault), encoding="utf-8")
    assert not original.same(load_space(path))
