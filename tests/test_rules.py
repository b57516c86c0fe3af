"""Every rule that can be raised is explained, by examples that it finds and does not find."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.checks.rules import PAGE, Example, Rule, explain, near, page, rules
from fsm.cli import main
from fsm.errors import SpecError
from fsm.explore.traces import play

FSM = Path(__file__).resolve().parent.parent / "fsm"
EXAMPLES = [rule for rule in rules().values() if rule.bad is not None]


def raised() -> Iterator[str]:
    """The rule ids of every `SpecError(..., "id")` and `.fail(..., "id")` of the package."""
    for path in sorted(FSM.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                last = node.args[-1] if name in ("SpecError", "fail") else None
                branches = [last.body, last.orelse] if isinstance(last, ast.IfExp) else [last]
                for said in branches:
                    if isinstance(said, ast.Constant) and re.fullmatch(r"[a-z]+(-[a-z]+)*", str(said.value)):
                        yield str(said.value)


def found(
    example: Example, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> set[str]:
    """The rules that an example breaks."""
    for path, text in example.documents().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    tool, *words = example.command.split()
    if tool == "play":
        try:
            play(Path(words[0]), Path())
        except SpecError as error:
            return {error.rule}
        return set()
    main(words)
    said = capsys.readouterr()
    return set(re.findall(r"\[([a-z]+(?:-[a-z]+)*)\]$", said.out + said.err, re.MULTILINE))


def test_every_rule_that_is_raised_is_explained() -> None:
    """And no rule is explained that nothing raises."""
    ids = set(raised()) | {"out-of-domain", "unused-operation", "unused-signal"}
    assert ids - set(rules()) == set()
    assert set(rules()) - ids == set()


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_the_bad_example_breaks_the_rule_and_the_good_one_none(
    rule: Rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bad one breaks exactly this rule, and those that the entry says it cannot help but break."""
    assert rule.good != rule.bad
    cases: list[tuple[str, Example | None, set[str]]] = [
        ("bad", rule.bad, {rule.id, *rule.also}),
        ("good", rule.good, set()),
    ]
    for folder, example, expected in cases:
        if example is not None:
            (tmp_path / folder).mkdir()
            assert found(example, tmp_path / folder, monkeypatch, capsys) == expected, folder


def test_what_has_no_example_is_listed_here() -> None:
    """Rules that no small folder of specs breaks, for they are about a node, a file system or a program."""
    without = {rule.id for rule in rules().values() if rule.bad is None}
    of_nodes = {"sibling-missing", "tell-nobody", "no-instance", "no-latency"}
    of_files = {"encoding", "unreadable", "unwritable", "specs-missing", "too-large", "fmt"}
    assert without == of_nodes | of_files | {"graphviz", "stub-name", "usage"}


def test_the_page_is_what_the_data_says() -> None:
    """The page in the package is the one of the data. To mend: run tools/pages."""
    assert PAGE == FSM / "pages" / "rules.md"
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_has_an_entry_for_each_rule_with_its_anchor() -> None:
    """A link to `rules.md#dead-row` leads somewhere; the list above links to each entry."""
    text = page()
    for rule in rules().values():
        assert text.count(f"\n### {rule.id}\n") == 1
        assert f"[{rule.id}](#{rule.id})" in text
        assert rule.what in text


def test_every_sentence_is_one() -> None:
    """What and why begin with a capital or code and end with a full stop."""
    for rule in rules().values():
        for said in (rule.what, rule.why):
            assert re.fullmatch(r"(?s)[A-Z`].*\.", said), rule.id


def test_explain_prints_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    """`fsm check --explain` prints sentence, reason and both examples, and checks nothing."""
    assert main(["check", "--explain", "timer-stays"]) == 0
    said = capsys.readouterr().out
    assert said == explain(rules()["timer-stays"])
    assert said.startswith("timer-stays: ")
    assert "bad: machines/door.yaml\n" in said
    assert '    - {from: open, after: "5s", if: else, to: same, ' in said


def test_a_rule_that_there_is_not_lists_those_that_are_near(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr, exit 2; the nearest first."""
    assert main(["check", "--explain", "dead-rows"]) == 2
    assert "there is no rule 'dead-rows'; did you mean dead-row, dead-hook" in capsys.readouterr().err
    assert near("unused")[0].startswith("unused-")
    assert near("qqqq") == []
    assert main(["check", "--explain", "qqqq"]) == 2
    assert "those that there are: asked-again, bad-arguments, " in capsys.readouterr().err
