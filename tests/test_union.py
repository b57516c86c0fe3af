"""Several systems judge the mutants of the machines that they share: what one lets live another may kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.mutation.judge import IDENTICAL, KILLED, SURVIVED
from fsm.mutation.report import lines, report
from fsm.mutation.score import Asked, Choice, Score
from fsm.mutation.union import Union
from tests.vault import SYSTEM, written

TRIED = SYSTEM.replace("system: vaults", "system: tries").partition("properties:\n")[0].replace(
    "sets: {", 'sets: {tried: "vault_tried", '
) + '  tried: {reachable: "tried == everybody", why: "it is known that it was stuck"}\n'  # fmt: skip
QUIET = TRIED.replace("system: tries", "system: quiet").replace("any, vault.pull: any}", "any}")
TEA = {
    "machines/kettle.yaml": """
language: 1
machine: kettle
essay: It boils, and is taken off by hand or by itself.
events: {fill: {}, lift: {}}
initial: cold
states: [cold, hot]
rows:
- {from: cold, on: fill, to: hot, why: "somebody wants tea"}
- {from: hot, on: lift, to: cold, why: "it is poured"}
- {from: hot, after: "5s", to: cold, why: "nobody came"}
ignore:
- {in: [cold], on: [lift], why: "it is not on"}
- {in: [hot], on: [fill], why: "it is full"}
""",
    "systems/tea.yaml": """
language: 1
system: tea
essay: Nobody lifts the kettle, and it is frozen.
world: any
hosts: 1
machines: [kettle]
frozen: [kettle]
operator: {kettle.fill: any}
sets: {hot: "kettle == hot"}
properties:
  boils: {reachable: "hot == everybody", why: "there is tea"}
  stays: {step: "not empty(next_hot) or empty(hot)", why: "it never cools by itself here"}
""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three systems of one vault, and one of a frozen kettle."""
    root = written(tmp_path_factory.mktemp("union"))
    texts = {"systems/tries.yaml": _with_heading(TRIED), "systems/quiet.yaml": _with_heading(QUIET), **TEA}
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def _with_heading(text: str) -> str:
    return text.replace("  tried: {", "properties:\n  tried: {")


def _union(folder: Path, *names: str, choice: Choice = Choice()) -> Score:  # noqa: B008 - immutable
    union = Union(choice)
    for name in names:
        union.ask(Asked(folder / "systems" / f"{name}.yaml"))
    return union.score()


def test_what_one_system_lets_live_another_kills(folder: Path) -> None:
    """`tried` is no matter of `vaults`; `tries` promises nothing but that it is set at times. Each mutant is counted
    once, and says who killed it."""
    one, both = _union(folder, "vaults"), _union(folder, "vaults", "tries")
    choice = (("vault.opening/bolt.stuck",), "drop a set", "without set tried")
    fates = {(o.mutant.rows, o.mutant.operator, o.mutant.what): (o.fate, o.name, o.subject) for o in both.judged}
    assert fates[choice] == (KILLED, "tried", "tries")
    assert [o.subject for o in both.judged if o.mutant.rows == ("fault restart",)] == ["vaults", "tries"]
    assert len(both.parts["vault"].judged) == len(one.parts["vault"].judged)
    assert len(both.parts["faults"].judged) == 2
    alive = {(o.mutant.rows, o.mutant.what) for o in one.parts["vault"].survivors}
    assert alive > {(o.mutant.rows, o.mutant.what) for o in both.parts["vault"].survivors}
    assert [o.mutant.number for o in both.judged] == list(range(len(both.judged)))


def test_identical_is_what_no_system_that_was_asked_sees(folder: Path) -> None:
    """Where nobody pulls, the row for it may do what it likes. Where somebody does, the mutant behaves otherwise; which
    of the two is asked first makes no difference."""
    choice = Choice(row="vault.wide/pull", operator="drop a set")
    assert [o.fate for o in _union(folder, "quiet", choice=choice).judged] == [IDENTICAL]
    assert [o.fate for o in _union(folder, "tries", choice=choice).judged] == [SURVIVED]
    assert [o.fate for o in _union(folder, "quiet", "tries", choice=choice).judged] == [SURVIVED]
    assert [o.fate for o in _union(folder, "tries", "quiet", choice=choice).judged] == [SURVIVED]


def test_only_what_is_alive_is_asked_again(folder: Path) -> None:
    """A second system with nothing left to say is not explored, and so is not among those that judged."""
    choice = Choice(row="vault.wide/pull", operator="drop a row")
    assert _union(folder, "vaults", "tries", choice=choice).name == "vaults"


def test_a_frozen_machine_stays_frozen_in_its_mutants(folder: Path) -> None:
    """Else every one of them would cool by itself, and be killed for what the original does not do."""
    score = _union(folder, "tea", choice=Choice("kettle"))
    fates = {(o.mutant.rows, o.mutant.what): (o.fate, o.by) for o in score.judged}
    assert fates[("kettle.hot/lift",), "to same instead of cold"] == (IDENTICAL, "")
    assert not [o for o in score.judged if o.name == "stays"]


def test_the_report_counts_by_machine(folder: Path) -> None:
    """Text and JSON say the same; what judges nothing is named with its system."""
    score = _union(folder, "vaults", "tea")
    assert list(score.parts) == ["vault", "kettle", "faults"]
    found = report(score)["machines"]
    assert sum(part["killed"] for part in found.values()) == len(score.of(KILLED))
    assert found["kettle"]["score"] == round(score.parts["kettle"].percent, 2)
    said = list(lines(score))
    assert any(line.split()[:2] == ["kettle", str(found["kettle"]["killed"])] for line in said)
    assert "again of vaults judges nothing, for it is violated as it is" in said


def test_the_command_takes_several(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In their order; a machine that none of them has is named."""
    paths = [str(folder / "systems" / f"{name}.yaml") for name in ("vaults", "tries")]
    words = ["mutate", *paths, "--jobs", "1", "--row", "vault.opening/bolt.stuck", "--operator", "drop a set"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "vaults, tries"
    assert [(one["fate"], one["subject"]) for one in found["judged"]] == [(SURVIVED, "vaults"), (KILLED, "tries")]
    assert main(["mutate", *paths, "--machine", "kettle"]) == 2
    assert capsys.readouterr().err.startswith("--machine:1:1: there is no machine 'kettle' to mutate")
